//! What was found of a user's data, before it is fitted to a network.

use std::path::PathBuf;

use super::arrays::Stack;

/// Images that are one after another, in files or in memory.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    Files(Vec<PathBuf>),
    Stack(Stack),
}

impl Source {
    pub(super) fn len(&self) -> usize {
        match self {
            Source::Files(files) => files.len(),
            Source::Stack(stack) => stack.len(),
        }
    }
}

/// Images of one split.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) source: Source,
    /// One for each image, or none at all.
    pub(super) labels: Option<Vec<u32>>,
}

impl Default for Part {
    fn default() -> Self {
        Self { source: Source::Files(Vec::new()), labels: None }
    }
}

/// Everything that was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    pub(super) test: Part,
    pub(super) train: Option<Part>,
    /// Class names by label, if the data has names.
    pub(super) classes: Option<Vec<String>>,
    /// What was taken for granted or left out.
    pub(super) notes: Vec<String>,
    /// The files it is made of.
    pub(super) files: Vec<PathBuf>,
}

/// A number as a label, if it is whole and not negative.
pub(super) fn label(value: f64) -> Option<u32> {
    let is_label = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
    is_label.then_some(value as u32)
}
