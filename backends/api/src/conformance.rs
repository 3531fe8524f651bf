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
    /// Tests it.
    pub run: fn(&dyn Backend) -> Result<(), String>,
}

/// All checks, cheap ones first.
pub fn suite() -> Vec<Check> {
    [declarations::CHECKS, inference::CHECKS, range::CHECKS, privacy::CHECKS, attacks::CHECKS].concat()
}

/// Runs the whole suite.
///
/// # Errors
/// [`Failure`] with every check that failed.
pub fn check(backend: &dyn Backend) -> Result<(), Failure> {
    let broken: Vec<_> = suite()
        .into_iter()
        .filter_map(|check| (check.run)(backend).err().map(|reason| (check.name, reason)))
        .collect();
    if broken.is_empty() {
        Ok(())
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
