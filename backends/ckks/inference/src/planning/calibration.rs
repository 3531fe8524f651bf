//! The rates of the machine at hand, measured in seconds.
//!
//! Times are of one thread's processor time, so that others who use the machine count only as far as they take its caches and memory; each is the
//! lower quartile of several.

mod memory;
mod ring;
mod values;

use rayon::ThreadPoolBuilder;
use rustix::time::{ClockId, clock_gettime};
use veilbench_api::Error;

use crate::planning::rates::{Rates, RingRates, reference};
use ring::Bench;

/// How long a step is repeated for at least, and how often.
const LEAST_NS: u64 = 40_000_000;
const LEAST_TIMES: usize = 5;

/// The rates of one thread of this machine.
///
/// # Errors
/// [`Error::Engine`] if the machinery of the backends fails.
pub(crate) fn measure() -> Result<Rates, Error> {
    // Work within a pool of one thread stays on that thread.
    let pool = ThreadPoolBuilder::new().num_threads(1).build().map_err(Error::engine("starting a thread"))?;
    pool.install(|| {
        let rings = ring::SETS.map(|set| Bench::new(set)?.ring_rates()).into_iter();
        let rings = rings.collect::<veilbench_ckks::Result<Vec<_>>>();
        let rings = rings.map_err(Error::engine("measuring key switches"))?;
        values::measure(rings).map_err(Error::engine("measuring sums and products"))
    })
    .and_then(memory::measure)
}

/// The processor time of this thread.
pub(crate) fn thread_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The lower quartile of what a step takes, in nanoseconds of this thread, after it was done once.
fn time<T, E>(mut step: impl FnMut(usize) -> Result<T, E>) -> Result<f64, E> {
    step(0)?;
    let (mut times, mut total) = (Vec::new(), 0);
    while total < LEAST_NS || times.len() < LEAST_TIMES {
        let start = thread_cpu_ns();
        let result = step(times.len());
        let taken = thread_cpu_ns() - start;
        drop(result?);
        times.push(taken);
        total += taken.max(1000);
    }
    times.sort_unstable();
    Ok(times[times.len() / 4] as f64)
}

/// What is left of a difference, and never less than a twentieth of what the reference machine takes: noise may be larger than a small rate.
fn rate(measured: f64, reference: f64) -> f64 {
    measured.max(reference / 20.0)
}

#[cfg(test)]
mod tests;
