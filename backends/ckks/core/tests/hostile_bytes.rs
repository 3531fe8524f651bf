//! Bytes from a peer: what is not exactly right is an error with a reason, never a panic.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::*;
use veilbench_ckks::*;
use veilbench_hostile::fuzz;

type Decoder = fn(&Context, &[u8]) -> Result<()>;

fn objects(context: &Context) -> Vec<(&'static str, Vec<u8>, Decoder)> {
    let mut owner = Owner::new(context, &request(&[]), 11);
    let plaintext = context.encode(&[0.5, -0.25], 2f64.powi(30), 1).unwrap();
    let seeded = owner.secret.encrypt(&plaintext, &mut owner.random).unwrap();
    let ciphertext = seeded.clone().expand(context).unwrap();
    let lowest = owner.evaluator.drop_to_level(&ciphertext, 0).unwrap();
    let folded = owner.evaluator.fold(&lowest, 4).unwrap();
    let public = PublicKey::generate(&owner.secret, &mut owner.random);
    let levels = KeyLevels { rotations: [(2, 0)].into(), ..KeyLevels::default() };
    let pair_squares = Some(PairSquares { level: 0, sums: true });
    let long = LongDigits { rotations: [(2, 1)].into(), ..LongDigits::default() };
    let wanted = KeyRequest { levels, pair_squares, long, ..request(&[1, 2]) };
    let keys = SeededEvaluationKeys::generate(&owner.secret, &wanted, &mut owner.random);
    vec![
        ("parameters", context.parameters().to_bytes(), |_, b| Parameters::from_bytes_insecure(b).map(drop)),
        ("seeded ciphertext", seeded.to_bytes(context).unwrap(), |c, b| {
            SeededCiphertext::from_bytes(c, b)?.expand(c).map(drop)
        }),
        ("ciphertext", ciphertext.to_bytes(context).unwrap(), |c, b| Ciphertext::from_bytes(c, b).map(drop)),
        ("folded ciphertext", folded.to_bytes(context).unwrap(), |c, b| {
            FoldedCiphertext::from_bytes(c, b).map(drop)
        }),
        ("public key", public.to_bytes(context).unwrap(), |c, b| PublicKey::from_bytes(c, b).map(drop)),
        ("evaluation keys", keys.to_bytes(context).unwrap(), |c, b| {
            SeededEvaluationKeys::from_bytes(c, b)?.expand(c).map(drop)
        }),
    ]
}

fn context() -> Context {
    insecure(64, &[50, 33], &[50], 2)
}

#[test]
fn objects_come_back_byte_for_byte() {
    let context = context();
    for (name, bytes, decode) in objects(&context) {
        decode(&context, &bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let objects = objects(&context);
    let again = SeededCiphertext::from_bytes(&context, &objects[1].1).unwrap();
    assert_eq!(again.to_bytes(&context).unwrap(), objects[1].1);
    let again = Ciphertext::from_bytes(&context, &objects[2].1).unwrap();
    assert_eq!(again.to_bytes(&context).unwrap(), objects[2].1);
    let again = FoldedCiphertext::from_bytes(&context, &objects[3].1).unwrap();
    assert_eq!(again.to_bytes(&context).unwrap(), objects[3].1);
    let again = PublicKey::from_bytes(&context, &objects[4].1).unwrap();
    assert_eq!(again.to_bytes(&context).unwrap(), objects[4].1);
    let again = SeededEvaluationKeys::from_bytes(&context, &objects[5].1).unwrap();
    assert_eq!(again.to_bytes(&context).unwrap(), objects[5].1);
    assert_eq!(&Parameters::from_bytes_insecure(&objects[0].1).unwrap(), context.parameters());
}

#[test]
fn every_truncation_and_every_extension_is_refused() {
    let context = context();
    for (name, bytes, decode) in objects(&context) {
        for length in 0..bytes.len() {
            assert!(
                matches!(decode(&context, &bytes[..length]), Err(Error::Malformed { .. })),
                "{name} {length}"
            );
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(decode(&context, &longer), Err(Error::Malformed { .. })), "{name}");
    }
}

#[test]
fn another_kind_version_or_parameter_set_is_refused() {
    let context = context();
    let objects = objects(&context);
    for (name, bytes, decode) in &objects {
        for (other, _, decode_other) in objects.iter().filter(|(other, ..)| other != name) {
            let refused = decode_other(&context, bytes);
            assert!(matches!(refused, Err(Error::Malformed { .. })), "{name} as {other}");
        }
        for position in 0..6 {
            let mut changed = bytes.clone();
            changed[position] ^= 0x40;
            assert!(matches!(decode(&context, &changed), Err(Error::Malformed { .. })), "{name}");
        }
    }
    let other = insecure(64, &[50, 34], &[50], 2);
    for (name, bytes, decode) in &objects[1..] {
        assert!(matches!(decode(&other, bytes), Err(Error::ForeignParameters { .. })), "{name}");
    }
}

#[test]
fn insecure_parameters_are_refused_from_bytes_too() {
    let bytes = insecure(8192, &[50; 4], &[50], 4).parameters().to_bytes();
    assert!(matches!(Parameters::from_bytes(&bytes), Err(Error::Insecure { .. })));
    let bytes = secure(8192, &[50; 3], &[50], 3).parameters().to_bytes();
    assert!(Parameters::from_bytes(&bytes).is_ok());
}

#[test]
fn counts_and_scales_that_lie_are_refused() {
    let context = context();
    let objects = objects(&context);
    // After the header of 22 bytes and the key id of 16: scale and limb count of ciphertexts, or the period of a folded one.
    for (_, bytes, decode) in &objects[1..4] {
        for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 2f64.powi(90), 1e-320] {
            let mut changed = bytes.clone();
            changed[38..46].copy_from_slice(&f64::to_le_bytes(scale));
            let refused = decode(&context, &changed);
            assert!(matches!(refused, Err(Error::Scale { .. })), "{scale}: {refused:?}");
        }
        for limbs in [0, 1, 3, 255] {
            let mut changed = bytes.clone();
            changed[46] = limbs;
            assert!(decode(&context, &changed).is_err(), "{limbs}");
        }
    }
    // The relinearisation flag and the count of Galois keys.
    let (_, bytes, decode) = &objects[5];
    for (position, byte) in [(38, 2), (38, 0), (39, 0), (39, 3), (39, 5), (42, 255)] {
        let mut changed = bytes.clone();
        changed[position] = byte;
        assert!(matches!(decode(&context, &changed), Err(Error::Malformed { .. })), "{position} {byte}");
    }
}

#[test]
fn mutated_bytes_never_panic() {
    let context = context();
    let objects = objects(&context);
    let (mut accepted, mut refused) = (0, 0);
    fuzz("ckks", 1, |draw, bytes| {
        let (_, good, decode) = draw.one(&objects);
        *bytes = draw.mutated(&[good], &[]);
        *if decode(&context, bytes).is_ok() { &mut accepted } else { &mut refused } += 1;
        Ok(())
    });
    assert!(accepted > 0 && refused > 0, "{accepted} mutations accepted, {refused} refused");
}
