//! The only clock: the machine's monotonic one, which all processes share.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock.
pub(crate) fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Sleeps until about `at_ns`, if that is to come.
pub(crate) fn sleep_until(at_ns: u64) {
    std::thread::sleep(Duration::from_nanos(at_ns.saturating_sub(now_ns())));
}

/// Returns at `at_ns`, or at once if that is past. The last 100 us are spun away, as the kernel's timers are
/// no more exact; with `giving_way` others may run meanwhile.
pub(crate) fn wait_until(at_ns: u64, giving_way: bool) {
    let left = Duration::from_nanos(at_ns.saturating_sub(now_ns()));
    if let Some(sleep) = left.checked_sub(Duration::from_micros(100)) {
        std::thread::sleep(sleep);
    }
    while now_ns() < at_ns {
        if giving_way {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}
