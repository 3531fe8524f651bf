//! Powers of two that bring what a layer writes to a size that fixed point holds well.
//!
//! A scale multiplies the parameters of a linear or quadratic layer, passes ReLUs and pools unchanged and is divided out of the next
//! parameters, or of the logits by their reader. It follows from public magnitudes alone. Where branches meet their scales would have
//! to agree: networks that keep anything have none.

use std::ops::RangeInclusive;

use crate::network::{Architecture, Layer};

/// Logarithms of magnitudes that need no scale.
const COMFORTABLE: RangeInclusive<i32> = -1..=10;
/// Below this a layer is taken to write nothing but zeros.
const SMALLEST: i32 = -40;
/// Coefficients of squares are at least as large as two to minus this, as far as magnitudes tell.
const SMALLEST_COEFFICIENT: i32 = 6;

/// The logarithm of every layer's scale.
pub(super) fn scales_log2(architecture: &Architecture) -> Vec<i32> {
    if architecture.layers.contains(&Layer::Keep) {
        return vec![0; architecture.layers.len()];
    }
    let power = |layer: usize| {
        let magnitude = architecture.magnitudes.get(layer).copied().flatten()?;
        let power = magnitude.max(f64::MIN_POSITIVE).log2().ceil() as i32;
        (power >= SMALLEST).then_some(power)
    };
    let scaled = |power: i32| power.clamp(*COMFORTABLE.start(), *COMFORTABLE.end());
    // A layer that writes up to 2^-2 is brought to 1.
    let alone = |power: i32| if power < *COMFORTABLE.start() { 0 } else { scaled(power) };
    let scale = |layer: usize| {
        let Some(own) = power(layer) else { return 0 };
        let squared = match architecture.layers[layer] {
            Layer::Dense { .. } | Layer::Conv2d(_) => next_square(architecture, layer).and_then(power),
            Layer::Quadratic => None,
            _ => return 0,
        };
        let most = squared.map_or(i32::MAX, |square| (alone(square) + SMALLEST_COEFFICIENT).div_euclid(2));
        alone(own).min(most) - own
    };
    (0..architecture.layers.len()).map(scale).collect()
}

/// The polynomial that squares what a layer writes.
fn next_square(architecture: &Architecture, layer: usize) -> Option<usize> {
    let passes = |layer: &Layer| {
        matches!(layer, Layer::Flatten | Layer::SumPool(_) | Layer::AveragePool(_) | Layer::MaxPool(_))
    };
    let mut rest = architecture.layers.iter().enumerate().skip(layer + 1);
    rest.find(|(_, layer)| !passes(layer)).filter(|(_, layer)| **layer == Layer::Quadratic).map(|(at, _)| at)
}
