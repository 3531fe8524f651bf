//! How far logits may be off, from what is public of a network.

use veilbench_api::Tolerance;
use veilbench_networks::{Architecture, Op};

/// Linear layers up to which logits are as near as [`Tolerance::default`] says.
const LINEAR_LAYERS: f64 = 8.0;
/// Share of the largest logit that is expected by which a network with polynomials may be off: where a wire holds values near
/// the end of its range, a square multiplies what was truncated by twice the value.
const SHARE_OF_SQUARES: f64 = 1.0 / 4096.0;

/// Times the error of an approximated activation that layers behind it make of it at most: weights are not known here.
const AMPLIFIED: f64 = 4.0;

/// The rounding of linear layers adds up beyond [`LINEAR_LAYERS`] of them, squares amplify it with the values, and what
/// approximated activations are off by, `approximation_error` in all, is added.
pub(crate) fn tolerance(architecture: &Architecture, approximation_error: f64) -> Tolerance {
    let is_linear = |op: Op| match op {
        Op::Dense(_) | Op::Conv2d(_) => true,
        Op::Polynomial(polynomial) => polynomial.degree == 1,
        _ => false,
    };
    let linear = architecture.layers.iter().filter(|layer| is_linear(layer.op)).count();
    let has_squares = architecture
        .layers
        .iter()
        .any(|layer| matches!(layer.op, Op::Polynomial(polynomial) if polynomial.degree > 1));
    let logits = architecture.layers.last().and_then(|layer| layer.range).filter(|_| has_squares);
    let share =
        logits.map_or(0.0, |range| f64::from(range.low.abs().max(range.high.abs())) * SHARE_OF_SQUARES);
    let usual = Tolerance::default();
    let rounding = usual.get() * (linear as f64 / LINEAR_LAYERS).max(1.0);
    Tolerance::new(rounding.max(share) + AMPLIFIED * approximation_error).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use veilbench_networks::zoo;

    use super::*;

    #[test]
    fn squares_are_off_by_a_share_of_the_logits_and_nothing_else_is() {
        let stated = |name: &str| tolerance(&zoo::load(name).unwrap().architecture, 0.0).get();
        let usual = Tolerance::default().get();
        assert_eq!([stated("mnist-mlp"), stated("malaria-cnn"), stated("melanoma-lenet-poly")], [usual; 3]);
        // 250 / 4096, where the images of the sample are off by up to 0.022.
        assert!((0.06..0.062).contains(&stated("malaria-cnn-poly")));
        let smooth = tolerance(&zoo::load("mnist-mlp").unwrap().architecture, 0.002).get();
        assert_eq!(smooth, usual + 0.008);
    }
}
