//! The program of one layer across the slots computes what the layer does.

use veilbench_networks::{Conv2d, Layer, Op, Range, Window};

use std::collections::BTreeSet;

use super::*;
use crate::circuits::map::{AffineMap, DenseBlock};
use crate::planning::packing::spread;
use crate::planning::scheme::Scheme;

/// A map with weights that tell every place apart.
fn stage(mut map: AffineMap, shape: veilbench_networks::Shape) -> Stage {
    let weight = |index: usize| ((index * 37 % 101) as f64 - 50.0) / 64.0;
    let weights = map.blocks.iter_mut().flat_map(|block| &mut block.weights);
    weights.enumerate().for_each(|(index, own)| *own = weight(index));
    map.bias.iter_mut().enumerate().for_each(|(index, own)| *own = weight(index + 7));
    Stage { name: "layer".into(), map, activation: None, shape, range: Range { low: -1.0, high: 1.0 } }
}

fn dense(inputs: usize, outputs: usize) -> Stage {
    let block = DenseBlock {
        inputs: (0..inputs as u32).collect(),
        outputs: (0..outputs as u32).collect(),
        weights: vec![1.0; inputs * outputs],
    };
    let map = AffineMap { inputs, blocks: vec![block], bias: vec![0.0; outputs] };
    stage(map, veilbench_networks::Shape::Flat(outputs))
}

fn convolution(channels: [usize; 2], size: usize, kernel: usize, groups: usize, padding: usize) -> Stage {
    let image = |channels, size| veilbench_networks::Shape::Image { channels, height: size, width: size };
    let window = Window { kernel: [kernel; 2], stride: [1; 2], padding: [padding; 4] };
    let op = Conv2d { inputs: channels[0], outputs: channels[1], window, dilation: [1; 2], groups };
    let output = image(channels[1], size + 2 * padding + 1 - kernel);
    let layer = Layer::new("conv", Op::Conv2d(op), output);
    stage(AffineMap::of(image(channels[0], size), &layer, None).unwrap(), output)
}

/// What a program makes of values in plain slots; what must be zero is.
fn simulated(program: &PackedCircuit, values: &[f64]) -> Vec<f64> {
    let [layer] = &program.layers[..] else { panic!("a round has one layer") };
    let inputs = spread(&program.input, |input| values[input]);
    let slots = inputs[0].len();
    let turned = |own: &[f64], by: i64| {
        let mut own = own.to_vec();
        own.rotate_left(by.rem_euclid(slots as i64) as usize);
        own
    };
    let mut results: Vec<Vec<f64>> = Vec::new();
    for (diagonals, bias) in layer.diagonals.iter().zip(&layer.bias) {
        let mut sum = vec![0.0; slots];
        for (&(input, shift), diagonal) in diagonals {
            let read = turned(&inputs[input], shift);
            sum.iter_mut()
                .zip(read.iter().zip(diagonal))
                .for_each(|(sum, (value, weight))| *sum += value * weight);
        }
        for &fold in &layer.post_rotations {
            let read = turned(&sum, fold);
            sum.iter_mut().zip(read).for_each(|(sum, value)| *sum += value);
        }
        let read = |slot: usize| sum[slot..].iter().step_by(program.period).sum::<f64>() + bias[slot];
        results.push((0..program.period).map(read).collect());
    }
    let at = |&(ciphertext, slot): &(usize, usize)| results[ciphertext][slot];
    assert!(program.spare.iter().all(|place| at(place) == 0.0), "a spare slot that is not zero");
    program.logits.iter().map(at).collect()
}

fn computes(stage: &Stage, slots: usize) -> PackedCircuit {
    let program = PackedCircuit::round(stage, slots).unwrap();
    let values: Vec<f64> =
        (0..stage.map.inputs).map(|index| ((index * 13 % 29) as f64 - 14.0) / 16.0).collect();
    let results = simulated(&program, &values);
    assert_eq!(results.len(), stage.map.outputs());
    for (index, (own, due)) in results.iter().zip(stage.map.apply(&values)).enumerate() {
        assert!((own - due).abs() < 1e-9, "{index}: {own} where {due} is right");
    }
    for result in 0..program.layers[0].diagonals.len() {
        let spare = program.spare.iter().filter(|&&(own, _)| own == result).count();
        assert!(4 * spare >= program.period, "result {result} has {spare} spare slots of {}", program.period);
    }
    program
}

#[test]
fn windows_are_cut_into_parts_that_fill_ciphertexts() {
    for (channels, groups, padding) in [([2, 3], 1, 0), ([2, 5], 1, 1), ([4, 4], 4, 1), ([4, 8], 2, 0)] {
        computes(&convolution(channels, 8, 3, groups, padding), 64);
    }
    // More windows than slots.
    let program = computes(&convolution([1, 2], 20, 3, 1, 0), 128);
    assert!(program.layers[0].diagonals.len() > 2 * 2);
}

/// A rotation for every key: as many as there are automorphisms, whatever the steps are called.
#[test]
fn a_key_is_counted_once_however_often_steps_go_around() {
    let slots = 2048;
    let scheme = Scheme {
        degree: 4096,
        data_prime_bits: vec![40, 26],
        special_prime_bits: vec![40],
        digits: 2,
        long_digits: false,
        map_scale_bits: 30,
        input_scale_bits: 30,
        pairs: None,
    };
    let turns = |layer: &LatencyLayer| -> BTreeSet<i64> {
        let around = layer.pre_rotations.iter().chain(&layer.post_rotations).copied();
        layer.outline.rotations().into_iter().chain(around).map(|steps| steps.rem_euclid(slots)).collect()
    };
    let (mut equal, mut idle) = (0, 0);
    for size in [8, 16, 32] {
        for channels in [[1, 8], [3, 8], [3, 16], [8, 8], [8, 32], [16, 16]] {
            let program =
                PackedCircuit::round(&convolution(channels, size, 3, 1, 1), slots as usize).unwrap();
            let program = program.without_weights();
            for key_cost in [0, 1, 2, 3, 5] {
                let program = program.clone().with_key_cost(key_cost);
                let mut keys = turns(&program.layers[0]);
                idle += usize::from(keys.remove(&0));
                let planned = scheme.rotation_keys(program.rotations(1)).short;
                let reduced: BTreeSet<i64> = planned.keys().map(|steps| steps.rem_euclid(slots)).collect();
                assert_eq!(
                    (planned.len(), &reduced),
                    (keys.len(), &keys),
                    "{channels:?} of {size}: {key_cost}"
                );
                equal += usize::from(program.layers[0].outline.rotations().len() > keys.len());
            }
        }
    }
    assert!(equal > 0 && idle > 0, "no case has steps that are equal, or that go around: {equal}, {idle}");
}

#[test]
fn vectors_longer_than_the_slots_fill_several_ciphertexts() {
    assert_eq!(computes(&dense(20, 10), 64).input.len(), 1);
    assert_eq!(computes(&dense(150, 10), 64).input.len(), 3);
}

/// As few slots as a folded answer may repeat after.
#[test]
fn a_map_of_one_result_repeats_after_four_slots() {
    for outputs in [1, 2] {
        assert_eq!(computes(&dense(20, outputs), 64).period, 4, "{outputs}");
    }
    assert_eq!(computes(&dense(20, 3), 64).period, 8);
}

#[test]
fn maps_that_leave_too_few_slots_spare_have_no_program() {
    assert!(PackedCircuit::round(&dense(20, 42), 64).is_some());
    assert!(PackedCircuit::round(&dense(20, 43), 64).is_none());
}

#[test]
fn a_program_without_weights_walks_as_the_one_with_them() {
    let program = PackedCircuit::round(&convolution([2, 5], 8, 3, 1, 1), 64).unwrap();
    let public = program.clone().without_weights();
    assert_eq!(public.layers[0].outline, program.layers[0].outline);
    let rotations = |program: PackedCircuit| program.with_key_cost(2).rotations(1).collect::<Vec<_>>();
    assert_eq!(rotations(public), rotations(program));
}
