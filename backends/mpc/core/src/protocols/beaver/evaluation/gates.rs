//! What a party computes of each gate between two messages: comparisons, selections, squares and polynomials on shares.

use super::{Awaited, Next, Tree};
use crate::beaver::Beaver;
use crate::beaver::preparation::Secret;
use crate::beaver::schedule::{SELECTION_OPENINGS, SELECTION_VALUES};
use crate::circuit::pool::{assemble, differences, sum_all};
use crate::circuit::{Circuit, Gate};
use crate::ring::{add_assign, sub_assign};
use crate::session::online::{Online, Stage};
use crate::session::preparation::MaskedParameters;
use crate::session::randomness::Randomness;
use crate::session::randomness::masks::Role;

impl Online<Beaver> {
    /// Sends a level of a comparison, or the masked signs at its end.
    pub(super) fn level(
        &mut self,
        gate: usize,
        truncated: Vec<u64>,
        tree: Box<Tree>,
        randomness: Randomness,
    ) -> Next {
        if tree.planes() > 0 {
            self.writer.bits(&tree.masked, tree.planes(), truncated.len());
            return Stage::Awaits(Awaited::Level { gate, truncated, tree, randomness });
        }
        let own = tree.sign();
        self.writer.bits(&own, 1, truncated.len());
        Stage::Awaits(Awaited::Sign { gate, truncated, own, randomness })
    }

    /// Shares of the masked value and of its masked `1 - sign`, given the open `v = sign ^ s`.
    pub(super) fn factors(
        &self,
        mut truncated: Vec<u64>,
        signs: &[u64],
        randomness: &Randomness,
    ) -> Vec<u64> {
        let count = truncated.len();
        let bits = &randomness.values[2 * count..3 * count];
        let masks = &randomness.opening[count..];
        sub_assign(&mut truncated, &masks[..count]);
        truncated.extend(bits.iter().zip(&masks[count..]).enumerate().map(|(lane, (bit, mask))| {
            let open = signs[lane / 64] >> (lane % 64) & 1;
            // sign = v + s - 2 v s
            let sign = self.role.public(open).wrapping_add(bit.wrapping_sub((2 * open).wrapping_mul(*bit)));
            self.role.public(1).wrapping_sub(sign).wrapping_sub(*mask)
        }));
        truncated
    }

    /// Beaver's product of both opened factors.
    pub(super) fn selected(&self, opened: &[u64], randomness: &Randomness) -> Vec<u64> {
        let count = opened.len() / 2;
        let masks = &randomness.opening[count..];
        let products = &randomness.values[3 * count..];
        (0..count)
            .map(|lane| {
                let (d, e) = (opened[lane], opened[count + lane]);
                let (a, b) = (masks[lane], masks[count + lane]);
                let known = self.role.public(d.wrapping_mul(e));
                known
                    .wrapping_add(d.wrapping_mul(b))
                    .wrapping_add(e.wrapping_mul(a))
                    .wrapping_add(products[lane])
            })
            .collect()
    }

    pub(super) fn after_selection(
        &mut self,
        circuit: &Circuit,
        gate: usize,
        mut selected: Vec<u64>,
        randomness: &Randomness,
    ) {
        match &circuit.gates[gate] {
            Gate::Max { inputs, slots } => {
                let (_, second) = differences(*inputs, slots, &self.wire);
                add_assign(&mut selected, &second);
                self.wire = assemble(*inputs, slots, &self.wire, &selected);
            }
            Gate::Relu { pools, guard, .. } => {
                let count = selected.len();
                self.wire = sum_all(pools, selected);
                if let Some(guard) = guard {
                    let masks = &randomness.opening[SELECTION_OPENINGS * count..];
                    let offsets = &randomness.values[SELECTION_VALUES * count..];
                    self.checks.begin(*guard, circuit.ring(), &self.wire, masks, offsets);
                    self.give_sums();
                }
            }
            _ => {}
        }
    }

    /// The data owner's masked sums for a guard go with its next message.
    pub(super) fn give_sums(&mut self) {
        if self.role == Role::DataOwner {
            self.checks.send(&mut self.writer);
        }
    }

    /// `t^2 = D^2 + 2 D a + a^2`, less the mask under which it is opened.
    pub(super) fn masked_square(&self, value: &[u64], randomness: &Randomness) -> Vec<u64> {
        let count = value.len();
        let (masks, next) = (&randomness.opening[count..2 * count], &randomness.opening[2 * count..]);
        let squares = &randomness.values[2 * count..];
        (0..count)
            .map(|lane| {
                let d = value[lane];
                let known = self.role.public(d.wrapping_mul(d));
                let cross = d.wrapping_mul(2).wrapping_mul(masks[lane]);
                known.wrapping_add(cross).wrapping_add(squares[lane]).wrapping_sub(next[lane])
            })
            .collect()
    }

    /// `a t^2 + b t + c`, summed, with products by `a` and `b` as in [`product`](Self::product).
    pub(super) fn polynomial(
        &self,
        circuit: &Circuit,
        gate: usize,
        value: &[u64],
        square: &[u64],
        randomness: &Randomness,
    ) -> Vec<u64> {
        let Gate::Quadratic { channels, positions, pools, .. } = &circuit.gates[gate] else {
            return Vec::new();
        };
        let MaskedParameters::Quadratic { a, b } = self.masked(gate) else { return Vec::new() };
        let secret = self.secret(gate);
        let count = value.len();
        let mask = |part: usize| &randomness.opening[part * count..][..count];
        let product = |part: usize| &randomness.values[part * count..][..count];
        let factor = |opened: u64, mask: u64| mask.wrapping_add(self.role.public(opened));
        let values = (0..count).map(|lane| {
            let channel = lane / positions % channels;
            let of_square = factor(square[lane], mask(2)[lane]).wrapping_mul(a[channel]);
            let of_value = factor(value[lane], mask(1)[lane]).wrapping_mul(b[channel]);
            let dealt = product(3)[lane].wrapping_add(product(4)[lane]);
            let mut share = of_square.wrapping_add(of_value).wrapping_sub(dealt);
            if let Some(Secret::Quadratic { alpha, beta, c }) = secret {
                share = share
                    .wrapping_sub(square[lane].wrapping_mul(alpha[channel]))
                    .wrapping_sub(value[lane].wrapping_mul(beta[channel]))
                    .wrapping_add(c[channel]);
            }
            share
        });
        sum_all(pools, values.collect())
    }
}
