//! What the harness promises about every backend, as checks over `&dyn Backend`.
//!
//! ```
//! # fn example(backend: &dyn veilbench_api::Backend) {
//! veilbench_api::conformance::check(backend).unwrap();
//! # }
//! ```
//!
//! The checks run all parties as threads over real sockets ([`crate::local_session`]), some of them
//! with a man in the middle.

mod attacks;
mod declarations;
mod inference;
pub mod odd_images;
mod privacy;
mod range;
pub mod secret_patterns;
pub mod test_networks;

use std::fmt;

use crate::Backend;

/// One promise.
#[derive(Clone, Copy)]
pub struct Check {
    /// The promise as a sentence.
    pub name: &'static str,
    /// Tests it: an error says how it is broken.
    pub run: fn(&dyn Backend) -> Result<Verdict, String>,
}

/// What a check says that found nothing broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The promise was put to the test and kept.
    Kept,
    /// What the promise is about was out of the check's sight, for this reason: it may be kept or broken.
    NotSeen(String),
}

impl Verdict {
    /// No test network is left to try the promise with.
    fn no_network(batch: usize) -> Self {
        Self::NotSeen(format!("it supports no test network in batches of {batch}"))
    }
}

/// All checks, cheap ones first.
pub fn suite() -> Vec<Check> {
    [declarations::CHECKS, inference::CHECKS, range::CHECKS, privacy::CHECKS, attacks::CHECKS].concat()
}

/// Runs the whole suite. Returns the promises that it could not put to the test, each with the reason.
///
/// # Errors
/// [`Failure`] with every check that failed.
pub fn check(backend: &dyn Backend) -> Result<Vec<(&'static str, String)>, Failure> {
    let (mut not_seen, mut broken) = (Vec::new(), Vec::new());
    for check in suite() {
        match (check.run)(backend) {
            Ok(Verdict::Kept) => {}
            Ok(Verdict::NotSeen(reason)) => not_seen.push((check.name, reason)),
            Err(reason) => broken.push((check.name, reason)),
        }
    }
    if broken.is_empty() {
        Ok(not_seen)
    } else {
        Err(Failure { backend: backend.profile().name.into_owned(), broken })
    }
}

/// Promises a backend does not keep.
#[derive(Debug)]
pub struct Failure {
    backend: String,
    broken: Vec<(&'static str, String)>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backend {} breaks {} promise(s)", self.backend, self.broken.len())?;
        self.broken.iter().try_for_each(|(name, reason)| write!(f, "\n  {name}: {reason}"))
    }
}

impl std::error::Error for Failure {}

/// Fails a check with a formatted reason unless a condition holds.
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err(format!($($reason)+));
        }
    };
}
use ensure;
