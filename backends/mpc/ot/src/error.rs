//! What can go wrong: a peer's message that is not what the protocol says, a parameter that does not exist.

/// Reason for which a protocol gave up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message is shorter or longer than the protocol says.
    #[error("{what}: a message of {expected} bytes was expected, {actual} came; the session is over")]
    Length {
        /// What it carries.
        what: &'static str,
        /// Bytes the protocol asks for.
        expected: usize,
        /// Bytes that came.
        actual: usize,
    },
    /// Bytes that are the canonical encoding of no element of the Ristretto group.
    #[error("base transfer {index}: the peer sent no element of the group; the session is over")]
    Point {
        /// Number of the base transfer.
        index: usize,
    },
    /// The identity of the group, of which every multiple is known.
    #[error("base transfer {index}: the peer sent the identity of the group; the session is over")]
    Identity {
        /// Number of the base transfer.
        index: usize,
    },
    /// A depth of trees that is not offered.
    #[error("trees of depth {depth} were asked for; 2, 4 and 8 are supported")]
    Depth {
        /// The depth asked for.
        depth: u32,
    },
    /// A ring of an unsupported size.
    #[error("a ring of {bits} bits was asked for, where {least} to 64 are supported")]
    Ring {
        /// The size asked for.
        bits: u32,
        /// The smallest size that is supported there.
        least: u32,
    },
    /// The caller gave more or fewer values, or transfers, than belong together.
    #[error("{what}: {expected} are needed, {actual} were given")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many belong there.
        expected: usize,
        /// How many were given.
        actual: usize,
    },
    /// An index beyond the table that is looked up. The index itself is secret.
    #[error("index {lookup} is beyond its table")]
    Index {
        /// Number of the lookup.
        lookup: usize,
    },
    /// An extension that an earlier message was wrong for.
    #[error("an earlier message of this session was none of the protocol's; the session is over")]
    Broken,
    /// Transfers were asked for and finished in different orders.
    #[error(
        "portion {expected} of an extension is due, not portion {actual}; finish requests in their order"
    )]
    Order {
        /// The portion that is due.
        expected: u64,
        /// The one that was given.
        actual: u64,
    },
    /// The operating system gave no entropy.
    #[error("the operating system gave no entropy: {0}")]
    Entropy(String),
}

/// Refuses another number of values than belong there.
pub(crate) fn expect_count(what: &'static str, expected: usize, actual: usize) -> Result<(), Error> {
    if expected == actual { Ok(()) } else { Err(Error::Count { what, expected, actual }) }
}

/// Refuses a message of another length.
pub(crate) fn expect_length(what: &'static str, expected: usize, message: &[u8]) -> Result<(), Error> {
    let actual = message.len();
    if expected == actual { Ok(()) } else { Err(Error::Length { what, expected, actual }) }
}
