//! Binary classifiers with one logit `z`, read as the two logits `-z/2` and `z/2`: their softmax is the
//! sigmoid of `z`.

use super::error::Reason;
use super::layers::Layers;
use super::values::activation::LayerId;
use crate::{Conv2d, Dense, Layer, Metadata, Op, Parameters, Range};

/// Value of the note `import.binary`.
pub(super) const NOTE: &str = "one logit z in the file, read as -z/2 and z/2: \
    class 1 is where z is above zero, its sigmoid above one half";

/// Doubles the last layer with weights, and repeats the flattens and average pools behind it. Returns the
/// new last layer, and how many layers have two channels in place of one.
pub(super) fn split(layers: &mut Layers, last: LayerId) -> Result<(LayerId, usize), Reason> {
    let mut behind = Vec::new();
    let mut id = last;
    let (parent, layer, weights, bias) = loop {
        match layers.layer(id) {
            Some((parent, layer, Parameters::Affine { weights, bias })) if bias.len() == 1 => {
                break (parent, layer, weights, bias);
            }
            Some((parent, layer, _)) if matches!(layer.op, Op::Flatten | Op::AveragePool(_)) => {
                behind.push(layer);
                id = parent;
            }
            _ => {
                return Err(
                    "its only logit does not come from a dense layer or a convolution of one output: \
                     end the network with a dense layer of one output, or of two"
                        .into(),
                );
            }
        }
    };
    layers.budget.spend(2 * (weights.len() + 1))?;
    let halves =
        |values: &[f32]| [-0.5, 0.5].iter().flat_map(|h| values.iter().map(move |v| v * h)).collect();
    let op = match layer.op {
        Op::Dense(dense) => Op::Dense(Dense { outputs: 2, ..dense }),
        Op::Conv2d(conv) => Op::Conv2d(Conv2d { outputs: 2, ..conv }),
        _ => return Err("its only logit does not come from a linear layer".into()),
    };
    let parameters = Parameters::Affine { weights: halves(&weights), bias: halves(&bias) };
    let mut last = layers.push(&[parent], &layer.name, op, parameters)?;
    let doubled = behind.len() + 1;
    for layer in behind.into_iter().rev() {
        last = layers.push(&[last], &layer.name, layer.op, Parameters::None)?;
    }
    Ok((last, doubled))
}

/// Ranges that were stated for `z` become those of both its halves.
pub(super) fn halve_ranges(layers: &mut [Layer]) {
    for range in layers.iter_mut().filter_map(|layer| layer.range.as_mut()) {
        let (low, high) = (range.low / 2.0, range.high / 2.0);
        *range = Range { low: low.min(-high), high: high.max(-low) };
    }
}

/// One class name is that of the positive class.
pub(super) fn name_classes(metadata: &mut Metadata) {
    if let [positive] = &metadata.classes[..] {
        metadata.classes = vec![format!("not {positive}"), positive.clone()];
    }
}
