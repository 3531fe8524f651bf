//! Operations on several ciphertexts at once against the same on plain numbers.

use crate::fixture::*;
use std::collections::BTreeSet;
use veilbench_ckks::*;

fn encrypted(owner: &mut Owner, count: usize) -> (Vec<Vec<f64>>, Vec<Ciphertext>) {
    let slots = owner.context.parameters().slots();
    let plain: Vec<Vec<f64>> = (0..count).map(|index| values(slots, index as u64)).collect();
    let ciphertexts = plain.iter().map(|values| owner.encrypt(values, 2f64.powi(40), 2)).collect();
    (plain, ciphertexts)
}

#[test]
fn weighted_sums_agree_with_one_weighted_sum_for_every_row() {
    let context = insecure(512, &[50, 40, 40], &[50], 3);
    let mut owner = Owner::new(&context, &KeyRequest::default(), 1);
    for (rows, columns) in [(1, 1), (3, 13), (4, 12), (9, 25), (128, 1), (131, 13), (260, 2)] {
        let (plain, ciphertexts) = encrypted(&mut owner, columns);
        let inputs: Vec<&Ciphertext> = ciphertexts.iter().collect();
        let weights = values(rows * columns, 7);
        let sums = owner.evaluator.weighted_sums(&inputs, &weights, 2f64.powi(30)).unwrap();
        assert_eq!(sums.len(), rows);
        for (sum, weights) in sums.iter().zip(weights.chunks(columns)) {
            let alone = owner.evaluator.weighted_sum(&inputs, weights, 2f64.powi(30)).unwrap();
            assert_eq!(owner.decrypt(sum), owner.decrypt(&alone));
            let expected: Vec<f64> = (0..context.parameters().slots())
                .map(|slot| plain.iter().zip(weights).map(|(values, weight)| values[slot] * weight).sum())
                .collect();
            assert_bits(&owner.decrypt(sum), &expected, 20.0);
        }
    }
    let one = owner.encrypt(&[1.0], 2f64.powi(40), 2);
    let shape = |result: Result<Vec<Ciphertext>>| assert!(matches!(result, Err(Error::Shape { .. })));
    shape(owner.evaluator.weighted_sums(&[], &[1.0], 2.0));
    shape(owner.evaluator.weighted_sums(&[&one], &[], 2.0));
    shape(owner.evaluator.weighted_sums(&[&one, &one], &[1.0; 3], 2.0));
}

#[test]
fn blocks_that_share_ciphertexts_have_the_sums_that_each_has_alone() {
    let context = insecure(512, &[50, 40, 40], &[50], 3);
    let mut owner = Owner::new(&context, &KeyRequest::default(), 1);
    let (_, ciphertexts) = encrypted(&mut owner, 30);
    let inputs: Vec<&Ciphertext> = ciphertexts.iter().collect();
    let (weights, scale) = (values(1000, 7), 2f64.powi(30));
    // Rows of each block, and the ciphertexts it meets.
    let shapes = [(5, 0..25), (5, 10..30), (1, 3..4), (12, 0..13)];
    let blocks = shapes.clone().map(|(rows, meets)| WeightedBlock {
        weights: &weights[..rows * meets.len()],
        ciphertexts: inputs[meets].to_vec(),
    });
    let sums = owner.evaluator.weighted_sums_of_blocks(&blocks, scale).unwrap();
    let alone = blocks.iter().flat_map(|WeightedBlock { ciphertexts, weights }| {
        owner.evaluator.weighted_sums(ciphertexts, weights, scale).unwrap()
    });
    let bytes = |sum: &Ciphertext| sum.to_bytes(&context).unwrap();
    assert_eq!(sums.iter().map(bytes).collect::<Vec<_>>(), alone.map(|sum| bytes(&sum)).collect::<Vec<_>>());
    assert_eq!(sums.len(), 23);

    let low = owner.encrypt(&[1.0], 2f64.powi(40), 1);
    let of = |ciphertext| WeightedBlock { ciphertexts: vec![ciphertext], weights: &[1.0] };
    let levels = owner.evaluator.weighted_sums_of_blocks(&[of(inputs[0]), of(&low)], scale);
    assert!(matches!(levels, Err(Error::LevelMismatch { .. })), "{levels:?}");
    let none = WeightedBlock { ciphertexts: Vec::new(), weights: &[1.0] };
    for blocks in [vec![], vec![of(inputs[0]), none.clone()], vec![none, of(inputs[0])]] {
        let result = owner.evaluator.weighted_sums_of_blocks(&blocks, scale);
        assert!(matches!(result, Err(Error::Shape { .. })));
    }
}

#[test]
fn weighted_sums_modulo_short_primes_are_those_of_the_other_kernels() {
    let parameters = || insecure(512, &[32, 26, 31, 29], &[40], 4).parameters().clone();
    let mut paths = 0;
    for context in Instructions::ALL.into_iter().filter_map(|i| Context::with_instructions(parameters(), i)) {
        let mut owner = Owner::new(&context, &KeyRequest::default(), 1);
        for (rows, columns) in [(1, 64), (5, 65), (131, 3), (6, 131)] {
            let ciphertexts: Vec<Ciphertext> = (0..columns)
                .map(|index| {
                    owner.encrypt(&values(context.parameters().slots(), index as u64), 2f64.powi(30), 3)
                })
                .collect();
            let inputs: Vec<&Ciphertext> = ciphertexts.iter().collect();
            let weights = values(rows * columns, 7);
            let sums = owner.evaluator.weighted_sums(&inputs, &weights, 2f64.powi(24)).unwrap();
            for (sum, weights) in sums.iter().zip(weights.chunks(columns)) {
                let alone = owner.evaluator.weighted_sum(&inputs, weights, 2f64.powi(24)).unwrap();
                assert_eq!(sum.to_bytes(&context).unwrap(), alone.to_bytes(&context).unwrap());
            }
        }
        paths += 1;
    }
    assert!(paths >= 1);
}

#[test]
fn sums_of_squares_are_relinearised_once_and_right() {
    let context = insecure(512, &[50, 40, 40], &[50], 3);
    let mut owner = Owner::new(&context, &request(&[]), 2);
    let (plain, ciphertexts) = encrypted(&mut owner, 4);
    for count in 1..=4 {
        let inputs: Vec<&Ciphertext> = ciphertexts[..count].iter().collect();
        let sum = owner.evaluator.rescale(&owner.evaluator.sum_of_squares(&inputs).unwrap()).unwrap();
        let expected: Vec<f64> = (0..context.parameters().slots())
            .map(|slot| plain[..count].iter().map(|values| values[slot] * values[slot]).sum())
            .collect();
        assert_bits(&owner.decrypt(&sum), &expected, 20.0);
    }
    assert!(matches!(owner.evaluator.sum_of_squares(&[]), Err(Error::Shape { .. })));
    let lower = owner.evaluator.drop_to_level(&ciphertexts[1], 1).unwrap();
    let mixed = owner.evaluator.sum_of_squares(&[&ciphertexts[0], &lower]);
    assert!(matches!(mixed, Err(Error::LevelMismatch { .. })));
}

#[test]
fn transforms_of_several_ciphertexts_follow_their_definition() {
    let context = insecure(512, &[50, 40, 40], &[50, 50], 2);
    let slots = context.parameters().slots();
    let turn = slots as i64;
    let shapes: [&[&[(usize, i64)]]; 6] = [
        &[&[(0, 0)]],
        &[&[(0, -3), (0, 5), (1, 0)], &[(1, 7), (1, -14), (0, 21)]],
        &[&[(0, -40), (0, 0), (0, 40), (0, 80), (1, 120)], &[(0, 40)]],
        &[&[(0, 1), (0, 2), (0, 3), (0, 64), (0, 65), (0, 66), (1, 1), (1, 67)]],
        // Giant steps that go all the way around.
        &[&[(0, -turn), (0, 0), (0, turn)], &[(0, 3), (0, turn)]],
        &[&[(0, 3 - turn), (0, 4 - turn), (0, 5), (0, 6), (0, 40), (0, 41), (0, turn + 7)]],
    ];
    let mut chained = 0;
    let check = |transform: &Transform, diagonals: &[Diagonals], seed| {
        let inputs = 1 + diagonals.iter().flat_map(|own| own.keys()).map(|&(input, _)| input).max().unwrap();
        let request = KeyRequest { rotations: transform.outline().rotations(), ..KeyRequest::default() };
        let mut owner = Owner::new(&context, &request, seed);
        let (plain, ciphertexts) = encrypted(&mut owner, inputs);
        let outputs = owner.evaluator.transform(transform, &ciphertexts).unwrap();
        assert_eq!(outputs.len(), diagonals.len());
        for (output, diagonals) in outputs.iter().zip(diagonals) {
            let at = |slot: usize| -> f64 {
                let term = |(&(input, shift), diagonal): (&(usize, i64), &Vec<f64>)| {
                    diagonal[slot] * plain[input][(slot as i64 + shift).rem_euclid(slots as i64) as usize]
                };
                diagonals.iter().map(term).sum()
            };
            let expected: Vec<f64> = (0..slots).map(at).collect();
            assert_bits(&owner.decrypt(output), &expected, 20.0);
        }
        let wrong = owner.evaluator.transform(transform, &[]);
        assert!(matches!(wrong, Err(Error::Shape { .. })));
    };
    for (case, shape) in shapes.into_iter().enumerate() {
        let diagonals: Vec<Diagonals> = shape
            .iter()
            .map(|keys| keys.iter().map(|&key| (key, values(slots, 10 + key.1.unsigned_abs()))).collect())
            .collect();
        let inputs = 1 + shape.iter().copied().flatten().map(|&(input, _)| input).max().unwrap();
        let transform = Transform::new(&context, inputs, &diagonals, 2f64.powi(38), 2).unwrap();
        let keys: Vec<BTreeSet<_>> = shape.iter().map(|keys| keys.iter().copied().collect()).collect();
        assert_eq!(*transform.outline(), TransformOutline::new(&keys), "weights do not matter");
        check(&transform, &diagonals, case as u8);
        let fewer = TransformOutline::with_key_cost(&keys, 20);
        assert!(fewer.rotations().len() <= transform.outline().rotations().len());
        chained += usize::from(fewer.is_chained());
        let scale = 2f64.powi(38);
        let chain = Transform::with_outline(&context, inputs, &diagonals, fewer.clone(), scale, 2).unwrap();
        check(&chain, &diagonals, case as u8);
        let other = [&diagonals[..], &diagonals[..]].concat();
        let refused = Transform::with_outline(&context, inputs, &other, fewer, scale, 2);
        assert!(matches!(refused, Err(Error::Shape { .. })));
    }
    assert!(chained > 0, "a chain saves keys in some case");
}
