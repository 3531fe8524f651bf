//! What the activations of a model get to see: range, root mean square and crest of their normalised inputs.

use tch::{Kind, Tensor};
use veilbench_datasets::Dataset;
use veilbench_networks::Normalisation;

use crate::learning::model::{Mode, Model};
use crate::learning::training::each_batch;

/// Normalised inputs of one activation over some images.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Name of the layer.
    pub layer: String,
    /// Smallest value.
    pub low: f64,
    /// Largest value.
    pub high: f64,
    square_sum: f64,
    count: f64,
}

impl Seen {
    fn none(layer: String) -> Self {
        Self { layer, low: f64::INFINITY, high: f64::NEG_INFINITY, square_sum: 0.0, count: 0.0 }
    }

    /// Adds values; one that is no number makes everything so.
    fn add(&mut self, z: &Tensor) {
        let nan_first =
            |own: f64, new: f64, other: f64| if new.is_nan() || own.is_nan() { f64::NAN } else { other };
        let (low, high) = (z.min().double_value(&[]), z.max().double_value(&[]));
        self.low = nan_first(self.low, low, self.low.min(low));
        self.high = nan_first(self.high, high, self.high.max(high));
        self.square_sum += z.square().sum(Kind::Double).double_value(&[]);
        self.count += z.numel() as f64;
    }

    /// Largest magnitude.
    pub fn largest(&self) -> f64 {
        if self.low.is_nan() { f64::NAN } else { self.low.abs().max(self.high.abs()) }
    }

    /// Largest magnitude over root mean square.
    pub fn crest(&self) -> f64 {
        self.largest() / (self.square_sum / self.count.max(1.0)).sqrt()
    }
}

/// The inputs of every activation of `model` over `images`, and the logits, `images x classes`.
pub fn survey(
    model: &Model,
    images: &Dataset,
    normalisation: &Normalisation,
    polynomial: f64,
) -> (Vec<Seen>, Vec<f32>) {
    let layers = &model.architecture().layers;
    let mut seen: Vec<Option<Seen>> = vec![None; layers.len()];
    let mode = Mode { polynomial, ..Mode::INFERENCE };
    let logits = each_batch(images, normalisation, |batch| {
        model.forward_watched(batch, mode, &mut |index, z| {
            seen[index].get_or_insert_with(|| Seen::none(layers[index].name.clone())).add(z);
        })
    });
    (seen.into_iter().flatten().collect(), logits)
}

/// `act1 5.1, act2 7.0`: the largest magnitude at every activation.
pub fn largest_of_each(seen: &[Seen]) -> String {
    let each = seen.iter().map(|seen| format!("{} {:.1}", seen.layer, seen.largest()));
    each.collect::<Vec<_>>().join(", ")
}

/// `act1 -3.20 to 5.10 crest 5.3; ...`: range and crest of every activation, as it stands in a model file.
pub fn ranges_and_crests(seen: &[Seen]) -> String {
    let each = seen
        .iter()
        .map(|seen| format!("{} {:.2} to {:.2} crest {:.1}", seen.layer, seen.low, seen.high, seen.crest()));
    each.collect::<Vec<_>>().join("; ")
}
