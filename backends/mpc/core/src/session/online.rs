//! The online phase: both parties run the same gates, each as far as it can.

use std::collections::VecDeque;
use std::sync::Arc;

use veilbench_ring::wiped::Wiped;

use super::Protocol;
use super::checks::Checks;
use super::preparation::{MaskedParameters, Preparation, Supply};
use super::randomness::Randomness;
use super::randomness::keys::BufferPool;
use super::randomness::masks::Role;
use super::randomness::setup_seed::Header;
use super::schedule::{Incoming, incoming};
use crate::Error;
use crate::circuit::{Circuit, Gate};
use crate::ring::add_assign;
use crate::session::message::{Reader, Writer};

/// What follows a message.
pub enum Step {
    /// Send this to the other party and wait for its answer.
    Send(Vec<u8>),
    /// Send nothing: the other party sends once more.
    Wait,
    /// Send this to the data owner: it is the model owner's last message.
    Last(Vec<u8>),
    /// The logits, at the data owner: ring elements for [`Circuit::decode`].
    Logits(Vec<u64>),
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Send(message) => write!(f, "Send({} bytes)", message.len()),
            Step::Wait => f.write_str("Wait"),
            Step::Last(message) => write!(f, "Last({} bytes)", message.len()),
            Step::Logits(logits) => write!(f, "Logits({} values)", logits.len()),
        }
    }
}

/// Told the layer that a party begins to work on.
pub type Watch = Box<dyn FnMut(usize) + Send>;

/// What a protocol computes between messages.
pub trait Evaluation: Preparation {
    /// A message that a party awaits, and what it goes on with.
    type Awaited: Send;

    /// What the model owner awaits first: so many values.
    fn image(circuit: &Circuit, count: usize) -> Self::Awaited;

    /// The data owner's first message, for images in fixed point and the mask that was dealt for them.
    ///
    /// # Errors
    /// If the circuit has no output.
    fn start(online: &mut Online<Self>, images: Vec<u64>, mask: &[u64]) -> Result<Vec<u8>, Error>
    where
        Self: Protocol;

    /// Does what the gate of an index needs no message for.
    fn begin(online: &mut Online<Self>, circuit: &Circuit, index: usize, randomness: Randomness);

    /// Goes on with what the other party sent.
    ///
    /// # Errors
    /// If it is not what was awaited.
    fn resume(
        online: &mut Online<Self>,
        circuit: &Circuit,
        awaited: Self::Awaited,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error>;

    /// Does what can be done before the next message comes.
    fn proceed(_: &mut Online<Self>) {}

    /// What the model owner sends of the last wire.
    fn logits(wire: Vec<u64>, circuit: &Circuit, gate: &Gate, randomness: &Randomness) -> Vec<u64>;
}

/// What a party knows of the parameters.
pub(crate) enum Known<P: Preparation> {
    DataOwner(Arc<Vec<MaskedParameters>>),
    ModelOwner(Arc<Vec<P::Own>>),
}

/// What a party waits for.
pub(crate) enum Stage<A> {
    /// Nothing: the next gate begins.
    Ready,
    /// The other party's message.
    Awaits(A),
    /// The data owner: what its share of the logits is to be added to.
    Logits(Wiped<u64>),
    /// The end, or an error.
    Over,
}

/// One party in the online phase of one batch.
pub struct Online<P: Evaluation> {
    pub(crate) role: Role,
    pub(crate) circuit: Arc<Circuit>,
    pub(crate) header: Header,
    /// Randomness of the gates to come, as far as it is here.
    pub(super) gates: VecDeque<Randomness>,
    /// The gate that it begins with.
    next: usize,
    pub(crate) parameters: Known<P>,
    /// What the party knows of the wire: its share, or the masked value.
    pub(crate) wire: Vec<u64>,
    /// The same of the wires that were kept.
    pub(crate) kept: Vec<Wiped<u64>>,
    pub(crate) stage: Stage<P::Awaited>,
    pub(crate) checks: Checks,
    pub(crate) writer: Writer,
    /// The messages to come.
    incoming: std::vec::IntoIter<Incoming>,
    /// Whether the other party sends once more before this one does.
    is_followed: bool,
    pub(crate) pool: BufferPool,
    watch: Option<Watch>,
}

impl<P: Protocol> Online<P> {
    pub(super) fn new(supply: Supply, parameters: Known<P>) -> Self {
        let Supply { circuit, header, gates, pool, .. } = supply;
        let (role, stage) = match parameters {
            Known::DataOwner(_) => (Role::DataOwner, Stage::Ready),
            Known::ModelOwner(_) => {
                (Role::ModelOwner, Stage::Awaits(P::image(&circuit, header.images * circuit.inputs)))
            }
        };
        Self {
            role,
            header,
            gates: gates.into(),
            next: 0,
            parameters,
            wire: Vec::new(),
            kept: Vec::new(),
            stage,
            checks: Checks::default(),
            writer: Writer::new(circuit.ring()),
            incoming: incoming(&P::transfers(&circuit, header.images), role).into_iter(),
            is_followed: false,
            circuit,
            pool,
            watch: None,
        }
    }

    /// Takes in the randomness of the gates that follow those of which it is here.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if something of it is missing, or it is another party's, another batch's or for other gates.
    pub(super) fn extend(&mut self, role: Role, supply: Supply, awaits_more: bool) -> Result<(), Error> {
        if (role, supply.header) != (self.role, self.header) || matches!(self.stage, Stage::Over) {
            let expected = "the randomness of a batch that is under way";
            return Err(Error::OutOfOrder { call: "follow", expected });
        }
        let supply = supply.whole("follow", self.next + self.gates.len(), awaits_more)?;
        self.gates.extend(supply.gates);
        Ok(())
    }

    /// From now on `watch` is told the layer of every gate that begins.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// Does what can be done before the next message comes, and gives what is to be sent of it: to be called once the last message is
    /// sent. Where nothing is to be sent, [`receive`](Online::receive) does it too.
    #[must_use]
    pub fn proceed(&mut self) -> Option<Vec<u8>> {
        if self.is_followed {
            return None;
        }
        P::proceed(self);
        Some(self.writer.take()).filter(|message| !message.is_empty())
    }

    /// Takes the other party's message and goes on until its next one is needed.
    ///
    /// # Errors
    /// [`Error::Length`] if the message does not fit, [`Error::OutOfOrder`] after the end or an error.
    pub fn receive(&mut self, message: &[u8]) -> Result<Step, Error> {
        let turn = self.take_turn(message);
        if turn.is_err() {
            self.stage = Stage::Over;
        }
        turn
    }

    fn take_turn(&mut self, message: &[u8]) -> Result<Step, Error> {
        if matches!(self.stage, Stage::Over) {
            return Err(Error::OutOfOrder { call: "receive", expected: "no more messages" });
        }
        let reader = Reader::new(self.role.peer(), self.circuit.ring(), message);
        let due = self.incoming.next().unwrap_or(Incoming { bytes: 0, is_followed: false });
        reader.expect(due.bytes, "an answer")?;
        P::proceed(self);
        self.is_followed = due.is_followed;
        self.advance(message)
    }

    /// Goes on as far as a message of the right length allows.
    pub(crate) fn advance(&mut self, message: &[u8]) -> Result<Step, Error> {
        let mut reader = Reader::new(self.role.peer(), self.circuit.ring(), message);
        let circuit = Arc::clone(&self.circuit);
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Over => {
                    return Err(Error::OutOfOrder { call: "receive", expected: "no more messages" });
                }
                Stage::Ready => {
                    let Some(randomness) = self.gates.pop_front() else {
                        return Err(Error::OutOfOrder {
                            call: "receive",
                            expected: "the randomness of more gates",
                        });
                    };
                    let index = self.next;
                    self.next += 1;
                    let gate = &circuit.gates[index];
                    if let (Gate::Output { .. }, Role::ModelOwner) = (gate, self.role) {
                        reader.finish()?;
                        let logits = P::logits(std::mem::take(&mut self.wire), &circuit, gate, &randomness);
                        let width = circuit.format.width;
                        self.writer.narrow(width, circuit.logit_bits(), logits.into_iter());
                        self.checks.write(width, &mut self.writer);
                        return Ok(Step::Last(self.writer.take()));
                    }
                    if let Some(watch) = &mut self.watch {
                        watch(circuit.layers[index]);
                    }
                    self.stage = Stage::Ready;
                    P::begin(self, &circuit, index, randomness);
                }
                stage if reader.is_empty() => {
                    self.stage = stage;
                    if self.is_followed {
                        return Ok(Step::Wait);
                    }
                    let message = self.writer.take();
                    if message.is_empty() {
                        return Err(Error::OutOfOrder { call: "receive", expected: "images" });
                    }
                    return Ok(Step::Send(message));
                }
                Stage::Awaits(awaited) => {
                    self.stage = Stage::Ready;
                    P::resume(self, &circuit, awaited, &mut reader)?;
                }
                Stage::Logits(share) => {
                    let width = circuit.format.width;
                    let mut logits = reader.narrow(width, circuit.logit_bits(), share.len(), "logits")?;
                    let checked = self.checks.read(width, &mut reader);
                    reader.finish().and(checked)?;
                    add_assign(&mut logits, &share);
                    let logits = logits.into_iter().map(|logit| circuit.extended(logit));
                    return Ok(Step::Logits(logits.collect()));
                }
            }
        }
    }
}
