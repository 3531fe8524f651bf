//! Series of Chebyshev polynomials on ciphertexts, held to the same in the clear.

use crate::fixture::*;
use veilbench_ckks::*;

/// `cos(k arccos x)`, as a cosine of imaginary angles outside -1 to 1.
fn chebyshev(degree: usize, x: f64) -> f64 {
    let sign = if x < 0.0 && degree % 2 == 1 { -1.0 } else { 1.0 };
    if x.abs() > 1.0 {
        return sign * (degree as f64 * x.abs().acosh()).cosh();
    }
    (degree as f64 * x.acos()).cos()
}

fn owner() -> (Owner, Vec<f64>, Ciphertext) {
    let context = insecure(64, &[50, 40, 40, 40, 40, 40, 40, 40, 40], &[50; 2], 5);
    let mut owner = Owner::new(&context, &request(&[]), 4);
    let x: Vec<f64> = (0..32).map(|index| f64::from(index) / 15.5 - 1.0).collect();
    let level = context.parameters().max_level();
    let scale = context.parameters().data_primes()[level] as f64;
    let c = owner.encrypt(&x, scale, level);
    (owner, x, c)
}

#[test]
fn series_of_every_depth_are_evaluated_at_the_level_and_scale_that_are_asked_for() {
    let (owner, x, c) = owner();
    for degree in [0, 1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 27, 31, 63, 127] {
        let coefficients: Vec<f64> =
            (0..=degree).map(|k| (k as f64 * 1.7).sin() / (1.0 + k as f64).powi(2)).collect();
        let scale = 2f64.powi(41);
        let result = owner.evaluator.chebyshev(&c).unwrap().evaluate(&coefficients, scale).unwrap();
        assert_eq!(result.level(), c.level() - chebyshev_depth(degree), "degree {degree}");
        assert_eq!(result.scale(), scale, "degree {degree}");
        let value =
            |&x: &f64| -> f64 { coefficients.iter().enumerate().map(|(k, own)| own * chebyshev(k, x)).sum() };
        let expected: Vec<f64> = x.iter().map(value).collect();
        assert_bits(&owner.decrypt(&result), &expected, 22.0);
    }
}

#[test]
fn a_doubled_polynomial_is_large_where_the_value_is_out_of_range() {
    let (owner, x, c) = owner();
    let mut basis = owner.evaluator.chebyshev(&c).unwrap();
    basis.evaluate(&[0.0, 0.5, 0.2, 0.1], c.scale()).unwrap();
    let expected: Vec<f64> = x.iter().map(|&x| chebyshev(64, x)).collect();
    let power = basis.doubled(6, 1).unwrap();
    assert_eq!(power.level(), 1);
    assert_bits(&owner.decrypt(&power), &expected, 12.0);
    let out = vec![1.1; 32];
    let mut owner = owner;
    let c = owner.encrypt(&out, c.scale(), c.level());
    let power = owner.evaluator.chebyshev(&c).unwrap().doubled(4, 1).unwrap();
    let value = owner.decrypt(&power)[0];
    assert!((value / chebyshev(16, 1.1) - 1.0).abs() < 1e-3, "{value} {}", chebyshev(16, 1.1));
}

#[test]
fn what_cannot_be_evaluated_is_refused() {
    let (owner, _, c) = owner();
    let e = &owner.evaluator;
    let low = e.drop_to_level(&c, 2).unwrap();
    let evaluate = |c: &Ciphertext, degree: usize| {
        e.chebyshev(c).unwrap().evaluate(&vec![0.1; degree + 1], c.scale()).map(|_| ())
    };
    assert_eq!(evaluate(&low, 4), Err(Error::NoLevelLeft));
    assert_eq!(evaluate(&low, 3), Ok(()));
    assert!(matches!(evaluate(&c, MAX_CHEBYSHEV_DEGREE + 1), Err(Error::Shape { .. })));
    assert!(matches!(e.chebyshev(&c).unwrap().evaluate(&[], c.scale()), Err(Error::Shape { .. })));
    assert_eq!(e.chebyshev(&low).unwrap().doubled(3, 0).map(|_| ()), Err(Error::NoLevelLeft));
}
