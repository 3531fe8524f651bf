//! Polynomials of degree two. In rings by layer, both parties' shares of the result are put together by the data owner alone, which tells
//! the model owner of each whether the ring wraps: one bit, the top one of a value under a mask.

use std::sync::Arc;

use super::Awaited;
use crate::Error;
use crate::circuit::{Gate, Width, pool::sum_all};
use crate::masked::Masked;
use crate::masked::preparation::{Own, Quadratic};
use crate::ring::add_assign;
use crate::session::message::Reader;
use crate::session::online::{Online, Stage};
use crate::session::randomness::Randomness;
use crate::session::randomness::masks::Role;
use crate::session::truncation::Truncation;

impl Online<Masked> {
    /// This party's share of the polynomials, masked for opening.
    pub(super) fn begin_square(&mut self, gate: &Gate, index: usize, randomness: Randomness) {
        let Gate::Quadratic { channels, positions, shift, pools, guard, .. } = gate else { return };
        let ring = self.circuit.ring_of_shares(index);
        let truncation = Truncation::new(self.circuit.ring_of(index), *shift);
        let own = self.quadratic(index);
        let share = quadratic_share(truncation, own, &self.wire, &randomness.values, *channels, *positions);
        let mut share = sum_all(pools, share);
        let (results, sums) = randomness.opening.split_at(share.len());
        add_assign(&mut share, results);
        if let Some(guard) = guard {
            let (inputs, offsets) = (self.wire.len(), 4 * self.wire.len() + 2 * share.len());
            let dealt = &randomness.values[randomness.values.len() - 4 * inputs..];
            let squares = square_shares(truncation, self.role, &self.wire, dealt);
            self.checks.begin(*guard, ring, &squares, sums, &randomness.values[offsets..]);
        }
        if self.role == Role::ModelOwner || self.circuit.format.width == Width::Bytes {
            self.writer.numbers(ring.bits(), share.iter().copied());
        }
        self.stage = Stage::Awaits(Awaited::Square { gate: index, share, randomness });
    }

    /// Goes on with the other party's share of the polynomials, or with what the data owner says of them.
    pub(super) fn end_square(
        &mut self,
        index: usize,
        mut share: Vec<u64>,
        randomness: &Randomness,
        reader: &mut Reader<'_>,
    ) -> Result<(), Error> {
        let circuit = Arc::clone(&self.circuit);
        let Gate::Quadratic { square_shift, .. } = &circuit.gates[index] else { return Ok(()) };
        let (ring, width) = (circuit.ring_of_shares(index), circuit.format.width);
        let truncation = Truncation::new(ring, *square_shift);
        let offsets = &randomness.values[4 * self.wire.len()..][..2 * share.len()];
        let share = if width == Width::Bits && self.role == Role::ModelOwner {
            truncation.chosen(offsets, &reader.bits(1, share.len(), "wraps of squares")?)
        } else {
            let theirs = reader.numbers(ring.bits(), share.len(), "masked squares")?;
            add_assign(&mut share, &theirs);
            if width == Width::Bits {
                self.writer.bits(&truncation.wraps(&share), 1, share.len());
            }
            truncation.shares(self.role, &share, offsets)
        };
        self.hold(circuit.ring_behind(index), share, &randomness.held);
        Ok(())
    }

    fn quadratic(&self, index: usize) -> Option<&Quadratic> {
        match self.own(index) {
            Some(Own::Quadratic(quadratic)) => Some(quadratic),
            _ => None,
        }
    }
}

/// Shares of `t^2` for `t = A + K`, from shares of both `K` and both `K^2`.
fn square_shares(truncation: Truncation, role: Role, public: &[u64], dealt: &[u64]) -> Vec<u64> {
    let count = public.len();
    let square = |(lane, value): (usize, &u64)| {
        let (known, wraps) = truncation.split(*value);
        let part = |index: usize| dealt[(index + usize::from(wraps)) * count + lane];
        let cross = known.wrapping_mul(2).wrapping_mul(part(0));
        role.public(known.wrapping_mul(known)).wrapping_add(cross).wrapping_add(part(2))
    };
    public.iter().enumerate().map(square).collect()
}

/// A share of `a t^2 + b t + c` for `t = A + K`: `2 A (a K) + (a K^2 + b K)`, and at the model owner, which knows the
/// coefficients, `a A^2 + b A + c`.
fn quadratic_share(
    truncation: Truncation,
    coefficients: Option<&Quadratic>,
    public: &[u64],
    shares: &[u64],
    channels: usize,
    positions: usize,
) -> Vec<u64> {
    let count = public.len();
    let part = |index: usize| &shares[index * count..][..count];
    let (slopes, constants) = ([part(0), part(2)], [part(1), part(3)]);
    let mut result = Vec::with_capacity(count);
    for (lane, &value) in public.iter().enumerate() {
        let (known, wraps) = truncation.split(value);
        let (slope, constant) = (slopes[usize::from(wraps)][lane], constants[usize::from(wraps)][lane]);
        let mut share = known.wrapping_mul(2).wrapping_mul(slope).wrapping_add(constant);
        if let Some(Quadratic { a, b, c, .. }) = coefficients {
            let channel = lane / positions % channels;
            let slope = a[channel].wrapping_mul(known).wrapping_add(b[channel]);
            share = share.wrapping_add(slope.wrapping_mul(known)).wrapping_add(c[channel]);
        }
        result.push(share);
    }
    result
}
