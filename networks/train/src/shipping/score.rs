//! What predictions are worth.

/// Counts of labels against predictions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// `counts[label][prediction]`.
    counts: Vec<Vec<usize>>,
}

impl Score {
    /// Compares `predictions` with `labels`, both below `classes`.
    ///
    /// # Panics
    /// If the lengths differ or a label or prediction is out of range.
    pub fn new(classes: usize, labels: &[u8], predictions: &[u8]) -> Self {
        assert_eq!(labels.len(), predictions.len(), "one prediction a label");
        let mut counts = vec![vec![0; classes]; classes];
        for (&label, &prediction) in labels.iter().zip(predictions) {
            counts[usize::from(label)][usize::from(prediction)] += 1;
        }
        Self { counts }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.counts.len()
    }

    /// Images predicted correctly.
    pub fn correct(&self) -> usize {
        (0..self.counts.len()).map(|class| self.counts[class][class]).sum()
    }

    /// Images in all.
    pub fn images(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// Share of the images predicted correctly; 0 if there are none.
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.images().max(1) as f64
    }

    /// Correct predictions among the images of `class`, and how many images it has.
    pub fn recall_counts(&self, class: usize) -> (usize, usize) {
        (self.counts[class][class], self.counts[class].iter().sum())
    }

    /// Share of the images of `class` that were predicted as such: the sensitivity of class 1, the
    /// specificity of class 0.
    pub fn recall(&self, class: usize) -> f64 {
        let (correct, images) = self.recall_counts(class);
        correct as f64 / images.max(1) as f64
    }

    /// Mean of the classes' recalls.
    pub fn balanced_accuracy(&self) -> f64 {
        (0..self.counts.len()).map(|class| self.recall(class)).sum::<f64>() / self.counts.len().max(1) as f64
    }
}

/// The class of each image: the index of its largest logit, the first if several are equal.
///
/// # Panics
/// If `classes` is 0.
pub fn predictions(logits: &[f32], classes: usize) -> Vec<u8> {
    let largest =
        |row: &[f32]| (0..classes).rev().max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0) as u8;
    logits.chunks_exact(classes).map(largest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_accuracy_is_the_mean_of_sensitivity_and_specificity() {
        let score = Score::new(2, &[0, 0, 0, 0, 1, 1], &[0, 0, 0, 1, 1, 0]);
        assert_eq!((score.correct(), score.images()), (4, 6));
        assert_eq!(score.recall_counts(0), (3, 4));
        assert_eq!(score.recall(1), 0.5);
        assert_eq!(score.balanced_accuracy(), 0.625);
    }

    #[test]
    fn always_answering_the_larger_class_is_worth_half() {
        let score = Score::new(2, &[0, 0, 0, 1], &[0; 4]);
        assert_eq!(score.accuracy(), 0.75);
        assert_eq!(score.balanced_accuracy(), 0.5);
    }

    #[test]
    fn the_first_of_equal_logits_wins() {
        assert_eq!(predictions(&[0.0, 1.0, 1.0, 3.0, 2.0, 1.0], 3), [1, 0]);
    }
}
