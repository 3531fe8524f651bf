//! The enclave's process restricts itself: no files, no network, no new programs, no core dumps. Each
//! protection is taken where the kernel grants it, and the report says which were.

mod apart;
mod dumps;
mod landlock;
mod least;
mod seccomp;

pub use apart::continue_apart;
pub use least::LeastProtections;

use std::fmt;

use crate::KeyMemory;

/// What was in force in the enclave's process when it reported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protections {
    /// System calls beyond computing and talking on open sockets fail.
    pub seccomp: bool,
    /// Version of the Landlock rules that deny files, TCP, signals and abstract sockets; on every thread.
    pub landlock: Option<u32>,
    /// No core dumps, and no other process of the user may attach or look into the memory, nor ever could.
    pub no_dump: bool,
}

impl Protections {
    /// None, as in a thread of somebody else's process.
    pub fn none() -> Self {
        Self::default()
    }

    /// Restricts this process as far as the kernel allows: the calling thread and all threads of
    /// the ambient rayon pool. There is no way back. Call it in a process that does nothing else, and that began with
    /// [`continue_apart`]: without it dumps are turned off too late to count.
    pub fn enforce() -> Self {
        // Last comes what would forbid the others.
        let no_dump = dumps::forbid().is_ok() && dumps::are_forbidden() && apart::is_apart();
        let landlock = landlock::enforce();
        let seccomp = seccomp::enforce();
        Self { seccomp, landlock, no_dump }
    }

    /// The report: one line, with where keys rest.
    pub fn describe(&self, keys: KeyMemory) -> String {
        format!("{self} keys={keys}")
    }

    /// What a [report](Self::describe) says, `None` if it is none.
    pub(crate) fn read(report: &str) -> Option<(Self, KeyMemory)> {
        let mut words = report.split(' ');
        let mut value = |name: &str| words.next()?.strip_prefix(name)?.strip_prefix('=');
        let flag = |word| match word {
            "yes" => Some(true),
            "no" => Some(false),
            _ => None,
        };
        let seccomp = flag(value("seccomp")?)?;
        let landlock = match value("landlock")? {
            "no" => None,
            version => Some(version.strip_prefix('v')?.parse().ok()?),
        };
        let no_dump = flag(value("no-dump")?)?;
        let keys = value("keys")?;
        let keys = KeyMemory::ALL.into_iter().find(|memory| memory.to_string() == keys)?;
        words.next().is_none().then_some((Self { seccomp, landlock, no_dump }, keys))
    }
}

impl fmt::Display for Protections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |on| if on { "yes" } else { "no" };
        write!(f, "seccomp={} landlock=", word(self.seccomp))?;
        match self.landlock {
            Some(version) => write!(f, "v{version}")?,
            None => f.write_str("no")?,
        }
        write!(f, " no-dump={}", word(self.no_dump))
    }
}
