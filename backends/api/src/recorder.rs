//! Spans: named parts of a phase.
//!
//! By the wall clock alone: asking for CPU time takes 0.6 us, and short phases have several spans.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// A named part of a phase, summed over its occurrences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// `encrypt`, `evaluate`, `layer:conv1`, ...
    pub name: String,
    /// Wall-clock time.
    pub wall_ns: u64,
}

/// Times spans of one party. Clones share their spans.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Recorder {
    /// Runs `work` as a part of the current phase. Spans of one name add up; spans may nest.
    pub fn span<T>(&self, name: &str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.add(name, start.elapsed().as_nanos() as u64);
        result
    }

    /// Adds to a span what was timed otherwise.
    pub fn add(&self, name: &str, wall_ns: u64) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        match spans.iter_mut().find(|span| span.name == name) {
            Some(span) => span.wall_ns += wall_ns,
            None => spans.push(Span { name: name.to_owned(), wall_ns }),
        }
    }

    /// The spans since the last call, in order of first occurrence.
    pub fn take(&self) -> Vec<Span> {
        std::mem::take(&mut self.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// CPU time this process has used so far, all threads.
pub fn process_cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
