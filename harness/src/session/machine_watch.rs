//! What else the machine does while a session runs: figures of a busy machine must say so.

use std::time::Duration;

use veilbench_api::recorder::process_cpu_ns;

/// Processor time since the system started, in the kernel's units, summed over cores.
#[derive(Clone, Copy)]
struct Ticks {
    busy: u64,
    steal: u64,
    all: u64,
}

/// The kernel counts processor time in hundredths of a second towards programs (`USER_HZ`), on every architecture
/// Rust runs on under Linux.
const TICK_NS: u64 = 10_000_000;

impl Ticks {
    /// `None` where the kernel does not say.
    fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // User, nice, system, idle, waiting for input and output, interrupts, soft interrupts, stolen.
        let times: Vec<u64> = line.split_whitespace().take(8).map_while(|time| time.parse().ok()).collect();
        let [user, nice, system, idle, waiting, interrupts, soft, steal] = times[..] else { return None };
        let busy = user + nice + system + interrupts + soft;
        Some(Self { busy, steal, all: busy + idle + waiting + steal })
    }
}

/// What the machine did beside a session; `None` where the kernel does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OtherWork {
    /// Processor time of everything but the harness and its parties.
    pub(crate) others_cpu_ns: Option<u64>,
    /// Processor time that the machine's host gave to others.
    pub(crate) steal_ns: Option<u64>,
}

/// Watches the machine from a session's start to its end.
pub(crate) struct MachineWatch {
    ticks: Option<Ticks>,
    own_cpu_ns: u64,
}

impl MachineWatch {
    pub(crate) fn start() -> Self {
        Self { ticks: Ticks::now(), own_cpu_ns: process_cpu_ns() }
    }

    /// `parties_cpu_ns` is what the session's processes used in all.
    pub(crate) fn end(self, parties_cpu_ns: u64) -> OtherWork {
        let Some((before, after)) = self.ticks.zip(Ticks::now()) else { return OtherWork::default() };
        let own_ns = process_cpu_ns() - self.own_cpu_ns + parties_cpu_ns;
        let busy_ns = after.busy.saturating_sub(before.busy).saturating_mul(TICK_NS);
        let steal_ns = after.steal.saturating_sub(before.steal).saturating_mul(TICK_NS);
        OtherWork { others_cpu_ns: Some(busy_ns.saturating_sub(own_ns)), steal_ns: Some(steal_ns) }
    }
}

/// How many cores other work keeps busy at the moment, measured over a short while; `None` where the kernel does
/// not say.
pub(crate) fn busy_cores() -> Option<f64> {
    const WATCHED: Duration = Duration::from_millis(300);
    let before = Ticks::now()?;
    std::thread::sleep(WATCHED);
    let after = Ticks::now()?;
    let busy = (after.busy + after.steal).checked_sub(before.busy + before.steal)?;
    let all = after.all.checked_sub(before.all)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (all > 0).then(|| busy as f64 / all as f64 * cores as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Runs `watched` beside a process that keeps a core busy.
    fn beside_another_process<T>(watched: impl FnOnce() -> T) -> T {
        let mut other = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let result = watched();
        other.kill().unwrap();
        other.wait().unwrap();
        result
    }

    #[test]
    fn another_process_is_seen_as_a_busy_core() {
        let busy = beside_another_process(|| busy_cores().unwrap());
        assert!(busy > 0.3, "{busy}");
    }

    #[test]
    fn own_work_is_not_that_of_others_and_anothers_is() {
        let spin = |time: Duration| {
            let start = std::time::Instant::now();
            while start.elapsed() < time {
                std::hint::spin_loop();
            }
        };
        let watched = || {
            let watch = MachineWatch::start();
            spin(Duration::from_millis(400));
            watch.end(0).others_cpu_ns.unwrap()
        };
        let beside = beside_another_process(watched);
        assert!(beside > 100_000_000, "{beside} ns beside a process that spins");
        let stop = AtomicBool::new(false);
        let watch = MachineWatch::start();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            spin(Duration::from_millis(100));
            stop.store(true, Ordering::Relaxed);
        });
        let credited = watch.end(u64::MAX / 2).others_cpu_ns.unwrap();
        assert_eq!(credited, 0, "what the session's processes used is not that of others");
    }

    #[test]
    fn the_kernels_line_is_read_by_its_order() {
        let ticks = Ticks::parse("cpu  1 2 3 40 50 6 7 8 9 10\ncpu0 0 0\n").unwrap();
        assert_eq!((ticks.busy, ticks.steal, ticks.all), (19, 8, 117));
        assert!(Ticks::parse("cpu 1 2 3\n").is_none());
    }
}
