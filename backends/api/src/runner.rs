//! One party stepped through its phases, with what each phase sent.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use veilbench_networks::{Shape, Tensor};

use crate::link::{Count, Meter, Traffic};
use crate::{Backend, Error, Party, Recorder, RoleContext, Span};

/// Bytes and messages that passed between one party and one peer in one phase, by that party's own count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanged {
    /// The other role.
    pub peer: String,
    /// Through memory the two share, not over the network.
    pub local: bool,
    /// Payload bytes sent.
    pub sent_bytes: u64,
    /// Messages sent.
    pub sent_messages: u64,
    /// Payload bytes received.
    pub received_bytes: u64,
    /// Messages received.
    pub received_messages: u64,
}

/// What one phase of one party left behind, apart from time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseMetrics {
    /// Named parts, in order of first occurrence.
    pub spans: Vec<Span>,
    /// Per peer.
    pub exchanged: Vec<Exchanged>,
    /// Causal depth at the end: the longest chain of messages over the network.
    pub rounds: u32,
}

impl PhaseMetrics {
    /// Whether anything was done that is worth a time: a message, or a named part.
    pub fn has_work(&self) -> bool {
        let exchanged = |peer: &Exchanged| peer.sent_messages + peer.received_messages > 0;
        !self.spans.is_empty() || self.exchanged.iter().any(exchanged)
    }
}

/// A running role and its counters. Every call is one phase.
pub struct PartyRunner {
    party: Box<dyn Party>,
    counters: Counters,
    input: Shape,
    output: Shape,
    batch: usize,
}

struct Counters {
    meter: Arc<Meter>,
    traffic: Vec<(String, Arc<Traffic>, [Count; 2])>,
    recorder: Recorder,
}

impl Counters {
    fn metrics(&mut self) -> PhaseMetrics {
        let exchanged = self
            .traffic
            .iter_mut()
            .map(|(peer, traffic, before)| {
                let now = [traffic.sent(), traffic.received()];
                let [sent, received] = [now[0].since(before[0]), now[1].since(before[1])];
                *before = now;
                Exchanged {
                    peer: peer.clone(),
                    local: traffic.is_local(),
                    sent_bytes: sent.bytes,
                    sent_messages: sent.messages,
                    received_bytes: received.bytes,
                    received_messages: received.messages,
                }
            })
            .collect();
        PhaseMetrics { spans: self.recorder.take(), exchanged, rounds: self.meter.depth() }
    }
}

impl PartyRunner {
    /// The `setup` phase.
    ///
    /// # Errors
    /// Those of [`Backend::join`].
    pub fn setup(
        backend: &dyn Backend,
        role: RoleContext,
        meter: Arc<Meter>,
    ) -> Result<(Self, PhaseMetrics), Error> {
        let traffic = role
            .links
            .traffic()
            .into_iter()
            .map(|(to, traffic)| (to, traffic, [Count::default(); 2]))
            .collect();
        let mut counters = Counters { meter, traffic, recorder: role.recorder.clone() };
        counters.meter.begin_phase();
        let (input, output, batch) = (role.architecture.input, role.architecture.output(), role.job.batch);
        let party = backend.join(role)?;
        let metrics = counters.metrics();
        Ok((Self { party, counters, input, output, batch }, metrics))
    }

    /// The `offline` phase of the next batch.
    ///
    /// # Errors
    /// Those of [`Party::offline`].
    pub fn offline(&mut self, images: usize) -> Result<PhaseMetrics, Error> {
        self.counters.meter.begin_phase();
        self.party.offline(images)?;
        Ok(self.counters.metrics())
    }

    /// The `online` phase of one batch, whose images are checked before and whose logits after it.
    ///
    /// # Errors
    /// Those of [`Party::online`]; [`Error::Input`] for images of another shape, number or without a finite value,
    /// [`Error::Answer`] for logits that are not one finite number for every class of every image.
    pub fn online(&mut self, images: Option<&Tensor>) -> Result<(Option<Tensor>, PhaseMetrics), Error> {
        if let Some(images) = images {
            self.check_images(images)?;
        }
        self.counters.meter.begin_phase();
        let logits = self.party.online(images)?;
        let metrics = self.counters.metrics();
        self.check_logits(images, logits.as_ref())?;
        Ok((logits, metrics))
    }

    fn check_images(&self, images: &Tensor) -> Result<(), Error> {
        if images.shape() != self.input || images.images() == 0 || images.images() > self.batch {
            return Err(Error::Input(format!(
                "a batch of {} images of {} was given where 1 to {} images of {} were planned",
                images.images(),
                images.shape(),
                self.batch,
                self.input
            )));
        }
        match images.data().iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let (image, value) = (at / self.input.len(), at % self.input.len());
                let reason =
                    format!("value {value} of image {image} is {}, no finite number", images.data()[at]);
                Err(Error::Input(reason))
            }
        }
    }

    fn check_logits(&self, images: Option<&Tensor>, logits: Option<&Tensor>) -> Result<(), Error> {
        let wrong = |reason: String| Err(Error::Answer(reason));
        match (images, logits) {
            (None, None) => Ok(()),
            (None, Some(_)) => wrong("logits came from a role that holds no images".into()),
            (Some(_), None) => wrong("no logits came".into()),
            (Some(images), Some(logits)) => {
                let (due, came) = (images.images(), logits.images());
                if (due, self.output) != (came, logits.shape()) {
                    let (output, shape) = (self.output, logits.shape());
                    return wrong(format!("{came} answers of {shape} came where {due} of {output} were due"));
                }
                match logits.data().iter().position(|logit| !logit.is_finite()) {
                    None => Ok(()),
                    Some(at) => {
                        wrong(format!("a logit of image {} is no finite number", at / self.output.len()))
                    }
                }
            }
        }
    }
}
