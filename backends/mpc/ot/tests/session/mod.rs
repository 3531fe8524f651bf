//! Transfers for tests, extended in a session, either way.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use veilbench_ot::setup::{self, ChooserExtensions, OffererExtensions};
use veilbench_ot::{Depth, ReceiverRows, SenderRows, Session};

/// A session that is set up.
pub(crate) struct Extended {
    pub(crate) chooser: ChooserExtensions,
    pub(crate) offerer: OffererExtensions,
}

impl Extended {
    pub(crate) fn new(depth: Depth) -> Self {
        let session = Session::new([5; 16]);
        let (chooser, first) = setup::Chooser::start_in(session, depth).unwrap();
        let (offerer, second) = setup::Offerer::start(depth, &first).unwrap();
        let (chooser, third) = chooser.finish(&second).unwrap();
        assert_eq!([first.len(), second.len(), third.len()], setup::message_bytes(depth));
        Self { chooser, offerer: offerer.finish(&third).unwrap() }
    }

    /// From the chooser to the offerer.
    pub(crate) fn forward(&mut self, transfers: usize) -> (SenderRows, ReceiverRows) {
        let (received, message) = self.offerer.received.extend(transfers);
        (self.chooser.sent.extend(transfers, &message).unwrap(), received)
    }

    /// From the offerer to the chooser.
    pub(crate) fn backward(&mut self, transfers: usize) -> (SenderRows, ReceiverRows) {
        let (received, message) = self.chooser.received.extend(transfers);
        (self.offerer.sent.extend(transfers, &message).unwrap(), received)
    }

    /// 1-of-16, from the offerer to the chooser.
    pub(crate) fn lookups(&mut self, transfers: usize) -> (SenderRows, ReceiverRows) {
        let (received, message) = self.chooser.lookups.extend(transfers);
        (self.offerer.lookups.extend(transfers, &message).unwrap(), received)
    }
}

/// Numbers that every run of a test has in common.
pub(crate) fn numbers(seed: u8, count: usize) -> Vec<u64> {
    let mut rng = ChaCha12Rng::from_seed([seed; 32]);
    (0..count).map(|_| rng.next_u64()).collect()
}
