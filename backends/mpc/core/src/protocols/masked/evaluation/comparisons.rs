//! Gates that compare: rectifiers and maxima.

use std::sync::Arc;

use super::Awaited;
use crate::circuit::pool::{differences, sum_all};
use crate::circuit::{Circuit, Gate, SignProtocol, Slot};
use crate::masked::Masked;
use crate::masked::comparison::{Layout, Leaves};
use crate::masked::functional::select_by_function;
use crate::masked::schedule::opens_signs;
use crate::masked::selection::SELECTION_WORDS;
use crate::masked::sign_keys::sign_shares;
use crate::ring::add_assign;
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
        if circuit.format.signs == SignProtocol::Function {
            // Of a rectifier's result the model owner sends nothing, unless signs are opened: then it sends them by themselves.
            let message_is_whole = self.role == Role::ModelOwner
                && (opens_signs(circuit) || matches!(circuit.gates[gate], Gate::Relu { .. }));
            if message_is_whole && !self.writer.is_empty() {
                self.stage = Stage::Awaits(Awaited::Compared { gate, values, randomness });
            } else {
                self.compare(gate, values, randomness);
            }
            return;
        }
        let layout = Layout::new(circuit, gate, values.len());
        let compared = circuit.compared(gate, &values);
        let leaves = Leaves::new(layout, self.role, &compared, std::mem::take(&mut randomness.bits));
        self.writer.bits(&leaves.masked, layout.planes(), values.len());
        self.stage = Stage::Awaits(Awaited::Leaves { gate, values, leaves, randomness });
    }

    /// This party's shares of the masked signs, from keys of one bit.
    fn begin_sign(&mut self, circuit: &Circuit, gate: usize, values: Vec<u64>, mut randomness: Randomness) {
        let Randomness { bits: shares, roots, keys, .. } = &randomness;
        let (bits, salt) = (circuit.compared_bits(gate) - 1, self.header.salt(gate));
        let compared = circuit.compared(gate, &values);
        let signs = sign_shares(bits, self.role, &compared, roots, keys, shares, salt);
        self.pool.put(std::mem::take(&mut randomness.keys));
        self.writer.bits(&signs, 1, values.len());
        self.stage = Stage::Awaits(Awaited::Sign { gate, values, signs, randomness });
    }

    /// Selects by the comparison function.
    pub(super) fn compare(&mut self, gate: usize, values: Vec<u64>, mut randomness: Randomness) {
        let circuit = Arc::clone(&self.circuit);
        if opens_signs(&circuit) {
            self.begin_sign(&circuit, gate, values, randomness);
            return;
        }
        let ring = circuit.ring_of(gate);
        let truncation = selection_of(&circuit, gate);
        let Randomness { roots, keys, values: shares, .. } = &randomness;
        let salt = self.header.salt(gate);
        let share = select_by_function(truncation, ring, self.role, &values, roots, keys, shares, salt);
        self.pool.put(std::mem::take(&mut randomness.keys));
        self.selected(&circuit, gate, share, &randomness);
    }

    /// Shares of `max(x, 0) >> shift` are known: opens them or hands them over.
    pub(super) fn selected(
        &mut self,
        circuit: &Circuit,
        index: usize,
        share: Vec<u64>,
        randomness: &Randomness,
    ) {
        match &circuit.gates[index] {
            Gate::Relu { pools, guard, .. } => {
                let offsets = SELECTION_WORDS * share.len();
                let share = sum_all(pools, share);
                if let Some(guard) = guard {
                    let ring = circuit.ring_of_shares(index);
                    let offsets = &randomness.values[offsets..];
                    self.checks.begin(*guard, ring, &share, &randomness.opening, offsets);
                }
                self.hold(circuit.ring_behind(index), share, &randomness.held);
            }
            Gate::Max { inputs, slots } => {
                let share = self.add_second(*inputs, slots, share, randomness);
                self.writer.numbers(circuit.ring_of(index).bits(), share.iter().copied());
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
pub(super) fn selection_of(circuit: &Circuit, gate: usize) -> Truncation {
    let shift = if let Gate::Relu { shift, .. } = circuit.gates[gate] { shift } else { 0 };
    Truncation::new(circuit.ring_of(gate), shift)
}
