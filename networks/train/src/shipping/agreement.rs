//! Whether two evaluations of the same images may both be right.

use crate::shipping::score::predictions;

/// Largest difference between two logits that is rounding, relative to the largest logit or 1.
const TOLERANCE: f32 = 1e-4;

/// How `own` logits differ from `theirs` (both `images x classes`) by more than rounding: in number,
/// in value, or in a prediction that rounding cannot decide. `None` if they agree.
pub fn disagreement(own: &[f32], theirs: &[f32], classes: usize) -> Option<String> {
    if own.len() != theirs.len() {
        return Some(format!("it has {} logits instead of {}", own.len(), theirs.len()));
    }
    let largest = theirs.iter().fold(1.0_f32, |largest, logit| largest.max(logit.abs()));
    let differences = own.iter().zip(theirs).map(|(a, b)| (a - b).abs());
    let rounding = TOLERANCE * largest;
    if let Some(worst) = differences.clone().find(|difference| difference.is_nan() || *difference > rounding)
    {
        return Some(format!("a logit differs from libtorch's by {worst}"));
    }
    let worst = differences.fold(0.0, f32::max);
    let pairs = predictions(own, classes).into_iter().zip(predictions(theirs, classes));
    for (image, ((mine, other), logits)) in pairs.zip(theirs.chunks(classes)).enumerate() {
        if (logits[usize::from(mine)] - logits[usize::from(other)]).abs() > 2.0 * worst {
            return Some(format!("image {image} is class {mine} instead of {other}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_agrees_even_where_it_swaps_equal_logits() {
        assert_eq!(disagreement(&[5.0, 1.000_05, 1.0], &[5.0, 1.0, 1.0], 3), None);
        assert_eq!(disagreement(&[1.000_02, 1.0], &[1.0, 1.000_02], 2), None);
    }

    #[test]
    fn other_numbers_of_logits_other_values_and_nan_do_not_agree() {
        assert!(disagreement(&[1.0], &[1.0, 2.0], 2).is_some());
        assert!(disagreement(&[1.001, 2.0], &[1.0, 2.0], 2).is_some());
        assert!(disagreement(&[f32::NAN, 2.0], &[1.0, 2.0], 2).is_some());
        assert!(disagreement(&[1.0, 2.0], &[f32::NAN, 2.0], 2).is_some());
    }
}
