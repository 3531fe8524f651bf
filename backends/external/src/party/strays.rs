//! Processes that a party leaves behind. They become this process's children when the party has ended, whether they left its
//! group or not, and are found among these.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::isolation::Counters;
use crate::party::figures;
use crate::party::process::MARK;

/// How often is looked for them, and how often at most when they are ended: what one of them started comes to light when it is gone.
const LOOK: Duration = Duration::from_millis(2);
const MOST_LOOKS: usize = 500;

/// By what a party's processes are known.
#[derive(Debug)]
pub(crate) struct Strays {
    /// What [`MARK`] is set to in their environment.
    pub(crate) mark: String,
    /// Their network, if they have one of their own.
    pub(crate) counters: Option<Counters>,
}

impl Strays {
    /// From now on this process is told of what its children leave behind. Returns a mark for the next of them.
    pub(crate) fn begin() -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Without it they are the first process's, and are not found.
        #[cfg(target_os = "linux")]
        let _refused = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// Waits for those that end with the party that has ended, and returns those that do not, by number and name.
    pub(crate) fn after(&self, patience: Duration) -> BTreeMap<u32, String> {
        let until = Instant::now() + patience;
        loop {
            let left = self.found();
            if left.is_empty() || Instant::now() >= until {
                return left.into_iter().map(|process| (process, name(process))).collect();
            }
            thread::sleep(LOOK);
        }
    }

    /// Ends all that there are, and adds them to those that are known.
    pub(crate) fn end(&self, known: &mut BTreeMap<u32, String>) {
        for _ in 0..MOST_LOOKS {
            let left = self.found();
            if left.is_empty() {
                return;
            }
            for process in left {
                known.entry(process).or_insert_with(|| name(process));
                end(process);
            }
            thread::sleep(LOOK);
        }
    }

    /// Those of this process's children that run and are the party's.
    fn found(&self) -> Vec<u32> {
        let mut children = figures::children(std::process::id());
        children.retain(|&child| is_running(child) && self.has(child));
        children
    }

    fn has(&self, process: u32) -> bool {
        let mark = format!("{MARK}={}", self.mark);
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes())
            || self.counters.as_ref().is_some_and(|counters| counters.has(process))
    }
}

fn is_running(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    figures::fields(&stat).next().is_some_and(|state| !matches!(state, "Z" | "X"))
}

fn name(process: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    name.trim().chars().filter(|character| !character.is_control()).collect()
}

/// Ends a child: its number is nobody else's until it is waited for.
fn end(process: u32) {
    let Some(pid) = i32::try_from(process).ok().and_then(Pid::from_raw) else { return };
    // Fails if it has ended by itself.
    let _ended = kill_process(pid, Signal::KILL);
    let _reaped = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
}
