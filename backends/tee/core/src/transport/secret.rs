//! Keys in memory the kernel itself cannot read (`memfd_secret`), or at least never swaps out
//! (`mlock`), wiped when they are dropped.

use std::fmt;

use zeroize::Zeroize;

use crate::{Error, Result};

/// Where keys rest, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyMemory {
    /// Ordinary memory: the kernel refused both of the others.
    Ordinary,
    /// Never swapped out.
    Locked,
    /// Unmapped from the kernel's own address space.
    MemfdSecret,
}

impl KeyMemory {
    pub(crate) const ALL: [Self; 3] = [Self::Ordinary, Self::Locked, Self::MemfdSecret];
}

impl fmt::Display for KeyMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyMemory::MemfdSecret => "memfd-secret",
            KeyMemory::Locked => "mlock",
            KeyMemory::Ordinary => "none",
        })
    }
}

/// A key of 32 bytes on a page of its own.
pub struct SecretKey {
    page: Page,
    memory: KeyMemory,
}

impl SecretKey {
    /// Moves a key to the best memory there is; the argument is wiped.
    ///
    /// # Errors
    /// [`Error::System`] if there is no memory at all.
    pub fn new(mut key: [u8; 32]) -> Result<Self> {
        let (mut page, memory) = Page::best()?;
        page.bytes_mut().copy_from_slice(&key);
        key.zeroize();
        Ok(Self { page, memory })
    }

    /// The key.
    pub fn expose(&self) -> &[u8; 32] {
        self.page.bytes()
    }

    /// Where it rests.
    pub fn memory(&self) -> KeyMemory {
        self.memory
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

use page::Page;

#[expect(unsafe_code, reason = "memfd_secret and mlock take and give addresses")]
mod page {
    use std::io;
    use std::os::fd::{AsFd, FromRawFd, OwnedFd};
    use std::ptr::NonNull;

    use rustix::mm::{MapFlags, ProtFlags, mlock, mmap, mmap_anonymous, munmap};
    use zeroize::Zeroize;

    use super::{Error, KeyMemory, Result};

    const PAGE_BYTES: usize = 4096;

    /// One mapped page; its first 32 bytes hold a key.
    pub(crate) struct Page(NonNull<[u8; 32]>);

    // SAFETY: the page is owned by this value alone and holds plain bytes.
    unsafe impl Send for Page {}
    // SAFETY: a shared reference gives no way to change the bytes.
    unsafe impl Sync for Page {}

    impl Page {
        pub(crate) fn best() -> Result<(Self, KeyMemory)> {
            if let Ok(page) = Self::secret() {
                return Ok((page, KeyMemory::MemfdSecret));
            }
            let page = Self::anonymous()
                .map_err(|source| Error::System { doing: "mapping a page for a key", source })?;
            // SAFETY: the range is the page just mapped.
            let locked = unsafe { mlock(page.0.as_ptr().cast(), PAGE_BYTES) };
            Ok((page, if locked.is_ok() { KeyMemory::Locked } else { KeyMemory::Ordinary }))
        }

        fn secret() -> io::Result<Self> {
            // SAFETY: the call takes flags alone and gives a descriptor or an error.
            let descriptor = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
            let descriptor = i32::try_from(descriptor).map_err(io::Error::other)?;
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            // SAFETY: the kernel just gave this descriptor to us, and nobody else has it.
            let file = unsafe { OwnedFd::from_raw_fd(descriptor) };
            Self::shared(&file)
        }

        /// The first page of an empty file.
        pub(crate) fn shared(file: &OwnedFd) -> io::Result<Self> {
            rustix::fs::ftruncate(file.as_fd(), PAGE_BYTES as u64)?;
            // SAFETY: a fresh mapping at an address the kernel chooses; shared is what this kind of file requires.
            let address = unsafe {
                let access = ProtFlags::READ | ProtFlags::WRITE;
                mmap(std::ptr::null_mut(), PAGE_BYTES, access, MapFlags::SHARED, file.as_fd(), 0)?
            };
            Self::at(address)
        }

        pub(crate) fn anonymous() -> io::Result<Self> {
            // SAFETY: a fresh mapping at an address the kernel chooses.
            let address = unsafe {
                let access = ProtFlags::READ | ProtFlags::WRITE;
                mmap_anonymous(std::ptr::null_mut(), PAGE_BYTES, access, MapFlags::PRIVATE)?
            };
            Self::at(address)
        }

        fn at(address: *mut std::ffi::c_void) -> io::Result<Self> {
            NonNull::new(address.cast()).map(Self).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
        }

        pub(crate) fn bytes(&self) -> &[u8; 32] {
            // SAFETY: the page is mapped, readable and ours for as long as this value lives; any bytes are valid.
            unsafe { self.0.as_ref() }
        }

        pub(crate) fn bytes_mut(&mut self) -> &mut [u8; 32] {
            // SAFETY: as for `bytes`, and the exclusive borrow rules out others.
            unsafe { self.0.as_mut() }
        }
    }

    impl Drop for Page {
        fn drop(&mut self) {
            self.bytes_mut().zeroize();
            // SAFETY: exactly the page mapped by the constructor, to which no reference is left.
            let _mapped = unsafe { munmap(self.0.as_ptr().cast(), PAGE_BYTES) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_and_hidden_from_debug() {
        let key = SecretKey::new([7; 32]).unwrap();
        assert_eq!(key.expose(), &[7; 32]);
        assert_eq!(format!("{key:?}"), "SecretKey(..)");
    }

    #[test]
    fn a_key_rests_where_it_is_said_to() {
        let key = SecretKey::new([7; 32]).unwrap();
        let address = format!("{:x}-", key.expose().as_ptr().addr());
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mapping = maps.lines().find(|line| line.trim_start_matches('0').starts_with(&address)).unwrap();
        assert_eq!(mapping.contains("/secretmem"), key.memory() == KeyMemory::MemfdSecret, "{mapping}");
    }

    #[test]
    fn a_key_is_wiped_before_its_page_is_given_back() {
        let file = rustix::fs::memfd_create("key", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let mut page = Page::shared(&file).unwrap();
        page.bytes_mut().copy_from_slice(&[7; 32]);
        let rest = || {
            let mut bytes = [0xFF; 32];
            rustix::io::pread(&file, &mut bytes, 0).unwrap();
            bytes
        };
        assert_eq!(rest(), [7; 32]);
        drop(page);
        assert_eq!(rest(), [0; 32]);
    }

    #[test]
    fn ordinary_pages_hold_a_key_as_secret_ones_do() {
        let mut page = Page::anonymous().unwrap();
        page.bytes_mut().copy_from_slice(&[9; 32]);
        assert_eq!(page.bytes(), &[9; 32]);
    }
}
