//! The three roles of a session with a dealer, each with links to the others.

pub(crate) mod data_owner;
pub(crate) mod dealer;
mod layers;
pub(crate) mod model_owner;
