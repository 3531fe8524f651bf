//! The wire format, frozen: whoever changes these answers changes the version of the format.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::*;
use sha2::{Digest, Sha256};
use veilbench_ckks::*;

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn all_bytes(context: &Context) -> Vec<Vec<u8>> {
    let mut owner = Owner::new(context, &request(&[1]), 42);
    let plaintext = context.encode(&values(32, 1), 2f64.powi(40), 2).unwrap();
    let seeded = owner.secret.encrypt(&plaintext, &mut owner.random).unwrap();
    let public = PublicKey::generate(&owner.secret, &mut owner.random);
    let encrypted = public.encrypt(context, &plaintext, &mut owner.random).unwrap();
    let keys = SeededEvaluationKeys::generate(&owner.secret, &request(&[1, -3]), &mut owner.random);
    let low = KeyRequest {
        levels: KeyLevels { rotations: [(-3, 0)].into(), ..KeyLevels::default() },
        ..request(&[1, -3])
    };
    let low = SeededEvaluationKeys::generate(&owner.secret, &low, &mut owner.random);
    let pair_squares = Some(PairSquares { level: 1, sums: true });
    let pairs = KeyRequest { relinearisation: true, pair_squares, ..KeyRequest::default() };
    let pairs = SeededEvaluationKeys::generate(&owner.secret, &pairs, &mut owner.random);
    let long = LongDigits { relinearisation: true, rotations: [(-3, 1)].into() };
    let long = KeyRequest { long, ..request(&[1]) };
    let long = SeededEvaluationKeys::generate(&owner.secret, &long, &mut owner.random);
    let fresh = seeded.clone().expand(context).unwrap();
    let e = &owner.evaluator;
    let computed = e.rescale(&e.multiply(&fresh, &encrypted).unwrap()).unwrap();
    let computed = e.rotate(&e.conjugate(&computed).unwrap(), 1).unwrap();
    let folded = e.fold(&e.drop_to_level(&fresh, 0).unwrap(), 8).unwrap();
    vec![
        context.parameters().to_bytes(),
        seeded.to_bytes(context).unwrap(),
        public.to_bytes(context).unwrap(),
        encrypted.to_bytes(context).unwrap(),
        keys.to_bytes(context).unwrap(),
        computed.to_bytes(context).unwrap(),
        low.to_bytes(context).unwrap(),
        pairs.to_bytes(context).unwrap(),
        long.to_bytes(context).unwrap(),
        folded.to_bytes(context).unwrap(),
    ]
}

fn parameters() -> Parameters {
    Parameters::new_insecure(&ParameterRequest {
        degree: 64,
        data_prime_bits: &[50, 40, 27],
        special_prime_bits: &[50, 45],
        digits: 2,
    })
    .unwrap()
}

#[test]
fn the_bytes_of_every_object_are_the_frozen_ones() {
    let bytes = all_bytes(&Context::new(parameters()));
    let answers: Vec<(usize, String)> = bytes.iter().map(|bytes| (bytes.len(), digest(bytes))).collect();
    let expected = [
        (66, "965b540c3ab8bf8b"),
        (1015, "f30268365ef87551"),
        (1007, "81aecd641483e52a"),
        (1919, "746e04510bc3ac64"),
        (13755, "bd41e8645edc2880"),
        (1487, "478e2c20b5e78a01"),
        (11523, "346dd884e66a7cfb"),
        (8011, "9c6310bf770dd5a1"),
        (10147, "6e49bd9910110fab"),
        (547, "ce0b0d2cfccc0c96"),
    ];
    assert_eq!(answers, expected.map(|(length, digest)| (length, digest.to_string())));
}

#[test]
fn every_path_of_the_kernels_makes_the_frozen_bytes() {
    let portable = all_bytes(&Context::new_portable(parameters()));
    for instructions in Instructions::ALL {
        let Some(context) = Context::with_instructions(parameters(), instructions) else {
            println!("this processor has no {instructions}");
            continue;
        };
        assert_eq!(context.kernels(), instructions.to_string());
        assert_eq!(all_bytes(&context), portable, "{instructions}");
    }
    assert_eq!(all_bytes(&Context::new(parameters())), portable);
}
