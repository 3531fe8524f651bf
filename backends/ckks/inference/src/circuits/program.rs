//! The latency layout: an image spread over the slots of few ciphertexts, and the steps that compute on it.
//!
//! The data owner packs patches (the columns of `im2col`) or shifted copies of the image; a convolution then is one
//! transform whose diagonals are blocks of slots apart. Pooled activations are summed over blocks so that every
//! sum is there once for each place of the pool, and every copy computes other maps of the next convolution. Dense
//! layers have their outputs at a period, and their partial sums folded over it.

mod round;

use std::collections::BTreeSet;

use veilbench_ckks::{Diagonals, FoldedCiphertext, TransformOutline};
use veilbench_networks::Shape;

use crate::circuits::circuit::{Circuit, Stage};
use crate::circuits::map::{AffineMap, DenseBlock};
use crate::planning::packing::{NONE, Packing, cover, empty, places, spare, spread};
use crate::planning::scheme::Rotation;
use crate::roles::guard::{enough_spare, with_spare};

/// Most ciphertexts of an image, at any place.
const MOST_CIPHERTEXTS: usize = 32;

/// Most plaintext vectors of a transform.
const MOST_DIAGONALS: usize = 4096;

/// A transform, what surrounds it, and the square after it.
#[derive(Clone, Debug)]
pub(crate) struct LatencyLayer {
    pub(crate) name: String,
    /// Before the transform, add the ciphertexts to themselves rotated by each of these.
    pub(crate) pre_rotations: Vec<i64>,
    pub(crate) inputs: usize,
    pub(crate) diagonals: Vec<Diagonals>,
    /// How the transform walks through them: public.
    pub(crate) outline: TransformOutline,
    /// After it, add the results to themselves rotated by each of these.
    pub(crate) post_rotations: Vec<i64>,
    /// Which value of the map is where afterwards.
    pub(crate) packing: Packing,
    /// What to add at the end, slot by slot of every ciphertext.
    pub(crate) bias: Vec<Vec<f64>>,
    /// Whether the result is squared.
    pub(crate) square: bool,
}

/// A circuit for one image at a time.
#[derive(Clone, Debug)]
pub(crate) struct PackedCircuit {
    /// What the data owner packs where.
    pub(crate) input: Packing,
    pub(crate) layers: Vec<LatencyLayer>,
    /// After how many slots results repeat: what is there are parts of them, slots that are so far apart, which the data owner reads
    /// the sums of.
    pub(crate) period: usize,
    /// Ciphertext and slot of every logit, within the period.
    pub(crate) logits: Vec<(usize, usize)>,
    /// Ciphertexts and slots of the results that are zero, within the period.
    pub(crate) spare: Vec<(usize, usize)>,
}

/// Which diagonals there are.
fn keys(diagonals: &[Diagonals]) -> Vec<BTreeSet<(usize, i64)>> {
    diagonals.iter().map(|own| own.keys().copied().collect()).collect()
}

impl PackedCircuit {
    /// `None` if the network does not suit this layout or these slots.
    pub(crate) fn new(circuit: &Circuit, slots: usize) -> Option<Self> {
        let mut builder = Builder { slots, input: Packing::new(), layers: Vec::new() };
        let mut state = builder.first(circuit)?;
        for index in 1..circuit.stages.len() {
            state = builder.next(circuit, index, state)?;
        }
        builder.finish(&state, circuit.logits())
    }

    /// The same program with transforms whose rotation keys count this many halves of a hoisted rotation each.
    pub(crate) fn with_key_cost(mut self, key_cost: usize) -> Self {
        for layer in self.layers.iter_mut().filter(|_| key_cost > 0) {
            layer.outline = TransformOutline::with_key_cost(&keys(&layer.diagonals), key_cost);
        }
        self
    }

    /// Parts that a result is the sum of.
    pub(crate) fn parts(&self) -> usize {
        self.input.first().map_or(1, Vec::len) / self.period
    }

    /// All rotations, those of every transform and the sums around them. Layers begin at `depth` and take two levels each.
    pub(crate) fn rotations(&self, depth: usize) -> impl Iterator<Item = Rotation> {
        let of = move |(index, layer): (usize, &LatencyLayer)| {
            let level = depth.saturating_sub(2 * index);
            let uses = layer.rotations().map(|(steps, of_values)| Rotation { steps, level, of_values });
            uses.collect::<Vec<_>>()
        };
        self.layers.iter().enumerate().flat_map(of)
    }
}

impl LatencyLayer {
    /// Its rotations, and whether each is of values: those before the transform and within it are, unlike those of partial sums.
    pub(crate) fn rotations(&self) -> impl Iterator<Item = (i64, bool)> {
        let inputs = self.outline.hoisted_rotations().into_iter().chain(self.pre_rotations.iter().copied());
        let sums = self.outline.rotations_of_sums().into_iter().chain(self.post_rotations.iter().copied());
        inputs.map(|steps| (steps, true)).chain(sums.map(|steps| (steps, false)))
    }
}

/// Where values are after a layer.
struct State {
    packing: Packing,
    /// Slots without a value are zero.
    clean: bool,
    /// Distance of the copies of every value, if they fill the slots.
    period: Option<usize>,
    /// Image cells a block of slots holds, if maps lie in blocks: see [`Tiled`].
    tiled: Option<Tiled>,
}

/// `slot = (place in the pool, map, cell)`.
#[derive(Clone, Copy, Debug)]
struct Tiled {
    places: usize,
    maps: usize,
    cell_slots: usize,
}

impl Tiled {
    fn new(slots: usize, stage: &Stage) -> Option<Self> {
        let activation = stage.activation.as_ref()?;
        let [rows, columns] = activation.tile?;
        let (places, cell_slots) =
            (rows * columns, activation.shape.values_per_channel().next_power_of_two());
        let maps = slots / places.checked_mul(cell_slots)?;
        (places.is_power_of_two() && maps > 0).then_some(Self { places, maps, cell_slots })
    }

    fn slot(&self, place: usize, map: usize, cell: usize) -> usize {
        (place * self.maps + map) * self.cell_slots + cell
    }
}

/// One way to lay out the outputs of a dense layer.
struct DenseLayout {
    diagonals: Vec<Diagonals>,
    post_rotations: Vec<i64>,
    packing: Packing,
    period: Option<usize>,
}

struct Builder {
    slots: usize,
    input: Packing,
    layers: Vec<LatencyLayer>,
}

impl Builder {
    /// The program, whose last layer left so many results. `None` if too few of the slots of one of its ciphertexts are spare.
    fn finish(self, state: &State, results: usize) -> Option<PackedCircuit> {
        let period = state.period.unwrap_or(self.slots);
        let packing: Packing = state.packing.iter().map(|labels| labels[..period].to_vec()).collect();
        let (logits, spare) = (places(&packing, results)?, spare(&packing));
        let spare_of = |result: usize| spare.iter().filter(|&&(own, _)| own == result).count();
        let enough = (0..packing.len()).all(|result| enough_spare(spare_of(result), period));
        let Self { input, layers, .. } = self;
        enough.then_some(PackedCircuit { input, layers, period, logits, spare })
    }

    fn first(&mut self, circuit: &Circuit) -> Option<State> {
        let stage = &circuit.stages[0];
        let followed = circuit.stages.get(1).is_some_and(is_convolution);
        if !is_convolution(stage) {
            let (packing, period) = shifted_copies(stage.map.inputs, stage.map.outputs(), self.slots)?;
            self.input = packing.clone();
            let state = State { packing, clean: true, period, tiled: None };
            let state = self.dense(stage, &stage.map, &state, Vec::new())?;
            self.align();
            return Some(state);
        }
        let state = if followed { self.patches_in_tiles(stage) } else { self.patches_in_rows(stage) };
        self.align();
        state
    }

    /// Packs the image as far shifted as saves the first layer the most rotations.
    fn align(&mut self) {
        let Some(layer) = self.layers.first_mut() else { return };
        let shifts: BTreeSet<i64> =
            layer.diagonals.iter().flat_map(|own| own.keys().map(|&(_, shift)| shift)).collect();
        let moved = |by: i64| {
            let key = |own: &Diagonals| own.keys().map(|&(input, shift)| (input, shift - by)).collect();
            TransformOutline::new(&layer.diagonals.iter().map(key).collect::<Vec<_>>())
        };
        let cost = |by: i64| {
            let outline = moved(by);
            outline.baby_steps() + 2 * outline.giant_steps()
        };
        let candidates = shifts.iter().copied().filter(|shift| shift % 8 == 0).chain(shifts.first().copied());
        let Some(by) = std::iter::once(0).chain(candidates).min_by_key(|&by| cost(by)) else { return };
        for own in &mut layer.diagonals {
            *own = std::mem::take(own)
                .into_iter()
                .map(|((input, shift), diagonal)| ((input, shift - by), diagonal))
                .collect();
        }
        layer.outline = TransformOutline::new(&keys(&layer.diagonals));
        for labels in &mut self.input {
            labels.rotate_left(by.rem_euclid(self.slots as i64) as usize);
        }
    }

    fn next(&mut self, circuit: &Circuit, index: usize, mut state: State) -> Option<State> {
        let (stage, before) = (&circuit.stages[index], &circuit.stages[index - 1]);
        if let (true, Some(tiled)) = (is_convolution(stage), state.tiled) {
            return self.convolution(before, stage, tiled, &state.packing);
        }
        // Sums of squares are linear: they merge into a dense layer.
        let activation = before.activation.as_ref()?;
        let sum = |(value, of): (usize, &Vec<u32>)| DenseBlock {
            inputs: of.clone(),
            outputs: vec![value as u32],
            weights: vec![1.0; of.len()],
        };
        let sums = AffineMap {
            inputs: before.map.outputs(),
            blocks: activation.sums.iter().enumerate().map(sum).collect(),
            bias: vec![0.0; activation.sums.len()],
        };
        let map = sums.then(&stage.map);
        let mut pre_rotations = Vec::new();
        if state.clean && state.period.is_none() && state.packing.len() == 1 {
            pre_rotations = self.copy(&mut state, map.outputs());
        }
        self.dense(stage, &map, &state, pre_rotations)
    }

    /// Adds copies of a ciphertext to itself, each shifted by as much more as saves diagonals of a dense layer.
    fn copy(&self, state: &mut State, outputs: usize) -> Vec<i64> {
        let labels = &mut state.packing[0];
        let Some(extent) = labels.iter().rposition(|&label| label != NONE).map(|last| last + 1) else {
            return Vec::new();
        };
        let Some((copies, distance)) = copies(extent, outputs, self.slots) else { return Vec::new() };
        let original = labels[..extent].to_vec();
        for copy in 1..copies {
            labels[copy * distance..copy * distance + extent].copy_from_slice(&original);
        }
        (0..copies.ilog2()).map(|bit| -((distance << bit) as i64)).collect()
    }

    fn push(
        &mut self,
        stage: &Stage,
        pre_rotations: Vec<i64>,
        inputs: usize,
        diagonals: Vec<Diagonals>,
        post_rotations: Vec<i64>,
        bias: &Packing,
    ) {
        self.layers.push(LatencyLayer {
            name: stage.name.clone(),
            pre_rotations,
            inputs,
            outline: TransformOutline::new(&keys(&diagonals)),
            diagonals,
            post_rotations,
            packing: bias.clone(),
            bias: spread(bias, |output| stage.map.bias[output]),
            square: stage.activation.is_some(),
        });
    }

    /// Patches of the image in blocks of slots; maps in blocks of the same size.
    fn patches_in_rows(&mut self, stage: &Stage) -> Option<State> {
        let maps = stage.shape.channels();
        let blocks = &stage.map.blocks;
        let (size, taps) = (blocks.len(), taps(stage));
        let per_ciphertext = self.slots / size;
        if per_ciphertext == 0 || maps > per_ciphertext || taps.div_ceil(per_ciphertext) > MOST_CIPHERTEXTS {
            return None;
        }
        self.input = empty(taps.div_ceil(per_ciphertext), self.slots);
        let mut packing = empty(1, self.slots);
        for (position, block) in blocks.iter().enumerate() {
            for (tap, &input) in block.inputs.iter().enumerate() {
                self.input[tap / per_ciphertext][tap % per_ciphertext * size + position] = input;
            }
            for (map, &output) in block.outputs.iter().enumerate() {
                packing[0][map * size + position] = output;
            }
        }
        // From the last map to the first patch, up to from the first map to the last patch.
        let shifts = (1 - maps as i64..per_ciphertext as i64).map(|blocks| blocks * size as i64);
        let diagonals = cover(&stage.map, &self.input, &packing, shifts)?;
        self.push(stage, Vec::new(), self.input.len(), diagonals, Vec::new(), &packing);
        Some(State { packing, clean: true, period: None, tiled: None })
    }

    /// Patches of the image so that a pool and a convolution can follow.
    fn patches_in_tiles(&mut self, stage: &Stage) -> Option<State> {
        let tiled = Tiled::new(self.slots, stage)?;
        let activation = stage.activation.as_ref()?;
        let (maps, taps) = (stage.shape.channels(), taps(stage));
        let ciphertexts = [maps, taps].map(|count| count.div_ceil(tiled.maps));
        if ciphertexts.iter().any(|&count| count > MOST_CIPHERTEXTS) {
            return None;
        }
        self.input = empty(ciphertexts[1], self.slots);
        let mut packing = empty(ciphertexts[0], self.slots);
        let positions = stage.shape.values_per_channel();
        let cells = activation.shape.values_per_channel();
        let mut block_of = vec![0; positions];
        for (index, block) in stage.map.blocks.iter().enumerate() {
            block_of[*block.outputs.first()? as usize % positions] = index;
        }
        for (cell, of) in activation.sums[..cells].iter().enumerate() {
            for (place, &value) in of.iter().enumerate() {
                let block = &stage.map.blocks[block_of[value as usize]];
                for (tap, &input) in block.inputs.iter().enumerate() {
                    self.input[tap / tiled.maps][tiled.slot(place, tap % tiled.maps, cell)] = input;
                }
                for (map, &output) in block.outputs.iter().enumerate() {
                    packing[map / tiled.maps][tiled.slot(place, map % tiled.maps, cell)] = output;
                }
            }
        }
        let reach = tiled.maps as i64;
        let shifts = (1 - reach..reach).map(|blocks| blocks * tiled.cell_slots as i64);
        let diagonals = cover(&stage.map, &self.input, &packing, shifts)?;
        self.push(stage, Vec::new(), self.input.len(), diagonals, Vec::new(), &packing);
        Some(State { packing, clean: true, period: None, tiled: Some(tiled) })
    }

    /// A convolution of pooled maps that lie in tiles: `before` is the stage that made them.
    fn convolution(
        &mut self,
        before: &Stage,
        stage: &Stage,
        tiled: Tiled,
        squares: &Packing,
    ) -> Option<State> {
        let activation = before.activation.as_ref()?;
        // The sum over the places of the pool is there once for every place.
        let mut pooled = empty(squares.len(), self.slots);
        let cells = activation.shape.values_per_channel();
        for value in 0..activation.sums.len() {
            let (map, cell) = (value / cells, value % cells);
            for place in 0..tiled.places {
                pooled[map / tiled.maps][tiled.slot(place, map % tiled.maps, cell)] = value as u32;
            }
        }
        let pre_rotations =
            (0..tiled.places.ilog2()).map(|bit| ((self.slots / tiled.places) << bit) as i64).collect();
        let per_ciphertext = tiled.places * tiled.maps;
        let ciphertexts = stage.shape.channels().div_ceil(per_ciphertext);
        if ciphertexts > MOST_CIPHERTEXTS {
            return None;
        }
        let mut packing = empty(ciphertexts, self.slots);
        let mut offsets = BTreeSet::new();
        for block in &stage.map.blocks {
            let anchor = block.inputs.iter().map(|&input| input as usize % cells).min()?;
            offsets.extend(block.inputs.iter().map(|&input| (input as usize % cells - anchor) as i64));
            for (map, &output) in block.outputs.iter().enumerate() {
                let (place, inner) = (map % per_ciphertext / tiled.maps, map % tiled.maps);
                let slot = &mut packing[map / per_ciphertext][tiled.slot(place, inner, anchor)];
                if *slot != NONE {
                    return None;
                }
                *slot = output;
            }
        }
        let rows = 0..tiled.maps as i64;
        let shifts =
            rows.flat_map(|maps| offsets.iter().map(move |offset| maps * tiled.cell_slots as i64 + offset));
        let diagonals = cover(&stage.map, &pooled, &packing, shifts)?;
        self.push(stage, pre_rotations, squares.len(), diagonals, Vec::new(), &packing);
        Some(State { packing, clean: true, period: None, tiled: None })
    }

    /// A dense layer from any packing: the cheapest of the ways to lay out its outputs.
    fn dense(
        &mut self,
        stage: &Stage,
        map: &AffineMap,
        state: &State,
        pre_rotations: Vec<i64>,
    ) -> Option<State> {
        let (slots, outputs, last) = (self.slots, map.outputs(), stage.activation.is_none());
        let mut best: Option<(usize, DenseLayout)> = None;
        let mut consider = |partial: &Packing,
                            shifts: std::ops::RangeInclusive<i64>,
                            post_rotations: Vec<i64>,
                            packing: Packing,
                            period| {
            let Some(diagonals) = cover(map, &state.packing, partial, shifts) else { return };
            if diagonals.iter().map(Diagonals::len).sum::<usize>() > MOST_DIAGONALS {
                return;
            }
            let outline = TransformOutline::new(&keys(&diagonals));
            let cost = 2 * outline.baby_steps()
                + 4 * outline.giant_steps()
                + 4 * post_rotations.len()
                + outline.diagonals() / 8;
            if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
                best = Some((cost, DenseLayout { diagonals, post_rotations, packing, period }));
            }
        };
        // Every row at a period, wherever its inputs are.
        let least = if last { with_spare(outputs).max(FoldedCiphertext::LEAST_PERIOD) } else { outputs };
        let least = least.next_power_of_two();
        let mut period = least;
        while period <= slots && period <= 8 * least {
            let label = |slot: usize| if slot % period < outputs { (slot % period) as u32 } else { NONE };
            let packing = vec![(0..slots).map(label).collect::<Vec<u32>>()];
            // The sums of results are not computed but read: see [`PackedCircuit::period`].
            let post_rotations = if last { Vec::new() } else { post_rotations(period, slots) };
            consider(
                &packing,
                1 - outputs as i64..=(period - outputs) as i64,
                post_rotations,
                packing.clone(),
                Some(period),
            );
            period *= 2;
        }
        // A few rows for every copy of the inputs; what is left of the partial sums stays in between.
        if let (Some(copy), false) = (state.period, last) {
            let rows = outputs.div_ceil(slots / copy).next_power_of_two();
            if rows < copy {
                let row = |slot: usize| slot / copy * rows + slot % copy % rows;
                let label = |slot: usize| if row(slot) < outputs { row(slot) as u32 } else { NONE };
                let partial = vec![(0..slots).map(label).collect::<Vec<u32>>()];
                let mut packing = partial.clone();
                packing[0]
                    .iter_mut()
                    .enumerate()
                    .filter(|(slot, _)| slot % copy >= rows)
                    .for_each(|(_, l)| *l = NONE);
                consider(&partial, 0..=rows as i64 - 1, post_rotations(rows, copy), packing, None);
            }
        }
        let (_, DenseLayout { diagonals, post_rotations, packing, period }) = best?;
        self.push(stage, pre_rotations, state.packing.len(), diagonals, post_rotations, &packing);
        Some(State { clean: period.is_some(), packing, period, tiled: None })
    }
}

/// Doubling rotations from one distance to another.
fn post_rotations(from: usize, to: usize) -> Vec<i64> {
    std::iter::successors(Some(from), |fold| Some(2 * fold))
        .take_while(|&fold| fold < to)
        .map(|fold| fold as i64)
        .collect()
}

/// How many copies of this many slots fit, and how far apart they are: by a share of the outputs more than a
/// power of two, so that every copy meets other rows.
fn copies(extent: usize, outputs: usize, slots: usize) -> Option<(usize, usize)> {
    let (size, rows) = (extent.next_power_of_two(), outputs.next_power_of_two());
    let mut count = (slots / size).min(rows);
    while count > 1 {
        let distance = size + rows / count;
        if rows <= size && (count - 1) * distance + extent <= slots {
            return Some((count, distance));
        }
        count /= 2;
    }
    None
}

/// The input of a dense layer: copies that save diagonals, or plain ones that fill the slots.
fn shifted_copies(inputs: usize, outputs: usize, slots: usize) -> Option<(Packing, Option<usize>)> {
    if inputs > slots {
        return None;
    }
    let mut packing = empty(1, slots);
    let (count, distance) = copies(inputs, outputs, slots).unwrap_or((1, slots));
    for copy in 0..count {
        for input in 0..inputs {
            packing[0][copy * distance + input] = input as u32;
        }
    }
    Some((packing, None))
}

/// Whether a map is a convolution over all channels: a block for every position.
fn is_convolution(stage: &Stage) -> bool {
    let Shape::Image { channels, .. } = stage.shape else { return false };
    stage.map.blocks.len() == stage.shape.values_per_channel()
        && stage.map.blocks.len() > 1
        && stage.map.blocks.iter().all(|block| block.outputs.len() == channels)
}

/// The most inputs of an output.
fn taps(stage: &Stage) -> usize {
    stage.map.blocks.iter().map(|block| block.inputs.len()).max().unwrap_or(0)
}
