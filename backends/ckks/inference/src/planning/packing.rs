//! Which value is in which slot, and the diagonals that take one such packing to another.

use std::collections::BTreeMap;

use veilbench_ckks::Diagonals;

use crate::circuits::map::AffineMap;

/// No value: zero, or what must not be read.
pub(crate) const NONE: u32 = u32::MAX;

/// For every ciphertext and slot the value it holds.
pub(crate) type Packing = Vec<Vec<u32>>;

/// An empty packing.
pub(crate) fn empty(ciphertexts: usize, slots: usize) -> Packing {
    vec![vec![NONE; slots]; ciphertexts]
}

/// Diagonals for every output ciphertext, so that slot `t` gets a part of the value `outputs[..][t]` and all slots of
/// that value together the whole of it. Every product goes to the first of `shifts` that can make it. `None` if
/// the shifts do not reach every product.
pub(crate) fn cover(
    map: &AffineMap,
    inputs: &Packing,
    outputs: &Packing,
    shifts: impl Iterator<Item = i64>,
) -> Option<Vec<Diagonals>> {
    let slots = inputs.first()?.len();
    let mut places = vec![(0u32, 0u32); map.outputs()];
    let mut missing = 0;
    let mut columns: Vec<BTreeMap<u32, u32>> = Vec::with_capacity(map.blocks.len());
    let mut covered: Vec<Vec<bool>> = Vec::with_capacity(map.blocks.len());
    for (index, block) in map.blocks.iter().enumerate() {
        for (row, &output) in block.outputs.iter().enumerate() {
            places[output as usize] = (index as u32, row as u32);
        }
        columns.push(block.inputs.iter().zip(0..).map(|(&input, column)| (input, column)).collect());
        covered.push(vec![false; block.weights.len()]);
    }
    let mut wanted = vec![false; map.outputs()];
    for &value in outputs.iter().flatten().filter(|&&value| value != NONE) {
        if !std::mem::replace(&mut wanted[value as usize], true) {
            missing += map.blocks[places[value as usize].0 as usize].inputs.len();
        }
    }
    let mut diagonals = vec![Diagonals::new(); outputs.len()];
    for shift in shifts {
        if missing == 0 {
            break;
        }
        for (input, held) in inputs.iter().enumerate() {
            let start = shift.rem_euclid(slots as i64) as usize;
            for (output, labels) in outputs.iter().enumerate() {
                let mut diagonal: Option<&mut Vec<f64>> = None;
                let read = held[start..].iter().chain(&held[..start]);
                for (slot, (&label, &value)) in labels.iter().zip(read).enumerate() {
                    if label == NONE || value == NONE {
                        continue;
                    }
                    let (block, row) = places[label as usize];
                    let (block, row) = (block as usize, row as usize);
                    let Some(&column) = columns[block].get(&value) else { continue };
                    let index = row * map.blocks[block].inputs.len() + column as usize;
                    if std::mem::replace(&mut covered[block][index], true) {
                        continue;
                    }
                    missing -= 1;
                    if diagonal.is_none() {
                        let fresh =
                            diagonals[output].entry((input, shift)).or_insert_with(|| vec![0.0; slots]);
                        diagonal = Some(fresh);
                    }
                    if let Some(diagonal) = &mut diagonal {
                        diagonal[slot] = map.blocks[block].weights[index];
                    }
                }
            }
        }
    }
    (missing == 0 && diagonals.iter().all(|own| !own.is_empty())).then_some(diagonals)
}

/// A value per slot of every ciphertext, zero where there is none.
pub(crate) fn spread(packing: &[Vec<u32>], of: impl Fn(usize) -> f64) -> Vec<Vec<f64>> {
    let value = |&label: &u32| if label == NONE { 0.0 } else { of(label as usize) };
    packing.iter().map(|labels| labels.iter().map(value).collect()).collect()
}

/// The first slot of every value.
pub(crate) fn places(packing: &Packing, values: usize) -> Option<Vec<(usize, usize)>> {
    let mut places = vec![None; values];
    for (ciphertext, labels) in packing.iter().enumerate() {
        for (slot, &label) in labels.iter().enumerate().filter(|&(_, &label)| label != NONE) {
            places.get_mut(label as usize)?.get_or_insert((ciphertext, slot));
        }
    }
    places.into_iter().collect()
}

/// The ciphertexts and slots that hold no value.
pub(crate) fn spare(packing: &Packing) -> Vec<(usize, usize)> {
    let of = |(ciphertext, labels): (usize, &Vec<u32>)| {
        let free = labels.iter().enumerate().filter(|&(_, &label)| label == NONE);
        free.map(|(slot, _)| (ciphertext, slot)).collect::<Vec<_>>()
    };
    packing.iter().enumerate().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuits::map::DenseBlock;

    #[test]
    fn diagonals_compute_the_map() {
        let block =
            DenseBlock { inputs: vec![0, 1, 2], outputs: vec![0, 1], weights: vec![1., 2., 3., 4., 5., 6.] };
        let map = AffineMap { inputs: 3, blocks: vec![block], bias: vec![0.0; 2] };
        let inputs = vec![vec![0, 1, 2, NONE, NONE, NONE, NONE, NONE]];
        let outputs = vec![vec![0, 1, NONE, NONE, NONE, NONE, NONE, NONE]];
        let diagonals = cover(&map, &inputs, &outputs, -1..=2).unwrap();
        let x = [7.0, 11.0, 13.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        let at = |slot: usize| -> f64 {
            diagonals[0]
                .iter()
                .map(|(&(_, shift), own)| own[slot] * x[(slot as i64 + shift).rem_euclid(8) as usize])
                .sum()
        };
        assert_eq!([at(0), at(1), at(2)], [7.0 + 22.0 + 39.0, 28.0 + 55.0 + 78.0, 0.0]);
        assert_eq!(cover(&map, &inputs, &outputs, 0..=1), None, "too few shifts");
    }
}
