//! Gates that compare: rectifiers and maxima.

use std::sync::Arc;

use super::Awaited;
use crate::circuit::pool::{differences, sum_all};
use crate::circuit::{Circuit, Gate, SignProtocol, Slot};
use crate::masked::Masked;
use crate::masked::comparison::{Layout, Leaves};
use crate::masked::functional::select_by_function;
use crate::masked::selection::SELECTION_WORDS;
use crate::ring::{Ring, add_assign};
use crate::session::online::{Online, Stage};
use crate::session::randomness::Randomness;
use crate::session::randomness::masks::Role;
use crate::session::truncation::Truncation;

impl Online<Masked> {
    pub(super) fn begin_comparison(
        &mut self,
        circuit: &Circuit,
        gate: usize,
        values: Vec<u64>,
        mut randomness: Randomness,
    ) {
        let ring = circuit.ring();
        if circuit.format.signs == SignProtocol::Function {
            // Of a rectifier's result the model owner sends nothing.
            let message_is_whole =
                self.role == Role::ModelOwner && matches!(circuit.gates[gate], Gate::Relu { .. });
            if message_is_whole && !self.writer.is_empty() {
                self.stage = Stage::Awaits(Awaited::Compared { gate, values, randomness });
            } else {
                self.compare(gate, &values, randomness);
            }
            return;
        }
        let layout = Layout::new(ring, values.len());
        let leaves = Leaves::new(layout, self.role, &values, std::mem::take(&mut randomness.bits));
        self.writer.bits(&leaves.masked, layout.planes(), values.len());
        self.stage = Stage::Awaits(Awaited::Leaves { gate, values, leaves, randomness });
    }

    /// Selects by the comparison function.
    pub(super) fn compare(&mut self, gate: usize, values: &[u64], mut randomness: Randomness) {
        let circuit = Arc::clone(&self.circuit);
        let ring = circuit.ring();
        let truncation = selection_of(&circuit.gates[gate], ring);
        let Randomness { roots, keys, values: shares, .. } = &randomness;
        let salt = self.header.salt(gate);
        let share = select_by_function(truncation, ring, self.role, values, roots, keys, shares, salt);
        self.pool.put(std::mem::take(&mut randomness.keys));
        self.selected(&circuit.gates[gate], gate, share, &randomness);
    }

    /// Shares of `max(x, 0) >> shift` are known: opens them or hands them over.
    pub(super) fn selected(&mut self, gate: &Gate, index: usize, share: Vec<u64>, randomness: &Randomness) {
        match gate {
            Gate::Relu { pools, guard, .. } => {
                let offsets = SELECTION_WORDS * share.len();
                let share = sum_all(pools, share);
                if let Some(guard) = guard {
                    self.checks.begin(*guard, &share, &randomness.opening, &randomness.values[offsets..]);
                }
                self.hold(share, &randomness.held);
            }
            Gate::Max { inputs, slots } => {
                let share = self.add_second(*inputs, slots, share, randomness);
                self.writer.elements(share.iter().copied());
                self.stage = Stage::Awaits(Awaited::Larger { gate: index, share });
            }
            _ => {}
        }
    }

    /// `max(a, b) = max(a - b, 0) + b`, masked for opening.
    fn add_second(
        &self,
        inputs: usize,
        slots: &[Slot],
        mut share: Vec<u64>,
        randomness: &Randomness,
    ) -> Vec<u64> {
        let (_, second) = differences(inputs, slots, &self.wire);
        let minus_masks = &randomness.values[SELECTION_WORDS * share.len()..];
        let known = second.into_iter().map(|value| self.role.public(value));
        for ((share, known), minus_mask) in share.iter_mut().zip(known).zip(minus_masks) {
            *share = share.wrapping_add(known).wrapping_add(*minus_mask);
        }
        add_assign(&mut share, &randomness.opening);
        share
    }
}

/// What a gate that compares takes off the positive part of what it compared.
pub(super) fn selection_of(gate: &Gate, ring: Ring) -> Truncation {
    let shift = if let Gate::Relu { shift, .. } = gate { *shift } else { 0 };
    Truncation::new(ring, shift)
}
