//! Two-party private inference by additive secret sharing modulo 2^L, with a dealer: the protocols as state
//! machines without input or output.
//!
//! A data owner holds images, a model owner holds weights. At the end the data owner knows the logits and nobody anything else. A
//! dealer hands out correlated randomness before the images are there; it sees no image, no weight and no message
//! of the two others.
//!
//! # Concepts
//! - [`program::Program`]: what is computed on one wire, public, in the shapes of the workspace's networks. [`circuit::Circuit`] is
//!   what the protocols make of it with a fixed-point [`circuit::Format`]; every party compiles the same one.
//! - [`model::Model`]: the weights in that format, at the model owner.
//! - [`session`]: one state machine for each role. [`session::Dealer`], [`session::DataOwner`] and [`session::ModelOwner`] produce and
//!   take messages as bytes; the caller moves them. A [`session::Protocol`] says which there are; one with a dealer is [`session::Dealing`].
//! - [`masked`] and [`beaver`]: the protocols that they follow. With masked wires [`circuit::SignProtocol`] chooses between a comparison
//!   tree of two rounds (`mpc`) and a distributed comparison function (`mpc-fss`); `mpc-beaver` is the textbook's.
//! - [`oracle`]: the same network on clear integers, what the protocols are tested against, and the analysis of ranges.
//!
//! # A session
//! ```
//! # use std::sync::Arc;
//! # use veilbench_mpc::circuit::{Circuit, Format, SignProtocol, Width};
//! # use veilbench_mpc::masked::Masked;
//! # use veilbench_mpc::model::{LayerParameters, Model};
//! # use veilbench_mpc::program::{Operation, Program};
//! # use veilbench_mpc::ring::Ring;
//! # use veilbench_mpc::session::{DataOwner, Dealer, ModelOwner, Peer, Step};
//! # use veilbench_networks::Shape;
//! let program = Program {
//!     input: Shape::Flat(2),
//!     operations: vec![Operation::Dense { outputs: 1 }, Operation::Relu],
//!     magnitudes: vec![],
//! };
//! let format = Format {
//!     activation_bits: 16,
//!     weight_bits: 16,
//!     ring: Ring::FULL,
//!     width: Width::Bytes,
//!     signs: SignProtocol::Tree,
//!     input_magnitude: 8.0,
//! };
//! let circuit = Arc::new(Circuit::compile(&program, format)?);
//! let weights = LayerParameters::Affine { weights: vec![2.0, -1.0], bias: vec![0.5] };
//! let model = Model::encode(&circuit, &[weights, LayerParameters::None])?;
//!
//! // Setup: the dealer sends a setup seed to each, the model owner its masked weights to the data owner.
//! let (mut dealer, seeds) = Dealer::<Masked>::new(Arc::clone(&circuit))?;
//! let (mut model_owner, masked_weights) = ModelOwner::<Masked>::new(Arc::clone(&circuit), seeds.model_owner, model)?;
//! let mut data_owner = DataOwner::<Masked>::new(Arc::clone(&circuit), seeds.data_owner, &masked_weights)?;
//!
//! // Offline, before the image is there: the dealer's messages, and then the data owner's.
//! let (mut client, ahead) = data_owner.prepare(1);
//! let mut server = model_owner.prepare(1);
//! for corrections in dealer.batch(1) {
//!     server.receive(Peer::Dealer, corrections.to_model_owner())?;
//!     if let Some(keys) = corrections.to_data_owner() {
//!         client.receive(Peer::Dealer, keys)?;
//!     }
//! }
//! for products in ahead {
//!     server.receive(Peer::DataOwner, &products)?;
//! }
//! assert_eq!([client.awaits(), server.awaits()], [None, None]);
//!
//! // Online: the two alternate until the data owner has the logits.
//! let mut server = server.start()?;
//! let (mut client, mut message) = client.start(&[3.0, 1.0])?;
//! let logits = loop {
//!     let (Step::Send(answer) | Step::Last(answer)) = server.receive(&message)? else { unreachable!() };
//!     match client.receive(&answer)? {
//!         Step::Send(next) => message = next,
//!         Step::Logits(logits) => break logits,
//!         Step::Last(_) | Step::Wait => unreachable!(),
//!     }
//! };
//! assert!((circuit.decode(logits[0]) - 5.5).abs() < 1e-3);
//! # Ok::<(), veilbench_mpc::Error>(())
//! ```
//!
//! # Threat model
//! Semi-honest: all three follow the protocol, and each tries to learn from what it sees. No two collude: the dealer
//! with either of the others learns everything. Links must be confidential and authenticated; a seed must reach one
//! party only. The data owner learns the logits, all three the architecture and the format. Security is computational:
//! 128-bit AES for seeds. Comparison functions ([`dcf`]) have seeds of 128 bits, and no two nodes of any of them an AES input in
//! common but with negligible probability, so that their number costs nothing. [`circuit::SignProtocol::Tree`] uses none.
//!
//! Magnitudes in a program are public to all three roles. Calibrated ones are exact functions of the weights and the calibration
//! images: round them up to powers of two, as the backends do. With each answer the data owner learns of every group of
//! guarded values its sum divided by a public bound, rounded by a coin: 0 or 1 of images that are answered, more bits of one that is refused.
//! The model owner is not told that an image was refused.
//!
//! # Safety contract
//! - A message of another length is an error before anything of its size is allocated: the length of every message is known
//!   beforehand. After any error the batch refuses to go on. A message of the right length is uniform and cannot be told from a
//!   forged one: the links must do that.
//! - Randomness is consumed by value: a setup seed joins once, a batch starts once, and the next one has a key of its own. The dealer and both parties
//!   must prepare batches in the same order and of the same sizes; each message of the setup and
//!   offline phases names its session, circuit, batch, images and gate, and one of another is an error.
//! - Neither errors nor `Debug` print weights, values or logits.
//! - A program whose sizes exceed [`program::MOST_VALUES`] is refused before anything of its size is allocated.
//! - Seeds, seeds and the ciphers of streams are wiped on drop, and so is what the two parties expand them to or are dealt, as
//!   soon as the online phase has used it. Nodes of comparison keys, blocks of the key stream on the stack, weights, messages and intermediate values
//!   are not: see the non-goals.
//! - Results are exact up to one unit in the last place a truncation while values stay below 2^(L-2), and an image that could leave
//!   that range has no result but [`Error::OutOfRange`] at the data owner. Behind activations [guards](circuit::Guard) bound groups of
//!   values; from the input's magnitude and those bounds [`oracle::analyse`] proves by interval arithmetic, when the model owner joins, that
//!   nothing else overflows and that no sum slips past its guard, or refuses the weights. Calibration decides what is refused, never
//!   what is right.
//! - What guards cannot see: parties that deviate from the protocol, and a model owner that did not analyse its weights. Nor do they say
//!   whether a right answer to an unusual image means anything. They refuse some images that would have fitted: a group is bounded as a whole.
//! - `unsafe` only calls kernels compiled for detected instruction sets ([`product::Kernel`], [`dcf::Kernel`]) and moves whole vectors
//!   between arrays and registers.
//!
//! # Non-goals
//! No wiping of weights, of messages, of intermediate values and of what the dealer deals while it deals: whoever reads a
//! process's memory reads the images or weights there anyway. No malicious security, no other number of computing parties, no offline phase without a dealer, no training, no hiding of the
//! architecture, no sockets, no threads, no timing: those that measure bring them.

pub mod circuit;
pub mod oracle;
pub mod session;

mod error;
mod primitives;
mod protocols;

pub use circuit::{model, program};
pub use error::Error;
pub use primitives::{dcf, random, ring};
pub use protocols::{beaver, masked};
pub use ring::{linear, product};
pub use session::cost;
