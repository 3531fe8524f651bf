//! What can go wrong: a peer's message that is not what the protocol says, a network that does not fit.

/// Reason for which a party gave up.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
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
    /// A residue of a ciphertext reaches its prime.
    #[error("{what}: a residue reaches its prime; the session is over")]
    Residue {
        /// What carries it.
        what: &'static str,
    },
    /// The caller gave more or fewer values than belong together.
    #[error("{what}: {expected} are needed, {actual} were given")]
    Count {
        /// Which values.
        what: &'static str,
        /// How many belong there.
        expected: usize,
        /// How many were given.
        actual: usize,
    },
    /// Shares are of a ring that the ciphertexts have no room for.
    #[error("shares of {bits} bits were asked for; ciphertexts have room for {least} to {most}")]
    RingBits {
        /// The size asked for.
        bits: u32,
        /// The smallest size.
        least: u32,
        /// The largest size.
        most: u32,
    },
    /// A kernel reads more of one channel than a ciphertext holds.
    #[error(
        "a kernel reads {values} values of a channel, where a ciphertext holds {most}: use smaller or less dilated kernels"
    )]
    Kernel {
        /// Values between the first and the last one read, and all in between.
        values: usize,
        /// What a ciphertext holds.
        most: usize,
    },
    /// The weights of a layer's ciphertext are too large for the noise that they may cause. The numbers themselves are secret.
    #[error(
        "the root of the sum of squares of the weights in ciphertext {block} of a layer has more than {bits} bits: take the widest ring, or scale the \
         layer down"
    )]
    Weights {
        /// The ciphertext's number in an answer.
        block: usize,
        /// The most bits.
        bits: u32,
    },
    /// A key is modulo other primes than a layer's ciphertexts.
    #[error("a layer's ciphertexts are modulo primes of {expected:?} bits, the key is modulo {found:?}")]
    Primes {
        /// Lengths of the layer's.
        expected: [u32; 2],
        /// Lengths of the key's.
        found: [u32; 2],
    },
    /// A gate that this protocol does not have.
    #[error("gate {gate}: {reason}")]
    Unsupported {
        /// Its number in the circuit.
        gate: usize,
        /// What is missing.
        reason: &'static str,
    },
    /// Products carry more noise than half of what the truncation behind them drops.
    #[error(
        "gate {gate}: it drops {shift} bits, and noise of up to {noise} needs more: use more fractional bits of weights or a smaller ring"
    )]
    Noise {
        /// Number of the truncating gate in the circuit.
        gate: usize,
        /// Bits that it drops.
        shift: u32,
        /// What the noise is at most, in units of the last place.
        noise: u64,
    },
    /// The data owner has another circuit, or its program another revision of the protocols.
    #[error(
        "the data owner's circuit has the fingerprint {found:016x}, this one {expected:016x}: both owners need one plan, and programs of one revision"
    )]
    OtherCircuit {
        /// The model owner's.
        expected: u64,
        /// The data owner's.
        found: u64,
    },
    /// What a batch was to run on was prepared in another session, whose masks and keys the other party does not have.
    #[error("material of another session came to a batch of this one; the session is over: set up a new one")]
    OtherSession,
    /// What a batch was to run on was prepared for another one of the session.
    #[error(
        "material of batch {found} came where that of batch {due} is due; batches run in the order in which they are prepared, and the session is over: \
         set up a new one"
    )]
    OtherBatch {
        /// Number of the batch whose turn it is.
        due: u64,
        /// Number of the batch whose material came.
        found: u64,
    },
    /// An earlier batch failed: parties no longer agree on numbers of transfers or on what was sent.
    #[error("the session is over: an earlier batch failed; set up a new one")]
    Over,
    /// Images drive activations beyond what the ring can tell.
    #[error("images {images:?} of the batch drive values beyond what their guards accept")]
    OutOfRange {
        /// Their numbers in the batch.
        images: Vec<usize>,
    },
    /// Failure of transfers or what is built on them.
    #[error(transparent)]
    Transfer(#[from] veilbench_ot::Error),
    /// Failure of the polynomial ring.
    #[error(transparent)]
    Ring(#[from] veilbench_ring::Error),
    /// Failure of the circuit or its model.
    #[error(transparent)]
    Circuit(#[from] veilbench_mpc::Error),
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
