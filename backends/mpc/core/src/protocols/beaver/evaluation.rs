//! The online phase on shares with Beaver triples.

mod gates;

use super::Beaver;
use super::comparison::{Layout, Tree};
use super::preparation::Secret;
use crate::Error;
use crate::circuit::pool::{assemble, differences};
use crate::circuit::{Circuit, Gate};
use crate::oracle::{add_per_channel, add_shifted, concatenated, spread};
use crate::ring::{add_assign, sub_assign};
use crate::session::Protocol;
use crate::session::message::Reader;
use crate::session::online::{Evaluation, Known, Online, Stage, Step};
use crate::session::preparation::MaskedParameters;
use crate::session::randomness::Randomness;
use crate::session::randomness::masks::Role;
use crate::session::truncation::Truncation;

/// What a party waits for. `own` is its share of what is being opened.
pub enum Awaited {
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
}

/// What follows.
type Next = Stage<Awaited>;

impl Evaluation for Beaver {
    type Awaited = Awaited;

    fn image(_: &Circuit, count: usize) -> Awaited {
        Awaited::Input { count }
    }

    fn start(online: &mut Online<Self>, mut images: Vec<u64>, mask: &[u64]) -> Result<Vec<u8>, Error> {
        sub_assign(&mut images, mask);
        online.wire = mask.to_vec();
        online.writer.elements(images.into_iter());
        match online.advance(&[])? {
            Step::Send(message) => Ok(message),
            Step::Last(_) | Step::Logits(_) | Step::Wait => {
                Err(Error::OutOfOrder { call: "start", expected: "a circuit with an output" })
            }
        }
    }

    fn begin(online: &mut Online<Self>, circuit: &Circuit, index: usize, randomness: Randomness) {
        online.stage = online.begin_gate(circuit, index, randomness);
    }

    fn resume(
        online: &mut Online<Self>,
        circuit: &Circuit,
        awaited: Awaited,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error> {
        online.checks.receive(online.role, reader)?;
        online.stage = online.resume_gate(circuit, awaited, reader)?;
        Ok(())
    }

    fn logits(wire: Vec<u64>, circuit: &Circuit, _: &Gate, _: &Randomness) -> Vec<u64> {
        let (ring, shift) = (circuit.ring(), circuit.output_shift);
        wire.into_iter().map(|word| round_up(ring.reduce(word), shift)).collect()
    }
}

impl Online<Beaver> {
    fn masked(&self, gate: usize) -> &MaskedParameters {
        match &self.parameters {
            Known::DataOwner(masked) => &masked[gate],
            Known::ModelOwner(own) => &own[gate].masked,
        }
    }

    /// At the model owner, what it alone knows of a gate's parameters.
    fn secret(&self, gate: usize) -> Option<&Secret> {
        match &self.parameters {
            Known::DataOwner(_) => None,
            Known::ModelOwner(own) => Some(&own[gate].secret),
        }
    }

    /// Does what a gate needs no message for.
    fn begin_gate(&mut self, circuit: &Circuit, gate: usize, randomness: Randomness) -> Next {
        match &circuit.gates[gate] {
            Gate::Linear { .. } => {
                let mut own = std::mem::take(&mut self.wire);
                sub_assign(&mut own, &randomness.opening);
                self.writer.elements(own.iter().copied());
                Stage::Awaits(Awaited::Product { gate, own, randomness })
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
                if Beaver::sizes(gate, circuit, self.header.images).compared == 0 {
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
            Gate::Output { .. } => {
                let (ring, shift) = (circuit.ring(), circuit.output_shift);
                let own: Vec<u64> = self.wire.iter().map(|word| ring.reduce(*word) >> shift).collect();
                Stage::Logits(own.into())
            }
        }
    }

    fn begin_masked(&mut self, gate: usize, mut own: Vec<u64>, randomness: Randomness) -> Next {
        let masks = &randomness.opening[..own.len()];
        add_assign(&mut own, masks);
        self.writer.elements(own.iter().copied());
        Stage::Awaits(Awaited::Masked { gate, own, randomness })
    }

    /// Goes on with what the other party sent.
    fn resume_gate(
        &mut self,
        circuit: &Circuit,
        awaited: Awaited,
        reader: &mut Reader<'_>,
    ) -> Result<Next, Error> {
        let ring = circuit.ring();
        let open = |own: &[u64], reader: &mut Reader<'_>, what| {
            let mut opened = reader.elements(own.len(), what)?;
            add_assign(&mut opened, own);
            Ok::<_, Error>(opened)
        };
        Ok(match awaited {
            Awaited::Input { count } => {
                self.wire = reader.elements(count, "a share of the images")?;
                Stage::Ready
            }
            Awaited::Product { gate, own, randomness } => {
                let opened = open(&own, reader, "a linear layer's masked input")?;
                self.wire = self.product(gate, opened, &randomness);
                Stage::Ready
            }
            Awaited::Masked { gate, own, randomness } => {
                let public = open(&own, reader, "masked values")?;
                self.unmasked(circuit, gate, &public, randomness)
            }
            Awaited::Level { gate, truncated, mut tree, randomness } => {
                let lanes = truncated.len();
                let theirs = reader.bits(tree.planes(), lanes, "factors of a comparison")?;
                tree.join(&theirs);
                self.level(gate, truncated, tree, randomness)
            }
            Awaited::Sign { gate, truncated, own, randomness } => {
                let mut signs = reader.bits(1, truncated.len(), "masked signs")?;
                for (sign, own) in signs.iter_mut().zip(&own) {
                    *sign ^= own;
                }
                let own = self.factors(truncated, &signs, &randomness);
                self.writer.elements(own.iter().copied());
                Stage::Awaits(Awaited::Select { gate, own, randomness })
            }
            Awaited::Select { gate, own, randomness } => {
                let opened = open(&own, reader, "factors of a selection")?;
                let selected = self.selected(&opened, &randomness);
                self.after_selection(circuit, gate, selected, &randomness);
                Stage::Ready
            }
            Awaited::Square { gate, own, randomness } => {
                let value = open(&own, reader, "values to be squared")?;
                let own = self.masked_square(&value, &randomness);
                self.writer.elements(own.iter().copied());
                Stage::Awaits(Awaited::Scale { gate, value, own, randomness })
            }
            Awaited::Scale { gate, value, own, randomness } => {
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
                    self.checks.begin(guard, circuit.ring(), &squares, masks, offsets);
                    self.give_sums();
                }
                let masks = &randomness.opening[3 * value.len()..];
                let own: Vec<u64> =
                    sum.iter().zip(masks).map(|(sum, mask)| sum.wrapping_add(*mask)).collect();
                self.writer.elements(own.iter().copied());
                Stage::Awaits(Awaited::Sum { gate, own, randomness })
            }
            Awaited::Sum { gate, own, randomness } => {
                let public = open(&own, reader, "masked sums")?;
                if let Gate::Quadratic { square_shift, .. } = &circuit.gates[gate] {
                    let inputs = self.header.images * circuit.gates[gate].inputs();
                    let offsets = &randomness.values[5 * inputs..];
                    self.wire = Truncation::new(ring, *square_shift).shares(self.role, &public, offsets);
                }
                Stage::Ready
            }
        })
    }

    /// `x W = (E + A)(W + B) - E B - A B` for `E = x - A`, all but `E` and `W + B` shared or known to the model owner.
    fn product(&self, gate: usize, mut opened: Vec<u64>, randomness: &Randomness) -> Vec<u64> {
        let MaskedParameters::Linear(masked) = self.masked(gate) else { return Vec::new() };
        let known = match self.secret(gate) {
            Some(Secret::Linear { mask, bias }) => Some((mask.apply(&opened), mask.shape(), bias)),
            _ => None,
        };
        match self.role {
            Role::DataOwner => add_assign(&mut opened, &randomness.opening),
            Role::ModelOwner => opened.clone_from(&randomness.opening),
        }
        let mut output = masked.apply(&opened);
        sub_assign(&mut output, &randomness.values);
        if let Some((known, shape, bias)) = known {
            sub_assign(&mut output, &known);
            add_per_channel(&mut output, bias, shape.outputs() / shape.channels());
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
    ) -> Next {
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
                Stage::Awaits(Awaited::Square { gate, own, randomness })
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
