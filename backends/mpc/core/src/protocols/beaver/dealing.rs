//! The dealer: triples, squares, shared bits.

use super::Beaver;
use super::comparison::{self, Layout};
use crate::circuit::Gate;
use crate::session::checks::deal_guard;
use crate::session::dealer::{Dealing, Dealt, Secrets};
use crate::session::preparation::MaskedParameters;
use crate::session::randomness::masks::{Purpose, stream};
use crate::session::sizes::Sizes;
use crate::session::truncation::{Truncation, deal_truncation};

impl Dealing for Beaver {
    /// Every gate has masks of its own.
    type Wires = ();

    fn wires(_: &Secrets) {}

    fn deal(batch: &Secrets, (): &mut (), index: usize, sizes: Sizes) -> Dealt {
        let ring = batch.circuit.ring();
        let opening = batch.opening(index, sizes);
        match (&batch.circuit.gates[index], &batch.parameters[index]) {
            (Gate::Linear { .. }, MaskedParameters::Linear(map)) => Dealt::of_values(map.apply(&opening)),
            (gate @ (Gate::Relu { .. } | Gate::Max { .. }), _) => {
                let shift = if let Gate::Relu { shift, .. } = gate { *shift } else { 0 };
                let count = sizes.compared;
                let (opening, sums) = opening.split_at(3 * count);
                let masks: Vec<u64> = opening[..count].iter().map(|mask| ring.reduce(*mask)).collect();
                let factors = opening[count..2 * count].iter().zip(&opening[2 * count..]);
                let mut secret = stream(&batch.secret, index, Purpose::Secret);
                let sign_masks = secret.words(count.div_ceil(64));
                let bits = comparison::deal(Layout::new(ring, count), &masks, &sign_masks, &mut secret);
                let mut values = deal_truncation(Truncation::new(ring, shift), &masks);
                values.extend((0..count).map(|lane| sign_masks[lane / 64] >> (lane % 64) & 1));
                values.extend(factors.map(|(a, b)| a.wrapping_mul(*b)));
                values.extend(gate.guard().iter().flat_map(|guard| deal_guard(*guard, ring, sums)));
                Dealt { bits, values }
            }
            (
                gate @ Gate::Quadratic { channels, positions, shift, square_shift, .. },
                MaskedParameters::Quadratic { a: alpha, b: beta },
            ) => {
                let inputs = batch.header.images * gate.inputs();
                let results = batch.header.images * gate.outputs();
                let (opening, sums) = opening.split_at(3 * inputs + results);
                let part = |at: usize| &opening[at * inputs..][..inputs];
                let channel = |lane: usize| lane / positions % channels;
                let masked = |part: &[u64], by: &[u64]| -> Vec<u64> {
                    part.iter().enumerate().map(|(lane, mask)| mask.wrapping_mul(by[channel(lane)])).collect()
                };
                let mut values = deal_truncation(Truncation::new(ring, *shift), part(0));
                values.extend(part(1).iter().map(|mask| mask.wrapping_mul(*mask)));
                values.extend(masked(part(2), alpha));
                values.extend(masked(part(1), beta));
                values.extend(deal_truncation(Truncation::new(ring, *square_shift), &opening[3 * inputs..]));
                values.extend(gate.guard().iter().flat_map(|guard| deal_guard(*guard, ring, sums)));
                Dealt::of_values(values)
            }
            (Gate::Truncate { shift, .. }, _) => {
                Dealt::of_values(deal_truncation(Truncation::new(ring, *shift), &opening))
            }
            _ => Dealt::default(),
        }
    }
}
