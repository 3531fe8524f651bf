//! Memory that two processes share: a stream of bytes in each direction, without a system call for what passes.
//!
//! As the buffers that a host and its enclave share in hardware, it is under the control of both sides at any
//! time. What a side relies on, its own two positions, it keeps to itself; the peer's are checked; and bytes are
//! copied out before anything looks at them.

use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};

use memory::{LANE_BYTES, MEMORY_BYTES, Memory};

/// One end of the memory: for one reader and one writer at a time.
#[derive(Debug)]
pub(super) struct Ring {
    memory: Memory,
    /// Which lane this end writes; it reads the other.
    writes: usize,
    /// Bytes read and written since the start, by this end.
    read: AtomicU64,
    written: AtomicU64,
}

/// What the two ends say to each other about one direction, each in a cache line of its own.
#[derive(Debug, Default)]
#[repr(C)]
struct Marks {
    written: Padded<AtomicU64>,
    read: Padded<AtomicU64>,
    /// Whether the reader sleeps until a byte comes over the socket beside the memory.
    asleep: Padded<AtomicU32>,
}

#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Padded<T>(T);

impl Ring {
    /// New memory and its descriptor, for the peer. It can be neither shrunk nor grown, so that no access to
    /// it can fail.
    pub(super) fn create() -> io::Result<(Self, OwnedFd)> {
        let descriptor = memfd_create("veilbench-link", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&descriptor, MEMORY_BYTES as u64)?;
        fcntl_add_seals(&descriptor, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok((Self::new(descriptor.as_fd(), 0)?, descriptor))
    }

    /// The other end of memory that the peer has created, if it is such memory.
    pub(super) fn open(descriptor: &OwnedFd) -> io::Result<Self> {
        // Seals first: only memory has them.
        let sealed = fcntl_get_seals(descriptor)?.contains(SealFlags::SHRINK);
        if !sealed || fstat(descriptor)?.st_size != MEMORY_BYTES as i64 {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "what the peer shares is no memory of a link",
            ));
        }
        Self::new(descriptor.as_fd(), 1)
    }

    fn new(descriptor: BorrowedFd<'_>, writes: usize) -> io::Result<Self> {
        let memory = Memory::map(descriptor)?;
        Ok(Self { memory, writes, read: AtomicU64::new(0), written: AtomicU64::new(0) })
    }

    /// Takes what is there, up to the length of `buffer`; [`ErrorKind::WouldBlock`] if nothing is.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let here = self.readable()?;
        if here == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let taken = here.min(buffer.len());
        let from = self.read.load(Ordering::Relaxed);
        self.memory.copy_out(1 - self.writes, from, &mut buffer[..taken]);
        let position = from.wrapping_add(taken as u64);
        self.read.store(position, Ordering::Relaxed);
        self.memory.marks(1 - self.writes).read.0.store(position, Ordering::Release);
        Ok(taken)
    }

    /// Puts down as much as there is room for. Whether the peer sleeps and is to be woken stands beside the number
    /// of bytes.
    pub(super) fn write(&self, slices: &[IoSlice<'_>]) -> io::Result<(usize, bool)> {
        let mut room = self.writable()?;
        let start = self.written.load(Ordering::Relaxed);
        let mut position = start;
        for slice in slices {
            let part = &slice[..slice.len().min(room)];
            self.memory.copy_in(self.writes, position, part);
            position = position.wrapping_add(part.len() as u64);
            room -= part.len();
        }
        let bytes = position.wrapping_sub(start) as usize;
        if bytes == 0 {
            return if slices.iter().all(|slice| slice.is_empty()) {
                Ok((0, false))
            } else {
                Err(ErrorKind::WouldBlock.into())
            };
        }
        self.written.store(position, Ordering::Relaxed);
        let marks = self.memory.marks(self.writes);
        marks.written.0.store(position, Ordering::Release);
        // Either this end sees that the reader sleeps, or the reader sees the bytes before it does.
        fence(Ordering::SeqCst);
        let asleep =
            marks.asleep.0.load(Ordering::Relaxed) != 0 && marks.asleep.0.swap(0, Ordering::Relaxed) != 0;
        Ok((bytes, asleep))
    }

    /// Asks the peer to wake this end when it writes; `false`, and nothing is asked, if something is there already.
    pub(super) fn may_sleep(&self) -> io::Result<bool> {
        let asleep = &self.memory.marks(1 - self.writes).asleep.0;
        asleep.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let empty = self.readable()? == 0;
        if !empty {
            asleep.store(0, Ordering::Relaxed);
        }
        Ok(empty)
    }

    /// Bytes that can be read at once.
    pub(super) fn readable(&self) -> io::Result<usize> {
        let written = self.memory.marks(1 - self.writes).written.0.load(Ordering::Acquire);
        between(self.read.load(Ordering::Relaxed), written)
    }

    /// Bytes that can be written at once.
    pub(super) fn writable(&self) -> io::Result<usize> {
        let read = self.memory.marks(self.writes).read.0.load(Ordering::Acquire);
        Ok(LANE_BYTES - between(read, self.written.load(Ordering::Relaxed))?)
    }
}

/// Bytes written and not yet read. One of the positions is the peer's.
fn between(read: u64, written: u64) -> io::Result<usize> {
    match usize::try_from(written.wrapping_sub(read)) {
        Ok(bytes) if bytes <= LANE_BYTES => Ok(bytes),
        _ => Err(io::Error::new(
            ErrorKind::InvalidData,
            "the peer's positions in shared memory contradict ours",
        )),
    }
}

#[expect(unsafe_code, reason = "memory that another process maps too is reached by address")]
mod memory {
    use std::ffi::c_void;
    use std::io;
    use std::os::fd::BorrowedFd;
    use std::ptr::NonNull;

    use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

    use super::Marks;

    /// Bytes of one direction: a few records of a request. A power of two.
    pub(super) const LANE_BYTES: usize = 512 << 10;

    /// A page before each lane holds its marks.
    const MARKS_BYTES: usize = 4096;

    pub(super) const MEMORY_BYTES: usize = 2 * (MARKS_BYTES + LANE_BYTES);

    const _: () = assert!(LANE_BYTES.is_power_of_two() && size_of::<Marks>() <= MARKS_BYTES);

    /// Two lanes, mapped.
    #[derive(Debug)]
    pub(super) struct Memory(NonNull<u8>);

    // SAFETY: the mapping is owned by this value; marks are atomic, and lanes are reached by copying alone.
    unsafe impl Send for Memory {}
    // SAFETY: as above.
    unsafe impl Sync for Memory {}

    impl Memory {
        /// Maps memory of [`MEMORY_BYTES`] that cannot shrink.
        pub(super) fn map(descriptor: BorrowedFd<'_>) -> io::Result<Self> {
            let access = ProtFlags::READ | ProtFlags::WRITE;
            let flags = MapFlags::SHARED | MapFlags::POPULATE;
            // SAFETY: a fresh mapping at an address the kernel chooses.
            let address = unsafe { mmap(std::ptr::null_mut(), MEMORY_BYTES, access, flags, descriptor, 0)? };
            NonNull::new(address.cast()).map(Self).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
        }

        pub(super) fn marks(&self, lane: usize) -> &Marks {
            let offset = lane_start(lane);
            // SAFETY: the page before a lane is mapped as long as `self` lives, aligned, and holds atomics alone, for
            // which any bytes are valid.
            unsafe { self.0.add(offset).cast().as_ref() }
        }

        /// Copies what stands at a position of a lane. The lane goes round.
        pub(super) fn copy_out(&self, lane: usize, position: u64, buffer: &mut [u8]) {
            let (start, first) = cut(position, buffer.len());
            let (head, tail) = buffer.split_at_mut(first);
            let lane = lane_start(lane) + MARKS_BYTES;
            // SAFETY: `cut` keeps both parts inside the lane, which is mapped, and the buffer is not part of it. A peer
            // that keeps to its positions does not write there; what another one writes meanwhile comes out as
            // whatever bytes.
            unsafe {
                self.0.add(lane + start).copy_to_nonoverlapping(NonNull::from(&mut *head).cast(), head.len());
                self.0.add(lane).copy_to_nonoverlapping(NonNull::from(&mut *tail).cast(), tail.len());
            }
        }

        /// Puts bytes at a position of a lane. The lane goes round.
        pub(super) fn copy_in(&self, lane: usize, position: u64, bytes: &[u8]) {
            let (start, first) = cut(position, bytes.len());
            let (head, tail) = bytes.split_at(first);
            let lane = lane_start(lane) + MARKS_BYTES;
            // SAFETY: as for `copy_out`.
            unsafe {
                self.0.add(lane + start).copy_from_nonoverlapping(NonNull::from(head).cast(), head.len());
                self.0.add(lane).copy_from_nonoverlapping(NonNull::from(tail).cast(), tail.len());
            }
        }
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            // SAFETY: exactly what was mapped, to which no reference is left.
            let _mapped = unsafe { munmap(self.0.as_ptr().cast::<c_void>(), MEMORY_BYTES) };
        }
    }

    fn lane_start(lane: usize) -> usize {
        assert!(lane < 2, "there are two lanes");
        lane * (MARKS_BYTES + LANE_BYTES)
    }

    /// Where this many bytes begin in a lane, and how many of them stand before its end.
    fn cut(position: u64, bytes: usize) -> (usize, usize) {
        assert!(bytes <= LANE_BYTES, "no more than a lane is copied");
        let start = position as usize % LANE_BYTES;
        (start, bytes.min(LANE_BYTES - start))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn ends() -> (Ring, Ring, std::fs::File) {
        let (near, descriptor) = Ring::create().unwrap();
        let far = Ring::open(&descriptor).unwrap();
        (near, far, descriptor.into())
    }

    fn take(ring: &Ring, most: usize) -> Vec<u8> {
        let mut buffer = vec![0; most];
        let bytes = ring.read(&mut buffer).unwrap();
        buffer.truncate(bytes);
        buffer
    }

    #[test]
    fn bytes_go_round_in_both_directions() {
        let (near, far, _) = ends();
        let (mut sent, mut got) = (0_u64, 0_u64);
        for round in 0..2000_usize {
            let bytes: Vec<u8> = (0..round * 3).map(|i| (sent as usize + i) as u8).collect();
            let (one, other) = bytes.split_at(round);
            let (from, to) = if round < 1000 { (&near, &far) } else { (&far, &near) };
            if round == 1000 {
                (sent, got) = (0, 0);
                continue;
            }
            let (written, _) = from.write(&[IoSlice::new(one), IoSlice::new(other)]).unwrap();
            assert_eq!(written, bytes.len());
            sent += written as u64;
            while got < sent {
                let part = take(to, 1777);
                assert!(part.iter().enumerate().all(|(i, &byte)| byte == (got as usize + i) as u8));
                got += part.len() as u64;
            }
        }
        assert_eq!(near.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn a_full_lane_takes_no_more_until_it_is_read() {
        let (near, far, _) = ends();
        let bytes = vec![7; LANE_BYTES + 5];
        assert_eq!(near.write(&[IoSlice::new(&bytes)]).unwrap().0, LANE_BYTES);
        assert_eq!(near.writable().unwrap(), 0);
        assert_eq!(near.write(&[IoSlice::new(&bytes)]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(take(&far, 3), [7; 3]);
        assert_eq!(near.write(&[IoSlice::new(&[1, 2, 3, 4])]).unwrap().0, 3);
        assert_eq!(take(&far, LANE_BYTES)[LANE_BYTES - 3..], [1, 2, 3]);
    }

    #[test]
    fn a_sleeper_is_woken_once() {
        let (near, far, _) = ends();
        let write = || near.write(&[IoSlice::new(&[1])]).unwrap().1;
        assert!(!write());
        assert!(!far.may_sleep().unwrap());
        take(&far, 1);
        assert!(far.may_sleep().unwrap());
        assert!(write());
        assert!(!write());
    }

    /// The marks of lane 1, which `near` reads, stand behind lane 0.
    #[test]
    fn positions_that_contradict_ours_are_an_error() {
        let lane = (MEMORY_BYTES / 2) as u64;
        for lie in [u64::MAX, LANE_BYTES as u64 + 1, 1 << 40] {
            let (near, _far, file) = ends();
            file.write_at(&lie.to_ne_bytes(), lane).unwrap();
            assert_eq!(near.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::InvalidData);
            assert_eq!(near.may_sleep().unwrap_err().kind(), ErrorKind::InvalidData);
            // Read further than was ever written.
            file.write_at(&lie.wrapping_neg().to_ne_bytes(), 64).unwrap();
            assert_eq!(near.write(&[IoSlice::new(&[0; 9])]).unwrap_err().kind(), ErrorKind::InvalidData);
        }
    }

    /// Whatever a peer writes over the marks and the lanes while this end works: bytes or an error, no more than asked
    /// for, and what was put down never counts as more than there was.
    #[test]
    fn scribbling_gives_bytes_or_errors() {
        let (near, _far, file) = ends();
        let stop = AtomicU32::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut state = 1_u64;
                while stop.load(Ordering::Relaxed) == 0 {
                    state =
                        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let lane = (state >> 8 & 1) * MEMORY_BYTES as u64 / 2;
                    let lie = if state >> 9 & 1 == 0 { state >> 43 } else { state };
                    file.write_at(&lie.to_ne_bytes(), lane + (state >> 10 & 3) * 64).unwrap();
                }
            });
            let (mut fine, mut refused, mut buffer) = (0, 0, vec![0; 10_000]);
            while fine < 200 || refused < 200 {
                let results = [
                    near.read(&mut buffer),
                    near.write(&[IoSlice::new(&[5; 3000])]).map(|(bytes, _)| bytes),
                    near.may_sleep().map(usize::from),
                ];
                for result in results {
                    match result {
                        Ok(bytes) if bytes <= buffer.len() => fine += 1,
                        Ok(bytes) => panic!("{bytes} bytes"),
                        Err(_) => refused += 1,
                    }
                }
            }
            stop.store(1, Ordering::Relaxed);
        });
    }

    #[test]
    fn memory_that_can_shrink_or_has_another_size_is_refused() {
        let plain = memfd_create("plain", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&plain, MEMORY_BYTES as u64).unwrap();
        assert_eq!(Ring::open(&plain).unwrap_err().kind(), ErrorKind::InvalidData);
        ftruncate(&plain, 4096).unwrap();
        fcntl_add_seals(&plain, SealFlags::SHRINK).unwrap();
        assert_eq!(Ring::open(&plain).unwrap_err().kind(), ErrorKind::InvalidData);
        let (_, _, file) = ends();
        assert!(file.set_len(0).is_err());
    }
}
