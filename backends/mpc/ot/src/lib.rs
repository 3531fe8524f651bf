//! Oblivious transfer, and what two parties compute with nothing else: lookups, products of bits and numbers, comparison and ReLU on
//! additive shares. State machines without input or output: messages are byte vectors, which the caller moves.
//!
//! # Concepts
//! - [`setup`]: a session's three messages, from base transfers ([`setup::base`]) to an [`extension`] each way.
//! - An extension hands out portions of random transfers, 1-of-2 or 1-of-16 ([`Kind`]), as [`SenderRows`] and [`ReceiverRows`].
//! - What is built on them takes them by value: [`transfer`] (1-of-2, of blocks), [`lookup`] (1-of-16, of bits), [`gates`] (products of shared bits), [`correlated`] (a number times the
//!   peer's bit), [`multiplexer`], [`product`] (Gilboa), [`equality`], and [`relu`], which puts all but the last two together.
//! - `ideal`, with the feature of that name: the same from a trusted party, which every protocol is tested against.
//!
//! # A session
//! The chooser holds one share of each number and the offerer the other.
//! ```
//! use veilbench_ot::relu::{self, Layout, Output, Turn};
//! use veilbench_ot::{Depth, setup};
//!
//! // Setup: three messages.
//! let depth = Depth::default();
//! let (chooser, first) = setup::Chooser::start(depth)?;
//! let (offerer, second) = setup::Offerer::start(depth, &first)?;
//! let (mut chooser, third) = chooser.finish(&second)?;
//! let mut offerer = offerer.finish(&third)?;
//!
//! // Offline: keys for two ReLUs from 20 to 32 bits, a message each way that depends on no number.
//! let layout = Layout::new(20, Output::Relu { bits: 32 }, 2)?;
//! let (requested, request) = relu::request(&mut chooser, layout);
//! let (keys_of_offerer, answer) = relu::answer(&mut offerer, layout, &request)?;
//! let keys_of_chooser = requested.finish(&mut chooser, &answer)?;
//!
//! // Online: shares of 1000 and -1000 modulo 2^20.
//! let (mut chooser, message) = keys_of_chooser.start(&[77, 88])?;
//! let mut offerer = keys_of_offerer.start(&[1000 - 77, (1 << 20) - 1000 - 88])?;
//! let mut message = message;
//! let (at_offerer, at_chooser) = loop {
//!     let (next, answer) = match offerer.receive(&message)? {
//!         Turn::Send(next, answer) => (next, answer),
//!         Turn::Last(shares, answer) => {
//!             let Turn::Done(other) = chooser.receive(&answer)? else { unreachable!() };
//!             break (shares, other);
//!         }
//!         Turn::Done(_) => unreachable!(),
//!     };
//!     match chooser.receive(&answer)? {
//!         Turn::Send(same, question) => (chooser, message) = (same, question),
//!         Turn::Last(shares, last) => {
//!             let Turn::Done(other) = next.receive(&last)? else { unreachable!() };
//!             break (other, shares);
//!         }
//!         Turn::Done(_) => unreachable!(),
//!     }
//!     offerer = next;
//! };
//! let results: Vec<u64> = at_offerer.iter().zip(at_chooser.iter()).map(|(a, b)| (a + b) % (1 << 32)).collect();
//! assert_eq!(results, [1000, 0]);
//! # Ok::<(), veilbench_ot::Error>(())
//! ```
//!
//! # Threat model
//! Semi-honest: both parties follow the protocols, and each tries to learn from what it sees. Links must be confidential and authenticated. What a party sees
//! is said by every module under *Views*. Security is computational, of 128 bits but for the losses named there: discrete logarithms in Ristretto
//! and SHA-512 as a random oracle for [`setup::base`], AES-128 as a pseudo-random function for trees and streams, and as an ideal
//! cipher for the hash ([`extension`]: 1-of-16 proves 124 bits there). The units are those of NIST SP 800-57, which rates Curve25519, about 2^126 operations in the group, and
//! AES-128 at 128 bits each.
//!
//! # Safety contract
//! - The length of every message is known beforehand from public numbers, and another length is an error before anything is read or
//!   allocated. A message of the right length that is forged is not noticed: the links must do that.
//! - Whatever serves once is consumed by value: base transfers, rows, keys, triples, parties. After an error a party is gone, and the session
//!   with it.
//! - Both parties must extend by the same numbers in the same order, per extension. A session's name must be new: [`setup`] draws a random one.
//! - Secrets come from the operating system or are AES and SHA-512 of such; each stream and each number of the hash is used once. Keys, rows, trees and shares under
//!   way are wiped on drop; messages, blocks on the stack, and results that are handed out as plain vectors are not.
//! - Nothing branches on or indexes by a secret bit, choice, index or share. [`Kernel::PORTABLE`] is as constant in time as the `aes` crate.
//! - `unsafe` only calls kernels compiled for detected instruction sets and moves whole vectors between arrays and registers.
//!
//! # Non-goals
//! No security against parties that deviate: there are no consistency checks. No silent or random-access correlations, no transfers of
//! long messages, no more than two parties, no sockets, no threads.

pub mod extension;
pub mod setup;

mod cipher;
mod error;
mod shares;
mod transfers;

pub use cipher::kernel::Kernel;
pub use error::Error;
pub use extension::code::{Depth, Kind};
#[cfg(any(test, feature = "ideal"))]
pub use extension::correlation::CorrelatedRows;
pub use extension::correlation::{ReceiverRows, SenderRows};
pub use setup::session::{Direction, Session};
#[cfg(any(test, feature = "ideal"))]
pub use shares::ideal;
pub use shares::{bits, equality, gates, multiplexer, product, relu};
pub use transfers::keys::{ChosenKeys, KeyPairs};
pub use transfers::{correlated, lookup, transfer};
