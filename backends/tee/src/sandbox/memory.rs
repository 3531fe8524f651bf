//! Memory that is not swapped out and not dumped.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, capabilities};

/// Locks what is mapped and what will be, as it is touched. Where the amount is limited this is left
/// alone: once the limit is reached, allocations would fail.
pub(super) fn lock_all() -> bool {
    let unlimited = getrlimit(Resource::Memlock).current.is_none();
    let entitled = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    (unlimited || entitled) && mlockall(flags).is_ok()
}

pub(super) fn forbid_dumps() -> bool {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none).is_ok();
    limited && set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}
