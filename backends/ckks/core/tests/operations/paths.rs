//! Whole computations on every path of the kernels and on any number of threads: the same bytes, and the right
//! values.

use crate::fixture::matrix::Matrix;
use crate::fixture::*;
use veilbench_ckks::*;

/// Every operation once, on fixed inputs: the bytes of the results, and the values of the last.
fn run(context: &Context) -> (Vec<Vec<u8>>, Vec<f64>) {
    let level = context.parameters().max_level();
    let prime = context.parameters().data_primes()[level] as f64;
    let matrix = Matrix::from_rows(context, 24, 64, &values(24 * 64, 3), prime, level).unwrap();
    let rotations: Vec<i64> = matrix.rotations().into_iter().chain([1, -7, 100]).collect();
    let mut owner = Owner::new(context, &request(&rotations), 31);
    let public = PublicKey::generate(&owner.secret, &mut owner.random);
    let slots = context.parameters().slots();
    let x: Vec<f64> = values(64, 1).into_iter().cycle().take(slots).collect();
    let scale = 2f64.powi(35);
    let a = owner.encrypt(&x, scale, level);
    let plaintext = context.encode(&values(slots, 2), scale, level).unwrap();
    let b = public.encrypt(context, &plaintext, &mut owner.random).unwrap();
    let e = &owner.evaluator;
    let mut results = vec![
        e.add(&a, &b).unwrap(),
        e.subtract(&a, &b).unwrap(),
        e.negate(&a).unwrap(),
        e.add_plain(&a, &plaintext).unwrap(),
        e.add_scalar(&a, -0.4).unwrap(),
        e.multiply_plain(&a, &plaintext).unwrap(),
        e.multiply_scalar(&a, 0.3, scale).unwrap(),
        e.weighted_sum(&[&a, &b, &a], &[0.5, -0.25, 1.5], scale).unwrap(),
        e.rescale(&e.multiply(&a, &b).unwrap()).unwrap(),
        e.rescale(&e.square(&a).unwrap()).unwrap(),
        e.rotate(&a, -7).unwrap(),
        e.hoist(&b).unwrap().rotate(100).unwrap(),
        e.conjugate(&a).unwrap(),
        e.chebyshev(&a).unwrap().evaluate(&[0.1, -0.5, 0.25, 0.125], scale).unwrap(),
    ];
    for lower in 0..level {
        let dropped = e.drop_to_level(&a, lower).unwrap();
        results.push(e.rotate(&dropped, 1).unwrap());
    }
    results.push(matrix.times(e, &a).unwrap());
    let output = owner.decrypt(results.last().unwrap());
    (results.iter().map(|result| result.to_bytes(context).unwrap()).collect(), output)
}

#[test]
fn all_operations_agree_byte_for_byte() {
    let product: Vec<f64> = {
        let (weights, x) = (values(24 * 64, 3), values(64, 1));
        (0..24).map(|row| (0..64).map(|column| weights[row * 64 + column] * x[column]).sum()).collect()
    };
    // One special prime, several, and digits of several primes down to a last short one.
    for (data, special, digits) in [
        (&[50, 36, 36, 36][..], &[50][..], 4),
        (&[50, 36, 36, 36, 36], &[50, 50], 3),
        (&[50, 36, 36, 36, 36, 36, 36], &[45, 45, 45, 45], 2),
    ] {
        let parameters = || insecure(512, data, special, digits).parameters().clone();
        let (expected, _) = run(&Context::new_portable(parameters()));
        let mut paths = 0;
        for context in
            Instructions::ALL.into_iter().filter_map(|i| Context::with_instructions(parameters(), i))
        {
            let (bytes, output) = run(&context);
            assert!(bytes == expected, "{} differs from portable at {data:?}", context.kernels());
            assert_bits(&output, &product, 18.0);
            paths += 1;
        }
        assert!(paths >= 1);
        println!("{paths} paths agree");
    }
}

#[test]
fn keys_and_weights_of_one_path_serve_every_other() {
    // Of 7, 6, 4 and 5 bytes.
    let parameters = || insecure(512, &[50, 46, 30, 36], &[50], 4).parameters().clone();
    let contexts =
        || Instructions::ALL.into_iter().filter_map(|i| Context::with_instructions(parameters(), i));
    let request = request(&[-7]);
    let mut expected: Option<Vec<Vec<u8>>> = None;
    for made in contexts() {
        let mut owner = Owner::new(&made, &request, 31);
        let seeded = SeededEvaluationKeys::generate(&owner.secret, &request, &mut owner.random);
        let level = made.parameters().max_level();
        let prime = made.parameters().data_primes()[level] as f64;
        let matrix = Matrix::from_rows(&made, 24, 64, &values(24 * 64, 3), prime, level).unwrap();
        let rotations: Vec<i64> = matrix.rotations().into_iter().chain([-7]).collect();
        let rotations = crate::fixture::request(&rotations);
        let of_matrix = SeededEvaluationKeys::generate(&owner.secret, &rotations, &mut owner.random);
        let slots = made.parameters().slots();
        let x: Vec<f64> = values(64, 1).into_iter().cycle().take(slots).collect();
        let a = owner.encrypt(&x, 2f64.powi(35), level);
        for used in contexts() {
            let with = |keys: &SeededEvaluationKeys| {
                Evaluator::new(&used, std::sync::Arc::new(keys.clone().expand(&made).unwrap())).unwrap()
            };
            let (own, wide) = (with(&seeded), with(&of_matrix));
            let results = [
                own.rotate(&a, -7).unwrap(),
                own.rescale(&own.square(&a).unwrap()).unwrap(),
                matrix.times(&wide, &a).unwrap(),
            ];
            let bytes: Vec<Vec<u8>> = results.iter().map(|result| result.to_bytes(&used).unwrap()).collect();
            let (made, used) = (made.kernels(), used.kernels());
            assert!(
                *expected.get_or_insert_with(|| bytes.clone()) == bytes,
                "made by {made}, used by {used}"
            );
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    // Large enough for every step to be shared.
    let context = insecure(8192, &[50, 36, 36, 36, 36, 36, 36, 36], &[45; 4], 2);
    let in_pool = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&context).0)
    };
    let expected = in_pool(1);
    for threads in [2, 3] {
        assert!(in_pool(threads) == expected, "{threads} threads");
    }
}
