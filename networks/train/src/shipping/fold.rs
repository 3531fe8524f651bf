//! Batch norms vanish into the affine layer before them, or into the quadratic behind them.

/// A batch norm as it acts after training: `(x - mean) / sqrt(variance + epsilon) * gain + shift`,
/// one of each for every output (channel) of the layer before it.
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

    /// Changes quadratics of the normalised value (`c_0`, `c_1`, `c_2` for every channel) into those of the value
    /// itself: with `z = s x + t`, `c_0 + c_1 z + c_2 z^2` is `(c_0 + c_1 t + c_2 t^2) + s (c_1 + 2 c_2 t) x + c_2 s^2 x^2`.
    /// Computed in `f64`.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn fold_into_quadratic(&self, coefficients: &mut [f32]) {
        let channels = self.mean.len();
        let fits = [&self.variance, &self.gain, &self.shift].iter().all(|part| part.len() == channels);
        assert!(fits && coefficients.len() == 3 * channels, "one batch norm a channel");
        for (channel, quadratic) in coefficients.chunks_exact_mut(3).enumerate() {
            let deviation = (f64::from(self.variance[channel]) + self.epsilon).sqrt();
            let scale = f64::from(self.gain[channel]) / deviation;
            let offset = f64::from(self.shift[channel]) - f64::from(self.mean[channel]) * scale;
            let [constant, linear, square] = [0, 1, 2].map(|power| f64::from(quadratic[power]));
            quadratic[0] = (constant + linear * offset + square * offset * offset) as f32;
            quadratic[1] = (scale * (linear + 2.0 * square * offset)) as f32;
            quadratic[2] = (square * scale * scale) as f32;
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

    #[test]
    fn the_folded_quadratic_computes_what_norm_and_quadratic_did() {
        let norm = BatchNorm {
            mean: vec![0.5, -1.0],
            variance: vec![4.0, 0.25],
            gain: vec![1.5, -2.0],
            shift: vec![0.1, 0.2],
            epsilon: 1e-5,
        };
        let quadratics = [0.3, 0.5, 0.05, -0.2, 0.4, 0.1];
        let mut folded = quadratics;
        norm.fold_into_quadratic(&mut folded);
        let value = |c: &[f32], x: f32| c[0] + c[1] * x + c[2] * x * x;
        for (channel, x) in [0, 1].into_iter().flat_map(|channel| [-3.0, 0.0, 0.7, 5.0].map(|x| (channel, x)))
        {
            let deviation = (norm.variance[channel] + 1e-5).sqrt();
            let z = (x - norm.mean[channel]) / deviation * norm.gain[channel] + norm.shift[channel];
            let expected = value(&quadratics[3 * channel..], z);
            let found = value(&folded[3 * channel..], x);
            assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{found} for {expected}");
        }
    }
}
