//! From a trained model to a file that says what it is worth.

pub mod agreement;
#[cfg(feature = "train")]
pub mod export;
pub mod fold;
pub mod notes;
pub mod score;
