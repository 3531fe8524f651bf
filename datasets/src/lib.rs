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

mod archive;
mod bounded;
mod cache;
mod catalog;
mod cifar;
mod cifar_jpeg;
mod dataset;
mod digest;
mod error;
mod fetch;
mod idx;
mod image_set;
mod import;
mod list;
mod load;
mod lookalike;
mod malaria;
mod melanoma;
mod mnist;
mod npy;
mod npz;
mod own;
mod pickle;
mod resize;
mod sample;
mod splits;
mod store;
mod tree;

pub use catalog::{RemoteFile, Size, Source, remote_files, source, sources};
pub use dataset::{Dataset, Split};
pub use error::Error;
pub use fetch::{Progress, download_all, fetch};
pub use image_set::{ImageSet, Pixels};
pub use import::{Imported, import};
pub use list::{Listing, State, list};
pub use load::{IDS, Loaded, load, load_or_sample};
pub use own::{Fitted, Input, KeptData, Options, OwnData, Step, add, kept, remove};
pub use store::Store;
