//! The simulated processor and its maker: launch, reports, quotes, certificates.

pub(crate) mod der;
pub(crate) mod manufacturer;
pub(crate) mod processor;
pub(crate) mod quoting;
pub(crate) mod report;
pub(crate) mod signing;
