//! Backends in any language. A folder with a `backend.toml` becomes a [`Backend`](veilbench_api::Backend): each role is a
//! command, started in a process group of its own, that speaks the party protocol (`PROTOCOL.md`).
//!
//! The party's messages to its peers pass through this process, which carries them over the metered
//! [`Link`](veilbench_api::Link)s of every other backend. Bytes and rounds are therefore counted exactly as for
//! built-in backends, and cannot be misreported. Where a system owns its sockets, its parties are in a network of the session's
//! own, and the kernel counts.
//!
//! ```no_run
//! # use std::path::Path;
//! let backend = veilbench_external::External::load(Path::new("backends/external/clear-numpy"), Path::new("/tmp/environments"))?;
//! backend.install(|line| println!("{line}"))?;
//! veilbench_api::conformance::check(&backend).map_err(|failure| failure.to_string())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Non-goals
//! Protection of the machine from a backend: its commands run with the user's rights, though without a network where
//! namespaces are allowed.

mod backend;
mod briefing;
mod error;
mod install;
mod isolation;
mod manifest;
mod party;
mod private_folder;

pub use backend::External;
pub use error::{ExternalError, InstallError, KILLED, MEMORY_SHORT, ManifestError};
pub use install::shipped::Shipped;
pub use manifest::{ImageSeconds, Install, Limits, Manifest, ManifestRole, OPERATORS};
pub use party::protocol::PROTOCOL_VERSION;
pub use private_folder::PrivateFolder;
