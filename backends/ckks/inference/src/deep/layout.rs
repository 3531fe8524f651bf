//! Which value is in which slot of its wire's one ciphertext.
//!
//! A feature map lies in a grid as large as the image, one grid for a channel; where layers have made it smaller, its pixels stay
//! where they were and further channels lie in the gaps (Lee et al., "Low-complexity deep convolutional neural networks on fully
//! homomorphic encryption using multiplexed parallel convolutions", ICML 2022, section 4). A convolution then needs one level, and no mask. What
//! is used of the slots repeats through all of them, so that rotations go around in it.
//!
//! Several images of a batch lie side by side where one leaves room: every grid is followed by those of the same channels of the further
//! images, so that one rotation moves all images between channels, and a step between pixels leaves no image but where its own
//! padding is, which no weight meets. Flat values of an image follow those of the image before it. Weights are the same for all.

use veilbench_networks::Shape;

use crate::planning::packing::NONE;
use crate::roles::guard::with_spare;

/// Places of values in a number of slots that repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// A power of two.
    pub(crate) period: usize,
    /// The slot of every value of the first image, below the period.
    pub(crate) slots: Vec<u32>,
    /// Images side by side, a power of two, and the distance of their slots.
    pub(crate) images: usize,
    stride: usize,
    /// Whether the values are no feature maps: sums over many inputs, folded through the slots.
    pub(crate) is_flat: bool,
}

/// Rows and columns of the grid for an image: powers of two.
pub(crate) fn grid(image: Shape) -> [usize; 2] {
    match image {
        Shape::Image { height, width, .. } => [height, width].map(usize::next_power_of_two),
        Shape::Flat(_) => [1; 2],
    }
}

impl Layout {
    /// The layout of values of a shape for this many images, a power of two; `None` if a feature map is larger than the grid.
    pub(crate) fn of(shape: Shape, [rows, columns]: [usize; 2], images: usize) -> Option<Self> {
        let Shape::Image { channels, height, width } = shape else {
            return Some(Self::flat(shape.len(), images));
        };
        if height * width == 1 {
            return Some(Self::flat(channels, images));
        }
        if height > rows || width > columns {
            return None;
        }
        let gap = [rows / height.next_power_of_two(), columns / width.next_power_of_two()];
        let per_grid = gap[0] * gap[1];
        let grids = channels.div_ceil(per_grid).next_power_of_two();
        let slot = |value: usize| {
            let (channel, row, column) = (value / (height * width), value / width % height, value % width);
            let (grid, place) = (channel % grids, channel / grids);
            let (row, column) = (row * gap[0] + place / gap[1], column * gap[1] + place % gap[1]);
            ((grid * images * rows + row) * columns + column) as u32
        };
        let stride = rows * columns;
        let slots = (0..shape.len()).map(slot).collect();
        Some(Self { period: grids * images * stride, slots, images, stride, is_flat: false })
    }

    /// Values one after another, with room for slots that tell whether a result wrapped.
    fn flat(values: usize, images: usize) -> Self {
        let stride = with_spare(values).next_power_of_two();
        let slots = (0..values as u32).collect();
        Self { period: images * stride, slots, images, stride, is_flat: true }
    }

    /// The slot of a value of an image.
    pub(crate) fn slot(&self, image: usize, value: usize) -> usize {
        self.slots[value] as usize + image * self.stride
    }

    /// Values of all images together.
    pub(crate) fn values(&self) -> usize {
        self.images * self.slots.len()
    }

    /// The value of every one of this many slots: those of one image after those of another.
    pub(crate) fn labels(&self, slots: usize) -> Vec<u32> {
        let mut labels = vec![NONE; slots];
        for label in 0..self.values() {
            let slot = self.slot(label / self.slots.len(), label % self.slots.len());
            labels.iter_mut().skip(slot).step_by(self.period).for_each(|own| *own = label as u32);
        }
        labels
    }

    /// Every slot of this many with its value, zero where there is none; of values for one image, all have the same.
    pub(crate) fn spread(&self, values: &[f64], slots: usize) -> Vec<f64> {
        let value = |label: u32| if label == NONE { 0.0 } else { values[label as usize % values.len()] };
        self.labels(slots).into_iter().map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(channels: usize, side: usize) -> Shape {
        Shape::Image { channels, height: side, width: side }
    }

    #[test]
    fn the_feature_maps_of_a_resnet_fill_ever_less_of_the_slots() {
        let periods = [(3, 32, 4096), (16, 32, 16_384), (32, 16, 8192), (64, 8, 4096), (10, 1, 16)];
        for (channels, side, period) in periods {
            for images in [1, 2, 8] {
                let layout = Layout::of(shape(channels, side), [32; 2], images).expect("it fits the grid");
                assert_eq!(layout.period, images * period);
                let labels = layout.labels(layout.period);
                let mut found: Vec<u32> = labels.into_iter().filter(|&label| label != NONE).collect();
                found.sort_unstable();
                let all = (0..(images * channels * side * side) as u32).collect::<Vec<_>>();
                assert_eq!(found, all, "every value of every image has a slot of its own");
            }
        }
        assert_eq!(Layout::of(shape(1, 33), [32; 2], 1), None);
    }

    #[test]
    fn a_smaller_map_lies_on_the_pixels_it_was_made_of() {
        let layout = Layout::of(shape(32, 16), [32; 2], 1).expect("it fits the grid");
        let slot =
            |channel: usize, row: usize, column: usize| layout.slots[(channel * 16 + row) * 16 + column];
        assert_eq!(slot(0, 3, 5), 6 * 32 + 10);
        assert_eq!(slot(7, 3, 5), 7 * 1024 + 6 * 32 + 10);
        assert_eq!(slot(8, 3, 5), 6 * 32 + 11, "the ninth channel is in a gap of the first grid");
    }

    #[test]
    fn what_is_spread_is_what_labels_say() {
        let layout = Layout::of(shape(2, 4), [8; 2], 2).expect("it fits the grid");
        let values: Vec<f64> = (0..64).map(f64::from).collect();
        let spread = layout.spread(&values, 256);
        for (label, value) in layout.labels(256).into_iter().zip(spread) {
            assert_eq!(value, if label == NONE { 0.0 } else { f64::from(label) });
        }
        // What all images have in common.
        let spread = layout.spread(&values[..32], 256);
        assert_eq!((spread[layout.slot(0, 5)], spread[layout.slot(1, 5)]), (5.0, 5.0));
    }
}
