//! What masked wires take besides the dealer's randomness: products of masks and masked weights, ahead of the images.

use std::ops::Range;

use zeroize::Zeroizing;

use super::Masked;
use super::schedule::QUADRATIC_WORDS;
use crate::circuit::parameters::GateParameters;
use crate::circuit::{Circuit, Gate};
use crate::linear::LinearMap;
use crate::oracle::{add_per_channel, concatenated};
use crate::random::Seed;
use crate::session::message::{Reader, Writer};
use crate::session::preparation::{HeldMasks, MaskedParameters, Preparation};
use crate::session::randomness::Randomness;
use crate::session::randomness::masks::{Purpose, Role, stream};
use crate::session::randomness::setup_seed::{ALL_GATES, HEADER_BYTES};
use crate::session::{ModelOwnerBatch, Reservation};
use crate::{Error, ring};
use veilbench_ring::wiped::Wiped;

/// A gate's parameters at the model owner.
pub enum Own {
    None,
    Linear { map: Box<LinearMap>, bias: Vec<u64> },
    Quadratic(Quadratic),
}

pub struct Quadratic {
    pub(super) a: Vec<u64>,
    pub(super) b: Vec<u64>,
    pub(super) c: Vec<u64>,
    /// Masked `a`, and masked `b` behind it.
    masked: Vec<u64>,
}

impl Preparation for Masked {
    type Own = Own;

    const RINGS_BY_LAYER: bool = true;

    /// Products of masks and masked weights, in one message.
    fn ahead(circuit: &Circuit, gates: Range<usize>, images: usize) -> Vec<usize> {
        vec![HEADER_BYTES + product_bytes(circuit, gates, images)]
    }

    fn own(gate: &Gate, secret: GateParameters, masked: Vec<u64>) -> Own {
        match (gate, secret) {
            (Gate::Linear { shape }, GateParameters::Linear { weights, bias }) => {
                drop(masked);
                Own::Linear { map: Box::new(LinearMap::new(*shape, weights)), bias }
            }
            (_, GateParameters::Quadratic { a, b, c }) => Own::Quadratic(Quadratic { a, b, c, masked }),
            _ => Own::None,
        }
    }

    /// `p - (W + B) r` for every linear layer whose input is under the mask `r`, and shares for squares.
    fn complete(
        batch: &Reservation<Self>,
        masks: &mut HeldMasks,
        input: &Wiped<u64>,
        gates: Range<usize>,
        randomness: &mut [Randomness],
    ) -> Vec<Vec<u8>> {
        let Reservation { circuit, parameters, seed, header, .. } = batch;
        let mut writer = Writer::new(circuit.ring());
        header.of_part(gates.start).write(ALL_GATES, &mut writer);
        let HeldMasks { wire: held, kept } = masks;
        if gates.start == 0 {
            held.clone_from(input);
        }
        for (index, randomness) in gates.zip(randomness) {
            let gate = &circuit.gates[index];
            match (gate, &parameters[index]) {
                (Gate::Linear { .. }, MaskedParameters::Linear(map)) => {
                    let count = header.images * gate.outputs();
                    let mut difference = linear_mask(Role::DataOwner, index, seed, count);
                    ring::sub_assign(&mut difference, &map.apply(held));
                    writer.numbers(circuit.ring_of(index).bits(), difference.into_iter());
                }
                (Gate::Quadratic { .. }, MaskedParameters::Quadratic { a, b }) => {
                    let inputs = header.images * gate.inputs();
                    randomness.values = quadratic_shares(gate, a, b, inputs, &randomness.values).into();
                }
                (Gate::Keep { .. }, _) => kept.push(held.clone()),
                (Gate::Recall { kept: number, .. }, _) => held.clone_from(&kept[*number]),
                (Gate::Concat { kept: number, units, .. }, _) => {
                    *held = concatenated(*units, &kept[*number], held).into();
                }
                (Gate::Output { open: false, .. }, _) => *randomness.held = held.to_vec(),
                _ => {}
            }
            if !randomness.held.is_empty() {
                held.clone_from(&randomness.held);
            }
        }
        vec![writer.take()]
    }

    fn corrected(gate: &Gate, own: &Own, randomness: &mut Randomness, images: usize) {
        if let Own::Quadratic(Quadratic { a, masked, .. }) = own {
            let (inputs, (masked_a, masked_b)) = (images * gate.inputs(), masked.split_at(a.len()));
            randomness.values = quadratic_shares(gate, masked_a, masked_b, inputs, &randomness.values).into();
        }
    }

    fn take_ahead(batch: &mut ModelOwnerBatch<Self>, _: usize, message: &[u8]) -> Result<(), Error> {
        let ModelOwnerBatch { supply, parameters, seed, .. } = batch;
        let (window, images) = (supply.window(), supply.header.images);
        let circuit = &supply.circuit;
        let mut reader = Reader::new(Role::ModelOwner.peer(), circuit.ring(), message);
        let due = HEADER_BYTES + product_bytes(circuit, window.clone(), images);
        reader.expect(due, "masked products")?;
        supply.header.of_part(window.start).check(ALL_GATES, &mut reader)?;
        for (index, randomness) in window.zip(&mut supply.gates) {
            let (gate, parameters) = (&circuit.gates[index], &parameters[index]);
            let (Gate::Linear { shape }, Own::Linear { bias, .. }) = (gate, parameters) else {
                continue;
            };
            let count = images * shape.outputs();
            let mut offset = reader.numbers(circuit.ring_of(index).bits(), count, "masked products")?;
            let mask = Zeroizing::new(linear_mask(Role::ModelOwner, index, seed, count));
            ring::add_assign(&mut offset, &mask);
            add_per_channel(&mut offset, bias, shape.outputs() / shape.channels());
            randomness.offset = offset.into();
        }
        reader.finish()
    }
}

/// Bytes of the products of masks of so many images at the linear layers among some gates.
fn product_bytes(circuit: &Circuit, gates: Range<usize>, images: usize) -> usize {
    let bytes = |index: usize| match &circuit.gates[index] {
        Gate::Linear { shape } => circuit.ring_of(index).packed(images * shape.outputs()),
        _ => 0,
    };
    gates.map(bytes).sum()
}

/// Shares of `a K` and `a K^2 + b K` for both `K`, from those the dealer gave: `a = a^ - alpha`, with `a^` public.
/// All that remains of a quadratic gate is then linear in what is public. What the truncation and the guard take follows, and under a
/// guard shares of both `K` and of both `K^2`.
fn quadratic_shares(
    gate: &Gate,
    public_a: &[u64],
    public_b: &[u64],
    inputs: usize,
    values: &[u64],
) -> Vec<u64> {
    let Gate::Quadratic { channels, positions, guard, .. } = gate else { return Vec::new() };
    let (dealt, truncation) = values.split_at(QUADRATIC_WORDS * inputs);
    let part = |index: usize| &dealt[index * inputs..][..inputs];
    let mut shares = Vec::with_capacity(4 * inputs + truncation.len());
    for which in 0..2 {
        let (offset, square) = (part(which), part(2 + which));
        let (masked, masked_square) = (part(4 + which), part(6 + which));
        let channel = |lane: usize| lane / positions % channels;
        shares.extend(
            (0..inputs)
                .map(|lane| public_a[channel(lane)].wrapping_mul(offset[lane]).wrapping_sub(masked[lane])),
        );
        shares.extend((0..inputs).map(|lane| {
            let at = channel(lane);
            let known = public_a[at].wrapping_mul(square[lane]);
            known.wrapping_add(public_b[at].wrapping_mul(offset[lane])).wrapping_sub(masked_square[lane])
        }));
    }
    shares.extend_from_slice(truncation);
    if guard.is_some() {
        shares.extend_from_slice(&dealt[..4 * inputs]);
    }
    shares
}

/// A linear layer's part of its output mask, from the party's own seed.
pub(super) fn linear_mask(role: Role, gate: usize, seed: &Seed, count: usize) -> Vec<u64> {
    let purpose = match role {
        Role::DataOwner => Purpose::Product,
        Role::ModelOwner => Purpose::Opening,
    };
    stream(seed, gate, purpose).words(count)
}
