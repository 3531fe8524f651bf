//! Which protections a client insists on.

use std::path::Path;

use super::{Protections, landlock};
use crate::{KeyMemory, Result, SecretKey};

/// There where the kernel filters system calls.
const SECCOMP: &str = "/proc/sys/kernel/seccomp/actions_avail";

/// The least that must be in force around an enclave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeastProtections {
    /// The filter of system calls.
    pub seccomp: bool,
    /// The version of Landlock's rules from which on they are accepted.
    pub landlock: Option<u32>,
    /// That no other process may attach or look into the memory.
    pub no_dump: bool,
    /// The memory keys must rest in, or better.
    pub keys: KeyMemory,
}

impl LeastProtections {
    /// All of them, Landlock from the first version that guards every access to files: what keeps files, network, programs
    /// and other processes of the user out, twice over where both the filter and Landlock deny.
    pub fn confined() -> Self {
        Self { seccomp: true, landlock: Some(3), no_dump: true, keys: KeyMemory::MemfdSecret }
    }

    /// Nothing.
    pub fn none() -> Self {
        Self { seccomp: false, landlock: None, no_dump: false, keys: KeyMemory::Ordinary }
    }

    /// Names of those that this machine's kernel does not offer to a process; empty if it offers all.
    ///
    /// # Errors
    /// If there is no memory for a key.
    pub fn missing_here(&self) -> Result<Vec<String>> {
        let offered = Protections {
            seccomp: Path::new(SECCOMP).exists(),
            landlock: landlock::offered(),
            no_dump: true,
        };
        Ok(self.missing(&offered, SecretKey::new([0; 32])?.memory()))
    }

    /// Names of those that are not in force where these are; empty if all are.
    pub(crate) fn missing(&self, protections: &Protections, keys: KeyMemory) -> Vec<String> {
        let mut missing = Vec::new();
        if self.seccomp && !protections.seccomp {
            missing.push("seccomp".to_owned());
        }
        if let Some(least) = self.landlock
            && protections.landlock.is_none_or(|version| version < least)
        {
            missing.push(format!("landlock from v{least}"));
        }
        if self.no_dump && !protections.no_dump {
            missing.push("no-dump".to_owned());
        }
        if keys < self.keys {
            missing.push(format!("keys in {}", self.keys));
        }
        missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_kernel_offers_is_missing_here() {
        let demanded = LeastProtections { landlock: Some(1_000), ..LeastProtections::none() };
        assert_eq!(demanded.missing_here().unwrap(), ["landlock from v1000"]);
        assert!(LeastProtections::none().missing_here().unwrap().is_empty());
    }
}
