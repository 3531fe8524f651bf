//! No core dumps, and no debugger of the same user.

use std::io;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior, setrlimit,
};

/// Turns them off for this process and those it starts.
pub(super) fn forbid() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Whether they are off.
pub(super) fn are_forbidden() -> bool {
    let limited = getrlimit(Resource::Core).maximum == Some(0);
    limited && dumpable_behavior().is_ok_and(|behavior| behavior == DumpableBehavior::NotDumpable)
}
