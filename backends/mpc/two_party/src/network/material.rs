//! What a party has of each gate before the images: consumed by value, and wiped.

use veilbench_ot::correlated::{Receiver, Sender};
use veilbench_ot::relu::{Chooser, Offerer};
use veilbench_ring::wiped::Wiped;

use crate::linear::Masks;

/// Of one gate, at the data owner.
#[expect(clippy::large_enum_variant, reason = "there is one per gate")]
pub(super) enum ChooserKeys {
    Nothing,
    /// Of each image.
    Linear(Vec<Masks>),
    Compare {
        values: Option<Chooser>,
        guard: Option<Chooser>,
    },
    Truncate(Receiver),
}

/// Of one gate, at the model owner.
#[expect(clippy::large_enum_variant, reason = "there is one per gate")]
pub(super) enum OffererKeys {
    Nothing,
    /// Shares of products, of each image.
    Linear(Vec<Wiped<u64>>),
    Compare {
        values: Option<Offerer>,
        guard: Option<Offerer>,
    },
    Truncate(Sender),
}
