//! Networks that join branches or are many layers deep: one image, or a few of a batch, in one
//! ciphertext of the largest ring, without interaction.
//!
//! `lowering` makes linear maps and products of a graph (`quadratics` what is left of activations, `series` what comes close to smooth
//! ones), `layout` says which value is in which slot, `diagonals` what takes one
//! layout to another, `program` what all of it costs and which keys it needs, `scheme` which primes it is computed with,
//! `planning` makes the plan, `roles` computes, `simulator` does on plain slots what ciphertexts would hold,
//! and `monte_carlo` draws the noise that they add.

pub(crate) mod diagonals;
pub(crate) mod layout;
pub(crate) mod lowering;
pub(crate) mod monte_carlo;
pub(crate) mod planning;
pub(crate) mod program;
pub(crate) mod quadratics;
pub(crate) mod roles;
pub(crate) mod scheme;
pub(crate) mod series;
pub(crate) mod simulator;
