//! Landlock: a rule set that allows nothing.

use std::sync::atomic::{AtomicUsize, Ordering};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetCreated,
    RulesetError, RulesetStatus, Scope,
};

/// Versions this knows, best first, with the first kernel of each: files and devices, TCP, scopes.
const VERSIONS: [(u32, ABI); 4] = [(6, ABI::V6), (5, ABI::V5), (4, ABI::V4), (3, ABI::V3)];

/// The version in force on every thread of the process, if one is.
pub(super) fn enforce() -> Option<u32> {
    // Starts the pool if nothing has, so that its threads are counted.
    rayon::broadcast(|_| ());
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count).ok()?;
    VERSIONS.into_iter().find_map(|(number, abi)| {
        let restricted = AtomicUsize::new(0);
        let restrict = || {
            if restrict_thread(abi) {
                restricted.fetch_add(1, Ordering::Relaxed);
            }
        };
        if restrict_thread(abi) {
            restricted.fetch_add(1, Ordering::Relaxed);
            rayon::broadcast(|_| restrict());
        }
        (restricted.load(Ordering::Relaxed) == threads).then_some(number)
    })
}

fn restrict_thread(abi: ABI) -> bool {
    let restrict = || rules(abi)?.restrict_self();
    restrict().is_ok_and(|status| status.ruleset == RulesetStatus::FullyEnforced)
}

/// The version the kernel offers, if it does.
pub(super) fn offered() -> Option<u32> {
    VERSIONS.into_iter().find_map(|(number, abi)| rules(abi).is_ok().then_some(number))
}

fn rules(abi: ABI) -> Result<RulesetCreated, RulesetError> {
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(abi))?;
    if abi >= ABI::V4 {
        rules = rules.handle_access(AccessNet::from_all(abi))?;
    }
    if abi >= ABI::V6 {
        rules = rules.scope(Scope::from_all(abi))?;
    }
    rules.create()
}
