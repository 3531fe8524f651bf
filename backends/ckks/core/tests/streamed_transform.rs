//! Streamed transforms: what they compute, at which scales, and what they refuse.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::*;
use std::collections::{BTreeMap, BTreeSet};
use veilbench_ckks::*;

const SLOTS: usize = 1024;

type Repeated = BTreeMap<(usize, i64), Vec<f64>>;

fn diagonals(length: usize, shifts: &[(usize, i64)]) -> Repeated {
    let own = |(index, &at): (usize, &(usize, i64))| (at, values(length, index as u64 + 7));
    shifts.iter().enumerate().map(own).collect()
}

fn expected(diagonals: &Repeated, inputs: &[Vec<f64>]) -> Vec<f64> {
    let at = |slot: usize| -> f64 {
        let product = |(&(input, shift), own): (&(usize, i64), &Vec<f64>)| {
            own[slot % own.len()] * inputs[input][(slot + shift as usize) % SLOTS]
        };
        diagonals.iter().map(product).sum()
    };
    (0..SLOTS).map(at).collect()
}

fn outline(diagonals: &Repeated) -> ChainOutline {
    ChainOutline::new(&diagonals.keys().copied().collect(), 0)
}

fn owner(rotations: BTreeSet<i64>) -> Owner {
    let context = insecure(2 * SLOTS, &[40, 35, 35], &[45, 45], 2);
    Owner::new(&context, &KeyRequest { rotations, ..KeyRequest::default() }, 3)
}

#[test]
fn inputs_of_two_scales_meet_diagonals_of_every_period() {
    let shifts: Vec<(usize, i64)> = [0, 1, 2, 31, 32, 33, 64, 65, 224, 255, 900]
        .into_iter()
        .map(|shift| (0, shift))
        .chain([(1, 0), (1, 64), (1, 65)])
        .collect();
    for length in [8, 32, 256, SLOTS] {
        let weights = diagonals(length, &shifts);
        let outline = outline(&weights);
        assert_eq!(outline.diagonals(), shifts.len());
        let mut owner = owner(outline.rotations());
        let inputs = [values(SLOTS, 1), values(SLOTS, 2)];
        let scales = [2f64.powi(33), 2f64.powi(30)];
        let encrypted = [0, 1].map(|index| owner.encrypt(&inputs[index], scales[index], 2));
        let subrings = Subrings::new(&owner.context);
        let product = 2f64.powi(63);
        let transform =
            StreamedTransform::new(&subrings, &weights, outline, &scales.map(|scale| product / scale), 2)
                .unwrap();
        let result = owner.evaluator.streamed_transform(&transform, &encrypted).unwrap();
        assert_eq!(result.scale(), product);
        let result = owner.evaluator.rescale(&result).unwrap();
        assert_bits(&owner.decrypt(&result), &expected(&weights, &inputs), 16.0);
        assert!(transform.memory_bytes() <= 8 * 2 * length.max(32) * shifts.len());
    }
}

#[test]
fn complex_diagonals_of_a_vector_that_is_its_own_imaginary_part_are_two_real_ones_each() {
    let (length, half) = (256, 128);
    let shifts: Vec<(usize, i64)> =
        [0, 1, 31, 33, 64, 127].into_iter().map(|shift| (0, shift)).chain([(1, 5)]).collect();
    let later: Vec<(usize, i64)> = shifts[..6].iter().map(|&(input, shift)| (input, shift + half)).collect();
    let whole = diagonals(length, &[&shifts[..], &later].concat());
    let outline = ChainOutline::new(&shifts.iter().copied().collect(), 0);
    let (mut real, mut imaginary) = (Repeated::new(), Repeated::new());
    for &(input, shift) in &shifts {
        let part = |at: &(usize, i64), factor: f64| {
            whole.get(at).map(|own| own.iter().map(|value| factor * value).collect::<Vec<f64>>())
        };
        real.insert((input, shift), part(&(input, shift), 0.5).unwrap());
        if let Some(own) = part(&(input, shift + half), -0.5) {
            imaginary.insert((input, shift), own);
        }
    }
    let mut rotations = outline.rotations();
    rotations.insert(half);
    let context = insecure(2 * SLOTS, &[40, 35, 35], &[45, 45], 2);
    let request = KeyRequest { rotations, conjugation: true, ..KeyRequest::default() };
    let mut owner = Owner::new(&context, &request, 3);
    let inputs = [1, 2].map(|seed| values(length, seed).repeat(SLOTS / length));
    let scales = [2f64.powi(33), 2f64.powi(30)];
    let [x, y] = [0, 1].map(|index| owner.encrypt(&inputs[index], scales[index], 2));
    let subrings = Subrings::new(&owner.context);
    let scales = scales.map(|scale| 2f64.powi(63) / scale);
    let transform =
        StreamedTransform::with_imaginary(&subrings, [&real, &imaginary], outline.clone(), &scales, 2)
            .unwrap();
    let evaluator = &owner.evaluator;
    let turned = evaluator.multiply_by_i(&evaluator.rotate(&x, half).unwrap()).unwrap();
    let z = evaluator.add(&x, &turned).unwrap();
    let sum = evaluator.streamed_transform(&transform, &[z, y]).unwrap();
    let sum = evaluator.add(&sum, &evaluator.conjugate(&sum).unwrap()).unwrap();
    let decoded = owner.secret.decrypt(&evaluator.rescale(&sum).unwrap()).unwrap();
    let (slots, left) = owner.context.decode_complex(&decoded).unwrap();
    assert_bits(&slots, &expected(&whole, &inputs), 16.0);
    assert_bits(&left, &[0.0; SLOTS], 16.0);

    let new = |imaginary: &Repeated| {
        StreamedTransform::with_imaginary(&subrings, [&real, imaginary], outline.clone(), &scales, 2)
    };
    imaginary.insert((0, 2), vec![0.0; length]);
    assert!(matches!(new(&imaginary), Err(Error::Shape { .. })), "no real part there");
    assert!(matches!(new(&[((0, 1), vec![0.0; 32])].into()), Err(Error::Shape { .. })), "another length");
}

#[test]
fn every_shift_of_a_convolution_needs_few_keys() {
    // 16 channels of 32 x 32 pixels in a circle, 3 x 3 taps.
    let taps = [-33, -32, -31, -1, 0, 1, 31, 32, 33];
    let shifts: BTreeSet<(usize, i64)> = (0..16)
        .flat_map(|channel| taps.map(|tap| (0, (1024 * channel + tap as i64).rem_euclid(16_384))))
        .collect();
    let outline = ChainOutline::new(&shifts, 0);
    assert_eq!((outline.diagonals(), outline.baby_steps(), outline.giant_steps()), (144, 17, 7));
    // Where keys are dear, a baby step for every tap, and one key for all giant steps.
    let outline = ChainOutline::new(&shifts, 20);
    assert_eq!((outline.diagonals(), outline.baby_steps(), outline.giant_steps()), (144, 8, 15));
    assert_eq!(outline.rotations().len(), 9);
}

#[test]
fn what_does_not_fit_is_refused() {
    let weights = diagonals(32, &[(0, 0), (0, 3), (1, 5)]);
    let outline = outline(&weights);
    let mut owner = owner(outline.rotations());
    let subrings = Subrings::new(&owner.context);
    let scales = [2f64.powi(25); 2];
    let new = |weights: &Repeated, outline: &ChainOutline, scales: &[f64], level: usize| {
        StreamedTransform::new(&subrings, weights, outline.clone(), scales, level)
    };
    assert!(matches!(new(&weights, &outline, &scales, 0), Err(Error::NoLevelLeft)));
    assert!(matches!(new(&weights, &outline, &scales, 3), Err(Error::Level { .. })));
    assert!(matches!(new(&weights, &outline, &scales[..1], 2), Err(Error::Shape { .. })));
    assert!(matches!(new(&Repeated::new(), &outline, &scales, 2), Err(Error::Shape { .. })));
    let other = diagonals(32, &[(0, 0), (0, 4), (1, 5)]);
    assert!(matches!(new(&other, &outline, &scales, 2), Err(Error::Shape { .. })));
    let odd = diagonals(24, &[(0, 0), (0, 3), (1, 5)]);
    assert!(matches!(new(&odd, &outline, &scales, 2), Err(Error::Shape { .. })));
    let mut huge = weights.clone();
    huge.insert((0, 3), vec![2f64.powi(25); 32]);
    assert!(matches!(new(&huge, &outline, &scales, 2), Err(Error::Overflow { .. })));

    let transform = new(&weights, &outline, &scales, 2).unwrap();
    let [same, other] =
        [2f64.powi(30), 2f64.powi(31)].map(|scale| owner.encrypt(&values(SLOTS, 1), scale, 2));
    let apply = |inputs: &[Ciphertext]| owner.evaluator.streamed_transform(&transform, inputs);
    assert!(apply(&[same.clone(), same.clone()]).is_ok());
    assert!(matches!(apply(std::slice::from_ref(&same)), Err(Error::Shape { .. })));
    assert!(matches!(apply(&[same.clone(), other]), Err(Error::ScaleMismatch { .. })));
    let low = owner.evaluator.drop_to_level(&same, 1).unwrap();
    assert!(matches!(apply(&[same, low]), Err(Error::LevelMismatch { .. })));
}

#[test]
fn keys_that_come_one_by_one_serve_as_if_they_came_together() {
    let context = insecure(2 * SLOTS, &[40, 35, 35], &[45, 45], 2);
    let mut random = Randomness::insecure_from_seed([9; 32]);
    let [secret, stranger] = [(); 2].map(|()| SecretKey::generate(&context, &mut random));
    let mut one = |secret: &SecretKey, steps: i64| {
        let request = KeyRequest { rotations: [steps].into(), ..KeyRequest::default() };
        SeededEvaluationKeys::generate(secret, &request, &mut random).expand(&context).unwrap()
    };
    let mut keys = one(&secret, 1);
    keys.extend(one(&secret, 5)).unwrap();
    assert!(matches!(keys.extend(one(&stranger, 7)), Err(Error::ForeignKey { .. })));
    let evaluator = Evaluator::new(&context, std::sync::Arc::new(keys)).unwrap();
    let plaintext = context.encode(&values(SLOTS, 1), 2f64.powi(30), 2).unwrap();
    let mut random = Randomness::insecure_from_seed([10; 32]);
    let x = secret.encrypt(&plaintext, &mut random).unwrap().expand(&context).unwrap();
    for steps in [1, 5] {
        let rotated = evaluator.rotate(&x, steps).unwrap();
        let mut due = values(SLOTS, 1);
        due.rotate_left(steps as usize);
        assert_bits(&context.decode(&secret.decrypt(&rotated).unwrap()).unwrap(), &due, 14.0);
    }
    assert!(matches!(evaluator.rotate(&x, 7), Err(Error::NoGaloisKey { .. })));
}
