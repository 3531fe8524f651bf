//! The program of one round: a map whose values come freshly encrypted and whose results go back.
//!
//! Nothing has to follow in the slots, so a round may give several ciphertexts, and whoever encrypts lays values out as
//! suits the map: windows of a convolution lie beside each other, copies of a vector where they save rotations. A quarter
//! of the slots of every result holds nothing, which tells whether it wrapped: see [`crate::roles::guard`].

use veilbench_ckks::Diagonals;

use super::{Builder, LatencyLayer, PackedCircuit, State, shifted_copies, taps};
use crate::circuits::circuit::Stage;
use crate::planning::packing::{NONE, Packing, empty};
use crate::roles::guard::most_results;

/// Most ciphertexts of a round in either direction.
const MOST_CIPHERTEXTS: usize = 1024;

/// Most slots of the plaintext vectors of a round: half a gigabyte before they are encoded.
const MOST_DIAGONAL_SLOTS: usize = 1 << 26;

/// Into so many parts the windows of a map are cut if that fills ciphertexts better.
const MOST_PARTS: usize = 8;

/// What a ciphertext that comes, one that goes, a plaintext vector and a rotation cost beside each other.
const COSTS: [usize; 4] = [24, 30, 1, 8];

impl PackedCircuit {
    /// The program of a map that no activation follows. `None` if it does not suit so many slots.
    pub(crate) fn round(stage: &Stage, slots: usize) -> Option<Self> {
        let mut builder = Builder { slots, input: Packing::new(), layers: Vec::new() };
        let state = match reads_windows(stage) {
            true => {
                let packing = builder.windows(stage, &Windows::cheapest(stage, slots)?)?;
                State { packing, clean: true, period: None, tiled: None }
            }
            false => builder.vector(stage)?,
        };
        builder.finish(&state, stage.map.outputs())
    }

    /// The same without the numbers on its diagonals: what is public.
    pub(crate) fn without_weights(mut self) -> Self {
        for diagonal in
            self.layers.iter_mut().flat_map(|layer| &mut layer.diagonals).flat_map(Diagonals::values_mut)
        {
            *diagonal = Vec::new();
        }
        self
    }

    /// The most products of a weight and a slot that a result is the sum of, with those of weights that are zero: each brings
    /// the rounding of its weight.
    pub(crate) fn terms(&self) -> usize {
        let of = |layer: &LatencyLayer| {
            let most = layer.diagonals.iter().map(Diagonals::len).max().unwrap_or(0);
            most << layer.post_rotations.len()
        };
        self.layers.iter().map(of).max().unwrap_or(0) * self.parts()
    }
}

/// Whether a map is one of windows: several blocks with as many outputs each.
fn reads_windows(stage: &Stage) -> bool {
    let blocks = &stage.map.blocks;
    let maps = blocks.first().map_or(0, |block| block.outputs.len());
    blocks.len() > 1 && maps > 0 && blocks.iter().all(|block| block.outputs.len() == maps)
}

/// How the windows of a map lie in slots: `slot = (value of a window, window)`, a part of the windows after the other.
struct Windows {
    /// Windows of a part.
    size: usize,
    parts: usize,
    /// Values a window reads, and those of a ciphertext.
    taps: usize,
    taps_each: usize,
    /// Results of a window, and those of a ciphertext.
    maps: usize,
    maps_each: usize,
}

impl Windows {
    fn cheapest(stage: &Stage, slots: usize) -> Option<Self> {
        let blocks = &stage.map.blocks;
        let maps = blocks.first()?.outputs.len();
        let least = blocks.len().div_ceil(most_results(slots));
        let cut = |parts: usize| {
            let size = blocks.len().div_ceil(parts);
            let parts = blocks.len().div_ceil(size);
            let (taps_each, maps_each) = (slots / size, most_results(slots) / size);
            Self { size, parts, taps: taps(stage), taps_each, maps, maps_each }
        };
        (least..least + MOST_PARTS)
            .map(cut)
            .filter(|windows| windows.diagonals() <= MOST_DIAGONAL_SLOTS / slots)
            .min_by_key(Windows::cost)
    }

    /// Ciphertexts of a part that come.
    fn inputs(&self) -> usize {
        self.taps.div_ceil(self.taps_each)
    }

    /// Ciphertexts of a part that go.
    fn results(&self) -> usize {
        self.maps.div_ceil(self.maps_each)
    }

    /// By how many windows' lengths a ciphertext is shifted for one result.
    fn shifts(&self) -> usize {
        self.taps_each.min(self.taps) + self.maps_each.min(self.maps) - 1
    }

    fn diagonals(&self) -> usize {
        self.parts * self.inputs() * self.results() * self.shifts()
    }

    fn cost(&self) -> usize {
        let counts = [
            self.parts * self.inputs(),
            self.parts * self.results(),
            self.diagonals(),
            self.parts * self.results() * (self.shifts() - 1),
        ];
        counts.iter().zip(COSTS).map(|(count, cost)| count * cost).sum()
    }
}

impl Builder {
    fn windows(&mut self, stage: &Stage, windows: &Windows) -> Option<Packing> {
        let Windows { size, parts, taps, taps_each, maps, maps_each } = *windows;
        let (inputs, results) = (windows.inputs(), windows.results());
        if parts * inputs.max(results) > MOST_CIPHERTEXTS {
            return None;
        }
        self.input = empty(parts * inputs, self.slots);
        let mut packing = empty(parts * results, self.slots);
        let mut diagonals = vec![Diagonals::new(); packing.len()];
        for (part, blocks) in stage.map.blocks.chunks(size).enumerate() {
            for tap in 0..taps {
                let (input, start) = (part * inputs + tap / taps_each, tap % taps_each * size);
                for (label, block) in self.input[input][start..].iter_mut().zip(blocks) {
                    *label = block.inputs.get(tap).copied().unwrap_or(NONE);
                }
            }
            for map in 0..maps {
                let (result, start) = (part * results + map / maps_each, map % maps_each * size);
                for (label, block) in packing[result][start..].iter_mut().zip(blocks) {
                    *label = block.outputs[map];
                }
                for tap in 0..taps {
                    let shift = (tap % taps_each) as i64 - (map % maps_each) as i64;
                    let key = (part * inputs + tap / taps_each, shift * size as i64);
                    let diagonal = diagonals[result].entry(key).or_insert_with(|| vec![0.0; self.slots]);
                    for (weight, block) in diagonal[start..].iter_mut().zip(blocks) {
                        if tap < block.inputs.len() {
                            *weight = block.weights[map * block.inputs.len() + tap];
                        }
                    }
                }
            }
        }
        self.push(stage, Vec::new(), self.input.len(), diagonals, Vec::new(), &packing);
        Some(packing)
    }

    /// A map that reads its values as one vector.
    fn vector(&mut self, stage: &Stage) -> Option<State> {
        let inputs = stage.map.inputs;
        let (packing, period) = shifted_copies(inputs, stage.map.outputs(), self.slots).or_else(|| {
            (inputs.div_ceil(self.slots) <= MOST_CIPHERTEXTS).then(|| (in_turn(inputs, self.slots), None))
        })?;
        self.input = packing.clone();
        let state = State { packing, clean: true, period, tiled: None };
        let state = self.dense(stage, &stage.map, &state, Vec::new())?;
        self.align();
        Some(state)
    }
}

/// Values in order, ciphertext after ciphertext.
fn in_turn(values: usize, slots: usize) -> Packing {
    let mut packing = empty(values.div_ceil(slots), slots);
    for value in 0..values {
        packing[value / slots][value % slots] = value as u32;
    }
    packing
}

#[cfg(test)]
mod tests;
