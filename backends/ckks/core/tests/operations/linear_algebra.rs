//! Matrices of encrypted values against the same on plain numbers.

use crate::fixture::matrix::Matrix;
use crate::fixture::*;
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
        let output = matrix.times(&owner.evaluator, &input).unwrap();
        assert_eq!((output.level(), output.scale()), (1, input.scale()));
        let mut expected = product(rows, columns, &weights, &x);
        expected.resize(rows.next_power_of_two(), 0.0);
        let expected: Vec<f64> = (0..slots).map(|t| expected[t % expected.len()]).collect();
        assert_bits(&owner.decrypt(&output), &expected, 20.0);
    }
}

#[test]
fn unusable_diagonals_are_refused() {
    let context = insecure(64, &[50, 40], &[50], 2);
    let new = |outputs: &[Diagonals], level| Transform::new(&context, 1, outputs, 1024.0, level);
    let diagonals = |input, values| Diagonals::from([((input, 3), values)]);
    let shape = |result: Result<Transform>| assert!(matches!(result, Err(Error::Shape { .. })));
    shape(new(&[], 1));
    shape(new(&[diagonals(0, vec![1.0]), Diagonals::new()], 1));
    shape(new(&[diagonals(1, vec![1.0])], 1));
    let long = new(&[diagonals(0, vec![1.0; 33])], 1);
    assert_eq!(long.unwrap_err(), Error::TooManyValues { values: 33, slots: 32 });
    assert_eq!(new(&[diagonals(0, vec![1.0])], 0).unwrap_err(), Error::NoLevelLeft);
}
