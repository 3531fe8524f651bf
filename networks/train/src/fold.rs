//! Batch norms vanish into the affine layer before them.

/// A batch norm as it acts after training: `(x - mean) / sqrt(variance + epsilon) * gain + shift`,
/// one of each for every output (channel) of the affine layer before it.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm {
    /// Running mean.
    pub mean: Vec<f32>,
    /// Running variance.
    pub variance: Vec<f32>,
    /// Learned scale.
    pub gain: Vec<f32>,
    /// Learned offset.
    pub shift: Vec<f32>,
    /// Keeps the divisor from zero.
    pub epsilon: f64,
}

impl BatchNorm {
    /// Changes `weights` (one row an output, row-major) and `bias` so that the affine layer alone
    /// computes what it and the batch norm computed together. Computed in `f64`.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn fold_into(&self, weights: &mut [f32], bias: &mut [f32]) {
        let outputs = bias.len();
        let fits =
            [&self.mean, &self.variance, &self.gain, &self.shift].iter().all(|part| part.len() == outputs);
        assert!(fits && outputs > 0 && weights.len().is_multiple_of(outputs), "one batch norm an output");
        let inputs = weights.len() / outputs;
        for (output, row) in weights.chunks_exact_mut(inputs).enumerate() {
            let deviation = (f64::from(self.variance[output]) + self.epsilon).sqrt();
            let scale = f64::from(self.gain[output]) / deviation;
            row.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * scale) as f32);
            let centred = f64::from(bias[output]) - f64::from(self.mean[output]);
            bias[output] = (centred * scale + f64::from(self.shift[output])) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folded_layer_computes_what_the_two_layers_did() {
        let norm = BatchNorm {
            mean: vec![0.5, -1.0],
            variance: vec![4.0, 0.25],
            gain: vec![1.5, -2.0],
            shift: vec![0.1, 0.2],
            epsilon: 1e-5,
        };
        let (weights, bias) = (vec![1.0, 2.0, 3.0, -1.0, 0.5, 0.25], vec![0.3, -0.3]);
        let (mut folded_weights, mut folded_bias) = (weights.clone(), bias.clone());
        norm.fold_into(&mut folded_weights, &mut folded_bias);

        let input = [0.7, -0.2, 1.1];
        let affine = |weights: &[f32], bias: &[f32], output: usize| {
            let row = &weights[output * 3..][..3];
            row.iter().zip(input).map(|(weight, value)| weight * value).sum::<f32>() + bias[output]
        };
        for output in 0..2 {
            let deviation = (norm.variance[output] + 1e-5).sqrt();
            let normed = (affine(&weights, &bias, output) - norm.mean[output]) / deviation;
            let expected = normed * norm.gain[output] + norm.shift[output];
            assert!((affine(&folded_weights, &folded_bias, output) - expected).abs() < 1e-5);
        }
    }
}
