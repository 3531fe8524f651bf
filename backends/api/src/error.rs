//! Why a party gives up.

use crate::LinkError;

/// Why a party gave up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A link failed; names the peer.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// An image or weight the caller gave is unusable.
    #[error("{0}")]
    Input(String),
    /// Values went beyond what the backend can represent, so an answer would be wrong and none is given.
    #[error("out of range: {reason}")]
    OutOfRange {
        /// The images of the batch that are known to be concerned, from 0; empty if the backend cannot tell which.
        images: Vec<usize>,
        /// What exceeded what, and what would help.
        reason: String,
    },
    /// What the backend returned is no answer to the batch.
    #[error("answer: {0}")]
    Answer(String),
    /// A peer sent what the protocol does not allow.
    #[error("protocol: {0}")]
    Protocol(String),
    /// The backend's own machinery failed.
    #[error("{doing}: {source}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// A peer, or the caller, broke the protocol.
    pub fn protocol(reason: impl Into<String>) -> Self {
        Error::Protocol(reason.into())
    }

    /// Wraps an error of the machinery inside.
    pub fn engine<E>(doing: &'static str) -> impl FnOnce(E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Error::Engine { doing, source: Box::new(source) }
    }
}
