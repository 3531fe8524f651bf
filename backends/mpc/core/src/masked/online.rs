//! The online phase: both parties run the same gates, each as far as it can.

mod comparisons;
mod squares;

use std::sync::Arc;

use veilbench_ring::wiped::Wiped;

use super::checks::Checks;
use super::comparison::{Layout, Leaves};
use super::gates::{Sizes, assemble, differences};
use super::keys::BufferPool;
use super::masks::Role;
use super::model_owner::Parameters;
use super::preprocessing::Randomness;
use super::schedule::{incoming, transfers};
use super::selection::{Truncation, select};
use super::setup_seed::Header;
use crate::Error;
use crate::circuit::{Circuit, Gate};
use crate::message::{Reader, Writer};
use crate::oracle::{add_shifted, concatenated, spread};
use crate::ring::{add_assign, sub_assign};
use comparisons::selection_of;

/// What follows a message.
pub enum Step {
    /// Send this to the other party and wait for its answer.
    Send(Vec<u8>),
    /// Send this to the data owner: it is the model owner's last message.
    Last(Vec<u8>),
    /// The logits, at the data owner: ring elements for [`Circuit::decode`].
    Logits(Vec<u64>),
}

impl std::fmt::Debug for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::Send(message) => write!(f, "Send({} bytes)", message.len()),
            Step::Last(message) => write!(f, "Last({} bytes)", message.len()),
            Step::Logits(logits) => write!(f, "Logits({} values)", logits.len()),
        }
    }
}

/// Told the layer that a party begins to work on.
pub type Watch = Box<dyn FnMut(usize) + Send>;

/// One party in the online phase of one batch.
pub struct Online {
    role: Role,
    circuit: Arc<Circuit>,
    header: Header,
    gates: std::iter::Enumerate<std::vec::IntoIter<Randomness>>,
    parameters: Option<Arc<Vec<Parameters>>>,
    /// The masked wire: of open wires at both parties, of held ones at the model owner.
    wire: Vec<u64>,
    /// The wires that were kept, as far as this party knows them.
    kept: Vec<Wiped<u64>>,
    stage: Stage,
    checks: Checks,
    writer: Writer,
    /// Bytes of the messages to come.
    lengths: std::vec::IntoIter<usize>,
    pool: BufferPool,
    watch: Option<Watch>,
}

/// What a party waits for.
enum Stage {
    /// Nothing: the next gate begins.
    Ready,
    /// Nothing, but what is written should leave first: the model owner's comparison keys are evaluated while the data owner
    /// evaluates its own.
    Compared { gate: usize, values: Vec<u64>, randomness: Randomness },
    /// The model owner: a held wire from the data owner, to which its own share is added.
    Held { share: Vec<u64>, count: usize },
    /// The data owner: the masked output of a linear layer.
    Linear { count: usize },
    /// First round of a comparison.
    Leaves { gate: usize, values: Vec<u64>, leaves: Leaves, randomness: Randomness },
    /// Second round.
    Sign { gate: usize, values: Vec<u64>, signs: Vec<u64>, randomness: Randomness },
    /// The other share of a level of maxima.
    Larger { gate: usize, share: Vec<u64> },
    /// The other share of a sum of squares.
    Square { gate: usize, share: Vec<u64>, randomness: Randomness },
    /// The data owner: the masked logits.
    Logits { masks: Wiped<u64> },
    /// The end, or an error.
    Over,
}

impl Online {
    pub(super) fn of_data_owner(
        circuit: Arc<Circuit>,
        header: Header,
        gates: Vec<Randomness>,
        pool: BufferPool,
    ) -> Self {
        Self::new(Role::DataOwner, circuit, header, gates, pool, None)
    }

    pub(super) fn of_model_owner(
        circuit: Arc<Circuit>,
        header: Header,
        gates: Vec<Randomness>,
        pool: BufferPool,
        parameters: Arc<Vec<Parameters>>,
    ) -> Self {
        Self::new(Role::ModelOwner, circuit, header, gates, pool, Some(parameters))
    }

    fn new(
        role: Role,
        circuit: Arc<Circuit>,
        header: Header,
        gates: Vec<Randomness>,
        pool: BufferPool,
        parameters: Option<Arc<Vec<Parameters>>>,
    ) -> Self {
        let images = header.images;
        let stage = match role {
            Role::DataOwner => Stage::Ready,
            Role::ModelOwner => Stage::Held { share: Vec::new(), count: images * circuit.inputs },
        };
        let writer = Writer::new(circuit.ring());
        let checks = Checks::new(circuit.ring());
        let gates = gates.into_iter().enumerate();
        let lengths = incoming(&transfers(&circuit, images), role).into_iter();
        Self {
            role,
            circuit,
            header,
            gates,
            parameters,
            wire: Vec::new(),
            kept: Vec::new(),
            stage,
            checks,
            writer,
            lengths,
            pool,
            watch: None,
        }
    }

    /// From now on `watch` is told the layer of every gate that begins.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// Does what can be done before the next message comes: to be called once the last one is sent. Otherwise
    /// [`receive`](Online::receive) does it.
    pub fn proceed(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Ready) {
            Stage::Compared { gate, values, randomness } => self.compare(gate, &values, randomness),
            stage => self.stage = stage,
        }
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
        let mut reader = Reader::new(self.role.peer(), self.circuit.ring(), message);
        reader.expect(self.lengths.next().unwrap_or(0), "an answer")?;
        self.proceed();
        let circuit = Arc::clone(&self.circuit);
        loop {
            if !matches!(self.stage, Stage::Ready) {
                match std::mem::replace(&mut self.stage, Stage::Over) {
                    Stage::Over => {
                        return Err(Error::OutOfOrder { call: "receive", expected: "no more messages" });
                    }
                    stage if reader.is_empty() => {
                        self.stage = stage;
                        let message = self.writer.take();
                        if message.is_empty() {
                            return Err(Error::OutOfOrder { call: "receive", expected: "images" });
                        }
                        return Ok(Step::Send(message));
                    }
                    Stage::Logits { masks } => {
                        let mut logits = reader.narrow(circuit.logit_bits(), masks.len(), "masked logits")?;
                        let checked = self.checks.read(&mut reader);
                        reader.finish().and(checked)?;
                        sub_assign(&mut logits, &masks);
                        return Ok(Step::Logits(
                            logits.into_iter().map(|logit| circuit.extended(logit)).collect(),
                        ));
                    }
                    stage => self.resume(&circuit, stage, &mut reader)?,
                }
                continue;
            }
            let Some((index, randomness)) = self.gates.next() else {
                self.stage = Stage::Over;
                return Err(Error::OutOfOrder { call: "receive", expected: "no more messages" });
            };
            if let (Gate::Output { open, .. }, Role::ModelOwner) = (&circuit.gates[index], self.role) {
                if *open {
                    let ring = circuit.ring();
                    self.wire.iter_mut().for_each(|word| *word = ring.reduce(*word) >> circuit.output_shift);
                    sub_assign(&mut self.wire, &randomness.values);
                }
                self.stage = Stage::Over;
                reader.finish()?;
                self.writer.narrow(circuit.logit_bits(), self.wire.drain(..));
                self.checks.write(&mut self.writer);
                return Ok(Step::Last(self.writer.take()));
            }
            self.begin(&circuit, index, randomness);
        }
    }

    /// Does what a gate needs no message for.
    fn begin(&mut self, circuit: &Circuit, index: usize, randomness: Randomness) {
        if let Some(watch) = &mut self.watch {
            watch(circuit.layers[index]);
        }
        let gate = &circuit.gates[index];
        let ring = circuit.ring();
        let sizes = Sizes::of(gate, circuit, self.header.images);
        match gate {
            Gate::Linear { .. } => self.begin_linear(circuit, index, &randomness),
            Gate::Sum(pool) => self.wire = pool.sum(&self.wire),
            Gate::Spread { positions, offsets, .. } => self.wire = spread(*positions, offsets, &self.wire),
            Gate::Max { inputs, slots } => {
                if sizes.compared == 0 {
                    self.wire = assemble(*inputs, slots, &self.wire, &[]);
                    return;
                }
                let (values, _) = differences(*inputs, slots, &self.wire);
                self.begin_comparison(circuit, index, values, randomness);
            }
            Gate::Relu { .. } => {
                let values = std::mem::take(&mut self.wire);
                self.begin_comparison(circuit, index, values, randomness);
            }
            Gate::Quadratic { .. } => self.begin_square(gate, index, randomness),
            Gate::Truncate { shift, .. } => {
                let share = Truncation::new(ring, *shift).shares(self.role, &self.wire, &randomness.values);
                self.hold(share, &randomness.held);
            }
            Gate::Keep { open, .. } => {
                let knows = *open || self.role == Role::ModelOwner;
                self.kept.push(if knows { self.wire.clone().into() } else { Wiped::default() });
            }
            Gate::Recall { kept, .. } => self.wire.clone_from(&self.kept[*kept]),
            Gate::Add { kept, shift, units } => {
                if self.role == Role::ModelOwner {
                    add_shifted(&mut self.wire, &self.kept[*kept], *shift);
                    if !circuit.is_merged(index) {
                        self.writer.elements(self.wire.iter().copied());
                    }
                } else if !circuit.is_merged(index) {
                    self.stage = Stage::Linear { count: self.header.images * units };
                }
            }
            Gate::Concat { kept, units, .. } => {
                if self.role == Role::ModelOwner {
                    self.wire = concatenated(*units, &self.kept[*kept], &self.wire);
                }
            }
            Gate::Output { open, .. } => {
                let masks = if *open { randomness.values } else { randomness.held };
                self.stage = Stage::Logits { masks };
            }
        }
    }

    fn begin_linear(&mut self, circuit: &Circuit, index: usize, randomness: &Randomness) {
        let is_merged = circuit.is_merged(index);
        if let Some(Parameters::Linear { map, .. }) = self.parameters.as_ref().map(|all| &all[index]) {
            let mut output = map.apply(&self.wire);
            add_assign(&mut output, &randomness.offset);
            if !is_merged {
                self.writer.elements(output.iter().copied());
            }
            self.wire = output;
        } else if !is_merged {
            self.stage = Stage::Linear { count: self.header.images * circuit.gates[index].outputs() };
        }
    }

    /// The data owner masks its share of a held wire and sends it; the model owner awaits that.
    fn hold(&mut self, mut share: Vec<u64>, masks: &[u64]) {
        match self.role {
            Role::DataOwner => {
                add_assign(&mut share, masks);
                self.writer.elements(share.into_iter());
                self.checks.send(&mut self.writer);
            }
            Role::ModelOwner => {
                let count = share.len();
                self.stage = Stage::Held { share, count };
            }
        }
    }

    /// Goes on with what the other party sent.
    fn resume(&mut self, circuit: &Circuit, stage: Stage, reader: &mut Reader<'_>) -> Result<(), Error> {
        let ring = circuit.ring();
        self.stage = Stage::Over;
        let mut next = Stage::Ready;
        match stage {
            Stage::Held { share, count } => {
                self.wire = reader.elements(count, "a masked wire")?;
                self.checks.receive(self.role, reader)?;
                if !share.is_empty() {
                    add_assign(&mut self.wire, &share);
                }
            }
            Stage::Linear { count } => {
                self.wire = reader.elements(count, "a linear layer's masked output")?;
            }
            Stage::Leaves { gate, values, leaves, randomness } => {
                let planes = Layout::new(ring, values.len()).planes();
                let theirs = reader.bits(planes, values.len(), "masked comparisons")?;
                let signs = leaves.sign(&theirs);
                self.writer.bits(&signs, 1, values.len());
                next = Stage::Sign { gate, values, signs, randomness };
            }
            Stage::Sign { gate, values, mut signs, randomness } => {
                let theirs = reader.bits(1, values.len(), "masked signs")?;
                for (sign, their) in signs.iter_mut().zip(&theirs) {
                    *sign ^= their;
                }
                self.stage = Stage::Ready;
                let truncation = selection_of(&circuit.gates[gate], ring);
                let share = select(truncation, self.role, &values, &signs, &randomness.values);
                self.selected(&circuit.gates[gate], gate, share, &randomness);
                return Ok(());
            }
            Stage::Larger { gate, share } => {
                let mut larger = reader.elements(share.len(), "masked maxima")?;
                add_assign(&mut larger, &share);
                if let Gate::Max { inputs, slots } = &circuit.gates[gate] {
                    self.wire = assemble(*inputs, slots, &self.wire, &larger);
                }
            }
            Stage::Square { gate, share, randomness } => {
                let mut public = reader.elements(share.len(), "masked squares")?;
                add_assign(&mut public, &share);
                if let Gate::Quadratic { square_shift, .. } = &circuit.gates[gate] {
                    let inputs = self.wire.len();
                    let truncation = Truncation::new(ring, *square_shift);
                    let share = truncation.shares(self.role, &public, &randomness.values[4 * inputs..]);
                    self.stage = Stage::Ready;
                    self.hold(share, &randomness.held);
                    return Ok(());
                }
            }
            stage @ Stage::Compared { .. } => {
                self.stage = stage;
                self.proceed();
                return Ok(());
            }
            Stage::Logits { .. } | Stage::Ready | Stage::Over => {}
        }
        self.stage = next;
        Ok(())
    }
}
