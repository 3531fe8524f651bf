//! What else the machine does while a session runs: figures of a busy machine must say so.

use std::fs::File;
use std::io::{Read, Seek};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use veilbench_api::recorder::process_cpu_ns;

use crate::session::clock;

/// Processor time since the system started, in the kernel's units, summed over cores.
#[derive(Clone, Copy)]
struct Ticks {
    busy: u64,
    steal: u64,
    all: u64,
}

const STAT: &str = "/proc/stat";

/// The kernel counts processor time in hundredths of a second towards programs (`USER_HZ`), on every architecture
/// Rust runs on under Linux.
const TICK_NS: u64 = 10_000_000;

impl Ticks {
    /// `None` where the kernel does not say.
    fn now() -> Option<Self> {
        Self::read(&mut File::open(STAT).ok()?)
    }

    fn read(file: &mut File) -> Option<Self> {
        let mut stat = String::new();
        file.rewind().ok()?;
        file.read_to_string(&mut stat).ok()?;
        Self::parse(&stat)
    }

    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        // User, nice, system, idle, waiting for input and output, interrupts, soft interrupts, stolen.
        let times: Vec<u64> = line.split_whitespace().take(8).map_while(|time| time.parse().ok()).collect();
        let [user, nice, system, idle, waiting, interrupts, soft, steal] = times[..] else { return None };
        let busy = user + nice + system + interrupts + soft;
        Some(Self { busy, steal, all: busy + idle + waiting + steal })
    }

    /// Busy and stolen time since then, nanoseconds.
    fn since(self, before: Self) -> (u64, u64) {
        let ns = |after: u64, before: u64| after.saturating_sub(before).saturating_mul(TICK_NS);
        (ns(self.busy, before.busy), ns(self.steal, before.steal))
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
        let own_ns = (process_cpu_ns() - self.own_cpu_ns).saturating_add(parties_cpu_ns);
        let (busy_ns, steal_ns) = after.since(before);
        OtherWork { others_cpu_ns: Some(busy_ns.saturating_sub(own_ns)), steal_ns: Some(steal_ns) }
    }
}

/// What a party's host did from when all parties were there until they were told to leave, as the party tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostWork {
    /// The kernel and its start: hosts that are one machine have the same.
    pub(crate) boot: u64,
    /// How long that was, nanoseconds.
    pub(crate) watched_ns: u64,
    /// Processor time of the party and of those that worked for it meanwhile, nanoseconds.
    pub(crate) own_cpu_ns: u64,
    /// Processor time of everything on the host, nanoseconds.
    pub(crate) busy_ns: u64,
    /// Processor time that the host's own host gave to others, nanoseconds.
    pub(crate) steal_ns: u64,
}

/// What a party needs to watch the machine that it is on, opened while it may open files: a role may forbid itself that later.
pub(crate) struct HostView {
    stat: File,
    boot: u64,
}

impl HostView {
    /// `None` where the kernel does not say.
    pub(crate) fn open() -> Option<Self> {
        Some(Self { stat: File::open(STAT).ok()?, boot: boot()? })
    }

    /// Begins to watch, in the process that the party stays in: one that isolates itself may begin anew in another.
    pub(crate) fn watch(mut self) -> Option<HostWatch> {
        let before = Ticks::read(&mut self.stat)?;
        Some(HostWatch { view: self, started_ns: clock::now_ns(), own_cpu_ns: process_cpu_ns(), before })
    }
}

/// Watches the machine of a party on another host.
pub(crate) struct HostWatch {
    view: HostView,
    started_ns: u64,
    own_cpu_ns: u64,
    before: Ticks,
}

impl HostWatch {
    /// `workers_cpu_ns` is what processes used that worked for the party and began since the start.
    pub(crate) fn end(mut self, workers_cpu_ns: u64) -> Option<HostWork> {
        let (busy_ns, steal_ns) = Ticks::read(&mut self.view.stat)?.since(self.before);
        let watched_ns = clock::now_ns().saturating_sub(self.started_ns);
        let own_cpu_ns = (process_cpu_ns() - self.own_cpu_ns).saturating_add(workers_cpu_ns);
        Some(HostWork { boot: self.view.boot, watched_ns, own_cpu_ns, busy_ns, steal_ns })
    }
}

/// What tells this run of this kernel from any other.
pub(crate) fn boot() -> Option<u64> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    u64::from_str_radix(id.trim().replace('-', "").get(..16)?, 16).ok()
}

/// What else each party's host did: all processor time but that of the session's parties on the same machine, and of the
/// harness where it is that machine too, of the same time. `None` for all unless every party said what its host did.
pub(crate) fn beside(parties: &[Option<HostWork>], harness: (Option<u64>, u64)) -> Vec<OtherWork> {
    let Some(known) = parties.iter().copied().collect::<Option<Vec<HostWork>>>() else {
        return vec![OtherWork::default(); parties.len()];
    };
    let (harness_boot, harness_cpu_ns) = harness;
    let other = |host: &HostWork| {
        let of_session = known.iter().filter(|mate| mate.boot == host.boot).map(|mate| mate.own_cpu_ns);
        let of_harness = (harness_boot == Some(host.boot)).then_some(harness_cpu_ns);
        let own_ns = of_session.chain(of_harness).fold(0, u64::saturating_add);
        OtherWork { others_cpu_ns: Some(host.busy_ns.saturating_sub(own_ns)), steal_ns: Some(host.steal_ns) }
    };
    known.iter().map(other).collect()
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
    fn on_another_host_what_parties_there_used_is_not_that_of_others() {
        let host = |boot, busy_ns, own_cpu_ns| HostWork {
            boot,
            watched_ns: 100,
            own_cpu_ns,
            busy_ns,
            steal_ns: boot,
        };
        let others = |parties: &[Option<HostWork>]| -> Vec<Option<u64>> {
            beside(parties, (Some(3), 5)).iter().map(|work| work.others_cpu_ns).collect()
        };
        // Two parties share the first machine, and the harness runs on the third.
        let parties = [host(1, 60, 20), host(2, 40, 39), host(1, 62, 30), host(3, 9, 2)].map(Some);
        assert_eq!(others(&parties), [Some(10), Some(1), Some(12), Some(2)]);
        assert_eq!(beside(&parties, (None, 5))[3].others_cpu_ns, Some(7));
        assert_eq!(beside(&parties, (None, 5))[1].steal_ns, Some(2));
        assert_eq!(others(&[Some(host(1, 5, 9))]), [Some(0)]);
        // Of a party that said nothing nobody knows where its time went.
        assert_eq!(others(&[parties[0], None]), [None, None]);
    }

    #[test]
    fn a_party_sees_what_its_host_does_and_what_itself_used_meanwhile() {
        // What the party did before is none of it.
        let before_ns = process_cpu_ns();
        while process_cpu_ns() - before_ns < 100_000_000 {
            std::hint::spin_loop();
        }
        let (watch, used_ns) = (HostView::open().unwrap().watch().unwrap(), process_cpu_ns());
        let work = beside_another_process(|| {
            std::thread::sleep(Duration::from_millis(400));
            watch.end(7).unwrap()
        });
        assert!(work.busy_ns > 100_000_000 && work.watched_ns >= 400_000_000, "{work:?}");
        assert!((7..=process_cpu_ns() - used_ns + 1_000_000).contains(&work.own_cpu_ns), "{work:?}");
        assert_eq!(Some(work.boot), boot());
    }

    #[test]
    fn the_kernels_line_is_read_by_its_order() {
        let ticks = Ticks::parse("cpu  1 2 3 40 50 6 7 8 9 10\ncpu0 0 0\n").unwrap();
        assert_eq!((ticks.busy, ticks.steal, ticks.all), (19, 8, 117));
        assert!(Ticks::parse("cpu 1 2 3\n").is_none());
    }
}
