//! One party stepped through its phases, with what each phase sent.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use veilbench_networks::Tensor;

use crate::link::{Meter, Traffic};
use crate::{Backend, Error, Party, Recorder, Seat, Span};

/// Bytes and messages one party sent to one peer in one phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The receiving role.
    pub to: String,
    /// Payload bytes.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

/// What one phase of one party left behind, apart from time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// Named parts, in order of first occurrence.
    pub spans: Vec<Span>,
    /// Per peer.
    pub sent: Vec<Sent>,
    /// Causal depth at the end: the longest chain of messages.
    pub rounds: u32,
}

/// A running role and its counters. Every call is one phase.
pub struct Stage {
    party: Box<dyn Party>,
    counters: Counters,
}

struct Counters {
    meter: Arc<Meter>,
    traffic: Vec<(String, Arc<Traffic>, (u64, u64))>,
    recorder: Recorder,
}

impl Counters {
    fn footprint(&mut self) -> Footprint {
        let sent = self
            .traffic
            .iter_mut()
            .map(|(to, traffic, before)| {
                let now = traffic.totals();
                let (bytes, messages) = (now.0 - before.0, now.1 - before.1);
                *before = now;
                Sent { to: to.clone(), bytes, messages }
            })
            .collect();
        Footprint { spans: self.recorder.take(), sent, rounds: self.meter.depth() }
    }
}

impl Stage {
    /// The `setup` phase.
    ///
    /// # Errors
    /// Those of [`Backend::join`].
    pub fn setup(backend: &dyn Backend, seat: Seat, meter: Arc<Meter>) -> Result<(Self, Footprint), Error> {
        let traffic = seat.links.traffic().into_iter().map(|(to, traffic)| (to, traffic, (0, 0))).collect();
        let mut counters = Counters { meter, traffic, recorder: seat.recorder.clone() };
        counters.meter.begin_phase();
        let party = backend.join(seat)?;
        let footprint = counters.footprint();
        Ok((Self { party, counters }, footprint))
    }

    /// The `offline` phase of the next batch.
    ///
    /// # Errors
    /// Those of [`Party::offline`].
    pub fn offline(&mut self, images: usize) -> Result<Footprint, Error> {
        self.counters.meter.begin_phase();
        self.party.offline(images)?;
        Ok(self.counters.footprint())
    }

    /// The `online` phase of one batch.
    ///
    /// # Errors
    /// Those of [`Party::online`].
    pub fn online(&mut self, images: Option<&Tensor>) -> Result<(Option<Tensor>, Footprint), Error> {
        self.counters.meter.begin_phase();
        let logits = self.party.online(images)?;
        Ok((logits, self.counters.footprint()))
    }
}
