//! The clear fixed-point network: exact integers, truncation rounds to nearest as the protocols do on average. Protocols are
//! tested against it.

mod analysis;
mod interval;
mod pieces;

pub use analysis::{Analysis, analyse, analyse_within};

use crate::circuit::parameters::GateParameters;
use crate::circuit::{Circuit, Gate, Slot, pool};
use crate::linear::LinearMap;
use crate::model::Model;

/// The logits of a batch of encoded images.
///
/// # Panics
/// If the model belongs to another circuit or `inputs` is no whole number of images.
pub fn evaluate(circuit: &Circuit, model: &Model, inputs: &[u64]) -> Vec<u64> {
    assert_eq!(inputs.len() % circuit.inputs, 0, "no whole number of images");
    let ring = circuit.ring();
    let rounded = |value: u64, shift: u32| {
        let half = if shift > 0 { 1 << (shift - 1) } else { 0 };
        ((ring.signed(value) + half) >> shift) as u64
    };
    let mut wire = inputs.to_vec();
    let mut kept = Vec::new();
    for (gate, parameters) in circuit.gates.iter().zip(&model.gates) {
        wire = match (gate, parameters) {
            (Gate::Linear { shape }, GateParameters::Linear { weights, bias }) => {
                let mut product = LinearMap::new(*shape, weights.clone()).apply(&wire);
                add_per_channel(&mut product, bias, shape.outputs() / shape.channels());
                product
            }
            (Gate::Sum(pool), _) => pool.sum(&wire),
            (Gate::Max { inputs, slots }, _) => wire
                .chunks_exact(*inputs)
                .flat_map(|image| slots.iter().map(|slot| larger(image, *slot, ring)))
                .collect(),
            (Gate::Relu { shift, pools, .. }, _) => {
                let values = wire.iter().map(|&x| rounded(ring.signed(x).max(0) as u64, *shift)).collect();
                pool::sum_all(pools, values)
            }
            (
                Gate::Quadratic { channels, positions, shift, square_shift, pools, .. },
                GateParameters::Quadratic { a, b, c },
            ) => {
                let values = wire.iter().enumerate().map(|(index, &x)| {
                    let (t, channel) = (rounded(x, *shift), index / positions % channels);
                    let slope = a[channel].wrapping_mul(t).wrapping_add(b[channel]);
                    slope.wrapping_mul(t).wrapping_add(c[channel])
                });
                let sums = pool::sum_all(pools, values.collect());
                sums.into_iter().map(|x| rounded(x, *square_shift)).collect()
            }
            (Gate::Truncate { shift, .. }, _) => wire.into_iter().map(|x| rounded(x, *shift)).collect(),
            (Gate::Spread { positions, offsets, .. }, _) => spread(*positions, offsets, &wire),
            (Gate::Keep { .. }, _) => {
                kept.push(wire.clone());
                wire
            }
            (Gate::Recall { kept: number, .. }, _) => kept[*number].clone(),
            (Gate::Add { kept: number, shift, .. }, _) => {
                add_shifted(&mut wire, &kept[*number], *shift);
                wire
            }
            (Gate::Concat { kept: number, units, .. }, _) => concatenated(*units, &kept[*number], &wire),
            (Gate::Output { .. }, _) => {
                wire.into_iter().map(|x| ring.reduce(rounded(x, circuit.output_shift))).collect()
            }
            (Gate::Linear { .. } | Gate::Quadratic { .. }, _) => {
                panic!("the model belongs to another circuit")
            }
        };
    }
    wire
}

fn larger(image: &[u64], slot: Slot, ring: crate::ring::Ring) -> u64 {
    match slot {
        Slot::Keep(a) => image[a],
        Slot::Larger(a, b) => ring.signed(image[a]).max(ring.signed(image[b])) as u64,
    }
}

/// Copies of every channel less each of the offsets, side by side, in every image of a batch.
pub(crate) fn spread(positions: usize, offsets: &[u64], values: &[u64]) -> Vec<u64> {
    let channels = values.chunks_exact(positions);
    let copies = channels.flat_map(|channel| offsets.iter().map(move |offset| (channel, offset)));
    copies.flat_map(|(channel, offset)| channel.iter().map(|value| value.wrapping_sub(*offset))).collect()
}

/// Adds `addends << shift`.
pub(crate) fn add_shifted(values: &mut [u64], addends: &[u64], shift: u32) {
    for (value, addend) in values.iter_mut().zip(addends) {
        *value = value.wrapping_add(addend << shift);
    }
}

/// The values of `first` and then those of `second` in every image of a batch, this many of either.
pub(crate) fn concatenated(units: [usize; 2], first: &[u64], second: &[u64]) -> Vec<u64> {
    let images = first.chunks_exact(units[0]).zip(second.chunks_exact(units[1]));
    images.flat_map(|(first, second)| first.iter().chain(second)).copied().collect()
}

/// Adds `addends[channel]` to all values of a channel, in every image of a batch.
pub(crate) fn add_per_channel(values: &mut [u64], addends: &[u64], positions: usize) {
    for (values, addend) in values.chunks_exact_mut(positions).zip(addends.iter().cycle()) {
        for value in values {
            *value = value.wrapping_add(*addend);
        }
    }
}
