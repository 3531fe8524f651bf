//! What a model owner has of one gate.

/// Fixed-point parameters of one gate.
#[derive(Clone, PartialEq, Eq)]
pub enum GateParameters {
    None,
    Linear { weights: Vec<u64>, bias: Vec<u64> },
    Quadratic { a: Vec<u64>, b: Vec<u64>, c: Vec<u64> },
}
