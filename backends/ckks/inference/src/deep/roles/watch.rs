//! Whether values went beyond the range that series are right in, told by slots of the answer that hold no logit.
//!
//! For every series the model owner sums a [Chebyshev polynomial of high degree](crate::deep::series) of all values it was
//! computed for. Within the range no term is beyond 1 in magnitude; beyond it terms are positive and huge, so that none hides another. The sum, times
//! a factor that keeps it to a quarter of what the data owner tolerates in those slots, is added to them, and a random number of that size to
//! hide what it is within the range. What is too large wraps, as a logit that is too large does, and is noticed by the same slots.
//!
//! The random number hides the sum of one answer. It is fresh for each, and the sum the same for one image: over many answers it averages out. Beyond
//! the range it hides little: the data owner, whose image is refused, learns by how far a value left it, until the sum wraps.

use veilbench_ckks::{Ciphertext, Evaluator, Randomness};

use crate::deep::planning::deviation;
use crate::deep::program::Program;
use crate::planning::packing::NONE;
use crate::planning::scheme::Scheme;
use crate::roles::guard::spare_tolerance;

/// The part of what is tolerated that sums may take, and that what hides them may.
const SHARE: f64 = 0.25;

/// How sums are made and where they go.
pub(crate) struct Watch {
    folds: Vec<i64>,
    /// A slot of the answer without a logit has the factor, one with a logit zero.
    factors: Vec<f64>,
    /// Largest magnitude of all sums together while all values are within their ranges.
    most: f64,
}

impl Watch {
    /// `None` if nothing is approximated.
    pub(crate) fn new(program: &Program, scheme: &Scheme) -> Option<Self> {
        let folds = program.watch_folds();
        let series = program.deep.series_of_wires().count();
        let last = program.layouts.last().filter(|_| series > 0)?;
        let most = (series << folds.len()) as f64;
        let factor = SHARE * spare_tolerance(deviation(&program.deep, scheme)) / most;
        let labels = last.labels(scheme.slots());
        let factors = labels.iter().map(|&label| if label == NONE { factor } else { 0.0 }).collect();
        Some(Self { folds, factors, most })
    }

    /// Whether nothing is added to a slot of the answer.
    pub(crate) fn leaves_alone(&self, slot: usize) -> bool {
        self.factors[slot] == 0.0
    }

    /// The sum of all slots, in every slot.
    pub(crate) fn sum(
        &self,
        evaluator: &Evaluator,
        mut values: Ciphertext,
    ) -> veilbench_ckks::Result<Ciphertext> {
        for &fold in &self.folds {
            let rotated = evaluator.rotate(&values, fold)?;
            evaluator.add_assign(&mut values, &rotated)?;
        }
        Ok(values)
    }

    /// Adds the sums to logits that are not rescaled yet.
    pub(crate) fn add_to(
        &self,
        evaluator: &Evaluator,
        logits: &mut Ciphertext,
        sums: &[Ciphertext],
    ) -> veilbench_ckks::Result<()> {
        let context = evaluator.context();
        for (index, sum) in sums.iter().enumerate() {
            let hidden =
                if index == 0 { evaluator.add_scalar(sum, self.most * uniform()?)? } else { sum.clone() };
            let factors = context.encode(&self.factors, logits.scale() / sum.scale(), sum.level())?;
            evaluator.add_assign(logits, &evaluator.multiply_plain(&hidden, &factors)?)?;
        }
        Ok(())
    }
}

/// A random number from -1 to 1.
fn uniform() -> veilbench_ckks::Result<f64> {
    Ok(Randomness::from_system()?.word() as f64 / u64::MAX as f64 * 2.0 - 1.0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use veilbench_ckks::{
        Context, KeyRequest, ParameterRequest, Parameters, SecretKey, SeededEvaluationKeys,
    };

    use super::*;

    #[test]
    fn what_is_within_range_is_hidden_and_what_is_beyond_is_seen_where_there_is_no_logit() {
        let request = ParameterRequest {
            degree: 8192,
            data_prime_bits: &[40, 33],
            special_prime_bits: &[46],
            digits: 2,
        };
        let context = Context::new(Parameters::new(&request).expect("they are secure"));
        let mut random = Randomness::from_system().expect("there is randomness");
        let secret = SecretKey::generate(&context, &mut random);
        let keys = SeededEvaluationKeys::generate(&secret, &KeyRequest::default(), &mut random);
        let keys = keys.expand(&context).expect("they are ours");
        let evaluator = Evaluator::new(&context, Arc::new(keys)).expect("they are ours");
        let (most, tolerated) = (4096.0, 1e-3);
        let factors =
            (0..4096).map(|slot| if slot % 4 == 0 { 0.0 } else { SHARE * tolerated / most }).collect();
        let watch = Watch { folds: Vec::new(), factors, most };
        let mut encrypted = |value: f64, scale: f64| {
            let plaintext = context.encode(&[value; 4096], scale, 1).expect("it fits");
            secret.encrypt(&plaintext, &mut random).and_then(|own| own.expand(&context)).expect("it is ours")
        };
        let mut spare = |sum: f64| {
            let mut logits = encrypted(0.5, 69f64.exp2());
            let sum = encrypted(sum, 33f64.exp2());
            watch.add_to(&evaluator, &mut logits, &[sum]).expect("they match");
            let slots = context.decode(&secret.decrypt(&logits).expect("it is ours")).expect("it is ours");
            assert!((slots[0] - 0.5).abs() < 1e-6, "a logit is {}", slots[0]);
            slots[1] - 0.5
        };
        let within: Vec<f64> = (0..16).map(|_| spare(100.0)).collect();
        assert!(within.iter().all(|value| value.abs() < tolerated / 2.0), "{within:?}");
        let spread = within.iter().fold(f64::MIN, |most, own| most.max(*own))
            - within.iter().fold(f64::MAX, |least, own| least.min(*own));
        assert!(spread > SHARE * tolerated / 2.0, "{within:?}");
        assert!(spare(16.0 * most) > tolerated);
    }
}
