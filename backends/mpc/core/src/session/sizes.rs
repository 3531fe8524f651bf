//! How much randomness a gate takes.

/// Words of randomness one gate takes for a batch.
#[derive(Clone, Copy, Default)]
pub struct Sizes {
    /// Values compared.
    pub(crate) compared: usize,
    /// Words of exclusive-or shares.
    pub(crate) bits: usize,
    /// Comparison keys, whose corrections are the same for both parties.
    pub(crate) keys: usize,
    /// Additive shares.
    pub(crate) values: usize,
    /// Values both parties mask and open.
    pub(crate) opening: usize,
    /// Values the data owner masks for the model owner.
    pub(crate) held: usize,
}

impl Sizes {
    /// Whether the dealer sends the model owner anything.
    pub(crate) fn corrected(self) -> bool {
        self.bits + self.keys + self.values > 0
    }
}
