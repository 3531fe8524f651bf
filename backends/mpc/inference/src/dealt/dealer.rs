//! The dealer: correlated randomness for both, ahead of the online phase, or of the gates where it is dealt in windows of them.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use veilbench_mpc::circuit::Circuit;
use veilbench_mpc::session::{self, Corrections, DealerBatch, Dealing, SetupSeeds};
use veilbench_networks::Tensor;

use super::dealer_link::DealerLink;
use super::gates::Gates;
use crate::announcement;
use crate::planning::batches::{BatchSplit, Progress};
use veilbench_api::{Error, Party, Recorder, RoleContext};

/// Messages each thread makes before they are sent.
const MADE_AHEAD: usize = 4;

pub(crate) struct Dealer<P: Dealing> {
    core: session::Dealer<P>,
    to_data_owner: DealerLink,
    to_model_owner: DealerLink,
    cut: BatchSplit,
    threads: usize,
    batch: usize,
    progress: Progress,
    gates: Gates,
    /// The window of images under way, of which the first windows of gates are dealt.
    dealing: Vec<DealerBatch<P>>,
    recorder: Recorder,
}

impl<P: Dealing> Dealer<P> {
    pub(crate) fn join(
        role: &mut RoleContext,
        protocol: &str,
        circuit: Arc<Circuit>,
        cut: BatchSplit,
    ) -> Result<Self, Error> {
        let [mut to_data_owner, mut to_model_owner] = DealerLink::of_dealer(role, protocol)?;
        let gates = Gates::new::<P>(&circuit, cut);
        let (core, SetupSeeds { data_owner, model_owner }) =
            session::Dealer::new(circuit).map_err(Error::engine("seeding the dealer"))?;
        to_data_owner.send(data_owner.into_bytes().as_slice())?;
        to_model_owner.send(model_owner.into_bytes().as_slice())?;
        Ok(Self {
            core,
            to_data_owner,
            to_model_owner,
            cut,
            threads: role.job.threads.max(1),
            batch: role.job.batch,
            progress: Progress::default(),
            gates,
            dealing: Vec::new(),
            recorder: role.recorder.clone(),
        })
    }

    /// Deals the next window of gates for a window of images. Says whether there was one.
    fn deal_next(&mut self, window: &Range<usize>) -> Result<bool, Error> {
        let Some(gates) = self.gates.advance() else { return Ok(false) };
        self.to_data_owner.send(&announcement(self.cut, window, &gates))?;
        if gates.start == 0 {
            let messages = self.cut.messages(window.clone());
            self.dealing = messages.map(|images| self.core.batch(images.len())).collect();
        }
        let mut batches = std::mem::take(&mut self.dealing);
        self.deal(&mut batches, gates.end)?;
        if !self.gates.is_over() {
            self.dealing = batches;
        }
        Ok(true)
    }

    /// Deals for the gates before that of an index, message by message; with more than one thread the others make what this one sends.
    fn deal(&mut self, batches: &mut [DealerBatch<P>], end: usize) -> Result<(), Error> {
        let recorder = self.recorder.clone();
        if self.threads == 1 {
            for batch in batches {
                let mut dealt = batch.until(end);
                while let Some(corrections) = recorder.span("deal", || dealt.next()) {
                    self.send(&corrections)?;
                }
            }
            return Ok(());
        }
        let makers = (self.threads - 1).min(batches.len());
        std::thread::scope(|scope| {
            let mut shares: Vec<Vec<_>> = (0..makers).map(|_| Vec::new()).collect();
            let count = batches.len();
            for (at, batch) in batches.iter_mut().enumerate() {
                shares[at % makers].push(batch.until(end));
            }
            let made: Vec<Receiver<Option<Corrections>>> = shares
                .into_iter()
                .map(|batches| {
                    let (sender, receiver) = sync_channel(MADE_AHEAD);
                    let recorder = recorder.clone();
                    scope.spawn(move || make(batches, &sender, &recorder));
                    receiver
                })
                .collect();
            for receiver in made.iter().cycle().take(count) {
                // The end of a batch, or of its maker.
                while let Some(corrections) = recorder.span("wait", || receiver.recv().ok().flatten()) {
                    self.send(&corrections)?;
                }
            }
            Ok(())
        })
    }

    fn send(&mut self, corrections: &Corrections) -> Result<(), Error> {
        let recorder = self.recorder.clone();
        recorder.span("send", || {
            self.to_model_owner.send(corrections.to_model_owner())?;
            if let Some(keys) = corrections.to_data_owner() {
                self.to_data_owner.send(keys)?;
            }
            Ok(())
        })
    }
}

/// Makes the messages of batches, `None` after each, until nobody takes them any more.
fn make<B: Iterator<Item = Corrections>>(
    batches: Vec<B>,
    made: &SyncSender<Option<Corrections>>,
    recorder: &Recorder,
) {
    for mut batch in batches {
        loop {
            let corrections = recorder.span("deal", || batch.next());
            let is_last = corrections.is_none();
            if made.send(corrections).is_err() {
                return;
            }
            if is_last {
                break;
            }
        }
    }
}

impl<P: Dealing> Party for Dealer<P> {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.progress.announce(images, self.batch)?;
        let first = self.cut.windows(images).next().unwrap_or(0..0);
        self.gates.restart();
        self.deal_next(&first).map(|_| ())
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = self.progress.take()?;
        for (index, window) in self.cut.windows(images).enumerate() {
            if index > 0 {
                self.gates.restart();
            }
            while self.deal_next(&window)? {}
        }
        Ok(None)
    }
}
