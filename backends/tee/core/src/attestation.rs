//! Both ends of attestation: what an enclave says of itself, and what a client demands.

pub(crate) mod client;
pub(crate) mod enclave;
pub(crate) mod evidence;
pub(crate) mod policy;
