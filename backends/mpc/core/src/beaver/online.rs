//! The online phase: both parties run the same gates on shares, each as far as it can.

mod gates;

use std::sync::Arc;

use super::comparison::{Layout, Tree};
use super::schedule::transfers;
use super::sizes::sizes;
use crate::Error;
use crate::circuit::{Circuit, Gate};
use crate::linear::LinearMap;
use crate::masked::checks::Checks;
use crate::masked::gates::{assemble, differences};
use crate::masked::masks::Role;
use crate::masked::preprocessing::Randomness;
use crate::masked::schedule::incoming;
use crate::masked::selection::Truncation;
use crate::masked::{Step, Watch};
use crate::message::{Reader, Writer};
use crate::oracle::{add_per_channel, add_shifted, concatenated, spread};
use crate::ring::{add_assign, sub_assign};
use veilbench_ring::wiped::Wiped;

/// A gate's parameters at either party.
pub(super) enum Parameters {
    None,
    Linear { masked: Box<LinearMap>, own: Option<Box<Own>> },
    Quadratic { masked: [Vec<u64>; 2], own: Option<[Vec<u64>; 3]> },
}

/// What the model owner alone knows of a linear layer.
pub(super) struct Own {
    pub(super) mask: LinearMap,
    pub(super) bias: Vec<u64>,
}

/// One party in the online phase of one batch.
pub struct Online {
    role: Role,
    circuit: Arc<Circuit>,
    images: usize,
    gates: std::iter::Enumerate<std::vec::IntoIter<Randomness>>,
    parameters: Arc<Vec<Parameters>>,
    /// This party's share of the wire.
    wire: Vec<u64>,
    /// Its shares of the wires that were kept.
    kept: Vec<Wiped<u64>>,
    stage: Stage,
    checks: Checks,
    writer: Writer,
    /// Bytes of the messages to come.
    lengths: std::vec::IntoIter<usize>,
    watch: Option<Watch>,
}

/// What a party waits for. `own` is its share of what is being opened.
enum Stage {
    /// Nothing: the next gate begins.
    Ready,
    /// The model owner: its share of the images.
    Input { count: usize },
    /// The masked input of a linear layer.
    Product { gate: usize, own: Vec<u64>, randomness: Randomness },
    /// The masked value that is truncated, and compared if the gate compares.
    Masked { gate: usize, own: Vec<u64>, randomness: Randomness },
    /// A level of the comparison of what `truncated` shares.
    Level { gate: usize, truncated: Vec<u64>, tree: Box<Tree>, randomness: Randomness },
    /// The masked signs.
    Sign { gate: usize, truncated: Vec<u64>, own: Vec<u64>, randomness: Randomness },
    /// Both factors of the selection.
    Select { gate: usize, own: Vec<u64>, randomness: Randomness },
    /// The masked value that is squared.
    Square { gate: usize, own: Vec<u64>, randomness: Randomness },
    /// The masked square; `value` is what was opened before.
    Scale { gate: usize, value: Vec<u64>, own: Vec<u64>, randomness: Randomness },
    /// The masked polynomial, summed.
    Sum { gate: usize, own: Vec<u64>, randomness: Randomness },
    /// The data owner: the model owner's share of the logits.
    Logits,
    /// The end, or an error.
    Over,
}

impl Online {
    pub(super) fn of_data_owner(
        circuit: Arc<Circuit>,
        images: usize,
        gates: Vec<Randomness>,
        parameters: Arc<Vec<Parameters>>,
        own: Vec<u64>,
        given: &[u64],
    ) -> Result<(Self, Vec<u8>), Error> {
        let mut online = Self::new(Role::DataOwner, circuit, images, gates, parameters, Stage::Ready);
        online.wire = own;
        online.writer.elements(given.iter().copied());
        match online.advance(&[])? {
            Step::Send(message) => Ok((online, message)),
            Step::Last(_) | Step::Logits(_) => {
                Err(Error::OutOfOrder { call: "start", expected: "a circuit with an output" })
            }
        }
    }

    pub(super) fn of_model_owner(
        circuit: Arc<Circuit>,
        images: usize,
        gates: Vec<Randomness>,
        parameters: Arc<Vec<Parameters>>,
    ) -> Self {
        let stage = Stage::Input { count: images * circuit.inputs };
        Self::new(Role::ModelOwner, circuit, images, gates, parameters, stage)
    }

    fn new(
        role: Role,
        circuit: Arc<Circuit>,
        images: usize,
        gates: Vec<Randomness>,
        parameters: Arc<Vec<Parameters>>,
        stage: Stage,
    ) -> Self {
        let writer = Writer::new(circuit.ring());
        let checks = Checks::new(circuit.ring());
        let lengths = incoming(&transfers(&circuit, images), role).into_iter();
        let gates = gates.into_iter().enumerate();
        Self {
            role,
            circuit,
            images,
            gates,
            parameters,
            wire: Vec::new(),
            kept: Vec::new(),
            stage,
            checks,
            writer,
            lengths,
            watch: None,
        }
    }

    /// From now on `watch` is told the layer of every gate that begins.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// There is nothing to be done before the next message comes.
    pub fn proceed(&mut self) {}

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
        reader.expect(self.lengths.next().unwrap_or(0), "an answer")?;
        self.advance(message)
    }

    /// Goes on as far as a message of the right length allows.
    fn advance(&mut self, message: &[u8]) -> Result<Step, Error> {
        let mut reader = Reader::new(self.role.peer(), self.circuit.ring(), message);
        let circuit = Arc::clone(&self.circuit);
        loop {
            match std::mem::replace(&mut self.stage, Stage::Over) {
                Stage::Over => {
                    return Err(Error::OutOfOrder { call: "receive", expected: "no more messages" });
                }
                Stage::Ready => {
                    let Some((index, randomness)) = self.gates.next() else { continue };
                    if matches!((&circuit.gates[index], self.role), (Gate::Output { .. }, Role::ModelOwner)) {
                        reader.finish()?;
                        let (ring, shift) = (circuit.ring(), circuit.output_shift);
                        let rounded = self.wire.drain(..).map(|word| round_up(ring.reduce(word), shift));
                        self.writer.narrow(circuit.logit_bits(), rounded);
                        self.checks.write(&mut self.writer);
                        return Ok(Step::Last(self.writer.take()));
                    }
                    self.stage = self.begin(&circuit, index, randomness);
                }
                stage if reader.is_empty() => {
                    self.stage = stage;
                    let message = self.writer.take();
                    if message.is_empty() {
                        return Err(Error::OutOfOrder { call: "receive", expected: "images" });
                    }
                    return Ok(Step::Send(message));
                }
                Stage::Logits => {
                    let bits = circuit.logit_bits();
                    let theirs = reader.narrow(bits, self.wire.len(), "shares of the logits")?;
                    let checked = self.checks.read(&mut reader);
                    reader.finish().and(checked)?;
                    let own =
                        self.wire.iter().map(|word| circuit.ring().reduce(*word) >> circuit.output_shift);
                    let logits =
                        own.zip(theirs).map(|(own, their)| circuit.extended(own.wrapping_add(their)));
                    return Ok(Step::Logits(logits.collect()));
                }
                stage => {
                    self.checks.receive(self.role, &mut reader)?;
                    self.stage = self.resume(&circuit, stage, &mut reader)?;
                }
            }
        }
    }

    /// Does what a gate needs no message for.
    fn begin(&mut self, circuit: &Circuit, gate: usize, randomness: Randomness) -> Stage {
        if let Some(watch) = &mut self.watch {
            watch(circuit.layers[gate]);
        }
        match &circuit.gates[gate] {
            Gate::Linear { .. } => {
                let mut own = std::mem::take(&mut self.wire);
                sub_assign(&mut own, &randomness.opening);
                self.writer.elements(own.iter().copied());
                Stage::Product { gate, own, randomness }
            }
            Gate::Sum(pool) => {
                self.wire = pool.sum(&self.wire);
                Stage::Ready
            }
            Gate::Spread { positions, offsets, .. } => {
                let own: Vec<u64> = offsets.iter().map(|offset| self.role.public(*offset)).collect();
                self.wire = spread(*positions, &own, &self.wire);
                Stage::Ready
            }
            Gate::Max { inputs, slots } => {
                if sizes(&circuit.gates[gate], circuit, self.images).compared == 0 {
                    self.wire = assemble(*inputs, slots, &self.wire, &[]);
                    return Stage::Ready;
                }
                let (values, _) = differences(*inputs, slots, &self.wire);
                self.begin_masked(gate, values, randomness)
            }
            Gate::Relu { .. } | Gate::Quadratic { .. } | Gate::Truncate { .. } => {
                let values = std::mem::take(&mut self.wire);
                self.begin_masked(gate, values, randomness)
            }
            Gate::Keep { .. } => {
                self.kept.push(self.wire.clone().into());
                Stage::Ready
            }
            Gate::Recall { kept, .. } => {
                self.wire.clone_from(&self.kept[*kept]);
                Stage::Ready
            }
            Gate::Add { kept, shift, .. } => {
                add_shifted(&mut self.wire, &self.kept[*kept], *shift);
                Stage::Ready
            }
            Gate::Concat { kept, units, .. } => {
                self.wire = concatenated(*units, &self.kept[*kept], &self.wire);
                Stage::Ready
            }
            Gate::Output { .. } => Stage::Logits,
        }
    }

    fn begin_masked(&mut self, gate: usize, mut own: Vec<u64>, randomness: Randomness) -> Stage {
        let masks = &randomness.opening[..own.len()];
        add_assign(&mut own, masks);
        self.writer.elements(own.iter().copied());
        Stage::Masked { gate, own, randomness }
    }

    /// Goes on with what the other party sent.
    fn resume(&mut self, circuit: &Circuit, stage: Stage, reader: &mut Reader<'_>) -> Result<Stage, Error> {
        let ring = circuit.ring();
        let open = |own: &[u64], reader: &mut Reader<'_>, what| {
            let mut opened = reader.elements(own.len(), what)?;
            add_assign(&mut opened, own);
            Ok::<_, Error>(opened)
        };
        Ok(match stage {
            Stage::Input { count } => {
                self.wire = reader.elements(count, "a share of the images")?;
                Stage::Ready
            }
            Stage::Product { gate, own, randomness } => {
                let opened = open(&own, reader, "a linear layer's masked input")?;
                self.wire = self.product(gate, opened, &randomness);
                Stage::Ready
            }
            Stage::Masked { gate, own, randomness } => {
                let public = open(&own, reader, "masked values")?;
                self.unmasked(circuit, gate, &public, randomness)
            }
            Stage::Level { gate, truncated, mut tree, randomness } => {
                let lanes = truncated.len();
                let theirs = reader.bits(tree.planes(), lanes, "factors of a comparison")?;
                tree.join(&theirs);
                self.level(gate, truncated, tree, randomness)
            }
            Stage::Sign { gate, truncated, own, randomness } => {
                let mut signs = reader.bits(1, truncated.len(), "masked signs")?;
                for (sign, own) in signs.iter_mut().zip(&own) {
                    *sign ^= own;
                }
                let own = self.factors(truncated, &signs, &randomness);
                self.writer.elements(own.iter().copied());
                Stage::Select { gate, own, randomness }
            }
            Stage::Select { gate, own, randomness } => {
                let opened = open(&own, reader, "factors of a selection")?;
                let selected = self.selected(&opened, &randomness);
                self.after_selection(circuit, gate, selected, &randomness);
                Stage::Ready
            }
            Stage::Square { gate, own, randomness } => {
                let value = open(&own, reader, "values to be squared")?;
                let own = self.masked_square(&value, &randomness);
                self.writer.elements(own.iter().copied());
                Stage::Scale { gate, value, own, randomness }
            }
            Stage::Scale { gate, value, own, randomness } => {
                let square = open(&own, reader, "masked squares")?;
                let sum = self.polynomial(circuit, gate, &value, &square, &randomness);
                if let Some(guard) = circuit.gates[gate].guard() {
                    let count = value.len();
                    let masks = &randomness.opening[2 * count..3 * count];
                    let squares = square.iter().zip(masks);
                    let squares: Vec<u64> =
                        squares.map(|(open, mask)| mask.wrapping_add(self.role.public(*open))).collect();
                    let masks = &randomness.opening[3 * count + sum.len()..];
                    let offsets = &randomness.values[5 * count + 2 * sum.len()..];
                    self.checks.begin(guard, &squares, masks, offsets);
                    self.give_sums();
                }
                let masks = &randomness.opening[3 * value.len()..];
                let own: Vec<u64> =
                    sum.iter().zip(masks).map(|(sum, mask)| sum.wrapping_add(*mask)).collect();
                self.writer.elements(own.iter().copied());
                Stage::Sum { gate, own, randomness }
            }
            Stage::Sum { gate, own, randomness } => {
                let public = open(&own, reader, "masked sums")?;
                if let Gate::Quadratic { square_shift, .. } = &circuit.gates[gate] {
                    let inputs = self.images * circuit.gates[gate].inputs();
                    let offsets = &randomness.values[5 * inputs..];
                    self.wire = Truncation::new(ring, *square_shift).shares(self.role, &public, offsets);
                }
                Stage::Ready
            }
            Stage::Logits | Stage::Ready | Stage::Over => Stage::Over,
        })
    }

    /// `x W = (E + A)(W + B) - E B - A B` for `E = x - A`, all but `E` and `W + B` shared or known to the model owner.
    fn product(&self, gate: usize, mut opened: Vec<u64>, randomness: &Randomness) -> Vec<u64> {
        let Parameters::Linear { masked, own } = &self.parameters[gate] else { return Vec::new() };
        let known = own.as_ref().map(|own| (own.mask.apply(&opened), own));
        match self.role {
            Role::DataOwner => add_assign(&mut opened, &randomness.opening),
            Role::ModelOwner => opened.clone_from(&randomness.opening),
        }
        let mut output = masked.apply(&opened);
        sub_assign(&mut output, &randomness.values);
        if let Some((known, own)) = known {
            sub_assign(&mut output, &known);
            let shape = own.mask.shape();
            add_per_channel(&mut output, &own.bias, shape.outputs() / shape.channels());
        }
        output
    }

    /// `y + r` is open: truncates, and goes on to what the gate is for.
    fn unmasked(
        &mut self,
        circuit: &Circuit,
        gate: usize,
        public: &[u64],
        mut randomness: Randomness,
    ) -> Stage {
        let (ring, count) = (circuit.ring(), public.len());
        let truncate = |shift: u32, randomness: &Randomness| {
            Truncation::new(ring, shift).shares(self.role, public, &randomness.values[..2 * count])
        };
        match &circuit.gates[gate] {
            Gate::Truncate { shift, .. } => {
                self.wire = truncate(*shift, &randomness);
                Stage::Ready
            }
            Gate::Quadratic { shift, .. } => {
                let mut own = truncate(*shift, &randomness);
                sub_assign(&mut own, &randomness.opening[count..2 * count]);
                self.writer.elements(own.iter().copied());
                Stage::Square { gate, own, randomness }
            }
            compared => {
                let truncated = truncate(shift_of(compared), &randomness);
                let layout = Layout::new(ring, count);
                let dealt = std::mem::take(&mut randomness.bits);
                let public: Vec<u64> = public.iter().map(|value| ring.reduce(*value)).collect();
                let tree = Box::new(Tree::new(layout, self.role, &public, dealt));
                self.level(gate, truncated, tree, randomness)
            }
        }
    }
}

/// A share without its low bits, rounded up: with the other share rounded down the sum is off by less than one unit.
fn round_up(share: u64, shift: u32) -> u64 {
    let low = share & !(u64::MAX << shift);
    (share >> shift) + u64::from(low > 0)
}

/// What a gate that compares takes off the positive part of what it compared.
fn shift_of(gate: &Gate) -> u32 {
    if let Gate::Relu { shift, .. } = gate { *shift } else { 0 }
}
