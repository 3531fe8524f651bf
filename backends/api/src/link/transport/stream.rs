//! What links run over: TCP between parties, with TLS or without; memory that a role and the one role it is attached to
//! share, with a local socket beside it.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as LocalAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recv, recvmsg, send, sendmsg,
};

use super::ring::Ring;
use super::tls::Secured;

/// How soon a sender looks again whether shared memory has room: nobody tells it.
const ROOM_AGAIN: Duration = Duration::from_micros(100);

/// A blocking write waits so long for a peer that takes nothing.
const WRITE_PATIENCE: Duration = Duration::from_secs(600);

/// A connected stream.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<Secured>),
    Local(Shared),
}

/// Shared memory carries the bytes. The socket carries its descriptor, those by which the caller can be measured, a byte
/// to wake a reader that sleeps, and the news that the peer has ended.
#[derive(Debug)]
pub(crate) struct Shared {
    socket: UnixStream,
    ring: Ring,
    /// How long a read or a blocking write may take, in nanoseconds.
    patience_ns: AtomicU64,
    /// What a caller showed of its process.
    shown: Option<[OwnedFd; 3]>,
}

impl Stream {
    /// Calls a party where it listens.
    pub(crate) fn call(address: SocketAddr, local: bool, timeout: Duration) -> io::Result<Self> {
        if local {
            let socket = UnixStream::connect_addr(&local_name(address)?)?;
            return Shared::offer(socket, timeout).map(Stream::Local);
        }
        TcpStream::connect_timeout(&address, timeout).map(Stream::Tcp)
    }

    /// Takes a local call, whose caller has so long to share its memory.
    pub(crate) fn answer(socket: UnixStream, patience: Duration) -> io::Result<Self> {
        Shared::accept(socket, patience).map(Stream::Local)
    }

    /// Blocking, without delay, and with a limit to how long a read may take.
    pub(crate) fn prepare(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => prepare(stream, timeout),
            Stream::Tls(secured) => prepare(secured.socket(), timeout),
            Stream::Local(shared) => {
                shared.patience_ns.store(nanoseconds(timeout), Ordering::Relaxed);
                shared.socket.set_nonblocking(false)
            }
        }
    }

    pub(crate) fn shutdown(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Stream::Tls(secured) => secured.socket().shutdown(Shutdown::Both),
            Stream::Local(Shared { socket, .. }) => socket.shutdown(Shutdown::Both),
        }
    }

    /// The process at the other end of a local socket, as the kernel noted when it was connected.
    pub(crate) fn peer_process(&self) -> Option<u32> {
        let Stream::Local(Shared { socket, .. }) = self else { return None };
        let credentials = rustix::net::sockopt::socket_peercred(socket).ok()?;
        u32::try_from(credentials.pid.as_raw_nonzero().get()).ok()
    }

    /// What the caller at the other end showed of its process, once.
    pub(crate) fn take_shown(&mut self) -> Option<[OwnedFd; 3]> {
        let Stream::Local(Shared { shown, .. }) = self else { return None };
        shown.take()
    }

    /// Bytes that have come, 0 at the end. Without `wait`, [`ErrorKind::WouldBlock`] if there are none; with it,
    /// if there are none for the time that [`prepare`](Stream::prepare) was given.
    pub(crate) fn receive(&self, buffer: &mut [u8], wait: bool) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => {
                let flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
                Ok(recv(stream, buffer, flags)?.0)
            }
            Stream::Tls(secured) => secured.receive(buffer, wait),
            Stream::Local(shared) => shared.receive(buffer, wait),
        }
    }

    /// Sends what fits; [`ErrorKind::WouldBlock`] if nothing does. The last of it may wait for [`flush`](Self::flush).
    pub(crate) fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                Ok(sendmsg(stream, slices, &mut SendAncillaryBuffer::default(), flags)?)
            }
            Stream::Tls(secured) => secured.send(slices),
            Stream::Local(shared) => shared.send(slices),
        }
    }

    /// Sends what was taken and waits; [`ErrorKind::WouldBlock`] if not all of it could be sent.
    pub(crate) fn flush(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(_) | Stream::Local(_) => Ok(()),
            Stream::Tls(secured) => secured.flush(),
        }
    }

    /// Waits until something can be sent or, if `data` is asked for, received, and says whether that is so of the
    /// latter. [`ErrorKind::TimedOut`] after `timeout`.
    pub(crate) fn wait(&self, data: bool, timeout: Duration) -> io::Result<bool> {
        match self {
            Stream::Tcp(stream) => {
                let mut interest = PollFlags::OUT;
                interest.set(PollFlags::IN, data);
                let ready = poll_one(stream, interest, timeout)?;
                if ready.is_empty() {
                    Err(ErrorKind::TimedOut.into())
                } else {
                    Ok(ready.contains(PollFlags::IN))
                }
            }
            Stream::Tls(secured) => secured.wait(data, timeout),
            Stream::Local(shared) => shared.wait(data, timeout),
        }
    }
}

fn prepare(socket: &TcpStream, timeout: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(timeout))
}

/// Opens one of the files of `/proc` by which another party can measure this process.
fn shown(name: &str) -> io::Result<File> {
    let path = format!("/proc/self/{name}");
    File::open(&path).map_err(|error| io::Error::new(error.kind(), format!("opening {path}: {error}")))
}

impl Shared {
    fn offer(socket: UnixStream, patience: Duration) -> io::Result<Self> {
        let (ring, descriptor) = Ring::create()?;
        let [mappings, program, mounts] = [shown("smaps")?, shown("exe")?, shown("ns/mnt")?];
        let descriptors = [descriptor.as_fd(), mappings.as_fd(), program.as_fd(), mounts.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        rights.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(&socket, &[IoSlice::new(&[0])], &mut rights, SendFlags::NOSIGNAL)?;
        Ok(Self { socket, ring, patience_ns: AtomicU64::new(nanoseconds(patience)), shown: None })
    }

    fn accept(socket: UnixStream, patience: Duration) -> io::Result<Self> {
        socket.set_read_timeout(Some(patience))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        retry_on_intr(|| {
            recvmsg(&socket, &mut [IoSliceMut::new(&mut [0])], &mut rights, RecvFlags::CMSG_CLOEXEC)
        })?;
        let descriptors: Vec<OwnedFd> = rights
            .drain()
            .filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
                _ => None,
            })
            .flatten()
            .collect();
        let Ok([memory, mappings, program, mounts]) = <[OwnedFd; 4]>::try_from(descriptors) else {
            return Err(io::Error::new(ErrorKind::InvalidData, "the caller shares no memory"));
        };
        let patience_ns = AtomicU64::new(nanoseconds(patience));
        let shown = Some([mappings, program, mounts]);
        Ok(Self { ring: Ring::open(&memory)?, socket, patience_ns, shown })
    }

    fn receive(&self, buffer: &mut [u8], wait: bool) -> io::Result<usize> {
        let first = self.ring.read(buffer);
        if !(wait && would_block(&first)) {
            return first;
        }
        // Wake-up calls without bytes must not prolong the wait.
        let deadline = self.deadline();
        loop {
            if self.ring.may_sleep()? && self.called(deadline)? == Call::End {
                // What the peer wrote before it ended still counts.
                let last = self.ring.read(buffer);
                return if would_block(&last) { Ok(0) } else { last };
            }
            let result = self.ring.read(buffer);
            if !would_block(&result) || Instant::now() >= deadline {
                return result;
            }
        }
    }

    /// Waits for the peer to call, or to end, or for the time to pass.
    fn called(&self, deadline: Instant) -> io::Result<Call> {
        let left = deadline.saturating_duration_since(Instant::now());
        if poll_one(&self.socket, PollFlags::IN, left)?.is_empty() {
            return Ok(Call::None);
        }
        match recv(&self.socket, &mut [0; 64], RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => Ok(Call::End),
            Ok(_) | Err(Errno::AGAIN) => Ok(Call::Wake),
            Err(error) => Err(error.into()),
        }
    }

    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_nanos(self.patience_ns.load(Ordering::Relaxed))
    }

    fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let (bytes, asleep) = self.ring.write(slices)?;
        if asleep {
            match retry_on_intr(|| send(&self.socket, &[0], SendFlags::DONTWAIT | SendFlags::NOSIGNAL)) {
                // So many wake-up calls are on their way that one more makes no difference.
                Ok(_) | Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(bytes)
    }

    fn wait(&self, data: bool, timeout: Duration) -> io::Result<bool> {
        let deadline = Instant::now() + timeout;
        loop {
            let here = data && self.ring.readable()? > 0;
            if here || self.ring.writable()? > 0 {
                return Ok(here);
            }
            if !poll_one(&self.socket, PollFlags::empty(), ROOM_AGAIN)?.is_empty() {
                return Err(ErrorKind::ConnectionReset.into());
            }
            if Instant::now() >= deadline {
                return Err(ErrorKind::TimedOut.into());
            }
        }
    }
}

/// What ended a wait for the peer.
#[derive(PartialEq, Eq)]
enum Call {
    Wake,
    End,
    None,
}

fn would_block(result: &io::Result<usize>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

/// As a number, of up to ten years.
fn nanoseconds(time: Duration) -> u64 {
    const TEN_YEARS: u64 = 315_360_000_000_000_000;
    u64::try_from(time.as_nanos()).map_or(TEN_YEARS, |time| time.min(TEN_YEARS))
}

/// What of `interest`, an error and the end apart, is so before the time is up.
pub(crate) fn poll_one(socket: impl AsFd, interest: PollFlags, timeout: Duration) -> io::Result<PollFlags> {
    let timeout = Timespec { tv_sec: timeout.as_secs() as i64, tv_nsec: i64::from(timeout.subsec_nanos()) };
    let mut sockets = [PollFd::new(&socket, interest)];
    poll(&mut sockets, Some(&timeout))?;
    Ok(sockets[0].revents())
}

/// Listens for local callers of the party that listens on TCP at `address`.
pub(crate) fn listen_locally(address: SocketAddr) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&local_name(address)?)
}

/// A name beside the file system; the port makes it unique.
fn local_name(address: SocketAddr) -> io::Result<LocalAddr> {
    LocalAddr::from_abstract_name(format!("veilbench-{}", address.port()))
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.receive(buffer, true)
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).write(bytes),
            Stream::Tls(secured) => secured.write_all(bytes, WRITE_PATIENCE).map(|()| bytes.len()),
            Stream::Local(shared) => loop {
                match shared.send(&[IoSlice::new(bytes)]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        shared
                            .wait(false, Duration::from_nanos(shared.patience_ns.load(Ordering::Relaxed)))?;
                    }
                    result => return result,
                }
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn ends() -> (Stream, Stream) {
        let (near, far) = UnixStream::pair().unwrap();
        let near = Stream::Local(Shared::offer(near, Duration::from_secs(5)).unwrap());
        let far = Stream::answer(far, Duration::from_secs(5)).unwrap();
        (near, far)
    }

    #[test]
    fn megabytes_pass_both_ways_at_once_and_readers_are_woken() {
        let (near, far) = ends();
        let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let pump = |stream: &Stream, slow: bool| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    for (index, part) in bytes.chunks(70_001).enumerate() {
                        if slow && index % 7 == 0 {
                            thread::sleep(Duration::from_millis(2));
                        }
                        (&*stream).write_all(part).unwrap();
                    }
                });
                let mut got = vec![0; bytes.len()];
                (&*stream).read_exact(&mut got).unwrap();
                assert!(got == bytes);
            });
        };
        thread::scope(|scope| {
            scope.spawn(|| pump(&far, true));
            pump(&near, false);
        });
    }

    #[test]
    fn what_was_written_before_the_end_is_read_and_then_the_end() {
        let (near, far) = ends();
        assert_eq!(near.send(&[IoSlice::new(b"last words")]).unwrap(), 10);
        drop(near);
        let mut buffer = [0; 16];
        assert_eq!(far.receive(&mut buffer, true).unwrap(), 10);
        assert_eq!(far.receive(&mut buffer, true).unwrap(), 0);
    }

    #[test]
    fn a_sender_without_room_learns_of_the_end_and_of_the_time() {
        let (near, far) = ends();
        while near.send(&[IoSlice::new(&[0; 1 << 16])]).is_ok() {}
        let error = near.wait(true, Duration::from_millis(5)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(far);
        let error = near.wait(true, Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }

    #[test]
    fn a_reader_waits_no_longer_than_it_may() {
        let (near, _far) = ends();
        near.prepare(Duration::from_millis(5)).unwrap();
        assert_eq!(near.receive(&mut [0; 4], true).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(near.receive(&mut [0; 4], false).unwrap_err().kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn wake_up_calls_without_bytes_do_not_prolong_a_wait() {
        let (near, far) = ends();
        near.prepare(Duration::from_millis(50)).unwrap();
        let Stream::Local(Shared { socket, .. }) = &far else { unreachable!() };
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                while start.elapsed() < Duration::from_secs(2) && (&*socket).write_all(&[0]).is_ok() {
                    thread::sleep(Duration::from_millis(1));
                }
            });
            assert_eq!(near.receive(&mut [0; 4], true).unwrap_err().kind(), ErrorKind::WouldBlock);
            assert!(start.elapsed() < Duration::from_secs(1));
            near.shutdown().unwrap();
        });
    }

    #[test]
    fn a_caller_that_shares_no_memory_is_turned_away() {
        let (near, far) = UnixStream::pair().unwrap();
        (&near).write_all(&[0]).unwrap();
        let error = Stream::answer(far, Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let (_silent, far) = UnixStream::pair().unwrap();
        assert!(Stream::answer(far, Duration::from_millis(5)).is_err());
    }
}
