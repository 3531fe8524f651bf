//! Shares of products, and what each party can compute from what it sees: bytes look uniform whatever is left out, so these are tests of
//! algebra.

use std::sync::Arc;

use proptest::prelude::*;
use veilbench_mpc::linear::{LinearMap, LinearShape};
use veilbench_ot::bits::Reader;
use veilbench_ring::random::{Randomness, Seed, expand_uniform};
use veilbench_ring::{Coefficients, Ntt, Polynomial};

use super::rlwe::{DEGREE, read_residues};
use super::shapes::shapes;
use super::*;
use crate::Error;
use crate::bits::low;

const SEED: Seed = [9; 32];

/// Both parties with their keys.
struct Session {
    rlwe: Arc<Rlwe>,
    secret: SecretKey,
    public: PublicKey,
    random: Randomness,
}

/// Primes for shares of which a truncation drops 18 bits, if they have as many.
fn primes(bits: u32) -> Primes {
    Primes::new(bits.saturating_sub(18))
}

fn layout(shape: LinearShape, bits: u32) -> Arc<Layout> {
    Arc::new(Layout::new(shape, bits, primes(bits)).unwrap())
}

impl Session {
    /// For shares of so many bits.
    fn of(bits: u32) -> Self {
        let rlwe = Arc::new(Rlwe::new(primes(bits)).unwrap());
        let mut random = Randomness::from_system().unwrap();
        let secret = SecretKey::generate(Arc::clone(&rlwe), &mut random);
        let message = secret.public_key(&SEED, &mut random);
        assert_eq!(message.len(), primes(bits).public_key_bytes());
        let public = PublicKey::read(Arc::clone(&rlwe), &SEED, &message).unwrap();
        Self { rlwe, secret, public, random }
    }

    /// Masks and shares of one layer, and both messages.
    fn run(&mut self, layout: &Arc<Layout>, weights: &Weights) -> Run {
        let bits = layout.ring_bits();
        let (requested, request) = self.secret.request(layout, &mut self.random).unwrap();
        assert_eq!(request.len(), layout.request_bytes());
        let (model_owner, answer) = weights.answer(&self.public, &request, &mut self.random).unwrap();
        assert_eq!(answer.len(), layout.answer_bytes());
        let masks = requested.finish(&self.secret, &answer).unwrap();
        let (minus, data_owner) = masks.open(&vec![0; layout.shape().inputs()]).unwrap();
        let masks = minus.iter().map(|mask| mask.wrapping_neg() & low(bits)).collect();
        Run { masks, shares: [data_owner.to_vec(), model_owner.to_vec()], request, answer }
    }
}

struct Run {
    masks: Vec<u64>,
    shares: [Vec<u64>; 2],
    request: Vec<u8>,
    answer: Vec<u8>,
}

fn small_weights(shape: LinearShape, bits: u32, random: &mut Randomness) -> Vec<u64> {
    (0..shape.weights()).map(|_| ((random.word() as i64) >> (64 - bits)) as u64).collect()
}

fn centred(value: u64, bits: u32) -> i64 {
    ((value << (64 - bits)) as i64) >> (64 - bits)
}

#[test]
fn shares_are_of_products_up_to_an_error_that_truncation_drops() {
    for bits in [24, 34, 41, 50, 51, 52, 57, MOST_RING_BITS] {
        let mut session = Session::of(bits);
        for shape in shapes() {
            let layout = layout(shape, bits);
            let weights = small_weights(shape, 19, &mut session.random);
            let prepared = Weights::new(&session.rlwe, Arc::clone(&layout), &weights).unwrap();
            let run = session.run(&layout, &prepared);
            let expected = LinearMap::new(shape, weights).apply(&run.masks);
            for (output, expected) in expected.iter().enumerate() {
                let sum = run.shares[0][output].wrapping_add(run.shares[1][output]);
                let error = centred(sum.wrapping_sub(*expected), bits);
                assert!(
                    error.unsigned_abs() <= layout.most_noise(),
                    "{shape:?}, {bits} bits: off by {error}"
                );
            }
        }
    }
}

#[test]
fn the_largest_weights_that_are_taken_give_no_more_noise_than_is_stated() {
    let largest = |layout: &Arc<Layout>, session: &mut Session| {
        let shape = *layout.shape();
        let of_block = |block: &layout::OutputBlock| -> usize {
            block.terms.iter().map(|[_, weight]| layout.weights[*weight].len()).sum()
        };
        let most = layout.outputs.iter().map(of_block).max().unwrap() as f64;
        let weight = (f64::from(layout.primes().norm_bits()).exp2() / most.sqrt()) as u64;
        let weights = vec![weight; shape.weights()];
        let prepared = Weights::new(&session.rlwe, Arc::clone(layout), &weights).unwrap();
        let run = session.run(layout, &prepared);
        let expected = LinearMap::new(shape, weights).apply(&run.masks);
        let sums = expected.iter().zip(run.shares[0].iter().zip(&run.shares[1]));
        let error = |(expected, (a, b)): (&u64, (&u64, &u64))| {
            centred(a.wrapping_add(*b).wrapping_sub(*expected), layout.ring_bits()).unsigned_abs()
        };
        sums.map(error).max().unwrap()
    };
    for shape in [TWO_OUTPUTS, TWO_INPUTS] {
        for bits in [34, 50, MOST_RING_BITS] {
            let (mut session, layout) = (Session::of(bits), layout(shape, bits));
            let noise = (0..20).map(|_| largest(&layout, &mut session)).max().unwrap();
            // Not far from it, either: it is six deviations.
            assert!((layout.most_noise() / 8..=layout.most_noise()).contains(&noise), "{bits} bits: {noise}");
            // A truncation drops 18 bits.
            assert!(layout.most_noise() <= 1 << (18 - 4), "{bits} bits");
        }
    }
}

/// Pearson's statistic of numbers below `2^bits` in 64 bins, by their upper or their lower bits.
fn chi_squared(numbers: &[u64], bits: u32, upper: bool) -> f64 {
    let mut counts = [0usize; 64];
    for number in numbers {
        counts[if upper { number >> (bits - 6) } else { number & 63 } as usize] += 1;
    }
    let expected = numbers.len() as f64 / 64.0;
    counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum()
}

#[test]
fn masks_and_shares_are_uniform_and_never_the_same() {
    let bits = 41;
    let mut session = Session::of(bits);
    let shape = LinearShape::Dense { inputs: 90, outputs: 70 };
    let layout = layout(shape, bits);
    // The weights are zeros: a share that is not masked is zero, too.
    let weights = Weights::new(&session.rlwe, Arc::clone(&layout), &vec![0; shape.weights()]).unwrap();
    let runs: Vec<Run> = (0..100).map(|_| session.run(&layout, &weights)).collect();
    let all = |of: &dyn Fn(&Run) -> Vec<u64>| runs.iter().flat_map(of).collect::<Vec<u64>>();
    for (what, numbers) in [
        ("masks", all(&|run| run.masks.clone())),
        ("shares of the data owner", all(&|run| run.shares[0].clone())),
        ("shares of the model owner", all(&|run| run.shares[1].clone())),
    ] {
        for upper in [false, true] {
            // The 99.999 % quantile with 63 degrees of freedom.
            assert!(chi_squared(&numbers, bits, upper) < 125.0, "{what}");
        }
        let mut different = numbers.clone();
        different.sort_unstable();
        different.dedup();
        // Two of 9,000 numbers of 41 bits are equal with a probability of 2 in 100,000.
        assert_eq!(different.len(), numbers.len(), "{what}");
    }
}

/// The halves of an answer's ciphertexts: all of the second, and the needed coefficients of the first modulo the last of its primes.
fn answer(session: &Session, layout: &Layout, message: &[u8]) -> Vec<(Polynomial<Ntt>, Vec<u64>)> {
    let ring = session.rlwe.ring();
    let mut reader = Reader::new("answer", 8 * layout.answer_bytes(), message).unwrap();
    let mut halves = |block: &layout::OutputBlock| {
        let primes = layout.primes().of_answers();
        let mut second = Polynomial::<Coefficients>::unspecified(ring, primes);
        let mut first = vec![0; block.needed.len()];
        for prime in 0..primes {
            read_residues("answer", ring.modulus(prime), second.limb_mut(prime), &mut reader).unwrap();
        }
        for prime in 0..primes {
            read_residues("answer", ring.modulus(prime), &mut first, &mut reader).unwrap();
        }
        (second.into_ntt(ring), first)
    };
    layout.outputs.iter().map(&mut halves).collect()
}

/// The largest magnitude of a polynomial's coefficients modulo the prime where that is least, as a share of the prime.
fn largest(session: &Session, polynomial: &Polynomial<Ntt>) -> f64 {
    let coefficients = polynomial.clone().into_coefficients(session.rlwe.ring());
    let of_rows = coefficients.rows().enumerate().map(|(prime, row)| {
        let q = session.rlwe.ring().modulus(prime).value();
        let largest = row.iter().map(|&residue| residue.min(q - residue)).max().unwrap();
        largest as f64 / q as f64
    });
    of_rows.fold(1.0, f64::min)
}

/// A polynomial divided by the uniform half of the public key.
fn divided(session: &Session, polynomial: &Polynomial<Ntt>) -> Polynomial<Ntt> {
    let mut quotient = polynomial.clone();
    for prime in 0..quotient.rows().count() {
        let m = session.rlwe.ring().modulus(prime);
        let mut mask = vec![0; DEGREE];
        expand_uniform(m, &SEED, prime as u64, &mut mask);
        for (value, mask) in quotient.limb_mut(prime).iter_mut().zip(mask) {
            *value = m.multiply(*value, m.invert(mask));
        }
    }
    quotient
}

/// Bits of shares whose answers are modulo one prime, and modulo both.
const BITS: [u32; 2] = [41, MOST_RING_BITS];

/// A dense layer whose answers are of two ciphertexts.
const TWO_OUTPUTS: LinearShape = LinearShape::Dense { inputs: 90, outputs: 140 };
/// A dense layer whose requests are of two ciphertexts.
const TWO_INPUTS: LinearShape = LinearShape::Dense { inputs: 5000, outputs: 3 };

#[test]
fn the_second_half_of_an_answer_hides_weights_by_a_secret_and_an_error_of_its_own() {
    for bits in BITS {
        let mut session = Session::of(bits);
        let layout = layout(TWO_OUTPUTS, bits);
        assert!(layout.outputs.len() > 1);
        let zeros = vec![0; TWO_OUTPUTS.weights()];
        let weights = Weights::new(&session.rlwe, Arc::clone(&layout), &zeros).unwrap();
        let mut before: Vec<Polynomial<Ntt>> = Vec::new();
        for _ in 0..3 {
            let message = session.run(&layout, &weights).answer;
            for (second, _) in answer(&session, &layout, &message) {
                // Zero weights leave `a u + e`: without u it is small, without e its quotient by a is.
                assert!(largest(&session, &second) > 0.25, "no secret");
                assert!(largest(&session, &divided(&session, &second)) > 0.25, "no error");
                for before in &before {
                    let mut difference = second.clone();
                    difference.subtract_assign(session.rlwe.ring(), before);
                    assert!(largest(&session, &difference) > 0.25, "the same secret twice");
                    assert!(
                        largest(&session, &divided(&session, &difference)) > 0.25,
                        "the same error twice"
                    );
                }
                before.push(second);
            }
        }
        assert_eq!(before.len(), 3 * layout.outputs.len());
    }
}

#[test]
fn the_first_half_of_an_answer_is_what_outputs_need_and_uniform() {
    for bits in BITS {
        let mut session = Session::of(bits);
        let layout = layout(TWO_OUTPUTS, bits);
        let needed: usize = layout.outputs.iter().map(|block| block.needed.len()).sum();
        assert_eq!(needed, TWO_OUTPUTS.outputs());
        let weights = small_weights(TWO_OUTPUTS, 19, &mut session.random);
        let weights = Weights::new(&session.rlwe, Arc::clone(&layout), &weights).unwrap();
        let answers: Vec<Vec<(Polynomial<Ntt>, Vec<u64>)>> = (0..100)
            .map(|_| {
                let message = session.run(&layout, &weights).answer;
                answer(&session, &layout, &message)
            })
            .collect();
        for block in 0..layout.outputs.len() {
            let firsts: Vec<u64> = answers.iter().flat_map(|answer| answer[block].1.clone()).collect();
            // A prime is a power of two less a millionth of it: the numbers below it are as good as all of its bits.
            for upper in [false, true] {
                assert!(chi_squared(&firsts, layout.primes().bits(0), upper) < 125.0, "block {block}");
            }
        }
    }
}

/// The weights are zeros: what is decrypted is the model owner's mask and noise, modulo each prime.
#[test]
fn what_the_data_owner_decrypts_is_uniform_modulo_every_prime() {
    for bits in BITS {
        let mut session = Session::of(bits);
        let layout = layout(TWO_OUTPUTS, bits);
        let zeros = vec![0; TWO_OUTPUTS.weights()];
        let weights = Weights::new(&session.rlwe, Arc::clone(&layout), &zeros).unwrap();
        let last = layout.primes().of_answers() - 1;
        let mut phases = Vec::new();
        for _ in 0..100 {
            let message = session.run(&layout, &weights).answer;
            for ((second, first), block) in
                answer(&session, &layout, &message).into_iter().zip(&layout.outputs)
            {
                let mut product = second;
                product.multiply_assign(session.rlwe.ring(), &session.secret.polynomial);
                let product = product.into_coefficients(session.rlwe.ring());
                let m = session.rlwe.ring().modulus(last);
                let of_place =
                    block.needed.iter().map(|place| product.limb(last)[place.coefficient as usize]);
                phases.extend(of_place.zip(first).map(|(second, first)| m.reduce_once(first + second)));
            }
        }
        for upper in [false, true] {
            assert!(chi_squared(&phases, layout.primes().bits(last), upper) < 125.0, "{bits} bits");
        }
    }
}

/// Zero less `a s` modulo all primes of an answer or of a request.
fn minus_mask(session: &Session, primes: usize, seed: &Seed, first: u64) -> Polynomial<Ntt> {
    let mut minus = Polynomial::<Ntt>::zero(session.rlwe.ring(), primes);
    session.secret.subtract_mask(&mut minus, seed, first);
    minus
}

/// Coefficients of one limb, centred.
fn signed(session: &Session, limb: usize, polynomial: &Polynomial<Coefficients>) -> Vec<i64> {
    let q = session.rlwe.ring().modulus(limb).value();
    let residues = polynomial.limb(limb).iter();
    residues
        .map(|&residue| if residue > q / 2 { residue as i64 - q as i64 } else { residue as i64 })
        .collect()
}

/// The mean product of two lists of errors: their variance if they are the same, about nothing if they are independent.
fn correlation(first: &[i64], second: &[i64]) -> f64 {
    first.iter().zip(second).map(|(a, b)| (a * b) as f64).sum::<f64>() / first.len() as f64
}

/// Variance of centred binomial errors.
const VARIANCE: f64 = 10.5;

/// Errors that come of a known seed, as the first, second, third drawn.
fn of_seed(seed: Seed) -> Vec<Vec<i64>> {
    let mut known = Randomness::insecure_from_seed(seed);
    (0..3).map(|_| veilbench_ring::sampling::error(&mut known, DEGREE).to_vec()).collect()
}

#[test]
fn requests_carry_errors_that_neither_their_seed_nor_another_ciphertext_gives() {
    let bits = 41;
    let mut session = Session::of(bits);
    let layout = layout(TWO_INPUTS, bits);
    assert!(layout.inputs.len() > 1);
    let zeros = vec![0; TWO_INPUTS.weights()];
    let weights = Weights::new(&session.rlwe, Arc::clone(&layout), &zeros).unwrap();
    let rlwe = Arc::clone(&session.rlwe);
    let ring = rlwe.ring();
    let (mut seeds, mut all): (Vec<Seed>, Vec<Vec<i64>>) = (vec![SEED], Vec::new());
    for _ in 0..2 {
        let run = session.run(&layout, &weights);
        let (seed, body) = run.request.split_at(32);
        let seed = Seed::try_from(seed).unwrap();
        let mut reader = Reader::new("request", 8 * body.len(), body).unwrap();
        for (block, places) in layout.inputs.iter().enumerate() {
            // Whoever has the key: c0 + a s, less the encoded masks.
            let mut phase = Polynomial::<Ntt>::unspecified(ring, 2);
            for prime in [0, 1] {
                read_residues("request", ring.modulus(prime), phase.limb_mut(prime), &mut reader).unwrap();
            }
            phase.subtract_assign(ring, &minus_mask(&session, 2, &seed, 2 * block as u64));
            let mut encoded = vec![0; DEGREE];
            for place in places {
                encoded[place.coefficient as usize] = rlwe.remainder(bits, run.masks[place.index as usize]);
            }
            let mut plaintext = Polynomial::<Coefficients>::from_signed(ring, &encoded, 2);
            plaintext.scale(ring, &rlwe.scales(bits));
            let mut phase = phase.into_coefficients(ring);
            phase.subtract_assign(ring, &plaintext);
            let [errors, modulo_second] = [0, 1].map(|prime| signed(&session, prime, &phase));
            assert_eq!(errors, modulo_second, "one error modulo both primes");
            let variance = correlation(&errors, &errors);
            assert!((variance - VARIANCE).abs() < 1.5, "{variance}");
            // Errors drawn from the seed that is sent would be known to all.
            assert!(
                of_seed(seed).iter().all(|known| correlation(&errors, known).abs() < 1.0),
                "errors of the seed"
            );
            assert!(all.iter().all(|other| correlation(&errors, other).abs() < 1.0), "an error twice");
            all.push(errors);
        }
        assert!(!seeds.contains(&seed), "two uniform halves are the same, or that of the public key");
        seeds.push(seed);
    }
}

#[test]
fn public_keys_are_of_a_secret_and_an_error_that_no_seed_gives() {
    let mut secrets: Vec<Vec<i64>> = Vec::new();
    for bits in BITS {
        let mut session = Session::of(bits);
        let rlwe = Arc::clone(&session.rlwe);
        let ring = rlwe.ring();
        let primes = rlwe.primes().of_answers();
        let minus = minus_mask(&session, primes, &SEED, 0);
        let message = session.secret.public_key(&SEED, &mut session.random);
        let mut reader = Reader::new("key", 8 * message.len(), &message).unwrap();
        let mut error = Polynomial::<Ntt>::unspecified(ring, primes);
        for prime in 0..primes {
            read_residues("key", ring.modulus(prime), error.limb_mut(prime), &mut reader).unwrap();
        }
        error.subtract_assign(ring, &minus);
        let error = error.into_coefficients(ring);
        let [error, modulo_last] = [0, primes - 1].map(|prime| signed(&session, prime, &error));
        assert_eq!(error, modulo_last, "one error modulo all primes");
        let variance = correlation(&error, &error);
        assert!((variance - VARIANCE).abs() < 1.5, "{variance}");
        assert!(
            of_seed(SEED).iter().all(|known| correlation(&error, known).abs() < 1.0),
            "an error of the seed"
        );
        // -s, of variance 2/3.
        let secret = signed(&session, 0, &divided(&session, &minus).into_coefficients(ring));
        assert!(secret.iter().all(|coefficient| coefficient.abs() <= 1));
        let mut known = Randomness::insecure_from_seed(SEED);
        let known = veilbench_ring::sampling::ternary(&mut known, DEGREE).to_vec();
        let others = secrets.iter().chain([&known]);
        assert!(others.into_iter().all(|other| correlation(&secret, other).abs() < 0.1), "a secret twice");
        secrets.push(secret);
    }
}

#[test]
fn messages_of_other_lengths_residues_or_rings_are_errors() {
    let mut session = Session::of(41);
    let shape = LinearShape::Dense { inputs: 9, outputs: 7 };
    let layout = layout(shape, 41);
    let weights = Weights::new(&session.rlwe, Arc::clone(&layout), &vec![1; shape.weights()]).unwrap();
    let (requested, request) = session.secret.request(&layout, &mut session.random).unwrap();
    let Session { rlwe, secret, public, mut random } = session;
    for wrong in [&request[1..], &[], &[&request[..], &[0]].concat()] {
        assert!(matches!(weights.answer(&public, wrong, &mut random), Err(Error::Length { .. })));
    }
    let mut large = request.clone();
    large[32..].fill(0xff);
    assert!(matches!(weights.answer(&public, &large, &mut random), Err(Error::Residue { .. })));
    for bits in [0, 15, 65] {
        assert!(matches!(Layout::new(shape, bits, primes(41)), Err(Error::RingBits { .. })));
    }
    let (_, answer) = weights.answer(&public, &request, &mut random).unwrap();
    assert!(matches!(requested.finish(&secret, &answer[1..]), Err(Error::Length { .. })));
    let key = secret.public_key(&SEED, &mut random);
    assert!(matches!(PublicKey::read(Arc::clone(&rlwe), &SEED, &key[1..]), Err(Error::Length { .. })));
    let large = vec![0xff; key.len()];
    assert!(matches!(PublicKey::read(rlwe.clone(), &SEED, &large), Err(Error::Residue { .. })));
    let other = Session::of(64);
    let refused = weights.answer(&other.public, &request, &mut random).err();
    assert_eq!(refused, Some(Error::Primes { expected: [38, 26], found: [46, 46] }));
    let foreign = |found| Error::Primes { expected: [38, 26], found };
    assert_eq!(Weights::new(&other.rlwe, Arc::clone(&layout), &[1; 63]).err(), Some(foreign([46, 46])));
    assert_eq!(other.secret.request(&layout, &mut random).err(), Some(foreign([46, 46])));
    let (requested, _) = secret.request(&layout, &mut random).unwrap();
    assert_eq!(requested.finish(&other.secret, &answer).err(), Some(foreign([46, 46])));

    let refused = |weights: &[u64]| Weights::new(&rlwe, Arc::clone(&layout), weights).err();
    assert_eq!(refused(&[1; 62]), Some(Error::Count { what: "weights", expected: 63, actual: 62 }));
    // All of them are in one ciphertext.
    let mut weights = [0; 63];
    weights[14] = (-(1_i64 << 30)) as u64;
    assert_eq!(refused(&weights), None);
    weights[50] = 1;
    assert_eq!(refused(&weights), Some(Error::Weights { block: 0, bits: 30 }));
    weights[50] = 1 << 63;
    assert_eq!(refused(&weights), Some(Error::Weights { block: 0, bits: 30 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn masked_inputs_give_the_layer(pixels in prop::collection::vec(-4096i64..4096, 90)) {
        let (shape, bits) = (LinearShape::Dense { inputs: 90, outputs: 7 }, 41);
        let (mut session, layout) = (Session::of(bits), layout(shape, bits));
        let weights = small_weights(shape, 15, &mut session.random);
        let bias: Vec<u64> = (0..7).map(|output| 1000 * output).collect();
        let prepared = Weights::new(&session.rlwe, Arc::clone(&layout), &weights).unwrap();
        let (requested, request) = session.secret.request(&layout, &mut session.random).unwrap();
        let (shares, answer) = prepared.answer(&session.public, &request, &mut session.random).unwrap();
        let masks = requested.finish(&session.secret, &answer).unwrap();
        let pixels: Vec<u64> = pixels.iter().map(|pixel| *pixel as u64).collect();
        let (masked, at_data_owner) = masks.open(&pixels).unwrap();
        let at_model_owner = prepared.apply(&masked, &shares, &bias).unwrap();
        let expected = LinearMap::new(shape, weights).apply(&pixels);
        for output in 0..7 {
            let sum = at_data_owner[output].wrapping_add(at_model_owner[output]);
            let error = centred(sum.wrapping_sub(expected[output]).wrapping_sub(bias[output]), bits);
            prop_assert!(error.unsigned_abs() <= layout.most_noise(), "off by {error}");
        }
    }
}
