//! The model owner: holds the weights, learns nothing.

use std::ops::Range;

use veilbench_networks::Tensor;

use crate::planning::batches::{BatchSplit, Progress};
use veilbench_api::{Error, Party, RoleContext};

/// The model owner's side of a protocol. Where its randomness comes from, a dealer or the other owner, and which messages it exchanges
/// with whom, is the protocol's.
pub(crate) trait ModelOwnerSide: Send {
    /// Prepares the window that runs next. What was prepared before has run, or its batch was given up; the peer then refuses what follows.
    ///
    /// # Errors
    /// If a peer misbehaves.
    fn prepare(&mut self, window: Range<usize>) -> Result<(), Error>;

    /// Runs the window that was prepared.
    ///
    /// # Errors
    /// If a peer misbehaves.
    fn run(&mut self) -> Result<(), Error>;
}

/// The party of that role.
pub(crate) struct ModelOwner<S> {
    side: S,
    cut: BatchSplit,
    batch: usize,
    progress: Progress,
}

impl<S: ModelOwnerSide> ModelOwner<S> {
    pub(crate) fn new(role: &RoleContext, cut: BatchSplit, side: S) -> Self {
        Self { side, cut, batch: role.job.batch, progress: Progress::default() }
    }
}

impl<S: ModelOwnerSide> Party for ModelOwner<S> {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.progress.announce(images, self.batch)?;
        let first = self.cut.windows(images).next().unwrap_or(0..0);
        self.side.prepare(first)
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = self.progress.take()?;
        for (index, window) in self.cut.windows(images).enumerate() {
            if index > 0 {
                self.side.prepare(window)?;
            }
            self.side.run()?;
        }
        Ok(None)
    }
}
