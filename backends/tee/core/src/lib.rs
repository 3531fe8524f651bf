//! A simulated enclave for private inference: measurement, SGX DCAP quotes under a simulated root, a
//! client policy, an attested channel, sealing and a sandbox. There is no enclave hardware below it, and
//! everything that stands for hardware says `Simulated`.
//!
//! Bytes in, bytes out: the crate opens no socket and runs no network. Who moves the bytes and what is
//! computed inside is up to its user.
//!
//! # Core concepts
//! - A [`Measurement`] is a SHA-256. That of an enclave covers every file whose code its process can run
//!   ([`Measurement::of_process`]) and its [`Configuration`], in which the model's hash is; the launcher computes it, the enclave never reports its own.
//! - A [`Release`] is a publisher's signature under a measurement and a model. The launcher holds the
//!   image against it ([`SimulatedProcessor::launch`], EINIT), clients hold quotes against it.
//! - [`Evidence`] is what a host shows a client: a DCAP quote of version 3, made by the
//!   [`SimulatedQuotingEnclave`], collateral by the [`SimulatedManufacturer`], the enclave's key. [`Policy::judge`]
//!   accepts or refuses it, and every refusal ([`Error`]) names the check.
//! - A [`Channel`] is an HPKE key exchange (RFC 9180) to the quoted key and records with sequence numbers.
//! - [`Entered::seal`] seals to a measurement or a signer, with EGETKEY's semantics.
//! - [`sandbox::continue_apart`] moves to a process whose memory nobody could ever open, [`Protections::enforce`] restricts
//!   it, and a [`ShownProcess`] lets it be measured all the same.
//!
//! # What binds what
//! Report data are SHA-256(enclave key, nonce, model) and SHA-256(client role, protections); the quote signs
//! them with measurement and signer. The key exchange takes the report's hash and the role as its `info`, so
//! both ends derive other keys if they disagree on any of it. Each client has its own nonce, its own quote
//! and its own key exchange to the one enclave key, which exists for one launch. Each direction of a channel
//! has its own key, on which nonces count up.
//!
//! # Safety contract
//! A client must call [`Policy::check_release`] with a measurement of its own copy of the program before it uses
//! a release. [`Protections::enforce`] must be called in a process that does nothing else. Keys are wiped when
//! dropped; copies that AEAD and HPKE implementations make while they work are theirs to wipe.
//!
//! # Non-goals
//! Protection from anybody who runs code on the machine as the same user: the simulated processor's secrets are
//! constants of this crate. Side channels, physical attacks, rollback of sealed data, denial of service,
//! authentication of clients to the enclave, and availability of real hardware. Hiding sizes and times of messages.

mod attestation;
mod error;
mod measuring;
mod platform;
pub mod sandbox;
mod transport;

pub use attestation::client::{CONFIRMATION_BYTES, Connected, Verifier, now};
pub use attestation::enclave::{Enclave, EnclaveHello, Launch};
pub use attestation::evidence::Evidence;
pub use attestation::policy::{Attested, Policy};
pub use error::{Error, Result};
pub use measuring::measurement::{Configuration, Measurement};
pub use measuring::release::{PRODUCT, Release, SECURITY_VERSION, SimulatedPublisher};
pub use measuring::shown::ShownProcess;
pub use platform::manufacturer::{CollateralOptions, SimulatedManufacturer};
pub use platform::processor::{Entered, Identity, LaunchToken, Report, SealPolicy, SimulatedProcessor};
pub use platform::quoting::SimulatedQuotingEnclave;
pub use platform::report::{Client, Nonce, fresh_nonce};
pub use sandbox::{LeastProtections, Protections};
pub use transport::channel::{Channel, ENCAPSULATED_BYTES, RECORD_OVERHEAD};
pub use transport::sealing::SEAL_OVERHEAD;
pub use transport::secret::{KeyMemory, SecretKey};
