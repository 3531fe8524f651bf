//! What a party has of each gate before the images, and for which batch: consumed by value, and wiped.

use std::sync::atomic::{AtomicU64, Ordering};

use veilbench_ot::correlated::{Receiver, Sender};
use veilbench_ot::equality;
use veilbench_ot::relu::{Chooser, Offerer, Party};
use veilbench_ring::wiped::Wiped;

use crate::Error;
use crate::linear::Masks;
use crate::quadratic::Keys;
use crate::truncation::Lifting;

/// Sessions of this process so far.
static SESSIONS: AtomicU64 = AtomicU64::new(0);

/// What material was prepared for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    /// Number of the session in this process. The name that both parties know is the data owner's choice, and may come twice.
    session: u64,
    /// Number of the batch in the session.
    batch: u64,
}

/// The batches of one session, which run in the order in which they are prepared.
pub(super) struct Batches {
    session: u64,
    prepared: u64,
    run: u64,
}

impl Batches {
    pub(super) fn of_a_new_session() -> Self {
        Self { session: SESSIONS.fetch_add(1, Ordering::Relaxed), prepared: 0, run: 0 }
    }

    /// The label of what is prepared next.
    pub(super) fn prepare(&mut self) -> Label {
        let label = Label { session: self.session, batch: self.prepared };
        self.prepared += 1;
        label
    }

    /// Lets the batch that is due run on its material, once.
    ///
    /// # Errors
    /// [`Error::OtherSession`], and [`Error::OtherBatch`] if the material is another batch's.
    pub(super) fn run(&mut self, Label { session, batch }: Label) -> Result<(), Error> {
        if session != self.session {
            return Err(Error::OtherSession);
        }
        if batch != self.run {
            return Err(Error::OtherBatch { due: self.run, found: batch });
        }
        self.run += 1;
        Ok(())
    }
}

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
