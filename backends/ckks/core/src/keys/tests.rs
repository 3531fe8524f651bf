//! What hides the key and the values, by algebra with the key at hand.

use super::{PublicKey, SecretKey, SeededSwitchingKey};
use crate::ciphertext::Ciphertext;
use crate::context::Context;
use crate::encoding::Plaintext;
use crate::halved::HalfSecret;
use crate::keys::switching::expand_row;
use crate::keys::{DigitLength, KeyLevels, KeyRequest, PairSquares, SeededEvaluationKeys};
use crate::parameters::{ParameterRequest, Parameters};
use veilbench_ring::random::Randomness;
use veilbench_ring::sampling::ERROR_DEVIATION;
use veilbench_ring::{Ntt, Polynomial};

const DEGREE: usize = 1024;

/// The largest magnitude of an error.
const LARGEST_ERROR: f64 = 21.0;

fn context() -> Context {
    let request = ParameterRequest {
        degree: DEGREE,
        data_prime_bits: &[50, 40, 40],
        special_prime_bits: &[50, 40],
        digits: 2,
    };
    Context::new(Parameters::new_insecure(&request).unwrap())
}

fn random(seed: u8) -> Randomness {
    Randomness::insecure_from_seed([seed; 32])
}

fn coefficients(context: &Context, polynomial: &Polynomial<Ntt>) -> Vec<f64> {
    context.lift(polynomial.clone().into_coefficients(context.ring())).to_vec()
}

fn minus(context: &Context, left: &Polynomial<Ntt>, right: &Polynomial<Ntt>) -> Polynomial<Ntt> {
    let mut difference = left.clone();
    difference.subtract_assign(context.ring(), right);
    difference
}

/// `first + second * secret`.
fn phase(context: &Context, secret: &SecretKey, [first, second]: [&Polynomial<Ntt>; 2]) -> Polynomial<Ntt> {
    let mut sum = first.clone();
    sum.multiply_add(context.ring(), second, secret.polynomial());
    sum
}

/// The quotient in the ring, of a divisor without roots in it.
fn quotient(context: &Context, dividend: &Polynomial<Ntt>, divisor: &Polynomial<Ntt>) -> Polynomial<Ntt> {
    let mut quotient = dividend.clone();
    for ((row, divisor), m) in quotient.rows_mut().zip(divisor.rows()).zip(context.ring().moduli()) {
        for (value, &by) in row.iter_mut().zip(divisor) {
            assert_ne!(by, 0, "a divisor with a root");
            *value = m.multiply(*value, m.invert(by));
        }
    }
    quotient
}

fn deviation(values: &[f64]) -> f64 {
    (values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt()
}

#[track_caller]
fn assert_deviation(values: &[f64], expected: f64) {
    let ratio = deviation(values) / expected;
    assert!((0.9..1.1).contains(&ratio), "deviation {:.3e}, not {expected:.3e}", deviation(values));
}

/// Whether these are fresh errors: small, but not zero.
#[track_caller]
fn assert_errors(values: &[f64]) {
    assert!(values.iter().all(|value| value.abs() <= LARGEST_ERROR), "more than an error");
    assert_deviation(values, ERROR_DEVIATION);
}

/// Whether coefficients are spread over the whole modulus, as those of nothing small are.
#[track_caller]
fn assert_spread(context: &Context, polynomial: &Polynomial<Ntt>) {
    let modulus = context.parameters().level_bits(polynomial.limbs() - 1).exp2();
    assert_deviation(&coefficients(context, polynomial), modulus / 12f64.sqrt());
}

fn message(context: &Context) -> Plaintext {
    let values: Vec<f64> = (0..DEGREE / 2).map(|index| (index as f64).sin()).collect();
    context.encode(&values, 2f64.powi(30), 2).unwrap()
}

#[test]
fn secret_keys_are_uniform_ternary_and_differ() {
    let (context, mut random) = (context(), random(1));
    let keys = [(); 3].map(|()| {
        let secret = SecretKey::generate(&context, &mut random);
        coefficients(&context, &Polynomial::prefix(secret.polynomial(), context.ring().data()))
    });
    for key in &keys {
        for value in [-1.0, 0.0, 1.0] {
            let count = key.iter().filter(|&&coefficient| coefficient == value).count() as f64;
            let expected = DEGREE as f64 / 3.0;
            assert!((count - expected).abs() < 5.0 * (expected * 2.0 / 3.0).sqrt(), "{count} times {value}");
        }
    }
    for (one, other) in [(0, 1), (0, 2), (1, 2)] {
        let alike = keys[one].iter().zip(&keys[other]).filter(|(a, b)| a == b).count();
        assert!(alike < DEGREE / 2, "two keys have {alike} coefficients in common");
    }
}

#[test]
fn a_ciphertext_is_its_message_and_a_fresh_error_under_a_fresh_uniform_mask() {
    let (context, mut random) = (context(), random(2));
    let secret = SecretKey::generate(&context, &mut random);
    let message = message(&context);
    let [one, other] =
        [(); 2].map(|()| secret.encrypt(&message, &mut random).unwrap().expand(&context).unwrap());
    let errors = [&one, &other].map(|ciphertext| {
        let phase = phase(&context, &secret, ciphertext.parts.each_ref());
        coefficients(&context, &minus(&context, &phase, &message.polynomial))
    });
    errors.iter().for_each(|errors| assert_errors(errors));
    let differences: Vec<f64> = errors[0].iter().zip(&errors[1]).map(|(a, b)| a - b).collect();
    assert_deviation(&differences, ERROR_DEVIATION * 2f64.sqrt());
    for part in 0..2 {
        assert_spread(&context, &one.parts[part]);
        assert_spread(&context, &minus(&context, &one.parts[part], &other.parts[part]));
    }
}

#[test]
fn a_public_key_is_a_fresh_encryption_of_zero() {
    let (context, mut random) = (context(), random(3));
    let secret = SecretKey::generate(&context, &mut random);
    let keys = [(); 2].map(|()| PublicKey::generate(&secret, &mut random));
    for key in &keys {
        assert_errors(&coefficients(&context, &phase(&context, &secret, [&key.body, &key.mask])));
        assert_spread(&context, &key.body);
        assert_spread(&context, &key.mask);
    }
    assert_spread(&context, &minus(&context, &keys[0].mask, &keys[1].mask));
    assert_spread(&context, &minus(&context, &keys[0].body, &keys[1].body));
}

/// Whether these are `(u b + e0, u a + e1)` of a fresh ternary `u` and two fresh errors: with the key they leave a small
/// rest, and without it no quotient or difference is small.
#[track_caller]
fn assert_fresh_zeros(
    context: &Context,
    secret: &SecretKey,
    public: &PublicKey,
    zeros: &[[Polynomial<Ntt>; 2]; 2],
) {
    for zero in zeros {
        let rest = coefficients(context, &phase(context, secret, zero.each_ref()));
        assert_deviation(&rest, context.public_fresh_noise());
        // Without an error of its own, either half over the key's is `u`; with the same one in both, so is this.
        assert_spread(context, &quotient(context, &zero[0], &public.body));
        assert_spread(context, &quotient(context, &zero[1], &public.mask));
        let halves = [minus(context, &zero[0], &zero[1]), minus(context, &public.body, &public.mask)];
        assert_spread(context, &quotient(context, &halves[0], &halves[1]));
    }
    let [one, other] = zeros;
    for (one, other) in one.iter().zip(other) {
        assert_spread(context, one);
        assert_spread(context, &minus(context, one, other));
    }
}

#[test]
fn a_public_encryption_hides_its_ephemeral_secret_in_two_errors() {
    let (context, mut random) = (context(), random(4));
    let secret = SecretKey::generate(&context, &mut random);
    let public = PublicKey::generate(&secret, &mut random);
    let message = message(&context);
    let zeros = [(); 2].map(|()| {
        let Ciphertext { parts: [first, second], .. } =
            public.encrypt(&context, &message, &mut random).unwrap();
        [minus(&context, &first, &message.polynomial), second]
    });
    assert_fresh_zeros(&context, &secret, &public, &zeros);
}

#[test]
fn rerandomising_adds_a_fresh_encryption_of_zero() {
    let (context, mut random) = (context(), random(5));
    let secret = SecretKey::generate(&context, &mut random);
    let public = PublicKey::generate(&secret, &mut random);
    let before = secret.encrypt(&message(&context), &mut random).unwrap().expand(&context).unwrap();
    let zeros = [(); 2].map(|()| {
        let mut after = before.clone();
        public.rerandomise(&context, &mut after, &mut random).unwrap();
        [0, 1].map(|part| minus(&context, &after.parts[part], &before.parts[part]))
    });
    assert_fresh_zeros(&context, &secret, &public, &zeros);
}

/// A row of a switching key with its mask taken off, and of what it encrypts: centred coefficients.
fn row_errors(
    context: &Context,
    key: &SeededSwitchingKey,
    [source, target]: [&Polynomial<Ntt>; 2],
    digit: usize,
    row: usize,
) -> Vec<f64> {
    let (ring, parameters) = (context.ring(), context.parameters());
    let index = ring.extended_index(key.limbs, row);
    let m = ring.modulus(index);
    let mut row = key.bodies[digit].limb(row).to_vec();
    let mut mask = vec![0; DEGREE];
    expand_row(m, &key.seed, digit, index, &mut mask);
    ring.kernels().multiply_add(m, &mut row, &mask, target.limb(index));
    if index < ring.data() && index / parameters.digit_primes() == digit {
        let special = m.product(parameters.special_primes().iter().copied());
        for (value, &source) in row.iter_mut().zip(source.limb(index)) {
            *value = m.subtract(*value, m.multiply(source, special));
        }
    }
    centred(context, index, row)
}

/// Centred coefficients of one row modulo its prime.
fn centred(context: &Context, index: usize, mut row: Vec<u64>) -> Vec<f64> {
    let p = context.ring().modulus(index).value();
    context.ring().inverse(index, &mut row);
    row.iter().map(|&value| if value > p / 2 { value as f64 - p as f64 } else { value as f64 }).collect()
}

#[test]
fn every_digit_of_a_switching_key_has_an_error_and_a_mask_of_its_own() {
    let (context, mut random) = (context(), random(6));
    let (ring, parameters) = (context.ring(), context.parameters());
    let secret = SecretKey::generate(&context, &mut random);
    let [source, target] = [&secret, &secret].map(SecretKey::polynomial);
    let keys = [DigitLength::Short; 2].map(|length| {
        SeededSwitchingKey::generate(&secret, [source, target], ring.data(), length, &mut random)
    });
    let digits = parameters.digits();
    assert_eq!((digits, parameters.digit_primes()), (2, 2));
    let mut all = Vec::new();
    for key in &keys {
        for digit in 0..digits {
            let errors = row_errors(&context, key, [source, target], digit, 0);
            assert_errors(&errors);
            for index in 1..ring.moduli().len() {
                assert!(row_errors(&context, key, [source, target], digit, index) == errors, "row {index}");
            }
            all.push(errors);
        }
    }
    for (at, one) in all.iter().enumerate() {
        for other in &all[..at] {
            let differences: Vec<f64> = one.iter().zip(other).map(|(a, b)| a - b).collect();
            assert_deviation(&differences, ERROR_DEVIATION * 2f64.sqrt());
        }
    }
    // Rows of special primes hold nothing but errors under masks: what two of them share would cancel.
    let special = ring.data();
    let p = ring.modulus(special).value() as f64;
    let bodies: Vec<&[u64]> =
        keys.iter().flat_map(|key| key.bodies.iter().map(|body| body.limb(special))).collect();
    for (at, one) in bodies.iter().enumerate() {
        assert_deviation(&centred(&context, special, one.to_vec()), p / 12f64.sqrt());
        for other in &bodies[..at] {
            let m = ring.modulus(special);
            let difference = one.iter().zip(*other).map(|(&a, &b)| m.subtract(a, b)).collect();
            assert_deviation(&centred(&context, special, difference), p / 12f64.sqrt());
        }
    }
}

#[test]
fn a_key_to_a_half_secret_has_errors_and_masks_of_its_own_under_a_secret_of_its_own() {
    let (context, mut random) = (context(), random(11));
    let secret = SecretKey::generate(&context, &mut random);
    let small = [(); 2].map(|()| HalfSecret::sample(&context, &mut random).unwrap());
    let targets = small.each_ref().map(HalfSecret::in_large_ring);
    let of = |polynomial: &Polynomial<Ntt>| centred(&context, 0, polynomial.limb(0).to_vec());
    let [one, other] = targets.each_ref().map(of);
    assert!(one.iter().skip(1).step_by(2).all(|&odd| odd == 0.0));
    let even = |of: &[f64]| of.iter().copied().step_by(2).collect::<Vec<_>>();
    assert!(even(&one).iter().all(|own| [-1.0, 0.0, 1.0].contains(own)));
    assert_deviation(&even(&one), (2.0f64 / 3.0).sqrt());
    let own = of(secret.polynomial());
    for beside in [even(&other), even(&own), own[..DEGREE / 2].to_vec()] {
        let differences: Vec<f64> = even(&one).iter().zip(&beside).map(|(a, b)| a - b).collect();
        assert_deviation(&differences, (4.0f64 / 3.0).sqrt());
    }
    let keys = [(); 2].map(|()| small[0].halving_key(&secret, &mut random).unwrap().switching);
    assert_ne!(keys[0].seed, keys[1].seed);
    let errors = keys.each_ref().map(|key| {
        assert_eq!((key.limbs, key.bodies.len()), (1, 1));
        let errors = |row| row_errors(&context, key, [secret.polynomial(), &targets[0]], 0, row);
        assert_errors(&errors(0));
        assert!((1..3).all(|row| errors(row) == errors(0)), "an error for each row");
        errors(0)
    });
    let differences: Vec<f64> = errors[0].iter().zip(&errors[1]).map(|(a, b)| a - b).collect();
    assert_deviation(&differences, ERROR_DEVIATION * 2f64.sqrt());
}

#[test]
fn all_keys_of_a_session_have_seeds_of_their_own() {
    let (context, mut random) = (context(), random(7));
    let secret = SecretKey::generate(&context, &mut random);
    let request = KeyRequest {
        relinearisation: true,
        conjugation: true,
        rotations: [1, 2, -5].into(),
        pair_squares: Some(PairSquares { level: 1, sums: true }),
        ..KeyRequest::default()
    };
    let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random);
    let mut seeds: Vec<_> = keys.galois.iter().map(|key| key.switching.seed).collect();
    seeds.extend(keys.relinearisation.iter().map(|key| key.seed));
    seeds.extend(keys.pairs.iter().flat_map(|keys| keys.each()).map(|key| key.seed));
    seeds.push(PublicKey::generate(&secret, &mut random).seed);
    seeds.push(secret.encrypt(&message(&context), &mut random).unwrap().seed);
    let half = HalfSecret::sample(&context, &mut random).unwrap();
    seeds.push(half.halving_key(&secret, &mut random).unwrap().switching.seed);
    assert_eq!(seeds.len(), 10);
    assert!(seeds.iter().enumerate().all(|(at, seed)| !seeds[..at].contains(seed)));
}

#[test]
fn a_conjugation_that_pairs_use_too_has_a_key_for_the_higher_of_both_levels() {
    let (context, mut random) = (context(), random(10));
    let secret = SecretKey::generate(&context, &mut random);
    let highest = context.parameters().max_level();
    for (conjugation, pairs, level) in [(Some(0), 1, 1), (Some(1), 0, 1), (None, 0, highest)] {
        let request = KeyRequest {
            conjugation: true,
            pair_squares: Some(PairSquares { level: pairs, sums: false }),
            levels: KeyLevels { conjugation, ..KeyLevels::default() },
            ..KeyRequest::default()
        };
        let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random);
        let limbs: Vec<usize> = keys.galois.iter().map(|key| key.switching.limbs).collect();
        assert_eq!(limbs, [level + 1], "{conjugation:?}, {pairs}");
        keys.check_covers(&context, &request).unwrap();
        keys.check_no_more(&context, &request).unwrap();
    }
}

#[test]
fn whoever_reads_the_generator_later_cannot_draw_the_secrets_again() {
    let (context, mut random) = (context(), random(8));
    let mut start = random.rewound();
    let mut next = |random: &mut Randomness, after: &str| {
        let again = random.rewound();
        assert_ne!(again, start, "{after} leaves the generator in the stream it drew from");
        start = again;
    };
    let secret = SecretKey::generate(&context, &mut random);
    next(&mut random, "a secret key");
    let public = PublicKey::generate(&secret, &mut random);
    next(&mut random, "a public key");
    let keys = KeyRequest { relinearisation: true, ..KeyRequest::default() };
    SeededEvaluationKeys::generate(&secret, &keys, &mut random);
    next(&mut random, "evaluation keys");
    let message = message(&context);
    let mut ciphertext = secret.encrypt(&message, &mut random).unwrap().expand(&context).unwrap();
    next(&mut random, "an encryption");
    public.encrypt(&context, &message, &mut random).unwrap();
    next(&mut random, "a public encryption");
    public.rerandomise(&context, &mut ciphertext, &mut random).unwrap();
    next(&mut random, "re-randomising");
}

/// Whether an action puts buffers back to the pool of a fresh context, and all of them wiped.
#[track_caller]
fn assert_wiped<Kept>(action: impl FnOnce(&Context, &SecretKey, &mut Randomness) -> Kept) {
    let (context, mut random) = (context(), random(9));
    let secret = SecretKey::generate(&context, &mut random);
    let _kept = action(&context, &secret, &mut random);
    let (idle, wiped) = context.ring().polynomials().idle_and_wiped();
    assert!(idle > 0, "nothing came back");
    assert!(wiped, "a buffer came back as it was");
}

#[test]
fn what_depends_on_a_secret_is_wiped_before_its_memory_is_used_again() {
    assert_wiped(|context, _, random| drop(SecretKey::generate(context, random)));
    assert_wiped(|_, secret, random| PublicKey::generate(secret, random));
    for request in [
        KeyRequest { relinearisation: true, ..KeyRequest::default() },
        KeyRequest { rotations: [3].into(), ..KeyRequest::default() },
        KeyRequest { pair_squares: Some(PairSquares { level: 1, sums: true }), ..KeyRequest::default() },
    ] {
        assert_wiped(|_, secret, random| SeededEvaluationKeys::generate(secret, &request, random));
    }
    assert_wiped(|context, secret, random| {
        let (public, message) = (PublicKey::generate(secret, random), message(context));
        let encrypted = public.encrypt(context, &message, random).unwrap();
        (public, message, encrypted)
    });
    assert_wiped(|context, secret, random| {
        let (public, message) = (PublicKey::generate(secret, random), message(context));
        let mut encrypted = secret.encrypt(&message, random).unwrap().expand(context).unwrap();
        public.rerandomise(context, &mut encrypted, random).unwrap();
        (public, message, encrypted)
    });
    assert_wiped(|context, _, _| drop(message(context)));
    // Coefficients longer than a word are encoded in two parts.
    assert_wiped(|context, _, _| context.encode(&[0.3; 8], 2f64.powi(70), 2).unwrap());
    assert_wiped(|context, secret, random| {
        let encrypted = secret.encrypt(&message(context), random).unwrap().expand(context).unwrap();
        context.decode(&secret.decrypt(&encrypted).unwrap()).unwrap();
        encrypted
    });
}
