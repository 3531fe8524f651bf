//! One party stepped through its phases, with what each phase sent.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use veilbench_networks::{Shape, Tensor};

use crate::link::{Count, Meter, Traffic};
use crate::{Answers, Backend, CountedBy, Error, Party, Recorder, Reveals, RoleContext, Span, WorkerFigures};

/// Bytes and messages that passed between one party and one peer in one phase, by that party's own count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanged {
    /// The other role.
    pub peer: String,
    /// Through memory the two share, not over the network.
    pub local: bool,
    /// Payload bytes sent; all bytes where the kernel counts.
    pub sent_bytes: u64,
    /// Messages sent.
    pub sent_messages: u64,
    /// Payload bytes received, likewise.
    pub received_bytes: u64,
    /// Messages received.
    pub received_messages: u64,
}

/// What one phase of one party left behind, apart from time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseMetrics {
    /// Named parts, in order of first occurrence.
    pub spans: Vec<Span>,
    /// Per peer, over the links; empty where others [count](crate::Plan::counted_by).
    pub exchanged: Vec<Exchanged>,
    /// Causal depth at the end: the longest chain of messages over the network.
    pub rounds: u32,
    /// CPU time of [other processes](Party::workers) that worked for the party.
    pub workers_cpu_ns: u64,
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
    reveals: Reveals,
}

struct Counters {
    meter: Arc<Meter>,
    traffic: Vec<(String, Arc<Traffic>, [Count; 2])>,
    recorder: Recorder,
    workers_cpu_ns: u64,
    counted_by: CountedBy,
}

impl Counters {
    fn metrics(&mut self, party: &dyn Party) -> PhaseMetrics {
        let by_link = |_: &_| self.counted_by.is_link();
        let exchanged = self
            .traffic
            .iter_mut()
            .filter(by_link)
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
        let workers_cpu_ns = party.workers().map_or(0, |workers| workers.cpu_ns);
        let before = std::mem::replace(&mut self.workers_cpu_ns, workers_cpu_ns);
        PhaseMetrics {
            spans: self.recorder.take(),
            exchanged,
            rounds: self.meter.depth(),
            workers_cpu_ns: workers_cpu_ns.saturating_sub(before),
        }
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
            .map(|(to, traffic)| {
                // What passed before is none of the session's work.
                let before = [traffic.sent(), traffic.received()];
                (to, traffic, before)
            })
            .collect();
        let mut counters = Counters {
            meter,
            traffic,
            recorder: role.recorder.clone(),
            workers_cpu_ns: 0,
            counted_by: role.plan.counted_by,
        };
        counters.meter.begin_phase();
        let (input, output, batch) = (role.architecture.input, role.architecture.output(), role.job.batch);
        let reveals = role.plan.reveals;
        let party = backend.join(role)?;
        let metrics = counters.metrics(party.as_ref());
        Ok((Self { party, counters, input, output, batch, reveals }, metrics))
    }

    /// The `offline` phase of the next batch.
    ///
    /// # Errors
    /// Those of [`Party::offline`].
    pub fn offline(&mut self, images: usize) -> Result<PhaseMetrics, Error> {
        self.counters.meter.begin_phase();
        self.party.offline(images)?;
        Ok(self.counters.metrics(self.party.as_ref()))
    }

    /// The `online` phase of one batch, whose images are checked before and whose answers after it.
    ///
    /// # Errors
    /// Those of [`Party::answer`]; [`Error::Input`] for images of another shape, number or without a finite value,
    /// [`Error::Answer`] for answers that are not those the plan says: one finite number for every class of every image, or one
    /// class for each.
    pub fn online(&mut self, images: Option<&Tensor>) -> Result<(Option<Answers>, PhaseMetrics), Error> {
        if let Some(images) = images {
            self.check_images(images)?;
        }
        self.counters.meter.begin_phase();
        let answers = self.party.answer(images)?;
        let metrics = self.counters.metrics(self.party.as_ref());
        match (images, &answers, self.reveals) {
            (Some(images), Some(Answers::Labels(labels)), Reveals::Labels) => {
                self.check_labels(images, labels)?;
            }
            (_, Some(Answers::Logits(logits)), Reveals::Logits) => self.check_logits(images, Some(logits))?,
            (_, None, Reveals::Logits) => self.check_logits(images, None)?,
            (None, None, Reveals::Labels) => {}
            (Some(_), None, Reveals::Labels) => return Err(Error::Answer("no labels came".into())),
            (None, Some(_), Reveals::Labels) => {
                return Err(Error::Answer("answers came from a role that holds no images".into()));
            }
            (_, Some(Answers::Logits(_)), Reveals::Labels) => {
                return Err(Error::Answer("logits came where labels alone are revealed".into()));
            }
            (_, Some(Answers::Labels(_)), Reveals::Logits) => {
                return Err(Error::Answer("labels came where logits were due".into()));
            }
        }
        Ok((answers, metrics))
    }

    fn check_labels(&self, images: &Tensor, labels: &[u32]) -> Result<(), Error> {
        let (due, classes) = (images.images(), self.output.len());
        if labels.len() != due {
            return Err(Error::Answer(format!("{} labels came where {due} were due", labels.len())));
        }
        match labels.iter().position(|&label| label as usize >= classes) {
            None => Ok(()),
            Some(image) => {
                let reason = format!("the label of image {image} is {} of {classes} classes", labels[image]);
                Err(Error::Answer(reason))
            }
        }
    }

    /// What passed in a phase, by others' count than the links': see [`Party::traffic`].
    ///
    /// # Errors
    /// Those of [`Party::traffic`].
    pub fn traffic(&mut self) -> Result<Vec<Exchanged>, Error> {
        self.party.traffic()
    }

    /// The session is over.
    ///
    /// # Errors
    /// Those of [`Party::leave`].
    pub fn leave(&mut self) -> Result<(), Error> {
        self.party.leave()
    }

    /// What [other processes](Party::workers) have used so far that work for the party.
    pub fn workers(&self) -> Option<WorkerFigures> {
        self.party.workers()
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
