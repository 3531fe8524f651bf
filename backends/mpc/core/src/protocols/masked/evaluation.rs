//! The online phase of masked wires.

mod comparisons;
mod squares;

use super::Masked;
use super::comparison::{Layout, Leaves};
use super::preparation::Own;
use super::selection::select;
use crate::Error;
use crate::circuit::pool::{assemble, differences};
use crate::circuit::{Circuit, Gate};
use crate::oracle::{add_shifted, concatenated, spread};
use crate::ring::{Ring, add_assign, sub_assign};
use crate::session::Protocol;
use crate::session::message::Reader;
use crate::session::online::{Evaluation, Known, Online, Stage};
use crate::session::randomness::Randomness;
use crate::session::randomness::masks::Role;
use crate::session::truncation::Truncation;
use comparisons::selection_of;
use veilbench_ring::wiped::Wiped;

/// What a party waits for.
pub enum Awaited {
    /// Nothing, but what is written should leave first: the model owner's comparison keys are evaluated while the data owner
    /// evaluates its own.
    Compared { gate: usize, values: Vec<u64>, randomness: Randomness },
    /// The model owner: a held wire from the data owner, to which its own share is added.
    Held { ring: Ring, share: Vec<u64>, count: usize },
    /// The data owner: the masked output of the linear layer, or of the sum, of an index.
    Opened { gate: usize, count: usize },
    /// First round of a comparison.
    Leaves { gate: usize, values: Vec<u64>, leaves: Leaves, randomness: Randomness },
    /// Second round.
    Sign { gate: usize, values: Vec<u64>, signs: Vec<u64>, randomness: Randomness },
    /// The other share of a level of maxima.
    Larger { gate: usize, share: Vec<u64> },
    /// The other share of a sum of squares.
    Square { gate: usize, share: Vec<u64>, randomness: Randomness },
}

impl Evaluation for Masked {
    type Awaited = Awaited;

    fn image(circuit: &Circuit, count: usize) -> Awaited {
        Awaited::Held { ring: circuit.ring_of(0), share: Vec::new(), count }
    }

    fn start(online: &mut Online<Self>, mut images: Vec<u64>, mask: &[u64]) -> Result<Vec<u8>, Error> {
        add_assign(&mut images, mask);
        online.writer.numbers(online.circuit.ring_of(0).bits(), images.into_iter());
        Ok(online.writer.take())
    }

    fn proceed(online: &mut Online<Self>) {
        match std::mem::replace(&mut online.stage, Stage::Ready) {
            Stage::Awaits(Awaited::Compared { gate, values, randomness }) => {
                online.compare(gate, values, randomness);
            }
            stage => online.stage = stage,
        }
    }

    fn logits(mut wire: Vec<u64>, circuit: &Circuit, gate: &Gate, randomness: &Randomness) -> Vec<u64> {
        if let Gate::Output { open: true, .. } = gate {
            let ring = circuit.ring_of(circuit.gates.len() - 1);
            wire.iter_mut().for_each(|word| *word = ring.reduce(*word) >> circuit.output_shift);
            sub_assign(&mut wire, &randomness.values);
        }
        wire
    }

    fn begin(online: &mut Online<Self>, circuit: &Circuit, index: usize, randomness: Randomness) {
        let gate = &circuit.gates[index];
        match gate {
            Gate::Linear { .. } => online.begin_linear(circuit, index, &randomness),
            Gate::Sum(pool) => online.wire = pool.sum(&online.wire),
            Gate::Spread { positions, offsets, .. } => {
                online.wire = spread(*positions, offsets, &online.wire);
            }
            Gate::Max { inputs, slots } => {
                if Self::sizes(index, circuit, online.header.images).compared == 0 {
                    online.wire = assemble(*inputs, slots, &online.wire, &[]);
                    return;
                }
                let (values, _) = differences(*inputs, slots, &online.wire);
                online.begin_comparison(circuit, index, values, randomness);
            }
            Gate::Relu { .. } => {
                let values = std::mem::take(&mut online.wire);
                online.begin_comparison(circuit, index, values, randomness);
            }
            Gate::Quadratic { .. } => online.begin_square(gate, index, randomness),
            Gate::Truncate { shift, .. } => {
                let truncation = Truncation::new(circuit.ring_of(index), *shift);
                let share = truncation.shares(online.role, &online.wire, &randomness.values);
                online.hold(circuit.ring_behind(index), share, &randomness.held);
            }
            Gate::Keep { open, .. } => {
                let knows = *open || online.role == Role::ModelOwner;
                online.kept.push(if knows { online.wire.clone().into() } else { Wiped::default() });
            }
            Gate::Recall { kept, .. } => online.wire.clone_from(&online.kept[*kept]),
            Gate::Add { kept, shift, units } => {
                if online.role == Role::ModelOwner {
                    add_shifted(&mut online.wire, &online.kept[*kept], *shift);
                    if !circuit.is_merged(index) {
                        online.write_opened(circuit, index);
                    }
                } else if !circuit.is_merged(index) {
                    let count = online.header.images * units;
                    online.stage = Stage::Awaits(Awaited::Opened { gate: index, count });
                }
            }
            Gate::Concat { kept, units, .. } => {
                if online.role == Role::ModelOwner {
                    online.wire = concatenated(*units, &online.kept[*kept], &online.wire);
                }
            }
            Gate::Output { open, .. } => {
                let masks = if *open { &randomness.values } else { &randomness.held };
                let share: Vec<u64> = masks.iter().map(|mask| mask.wrapping_neg()).collect();
                online.stage = Stage::Logits(share.into());
            }
        }
    }

    fn resume(
        online: &mut Online<Self>,
        circuit: &Circuit,
        awaited: Awaited,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error> {
        match awaited {
            Awaited::Held { ring, share, count } => {
                online.wire = reader.numbers(ring.bits(), count, "a masked wire")?;
                online.checks.receive(online.role, reader)?;
                if !share.is_empty() {
                    add_assign(&mut online.wire, &share);
                }
            }
            Awaited::Opened { gate, count } => {
                let (bits, dropped) = (circuit.ring_of(gate).bits(), circuit.dropped(gate));
                online.wire = reader.numbers(bits - dropped, count, "a linear layer's masked output")?;
                if dropped > 0 {
                    online.wire.iter_mut().for_each(|value| *value <<= dropped);
                }
            }
            Awaited::Leaves { gate, values, leaves, randomness } => {
                let planes = Layout::new(circuit, gate, values.len()).planes();
                let theirs = reader.bits(planes, values.len(), "masked comparisons")?;
                let signs = leaves.sign(&theirs);
                online.writer.bits(&signs, 1, values.len());
                online.stage = Stage::Awaits(Awaited::Sign { gate, values, signs, randomness });
            }
            Awaited::Sign { gate, values, mut signs, randomness } => {
                let theirs = reader.bits(1, values.len(), "masked signs")?;
                for (sign, their) in signs.iter_mut().zip(&theirs) {
                    *sign ^= their;
                }
                let truncation = selection_of(circuit, gate);
                let share = select(truncation, online.role, &values, &signs, &randomness.values);
                online.selected(circuit, gate, share, &randomness);
            }
            Awaited::Larger { gate, share } => {
                let bits = circuit.ring_of(gate).bits();
                let mut larger = reader.numbers(bits, share.len(), "masked maxima")?;
                add_assign(&mut larger, &share);
                if let Gate::Max { inputs, slots } = &circuit.gates[gate] {
                    online.wire = assemble(*inputs, slots, &online.wire, &larger);
                }
            }
            Awaited::Square { gate, share, randomness } => {
                online.end_square(gate, share, &randomness, reader)?;
            }
            Awaited::Compared { gate, values, randomness } => online.compare(gate, values, randomness),
        }
        Ok(())
    }
}

impl Online<Masked> {
    /// At the model owner, what it knows of a gate's parameters.
    fn own(&self, index: usize) -> Option<&Own> {
        match &self.parameters {
            Known::DataOwner(_) => None,
            Known::ModelOwner(own) => own.get(index),
        }
    }

    fn begin_linear(&mut self, circuit: &Circuit, index: usize, randomness: &Randomness) {
        let is_merged = circuit.is_merged(index);
        if let Some(Own::Linear { map, .. }) = self.own(index) {
            let mut output = map.apply(&self.wire);
            add_assign(&mut output, &randomness.offset);
            self.wire = output;
            if !is_merged {
                self.write_opened(circuit, index);
            }
        } else if !is_merged {
            let count = self.header.images * circuit.gates[index].outputs();
            self.stage = Stage::Awaits(Awaited::Opened { gate: index, count });
        }
    }

    /// The model owner sends the open wire that the gate of an index wrote.
    fn write_opened(&mut self, circuit: &Circuit, index: usize) {
        let (bits, dropped) = (circuit.ring_of(index).bits(), circuit.dropped(index));
        self.writer.numbers(bits - dropped, self.wire.iter().map(|value| value >> dropped));
    }

    /// The data owner masks its share of a held wire and sends it; the model owner awaits that.
    fn hold(&mut self, ring: Ring, mut share: Vec<u64>, masks: &[u64]) {
        match self.role {
            Role::DataOwner => {
                add_assign(&mut share, masks);
                self.writer.numbers(ring.bits(), share.into_iter());
                self.checks.send(&mut self.writer);
            }
            Role::ModelOwner => {
                let count = share.len();
                self.stage = Stage::Awaits(Awaited::Held { ring, share, count });
            }
        }
    }
}
