//! Why a file is refused.

use std::io;

use thiserror::Error;

use super::MAX_FILE_BYTES;
use crate::network::NetworkError;

/// Why an ONNX file was not imported. Every message names the file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file could not be read.
    #[error("cannot read {file}: {source}")]
    Io {
        /// Path of the file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than [`MAX_FILE_BYTES`].
    #[error("cannot import {file}: it is larger than {MAX_FILE_BYTES} bytes")]
    TooLarge {
        /// Path of the file.
        file: String,
    },
    /// The bytes are no ONNX model.
    #[error("cannot import {file}: it is not an ONNX model, or damaged: {reason}")]
    Corrupt {
        /// Path of the file.
        file: String,
        /// Where the decoder stopped.
        reason: String,
    },
    /// Something about the model as a whole is not supported.
    #[error("cannot import {file}: {reason}")]
    Model {
        /// Path of the file.
        file: String,
        /// What, and what to do about it.
        reason: String,
    },
    /// One node cannot be represented.
    #[error("cannot import {file}: node {node} ({operator}): {reason}")]
    Node {
        /// Path of the file.
        file: String,
        /// Name of the node, or of its output if it has none, in quotes.
        node: String,
        /// ONNX operator.
        operator: String,
        /// Which attribute or input, and why.
        reason: String,
    },
    /// The network that was read is unsound.
    #[error("cannot import {file}: {source}")]
    Network {
        /// Path of the file.
        file: String,
        /// The first thing that is wrong with it.
        source: NetworkError,
    },
}

/// Why lowering stopped, before the file's name is added.
#[derive(Debug)]
pub(super) enum Refusal {
    Model(String),
    Node {
        node: String,
        operator: String,
        reason: String,
    },
    /// An operator uses the input as an image of `[channels, height, width]`, which is not how it
    /// was declared.
    InputIsImage {
        size: [usize; 3],
        otherwise: Box<Refusal>,
    },
}

impl Refusal {
    pub(super) fn model(reason: impl Into<String>) -> Self {
        Refusal::Model(reason.into())
    }

    pub(super) fn in_file(self, file: &str) -> ImportError {
        let file = file.to_owned();
        match self {
            Refusal::Model(reason) => ImportError::Model { file, reason },
            Refusal::Node { node, operator, reason } => ImportError::Node { file, node, operator, reason },
            Refusal::InputIsImage { otherwise, .. } => otherwise.in_file(&file),
        }
    }
}

/// Why one operator is refused; the node is added by the caller.
#[derive(Debug)]
pub(super) enum Reason {
    Text(String),
    InputIsImage([usize; 3]),
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Reason::Text(text)
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Reason::Text(text.into())
    }
}

/// A name from a file, in quotes and cut short.
pub(crate) fn quote(name: &str) -> String {
    const SHOWN: usize = 80;
    let mut shown: String = name.chars().take(SHOWN).collect();
    if shown.len() < name.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}
