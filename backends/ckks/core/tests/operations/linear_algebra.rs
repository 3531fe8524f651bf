//! Matrices of encrypted values against the same on plain numbers.

use crate::fixture::*;
use std::collections::BTreeMap;
use veilbench_ckks::*;

fn product(rows: usize, columns: usize, weights: &[f64], x: &[f64]) -> Vec<f64> {
    (0..rows).map(|r| (0..columns).map(|c| weights[r * columns + c] * x[c]).sum()).collect()
}

#[test]
fn matrices_of_every_shape_multiply() {
    let context = insecure(512, &[50, 40, 40], &[50, 50], 2);
    let slots = context.parameters().slots();
    for (rows, columns) in
        [(16, 16), (4, 64), (64, 4), (1, 256), (256, 1), (256, 256), (10, 100), (100, 10), (1, 1), (7, 33)]
    {
        let weights = values(rows * columns, 1);
        let scale = context.parameters().data_primes()[2] as f64;
        let matrix = Matrix::from_rows(&context, rows, columns, &weights, scale, 2).unwrap();
        let keys = KeyRequest { rotations: matrix.rotations(), ..KeyRequest::default() };
        let mut owner = Owner::new(&context, &keys, 1);
        let x = values(columns, 2);
        let period = columns.next_power_of_two();
        // What lies in the padding must not matter.
        let packed: Vec<f64> = (0..slots).map(|t| x.get(t % period).copied().unwrap_or(0.5)).collect();
        let input = owner.encrypt(&packed, 2f64.powi(40), 2);
        let output = owner.evaluator.multiply_matrix(&matrix, &input).unwrap();
        assert_eq!((output.level(), output.scale()), (1, input.scale()));
        let mut expected = product(rows, columns, &weights, &x);
        expected.resize(rows.next_power_of_two(), 0.0);
        let expected: Vec<f64> = (0..slots).map(|t| expected[t % expected.len()]).collect();
        assert_bits(&owner.decrypt(&output), &expected, 20.0);
    }
}

#[test]
fn sparse_diagonals_multiply_without_the_missing_ones() {
    let context = insecure(256, &[50, 40], &[50], 2);
    let slots = context.parameters().slots();
    let diagonals: BTreeMap<usize, Vec<f64>> =
        [0, 1, 17, 64, 127].into_iter().map(|shift| (shift, values(slots, shift as u64))).collect();
    let matrix = Matrix::from_diagonals(&context, &diagonals, &[32], 2f64.powi(35), 1).unwrap();
    let keys = KeyRequest { rotations: matrix.rotations(), ..KeyRequest::default() };
    let mut owner = Owner::new(&context, &keys, 2);
    let x = values(slots, 3);
    let input = owner.encrypt(&x, 2f64.powi(35), 1);
    let output = owner.evaluator.multiply_matrix(&matrix, &input).unwrap();
    let unfolded: Vec<f64> =
        (0..slots).map(|t| diagonals.iter().map(|(k, d)| d[t] * x[(t + k) % slots]).sum()).collect();
    let expected: Vec<f64> = (0..slots).map(|t| unfolded[t] + unfolded[(t + 32) % slots]).collect();
    assert_bits(&owner.decrypt(&output), &expected, 15.0);
}

#[test]
fn unusable_matrices_are_refused() {
    let context = insecure(64, &[50, 40], &[50], 2);
    let shape = |result: Result<Matrix>| assert!(matches!(result, Err(Error::Shape { .. })));
    shape(Matrix::from_rows(&context, 0, 4, &[], 1024.0, 1));
    shape(Matrix::from_rows(&context, 2, 2, &[1.0; 3], 1024.0, 1));
    shape(Matrix::from_rows(&context, 64, 1, &[1.0; 64], 1024.0, 1));
    shape(Matrix::from_rows(&context, 2, 2, &[0.0; 4], 1024.0, 1));
    shape(Matrix::from_diagonals(&context, &[(32, vec![1.0])].into(), &[], 1024.0, 1));
    let at_the_end = Matrix::from_rows(&context, 2, 2, &[1.0; 4], 1024.0, 0);
    assert_eq!(at_the_end.unwrap_err(), Error::NoLevelLeft);
}
