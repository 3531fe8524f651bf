//! Sums, products and what happens to a ciphertext at either end of a link.

use std::collections::BTreeMap;

use veilbench_ckks::{
    Ciphertext, Evaluator, Result, SeededCiphertext, StreamedTransform, Subrings, Transform, TransformOutline,
};

use super::ring::{Bench, MIDDLE, SMALL};
use super::{Rates, RingRates, rate, reference, time};

/// Inputs of short and of long sums, and how many of them are computed at a time: enough that reading inputs, which plans count apart, is little of it.
const SHORT: usize = 24;
const LONG: usize = 120;
const ROWS: usize = 60;

/// Squares that are added up.
const SQUARES: usize = 9;

/// Inputs and outputs of a transform that rotates nothing: its weights take most of its time.
const INPUTS: usize = 12;
const OUTPUTS: usize = 5;

/// Measures everything but memory, whose rates are the reference's.
pub(super) fn measure(rings: Vec<RingRates>) -> Result<Rates> {
    let mut rates = Rates { rings, ..reference().clone() };
    ends(&mut Bench::new(SMALL)?, &mut rates)?;
    sums(&mut Bench::new(SMALL)?, &mut rates)?;
    let mut middle = Bench::new(MIDDLE)?;
    squares(&mut middle, &mut rates)?;
    weights(&mut middle, &mut rates)?;
    layer(&mut middle, &mut rates)?;
    Ok(rates)
}

/// Encoding, encryption and decryption.
fn ends(bench: &mut Bench, rates: &mut Rates) -> Result<()> {
    let (values, scale, degree, level) = (bench.slots(), bench.scale(), bench.degree(), bench.level());
    let Bench { context, secret, random, evaluator, .. } = bench;
    let mut encrypt = |level: usize| {
        time(|_| secret.encrypt(&context.encode(&values, scale, level)?, random)?.to_bytes(context))
    };
    let (low, high) = (encrypt(1)? / degree, encrypt(level)? / degree);
    rates.encrypt = rate((high - low) / (level - 1) as f64, reference().encrypt);
    rates.encode = rate(low - 2.0 * rates.encrypt, reference().encode);
    let sealed = secret.encrypt(&context.encode(&values, scale, level)?, random)?;
    let bytes = sealed.to_bytes(context)?;
    let received = time(|_| SeededCiphertext::from_bytes(context, &bytes)?.expand(context))?;
    rates.receive = received / degree / (level + 1) as f64;
    let last = evaluator.drop_to_level(&sealed.expand(context)?, 0)?.to_bytes(context)?;
    let decrypt =
        || context.decode_with_coefficients(&secret.decrypt(&Ciphertext::from_bytes(context, &last)?)?);
    rates.decrypt = time(|_| decrypt())? / degree;
    Ok(())
}

/// Weighted sums as of slots that are full of images.
fn sums(bench: &mut Bench, rates: &mut Rates) -> Result<()> {
    let inputs = (0..LONG).map(|_| bench.ciphertext()).collect::<Result<Vec<_>>>()?;
    let inputs: Vec<&Ciphertext> = inputs.iter().collect();
    let (level, degree) = (bench.level(), bench.degree());
    let coefficients = 2.0 * (level + 1) as f64 * degree;
    let evaluator = &bench.evaluator;
    let sum = |columns: usize, rows: usize| -> Result<f64> {
        let weights: Vec<f64> = (0..rows * columns).map(|index| (index as f64).sin()).collect();
        let taken = time(|_| evaluator.weighted_sums(&inputs[..columns], &weights, bench.scale()))?;
        Ok(taken / coefficients)
    };
    let (short, long, lone) = (sum(SHORT, ROWS)?, sum(LONG, ROWS)?, sum(LONG, 1)?);
    let known = reference();
    // Each product brings a share of a reduction, which takes as many products as on the reference machine.
    let each = (long - short) / (ROWS * (LONG - SHORT)) as f64;
    let per_product = known.sum_product + known.sum_reduced / 12.0;
    rates.sum_product = rate(each * known.sum_product / per_product, known.sum_product);
    rates.sum_reduced = rate(each * known.sum_reduced / per_product, known.sum_reduced);
    let lone = lone / LONG as f64 - rates.sum_reduced / 12.0;
    rates.lone_sum_product = rate(lone, known.lone_sum_product);
    let sum = evaluator.weighted_sums(&inputs[..2], &[0.5, 0.25], bench.scale())?.swap_remove(0);
    let rescaled = time(|_| {
        let mut rescaled = evaluator.rescale(&sum)?;
        evaluator.add_scalar_assign(&mut rescaled, 0.5)
    })?;
    let (transform, _) = rates.of_ring(degree as usize);
    let beside = rescaled / degree - 2.0 * (level + 1) as f64 * transform;
    rates.rescaled = rate(beside / (2 * level) as f64, known.rescaled);
    Ok(())
}

/// Sums of squares.
fn squares(bench: &mut Bench, rates: &mut Rates) -> Result<()> {
    let inputs = (0..SQUARES).map(|_| bench.ciphertext()).collect::<Result<Vec<_>>>()?;
    let inputs: Vec<&Ciphertext> = inputs.iter().collect();
    let one = time(|_| bench.evaluator.sum_of_squares(&inputs[..1]))? / bench.degree();
    let all = time(|_| bench.evaluator.sum_of_squares(&inputs))? / bench.degree();
    let limbs = 3.0 * (bench.level() + 1) as f64;
    rates.square_term = rate((all - one) / (SQUARES - 1) as f64 / limbs, reference().square_term);
    let (transform, _) = rates.of_ring(bench.degree() as usize);
    let (digits, extended) = (bench.digits(), bench.extended());
    let products = one - limbs * rates.square_term - (digits + 2.0) * extended * transform;
    rates.cached_key_product = rate(products / (2.0 * digits * extended), reference().cached_key_product);
    Ok(())
}

/// Products with weights, encoded and rounded.
fn weights(bench: &mut Bench, rates: &mut Rates) -> Result<()> {
    let inputs = (0..INPUTS).map(|_| bench.ciphertext()).collect::<Result<Vec<_>>>()?;
    let (values, level, scale, degree) = (bench.slots(), bench.level(), bench.scale(), bench.degree());
    let limbs = (INPUTS * (level + 1)) as f64;
    let (transform, _) = rates.of_ring(degree as usize);
    let (context, evaluator): (_, &Evaluator) = (&bench.context, &bench.evaluator);
    let diagonals: BTreeMap<(usize, i64), Vec<f64>> =
        (0..INPUTS).map(|input| ((input, 0), values.clone())).collect();
    let transformed = |outputs: usize| -> Result<f64> {
        let outputs = vec![diagonals.clone(); outputs];
        let keys: Vec<_> = outputs.iter().map(|own| own.keys().copied().collect()).collect();
        let outline = TransformOutline::new(&keys);
        let weights = Transform::with_outline(context, INPUTS, &outputs, outline, scale, level)?;
        time(|_| evaluator.transform(&weights, &inputs))
    };
    let each = (transformed(OUTPUTS)? - transformed(1)?) / (OUTPUTS - 1) as f64 / degree;
    rates.weight_product = rate(each / (2.0 * limbs), reference().weight_product);
    let shifts = diagonals.keys().copied().collect();
    let outline = veilbench_ckks::ChainOutline::new(&shifts, 1);
    let streamed =
        StreamedTransform::new(&Subrings::new(context), &diagonals, outline, &[scale; INPUTS], level)?;
    let taken = time(|_| evaluator.streamed_transform(&streamed, &inputs))? / degree;
    let rounded = taken / limbs - transform - 2.0 * rates.weight_product;
    rates.weight_rounded = rate(rounded, reference().weight_rounded);
    Ok(())
}

/// Shifts of a layer: of a ring with keys for all of them.
const SHIFTS: i64 = 16;

/// A layer of rotations, products, a rescaling and a square, beside what its steps take.
fn layer(bench: &mut Bench, rates: &mut Rates) -> Result<()> {
    let input = [bench.ciphertext()?];
    let (values, level, scale, degree) = (bench.slots(), bench.level(), bench.scale(), bench.degree());
    let diagonals: BTreeMap<(usize, i64), Vec<f64>> =
        (0..SHIFTS).map(|shift| ((0, shift), values.clone())).collect();
    let outline = TransformOutline::new(&[diagonals.keys().copied().collect()]);
    let (babies, giants) = (outline.baby_steps() as f64, outline.giant_steps() as f64);
    let (context, evaluator): (_, &Evaluator) = (&bench.context, &bench.evaluator);
    let weights = Transform::with_outline(context, 1, &[diagonals], outline, scale, level)?;
    let taken = time(|_| {
        let sum = evaluator.transform(&weights, &input)?.swap_remove(0);
        evaluator.rescale(&evaluator.square(&evaluator.rescale(&sum)?)?)
    })?;
    let (transform, key_product) = rates.of_ring(degree as usize);
    let special = bench.extended() - (level + 1) as f64;
    // As plans count them, at a level: into digits, products with a key, and the division by special primes.
    let digits = |level: usize| ((level + 1) as f64 * bench.digits() / (bench.level() + 1) as f64).ceil();
    let extended = |level: usize| (level + 1) as f64 + special;
    let decompose = |level: usize| digits(level) * extended(level) * transform;
    let inner = |level: usize| 2.0 * digits(level) * extended(level) * key_product;
    let divide = |level: usize| 2.0 * extended(level) * transform;
    let rescale = |level: usize| 2.0 * (level + 1) as f64 * transform;
    let rotated = decompose(level) + babies * (inner(level) + divide(level));
    let summed = giants * (decompose(level) + inner(level)) + divide(level);
    let products = 2.0 * (SHIFTS as usize * (level + 1)) as f64 * rates.weight_product;
    let below = level - 1;
    let square = decompose(below) + inner(below) + divide(below) + rescale(below);
    let terms = 3.0 * (below + 1) as f64 * rates.square_term;
    let steps = rotated + summed + products + rescale(level) + square + terms;
    rates.whole_layer = taken / degree / steps;
    Ok(())
}
