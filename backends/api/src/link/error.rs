//! Why a link fails.

use std::io;

use super::MESSAGE_LIMIT;

/// Why a link failed. Every variant names the peer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The peer ended, or was ended, in the middle of the protocol.
    #[error("link to {peer}: the peer closed the connection")]
    Closed {
        /// The peer's role.
        peer: String,
    },
    /// Nothing arrived, or nothing could be sent, for too long.
    #[error("link to {peer}: no progress for {seconds} s; raise --timeout if the work is only slow")]
    Timeout {
        /// The peer's role.
        peer: String,
        /// The limit.
        seconds: u64,
    },
    /// The session's time was over while this party waited.
    #[error("link to {peer}: still awaited when the time was over; raise --timeout if the work is only slow")]
    Deadline {
        /// The peer's role.
        peer: String,
    },
    /// A message is larger than a link carries.
    #[error("link to {peer}: a message of {bytes} bytes exceeds the limit of {MESSAGE_LIMIT}")]
    TooLarge {
        /// The peer's role.
        peer: String,
        /// The size named.
        bytes: usize,
    },
    /// A message has another length than both sides know it must have.
    #[error("link to {peer}: a message of {got} bytes where {expected} were due")]
    Length {
        /// The peer's role.
        peer: String,
        /// The length that was due.
        expected: usize,
        /// The length that was announced.
        got: usize,
    },
    /// A message was lost, repeated or reordered, or the stream is not ours.
    #[error("link to {peer}: message {got} where {expected} was due")]
    Sequence {
        /// The peer's role.
        peer: String,
        /// Number of the message that was due.
        expected: u32,
        /// Number that came.
        got: u32,
    },
    /// A message of another phase: the protocol left it unread, or its sender is ahead. Counted here,
    /// its bytes and rounds would stand in the wrong phase.
    #[error("link to {peer}: a message of phase {got} where phase {expected} is under way")]
    Phase {
        /// The peer's role.
        peer: String,
        /// The receiver's phase, counted from the start of the session.
        expected: u32,
        /// The sender's.
        got: u32,
    },
    /// An earlier error left the link unusable.
    #[error("link to {peer}: used again after it failed")]
    Broken {
        /// The peer's role.
        peer: String,
    },
    /// No such link.
    #[error("no link to {peer}")]
    Missing {
        /// The role asked for.
        peer: String,
    },
    /// Links could not be set up.
    #[error("connecting to {peer}: {reason}")]
    Connect {
        /// The peer's role.
        peer: String,
        /// Why.
        reason: String,
    },
    /// The operating system refused.
    #[error("link to {peer}: {source}")]
    Io {
        /// The peer's role.
        peer: String,
        /// The error.
        source: io::Error,
    },
}
