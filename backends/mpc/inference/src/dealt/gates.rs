//! How a role goes through the windows of gates of a window of images.

use std::ops::Range;

use veilbench_mpc::circuit::Circuit;
use veilbench_mpc::cost::{Cost, GateWindow};
use veilbench_mpc::session::Protocol;

use crate::planning::batches::BatchSplit;

/// The windows of gates, and which comes next.
pub(super) struct Gates {
    windows: Vec<GateWindow>,
    next: usize,
}

impl Gates {
    /// Those of a circuit, the same at every role.
    pub(super) fn new<P: Protocol>(circuit: &Circuit, cut: BatchSplit) -> Self {
        Self { windows: cut.gates(&Cost::of::<P>(circuit)), next: 0 }
    }

    /// A window of images begins.
    pub(super) fn restart(&mut self) {
        self.next = 0;
    }

    /// The next window, if there is one.
    pub(super) fn advance(&mut self) -> Option<Range<usize>> {
        let window = self.windows.get(self.next)?;
        self.next += 1;
        Some(window.gates.clone())
    }

    /// The next window, if it is taken in before the data owner's message of a number.
    pub(super) fn advance_to(&mut self, message: usize) -> Option<Range<usize>> {
        let is_due = self.windows.get(self.next).is_some_and(|window| window.message == message);
        if is_due { self.advance() } else { None }
    }

    /// Whether there is none left.
    pub(super) fn is_over(&self) -> bool {
        self.next == self.windows.len()
    }
}
