//! What a party has of each gate before the images: consumed by value, and wiped.

use veilbench_ot::correlated::{Receiver, Sender};
use veilbench_ot::equality;
use veilbench_ot::relu::{Chooser, Offerer, Party};
use veilbench_ring::wiped::Wiped;

use crate::linear::Masks;
use crate::quadratic::Keys;
use crate::truncation::Lifting;

/// Comparisons at the data owner, which chooses ahead of the images if its shares are settled.
pub(super) enum Comparing {
    Waits(Chooser),
    Chose(Party),
}

/// A truncation's lift at the data owner, likewise.
pub(super) enum Lifts {
    Waits(Receiver),
    Chose(Lifting),
}

/// What the data owner has for one gate.
pub(super) enum ChooserKeys {
    Nothing,
    /// Masks of each image.
    Linear(Vec<Masks>),
    Compare {
        values: Option<Comparing>,
        guard: Option<equality::Chooser>,
    },
    Truncate(Lifts),
    Square {
        lifts: Lifts,
        keys: Keys,
        back: Receiver,
        guard: Option<equality::Chooser>,
    },
}

/// Transfers at the model owner, and the data owner's choices if it sent them ahead of the images.
pub(super) struct Offered<Transfers> {
    pub(super) keys: Transfers,
    pub(super) choices: Option<Vec<u8>>,
}

/// What the model owner has for one gate.
pub(super) enum OffererKeys {
    Nothing,
    /// Shares of products, of each image.
    Linear(Vec<Wiped<u64>>),
    Compare {
        values: Option<Offered<Offerer>>,
        guard: Option<equality::Offerer>,
    },
    Truncate(Offered<Sender>),
    Square {
        lifts: Offered<Sender>,
        keys: Keys,
        back: Sender,
        guard: Option<equality::Offerer>,
    },
}
