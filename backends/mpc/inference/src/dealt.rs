//! The roles of protocols whose randomness a dealer makes, each with links to the others.

pub(crate) mod data_owner;
pub(crate) mod dealer;
mod dealer_link;
pub(crate) mod enclave;
mod exchange;
mod gates;
pub(crate) mod model_owner;
pub(crate) mod profile;
