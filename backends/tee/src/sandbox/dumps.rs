//! No core dumps, and no debugger of the same user.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

pub(super) fn forbid() -> bool {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none).is_ok();
    limited && set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
}
