//! The images veilbench classifies: loaders, checksummed fetch, and a small embedded sample.
//!
//! [`load`] gives a [`Dataset`]; missing files fall back to the embedded sample, damaged ones are
//! errors that name the file.
//!
//! # Non-goals
//! Augmentation and training-time shuffling (the trainer's business), datasets that do not fit in
//! memory.

/// Which half of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// Images networks are trained on.
    Train,
    /// Images accuracy is reported on.
    Test,
}

/// Decoded images of one split, 8 bits a channel.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// `mnist`, `malaria`, `malaria-patient`, `melanoma`, or one of these with `-sample`.
    pub id: String,
    /// Class names, by label.
    pub classes: Vec<String>,
    /// Channels of an image.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `images x channels x height x width`.
    pub pixels: Vec<u8>,
    /// One label an image.
    pub labels: Vec<u8>,
    /// Whether the images are generated look-alikes: accuracy on them means nothing.
    pub synthetic: bool,
}
