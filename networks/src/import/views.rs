//! Operators that only move values of an image, as convolutions with constant weights: slices, channels in
//! another order, padding with zeros. One after another becomes one where it can.

use super::error::Reason;
use super::layers::Layers;
use super::values::activation::{Activation, LayerId};
use crate::{Conv2d, Dense, Op, Parameters, Shape, Window};

/// A layer whose every value is one of another layer's, or zero.
#[derive(Clone, Debug)]
pub(super) struct View {
    parent: LayerId,
    /// Channel of the parent that each channel shows; `None` is zeros.
    channels: Vec<Option<usize>>,
    space: Space,
}

/// Which positions are shown: those a kernel with a single one reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) window: Window,
    /// Where in the kernel the one is.
    pub(super) tap: [usize; 2],
}

impl Space {
    /// Every position.
    pub(super) const ALL: Self =
        Self { window: Window { kernel: [1, 1], stride: [1, 1], padding: [0; 4] }, tap: [0, 0] };

    /// Every position within so many rows and columns of zeros: top, left, bottom, right.
    pub(super) fn padded(padding: [usize; 4]) -> Self {
        Self { window: Window { padding, ..Self::ALL.window }, ..Self::ALL }
    }

    /// Takes `count` positions of each axis of `size`, from `start` on, `step` apart; they must lie within.
    pub(super) fn cut(size: [usize; 2], start: [usize; 2], step: [usize; 2], count: [usize; 2]) -> Self {
        let kernel = [0, 1]
            .map(|axis| (start[axis] + 1).max((size[axis] + 1).saturating_sub(count[axis] * step[axis])));
        Self { window: Window { kernel, stride: step, padding: [0; 4] }, tap: start }
    }
}

impl Layers {
    /// Appends a view of other channels of a layer's output, or other features of a vector.
    pub(super) fn select(
        &mut self,
        base: LayerId,
        name: &str,
        channels: Vec<Option<usize>>,
    ) -> Result<LayerId, Reason> {
        if is_identity(&channels, self.shape(base)) {
            return Ok(base);
        }
        let view = match self.views.get(&base) {
            Some(before) => {
                let through = |&channel: &Option<usize>| before.channels[channel?];
                View { channels: channels.iter().map(through).collect(), ..before.clone() }
            }
            None => View { parent: base, channels, space: Space::ALL },
        };
        self.push_view(name, view)
    }

    /// Appends a view of other positions of an image.
    pub(super) fn relocate(&mut self, base: LayerId, name: &str, space: Space) -> Result<LayerId, Reason> {
        let view = match self.views.get(&base) {
            Some(before) if before.space == Space::ALL => View { space, ..before.clone() },
            _ => {
                let channels = (0..self.shape(base).channels()).map(Some).collect();
                View { parent: base, channels, space }
            }
        };
        self.push_view(name, view)
    }

    /// What a layer that only pads with zeros pads, and by how much.
    pub(super) fn padding(&self, id: LayerId) -> Option<(LayerId, [usize; 4])> {
        let View { parent, channels, space } = self.views.get(&id)?;
        let is_padding =
            *space == Space::padded(space.window.padding) && is_identity(channels, self.shape(*parent));
        is_padding.then_some((*parent, space.window.padding))
    }

    /// An activation without the zeros around it that were a layer of their own, and how many they were.
    pub(super) fn without_padding(&self, activation: Activation) -> (Activation, [usize; 4]) {
        match self.padding(activation.base) {
            Some((parent, padding)) if activation.form.is_none() => (self.output_of(parent), padding),
            _ => (activation, [0; 4]),
        }
    }

    fn push_view(&mut self, name: &str, view: View) -> Result<LayerId, Reason> {
        let View { parent, channels, space } = &view;
        let (parent, Space { window, tap }) = (*parent, *space);
        let shape = self.shape(parent);
        let (inputs, outputs) = (shape.channels(), channels.len());
        let keeps_channels = is_identity(channels, shape);
        if keeps_channels && *space == Space::ALL {
            return Ok(parent);
        }
        let taps = window.kernel[0].saturating_mul(window.kernel[1]);
        let row = if keeps_channels { taps } else { inputs.saturating_mul(taps) };
        self.budget.spend(row.saturating_add(3).saturating_mul(outputs))?;
        let mut weights = vec![0.0; outputs * row];
        for (row, channel) in weights.chunks_exact_mut(row.max(1)).zip(channels) {
            let place = tap[0] * window.kernel[1] + tap[1];
            match channel {
                Some(_) if keeps_channels => row[place] = 1.0,
                Some(channel) => row[channel * taps + place] = 1.0,
                None => {}
            }
        }
        let groups = if keeps_channels { inputs } else { 1 };
        let op = match shape {
            Shape::Image { .. } => Op::Conv2d(Conv2d { inputs, outputs, groups, dilation: [1, 1], window }),
            Shape::Flat(_) => Op::Dense(Dense { inputs, outputs }),
        };
        let parameters = Parameters::Affine { weights, bias: vec![0.0; outputs] };
        let id = self.push(&[parent], name, op, parameters)?;
        self.views.insert(id, view);
        Ok(id)
    }
}

fn is_identity(channels: &[Option<usize>], shape: Shape) -> bool {
    channels.len() == shape.channels() && channels.iter().enumerate().all(|(index, &own)| own == Some(index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_shows_as_many_positions_as_it_is_told() {
        for size in 1..9_usize {
            for start in 0..size {
                for step in 1..4 {
                    for count in 1..=(size - start).div_ceil(step) {
                        let space = Space::cut([size; 2], [start; 2], [step; 2], [count; 2]);
                        let shown = space.window.output(size, size, [1, 1]);
                        assert_eq!(shown, Some([count; 2]), "{size} {start} {step} {count}");
                        assert!(space.tap[0] < space.window.kernel[0]);
                    }
                }
            }
        }
    }
}
