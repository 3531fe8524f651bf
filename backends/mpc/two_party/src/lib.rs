//! Private inference between a data owner and a model owner and nobody else: linear layers by ring learning with errors, everything else by oblivious
//! transfer. No dealer.
//!
//! # Concepts
//! - [`linear`]: shares of products of random masks and weights, ahead of the images.
//! - [`network`]: the gates of a [`veilbench_mpc::circuit::Circuit`] one after another, in a [setup](network::DataOwner::set_up) once per session, an
//!   [offline](network::DataOwner::prepare) phase that needs no image, and an [online](network::DataOwner::run) one. Comparisons and maxima are those of
//!   [`veilbench_ot`]; polynomials of degree two are products of masks, made ahead of the images (`src/quadratic.rs`).
//!
//! Results are those of [`veilbench_mpc::oracle`], but that every truncation may be one unit of the last place off, in either direction and without a bias.
//!
//! # Threat model
//! Semi-honest: both parties follow the protocol, and each tries to learn from what it sees; links are confidential and authenticated. Security is computational, of
//! 128 bits by the table of [`veilbench_ring::security`] and the assumptions of [`veilbench_ot`]. What each message shows is said by every module under *Views*.
//!
//! # Safety contract
//! - Lengths of messages follow from public numbers; residues are checked against their primes. A message of the right length that is forged is not noticed.
//!   A data owner with another circuit, or of another revision of the protocols, is refused with its first message.
//! - Masks, keys and shares that serve once are consumed by value, by the batch and session that they were prepared for: batches run in the order in which they are
//!   prepared, and what is another's is an error.
//! - Masks, keys and shares of a batch that failed are gone, and so is the session: none of them can serve for another.
//! - Secrets come from ChaCha20 seeded by the operating system, or from transfers; each stream is used once. Keys, masks, errors, shares that wait and the wires of a
//!   batch under way are wiped on drop; messages are not.
//! - Nothing branches on or indexes by a secret, as far as transforms do not (see [`veilbench_ring`]). Products of the model owner's own weights with what it may know are
//!   plain integer code.
//!
//! # Non-goals
//! No security against parties that deviate. No polynomials of a degree above two.

mod bits;
mod error;
mod quadratic;
mod truncation;

pub mod linear;
pub mod network;

pub use error::Error;
