//! Results under a secret of half the degree.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::*;
use veilbench_ckks::*;

fn context() -> Context {
    secure(8192, &[32, 28, 27], &[44], 3)
}

struct Halved {
    owner: Owner,
    small: HalfSecret,
    key: HalvingKey,
}

fn halved(context: &Context, seed: u8) -> Halved {
    let mut owner = Owner::new(context, &request(&[]), seed);
    let small = HalfSecret::generate(context, &mut owner.random).unwrap();
    let key = small.halving_key(&owner.secret, &mut owner.random).unwrap().expand(context).unwrap();
    Halved { owner, small, key }
}

#[test]
fn a_halved_ciphertext_decrypts_to_the_mean_of_rotations_in_half_the_bytes() {
    let context = context();
    let Halved { mut owner, small, key } = halved(&context, 81);
    let slots = context.parameters().slots();
    let (x, scale) = (values(slots, 5), 2f64.powi(30));
    let mut period = FoldedCiphertext::LEAST_PERIOD;
    while period < slots {
        let result = owner.encrypt(&x, scale, 0);
        let halved = owner.evaluator.halve(&result, period, &key).unwrap();
        assert_eq!((halved.period(), halved.scale(), halved.key()), (period, scale, small.id()));
        let decrypted = small.decrypt(&halved).unwrap();
        let terms = (slots / period) as f64;
        let means: Vec<f64> =
            (0..period).map(|slot| x.iter().skip(slot).step_by(period).sum::<f64>() / terms).collect();
        // As folded, and the noise of one key switch.
        let noise = context.fresh_noise().hypot(context.key_switch_noise(0));
        let deviation = noise * (period as f64).sqrt() / scale;
        let error = worst(&decrypted, &means);
        assert!(decrypted.len() == period && error < 8.0 * deviation, "{period}: {error:e} of {deviation:e}");
        let bytes = halved.to_bytes(&context).unwrap();
        assert_eq!(bytes.len(), 47 + (4096 + 2 * period) * 32 / 8, "{period}");
        let again = HalvedCiphertext::from_bytes(&context, &bytes).unwrap();
        assert_eq!(again.to_bytes(&context).unwrap(), bytes);
        assert_eq!(small.decrypt(&again).unwrap(), decrypted);
        period *= 2;
    }
    let whole = owner.encrypt(&x, scale, 0);
    assert!(matches!(owner.evaluator.halve(&whole, slots, &key), Err(Error::Shape { .. })));
}

#[test]
fn the_key_to_a_half_secret_is_within_the_table_of_its_degree_or_there_is_none() {
    // 106 bits at a degree of 4096, and nothing below.
    for (degree, data, special, is_there) in [
        (8192, &[32, 28, 27][..], &[44][..], true),
        (8192, &[50, 28, 27], &[50], true),
        (8192, &[50, 28, 27], &[50, 8 + 20], false),
        (4096, &[33, 29], &[44], false),
        (16_384, &[39, 35, 34, 35], &[49, 49, 49], true),
    ] {
        let digits = data.len();
        let context = secure(degree, data, special, digits);
        let small = HalfSecret::generate(&context, &mut Randomness::insecure_from_seed([82; 32]));
        assert_eq!(context.parameters().has_half_secrets(), is_there, "{degree} {data:?} {special:?}");
        assert_eq!(small.is_ok(), is_there, "{degree} {data:?} {special:?}");
        assert!(is_there || matches!(small, Err(Error::Insecure { degree: half, .. }) if half == degree / 2));
    }
}

#[test]
fn results_and_keys_of_others_are_refused() {
    let context = context();
    let Halved { mut owner, small, key } = halved(&context, 83);
    let other = halved(&context, 84);
    let x = owner.encrypt(&[0.5], 2f64.powi(29), 0);
    assert!(matches!(owner.evaluator.halve(&x, 16, &other.key), Err(Error::ForeignKey { .. })));
    let higher = owner.encrypt(&[0.5], 2f64.powi(29), 1);
    assert!(matches!(owner.evaluator.halve(&higher, 16, &key), Err(Error::LevelMismatch { .. })));
    for period in [0, 2, 12, 8192] {
        assert!(matches!(owner.evaluator.halve(&x, period, &key), Err(Error::Shape { .. })), "{period}");
    }
    let halved = owner.evaluator.halve(&x, 16, &key).unwrap();
    assert!(matches!(other.small.decrypt(&halved), Err(Error::ForeignKey { .. })));
    let bytes = halved.to_bytes(&context).unwrap();
    // After the header of 22 bytes, the name of the secret and the scale stands the period, then its coefficients.
    let mask = &bytes[47 + 32 * 32 / 8..];
    for bits in [1, 12, 13] {
        let body = vec![0; (2 << bits) / 8 * 32];
        let bytes = [&bytes[..46], &[bits], &body, mask].concat();
        assert!(matches!(HalvedCiphertext::from_bytes(&context, &bytes), Err(Error::Shape { .. })), "{bits}");
    }
    let seeded = small.halving_key(&owner.secret, &mut owner.random).unwrap();
    let bytes = seeded.to_bytes(&context).unwrap();
    // A header of 22 bytes, two names, a seed, the number of primes, and rows modulo the first prime and the special one.
    assert_eq!(bytes.len(), 22 + 2 * 16 + 32 + 1 + 8192 / 8 * (32 + 44));
    let again = SeededHalvingKey::from_bytes(&context, &bytes).unwrap();
    assert_eq!((again.from(), again.to_bytes(&context).unwrap()), (owner.secret.id(), bytes.clone()));
    for length in [0, 2, 3, 1 << 7 | 1, 255] {
        let mut bytes = bytes.clone();
        bytes[22 + 2 * 16 + 32] = length;
        assert!(
            matches!(SeededHalvingKey::from_bytes(&context, &bytes), Err(Error::Malformed { .. })),
            "{length}"
        );
    }
    // Of the form of a key for two primes, in two digits.
    let rows = vec![0; 2 * (8192 / 8) * (32 + 28 + 44)];
    let higher = [&bytes[..22 + 2 * 16 + 32], &[2], &rows].concat();
    let refused = SeededHalvingKey::from_bytes(&context, &higher).unwrap_err().to_string();
    assert!(refused.contains("it is for 2 primes, not for one"), "{refused}");
    let insecure = secure(4096, &[33, 29], &[44], 2);
    assert!(matches!(SeededHalvingKey::from_bytes(&insecure, &bytes), Err(Error::ForeignParameters { .. })));
}
