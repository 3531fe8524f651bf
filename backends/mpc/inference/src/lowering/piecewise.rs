//! Piecewise linear activations as ReLUs between linear layers with public weights: exact but for the rounding of fixed point. Others
//! are in [`splines`](super::splines).

use veilbench_mpc::program::Operation;
use veilbench_networks::{ActivationKind, Conv2d, Window};

/// Where the parameters of a layer come from.
#[derive(Clone, Copy)]
pub(crate) enum Given {
    /// The network's layer.
    Layer,
    /// The network's polynomial `b x + c`, which is linear.
    Affine { degree: usize },
    /// Nowhere: it has none.
    Nothing,
    /// Public: `weight x + bias` in each of so many channels.
    Public { channels: usize, weight: f32, bias: f32 },
    /// Public: of every channel `x` and `-x`, in this order.
    Mirrored { channels: usize },
    /// Public: of every two channels `a - slope b`.
    Slope { channels: usize, slope: f32 },
    /// The network's slopes: of every two channels `a - s b`.
    Slopes,
    /// Public: of the pieces of every channel the function they make, in each of so many channels.
    Spline { channels: usize, kind: ActivationKind },
}

/// An operation in place of an activation, or a part of one.
pub(super) struct Piece {
    pub(super) operation: Operation,
    pub(super) given: Given,
    /// What its output is not expected to exceed, if ranges are stated.
    pub(super) magnitude: Option<f64>,
}

/// A product of every channel by a weight of its own, with a bias.
pub(super) fn each_channel(channels: usize) -> Operation {
    mixed(channels, channels, channels)
}

/// `outputs / groups` sums of the channels of every group, place by place.
pub(super) fn mixed(inputs: usize, outputs: usize, groups: usize) -> Operation {
    Operation::Conv2d(Conv2d { inputs, outputs, groups, dilation: [1; 2], window: Window::tiles(1) })
}

/// The layers that compute an activation of so many channels whose values are not expected to exceed `reached`; `None` if it is
/// not piecewise linear.
pub(super) fn pieces(kind: ActivationKind, channels: usize, reached: Option<f64>) -> Option<Vec<Piece>> {
    let given = match kind {
        ActivationKind::Clip { low, high } => return Some(clip([low, high], channels, reached)),
        ActivationKind::HardSigmoid { slope, offset } => {
            let scaled = reached.map(|reached| reached * f64::from(slope.abs()) + f64::from(offset.abs()));
            let mut pieces = vec![affine(channels, slope, offset, scaled)];
            pieces.extend(clip([0.0, 1.0], channels, scaled));
            return Some(pieces);
        }
        ActivationKind::LeakyRelu { slope } => Given::Slope { channels, slope },
        ActivationKind::PRelu { .. } => Given::Slopes,
        _ => return None,
    };
    Some(vec![
        Piece {
            operation: mixed(channels, 2 * channels, channels),
            given: Given::Mirrored { channels },
            magnitude: reached,
        },
        relu(reached),
        Piece { operation: mixed(2 * channels, channels, channels), given, magnitude: reached },
    ])
}

/// `max(x, l) = l + relu(x - l)`, and `min(x, h) = h - relu(h - x)`, one within the other.
fn clip([low, high]: [f32; 2], channels: usize, reached: Option<f64>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let width = |bound: f32| reached.map(|reached| reached + f64::from(bound.abs()));
    let is_bounded = |bound: f32| bound.abs() < f32::MAX;
    if is_bounded(low) {
        if low != 0.0 {
            pieces.push(affine(channels, 1.0, -low, width(low)));
        }
        pieces.push(relu(width(low)));
    }
    if is_bounded(high) {
        let of_low = if is_bounded(low) { low } else { 0.0 };
        let most = reached.map(|reached| reached + f64::from(of_low.abs()) + f64::from(high.abs()));
        pieces.push(affine(channels, -1.0, high - of_low, most));
        pieces.push(relu(most));
        let bounds = f64::from(high.abs().max(low.abs()));
        let written = if is_bounded(low) { reached.map(|_| bounds) } else { most };
        pieces.push(affine(channels, -1.0, high, written));
    } else if low != 0.0 {
        pieces.push(affine(channels, 1.0, low, width(low)));
    }
    pieces
}

fn affine(channels: usize, weight: f32, bias: f32, magnitude: Option<f64>) -> Piece {
    Piece { operation: each_channel(channels), given: Given::Public { channels, weight, bias }, magnitude }
}

fn relu(magnitude: Option<f64>) -> Piece {
    Piece { operation: Operation::Relu, given: Given::Nothing, magnitude }
}
