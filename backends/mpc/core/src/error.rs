//! What can go wrong: a peer's message of the wrong size, a network that does not fit.

/// Why a core gave up.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A ring of an unsupported size was asked for.
    #[error("a ring of {bytes} bytes was asked for, 2 to 8 are supported")]
    Ring {
        /// The size asked for.
        bytes: u32,
    },
    /// A ring of an unsupported number of bits was asked for.
    #[error("a ring of {bits} bits was asked for, 16 to 64 are supported")]
    RingBits {
        /// The number asked for.
        bits: u32,
    },
    /// A weight or input does not fit the fixed-point format.
    #[error(
        "{what} {index}, which is not shown, is not finite or too large for {fraction_bits} fractional bits"
    )]
    NotRepresentable {
        /// Which numbers.
        what: &'static str,
        /// Which one. The number itself is secret.
        index: usize,
        /// Fractional bits of the format.
        fraction_bits: u32,
    },
    /// A model that was encoded for a circuit of other layers or another format.
    #[error("the model was encoded for another circuit; encode it again for this one")]
    OtherCircuit,
    /// A message is shorter or longer than the protocol says.
    #[error("a message of {expected} bytes was expected from the {from} ({what}), {actual} came")]
    Length {
        /// Who sent it.
        from: &'static str,
        /// What it carries.
        what: &'static str,
        /// Bytes the protocol asks for.
        expected: usize,
        /// Bytes that came.
        actual: usize,
    },
    /// A call out of order: the protocol is not at that point.
    #[error("{call} was called where the protocol expects {expected}")]
    OutOfOrder {
        /// What was called.
        call: &'static str,
        /// What comes next.
        expected: &'static str,
    },
    /// Randomness of another batch, session or batch size.
    #[error("the randomness is for {what} {actual}, not {expected}")]
    WrongRandomness {
        /// What differs.
        what: &'static str,
        /// What the party has.
        expected: u64,
        /// What was given.
        actual: u64,
    },
    /// A layer the protocols cannot run.
    #[error("layer {layer}: {reason}")]
    Unsupported {
        /// Index of the layer.
        layer: usize,
        /// Why, and what would help.
        reason: String,
    },
    /// Parameters or inputs that do not fit the network's shapes.
    #[error("{what}: {expected} values are needed, {actual} were given")]
    Shape {
        /// Which numbers.
        what: &'static str,
        /// Values needed.
        expected: usize,
        /// Values given.
        actual: usize,
    },
    /// A value could leave the range in which opening and truncation are exact.
    #[error(
        "layer {layer}: with these weights some image may drive values beyond the {limit_bits} bits the ring carries, \
         unnoticed by the guards; use fewer fractional bits or a wider ring, or state calibrated magnitudes"
    )]
    Overflow {
        /// Index of the layer.
        layer: usize,
        /// Bits that are allowed.
        limit_bits: u32,
    },
    /// Values of these images left the range in which results are right, so there are none.
    #[error("images {images:?} of the batch drive values beyond the range that the ring can tell")]
    OutOfRange {
        /// Their indices, ascending.
        images: Vec<usize>,
    },
    /// The operating system gave no entropy.
    #[error("the operating system gave no entropy: {0}")]
    Entropy(String),
}
