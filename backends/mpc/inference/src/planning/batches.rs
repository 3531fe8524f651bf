//! How a batch is cut: into messages that stay small and overlap, and into windows whose randomness fits in memory. Of images that do not fit one by one
//! the gates are cut into windows too.

use std::ops::Range;

use rayon::prelude::*;

use veilbench_api::{Error, Job};
use veilbench_mpc::cost::{Cost, GateWindow};

/// Randomness one party holds ahead of the online phase, in bytes.
const AHEAD_BYTES: usize = 3 << 30;
/// The same of an image that takes more than that by itself. Some of it is dealt while online in any case, so less is held.
const GATES_BYTES: usize = 512 << 20;
/// Randomness behind one message at most; the message itself is a fraction of that.
const MESSAGE_BYTES: usize = 64 << 20;
/// So many messages are under way for each worker thread, so that both parties always have one to work on.
const MESSAGES_A_THREAD: usize = 8;

/// Sizes in images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchSplit {
    message: usize,
    ahead: usize,
    /// Bytes of randomness of a window of gates, if not all gates are dealt at once.
    gate_bytes: Option<usize>,
}

impl BatchSplit {
    /// From a plan, which may come from elsewhere: never zero.
    pub(crate) fn new(message: usize, ahead: usize) -> Self {
        let message = message.max(1);
        Self { message, ahead: ahead.max(message), gate_bytes: None }
    }

    /// With gates that are dealt in windows of so many bytes, if any are given: one image after the other then.
    pub(crate) fn in_gates_of(self, bytes: Option<usize>) -> Self {
        match bytes {
            None => self,
            Some(_) => Self { message: 1, ahead: 1, gate_bytes: bytes },
        }
    }

    /// For images that take so many bytes of randomness.
    pub(crate) fn choose(randomness_bytes: usize, job: &Job) -> Self {
        let fits = |bytes: usize| (bytes / randomness_bytes.max(1)).max(1);
        let pipelined = job.batch.div_ceil(MESSAGES_A_THREAD * job.threads.max(1)).max(1);
        let message = pipelined.min(fits(MESSAGE_BYTES));
        let split = Self::new(message, (fits(AHEAD_BYTES) / message * message).min(job.batch));
        split.in_gates_of((randomness_bytes > AHEAD_BYTES).then_some(GATES_BYTES))
    }

    pub(crate) fn message(self) -> usize {
        self.message
    }

    pub(crate) fn ahead(self) -> usize {
        self.ahead
    }

    /// Bytes of randomness of a window of gates, if not all gates are dealt at once.
    pub(crate) fn gate_bytes(self) -> Option<usize> {
        self.gate_bytes
    }

    /// The windows of gates of a message: one of all gates, however many images a plan puts in a message, unless they are cut.
    pub(crate) fn gates(self, cost: &Cost<'_>) -> Vec<GateWindow> {
        cost.windows(1, self.gate_bytes.unwrap_or(usize::MAX))
    }

    /// The windows of a batch, each dealt as a whole; the first one offline.
    pub(crate) fn windows(self, images: usize) -> impl Iterator<Item = Range<usize>> {
        (0..images).step_by(self.ahead).map(move |start| start..images.min(start + self.ahead))
    }

    /// The messages of a window.
    pub(crate) fn messages(self, window: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let end = window.end;
        window.step_by(self.message).map(move |start| start..end.min(start + self.message))
    }
}

/// How far a batch has come: offline prepares, online consumes.
#[derive(Default)]
pub(crate) struct Progress {
    images: usize,
}

impl Progress {
    /// A batch was announced.
    ///
    /// # Errors
    /// If it is empty or larger than planned, or the one before has not run: what is prepared is not replaced, as the parties would have to agree
    /// on what they drop.
    pub(crate) fn announce(&mut self, images: usize, most: usize) -> Result<(), Error> {
        if images == 0 || images > most {
            return Err(Error::Input(format!("a batch of {images} images where 1 to {most} were planned")));
        }
        if self.images > 0 {
            return Err(Error::protocol("the offline phase began once more before what it prepared had run"));
        }
        self.images = images;
        Ok(())
    }

    /// The batch that was announced, once.
    ///
    /// # Errors
    /// If there was none since the last.
    pub(crate) fn take(&mut self) -> Result<usize, Error> {
        match std::mem::take(&mut self.images) {
            0 => Err(Error::protocol("the online phase began before the offline phase")),
            images => Ok(images),
        }
    }
}

/// Maps on the ambient pool; a single item stays on this thread, which saves a switch.
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    if items.len() > 1 {
        items.into_par_iter().map(work).collect()
    } else {
        items.into_iter().map(work).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilbench_api::LinkProfile;

    fn job(batch: usize, threads: usize) -> Job {
        Job::new(batch, threads, LinkProfile::loopback())
    }

    #[test]
    fn every_image_is_in_one_message_of_one_window() {
        for (bytes, batch, threads) in [(1, 1, 1), (1 << 20, 100, 2), (200 << 20, 37, 1), (usize::MAX, 5, 1)]
        {
            let cut = BatchSplit::choose(bytes, &job(batch, threads));
            let windows: Vec<_> = cut.windows(batch).collect();
            let covered: Vec<usize> =
                windows.iter().flat_map(|window| cut.messages(window.clone())).flatten().collect();
            assert_eq!(covered, (0..batch).collect::<Vec<_>>());
            assert!(windows.iter().all(|window| cut.messages(window.clone()).count() > 0));
        }
    }

    #[test]
    fn memory_bounds_what_is_dealt_ahead() {
        let cut = BatchSplit::choose(50 << 20, &job(10_000, 2));
        assert!(cut.ahead() * (50 << 20) <= AHEAD_BYTES);
        assert!(cut.message() * (50 << 20) <= MESSAGE_BYTES);
        let small = BatchSplit::choose(1 << 10, &job(100, 1));
        assert_eq!(small.ahead(), 100);
    }

    #[test]
    fn gates_are_cut_only_where_one_image_does_not_fit() {
        let fitting = BatchSplit::choose(AHEAD_BYTES, &job(3, 2));
        assert_eq!((fitting.ahead(), fitting.gate_bytes()), (1, None));
        let large = BatchSplit::choose(AHEAD_BYTES + 1, &job(3, 2));
        assert_eq!((large.message(), large.ahead(), large.gate_bytes()), (1, 1, Some(GATES_BYTES)));
        // A plan that comes from elsewhere may say what it likes.
        let odd = BatchSplit::new(usize::MAX, 8).in_gates_of(Some(0));
        assert_eq!((odd.message(), odd.ahead()), (1, 1));
    }

    #[test]
    fn a_batch_is_announced_before_it_runs_and_runs_once() {
        let mut progress = Progress::default();
        assert!(progress.take().is_err());
        assert!(progress.announce(0, 5).is_err() && progress.announce(6, 5).is_err());
        progress.announce(5, 5).unwrap();
        assert!(progress.announce(4, 5).is_err());
        assert_eq!(progress.take().unwrap(), 5);
        assert!(progress.take().is_err());
        progress.announce(4, 5).unwrap();
    }
}
