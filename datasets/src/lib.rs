//! The images veilbench classifies: loaders, checksummed fetch, and a small embedded sample.
//!
//! [`load`] gives a [`Dataset`]; [`load_or_sample`] falls back to the embedded sample where files are
//! missing, and says so. A damaged file is an error that names it, never replaced in silence.
//! [`fetch`] downloads, [`import()`] takes over what is on this machine, [`list`] says what is there.
//! [`OwnData`] reads a user's own images and fits them to a network; [`add`], [`kept`] and [`remove`] keep such data by name.
//!
//! # Non-goals
//! Augmentation and training-time shuffling (the trainer's business), datasets that do not fit in
//! memory, conversion to tensors (the harness' business).

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod dataset;
mod error;
mod formats;
mod image_set;
mod load;
mod own;
mod sets;
mod store;

pub use dataset::{Dataset, Split};
pub use error::Error;
pub use image_set::{ImageSet, Pixels};
pub use load::{IDS, Loaded, load, load_or_sample};
pub use own::{Fitted, Input, KeptData, Options, OwnData, Step, add, kept, remove};
pub use store::Store;
pub use store::catalog::{RemoteFile, Size, Source, original, remote_files, source, sources};
pub use store::fetch::{Progress, download_all, fetch};
pub use store::import::{Imported, import};
pub use store::list::{Listing, State, list};
