//! How the axes of an ONNX tensor lie over the storage of a layer's output.

use crate::Shape;

/// A run of positions: `size` of them, `stride` apart in storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Factor {
    pub(crate) size: usize,
    pub(crate) stride: usize,
}

/// The axes of a tensor, batch excluded. Each axis is a list of factors, outermost first, none of
/// size one; so transposing permutes the axes, and reshaping regroups and splits the factors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    axes: Vec<Vec<Factor>>,
}

impl Layout {
    /// Axes of these sizes in storage order.
    pub(crate) fn in_order(dims: &[usize]) -> Self {
        let mut stride = 1;
        let mut axes: Vec<Vec<Factor>> = dims
            .iter()
            .rev()
            .map(|&size| {
                let axis = if size == 1 { Vec::new() } else { vec![Factor { size, stride }] };
                stride *= size;
                axis
            })
            .collect();
        axes.reverse();
        Self { axes }
    }

    /// The axes of a layer's output as ONNX has it: channels, rows, columns, or features.
    pub(crate) fn of(shape: Shape) -> Self {
        Self::in_order(&shape.dims())
    }

    pub(crate) fn rank(&self) -> usize {
        self.axes.len()
    }

    pub(crate) fn axes(&self) -> &[Vec<Factor>] {
        &self.axes
    }

    pub(crate) fn dims(&self) -> Vec<usize> {
        self.axes.iter().map(|axis| axis.iter().map(|factor| factor.size).product()).collect()
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.axes.iter().flatten().map(|factor| factor.size).product()
    }

    /// Axis `order[i]` becomes axis `i`; `order` must be a permutation.
    pub(crate) fn transpose(&self, order: &[usize]) -> Self {
        Self { axes: order.iter().map(|&axis| self.axes[axis].clone()).collect() }
    }

    /// The same values under other axes, or `None` if an axis would be split unevenly.
    pub(crate) fn reshape(&self, dims: &[usize]) -> Option<Self> {
        let mut factors = merge(self.axes.iter().flatten().copied());
        factors.reverse();
        let mut axes = Vec::with_capacity(dims.len());
        for &dim in dims {
            let (mut axis, mut need) = (Vec::new(), dim);
            while need > 1 {
                let Factor { size, stride } = factors.pop()?;
                if need % size == 0 {
                    axis.push(Factor { size, stride });
                    need /= size;
                } else if size % need == 0 {
                    axis.push(Factor { size: need, stride: stride * (size / need) });
                    factors.push(Factor { size: size / need, stride });
                    need = 1;
                } else {
                    return None;
                }
            }
            axes.push(axis);
        }
        (factors.is_empty() && !dims.contains(&0)).then_some(Self { axes })
    }

    /// True if going through the axes in order goes through storage in order.
    pub(crate) fn is_in_order(&self) -> bool {
        match merge(self.axes.iter().flatten().copied())[..] {
            [] => true,
            [only] => only.stride == 1,
            _ => false,
        }
    }

    /// True if these are the axes of `shape`, in its order.
    pub(crate) fn is(&self, shape: Shape) -> bool {
        self.is_in_order() && self.dims() == shape.dims()
    }

    /// If the axes are those of an image of `shape` whose channels are in another order: the channel at each place.
    pub(crate) fn channel_order(&self, shape: Shape) -> Option<Vec<usize>> {
        let Shape::Image { channels, height, width } = shape else { return None };
        let [across, rest @ ..] = &self.axes[..] else { return None };
        let plain = Self::of(shape);
        if rest != &plain.axes[1..] || self.dims() != shape.dims() {
            return None;
        }
        let positions = Self { axes: vec![across.clone()] }.positions();
        let per_channel = height * width;
        let order: Vec<usize> = positions.iter().map(|position| position / per_channel).collect();
        let is_across = positions.iter().all(|position| position % per_channel == 0);
        (is_across && order.len() == channels).then_some(order)
    }

    /// The storage position of every value, in the order of the axes.
    pub(crate) fn positions(&self) -> Vec<usize> {
        let mut positions = vec![0];
        for factor in self.axes.iter().flatten() {
            positions = positions
                .iter()
                .flat_map(|&start| (0..factor.size).map(move |step| start + step * factor.stride))
                .collect();
        }
        positions
    }
}

/// Joins factors that continue each other.
fn merge(factors: impl Iterator<Item = Factor>) -> Vec<Factor> {
    let mut merged: Vec<Factor> = Vec::new();
    for factor in factors {
        match merged.last_mut() {
            Some(last) if last.stride == factor.stride * factor.size => {
                *last = Factor { size: last.size * factor.size, stride: factor.stride };
            }
            _ => merged.push(factor),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: Shape = Shape::Image { channels: 2, height: 3, width: 4 };

    #[test]
    fn flattening_an_image_keeps_storage_order() {
        let flat = Layout::of(IMAGE).reshape(&[24]).unwrap();
        assert!(flat.is(Shape::Flat(24)));
        assert!(flat.reshape(&[2, 3, 4]).unwrap().is(IMAGE));
    }

    #[test]
    fn flattening_channels_last_gives_its_order() {
        let flat = Layout::of(IMAGE).transpose(&[1, 2, 0]).reshape(&[24]).unwrap();
        assert!(!flat.is_in_order());
        assert_eq!(flat.positions()[..6], [0, 12, 1, 13, 2, 14]);
    }

    #[test]
    fn transposing_back_and_forth_is_nothing() {
        let there = Layout::of(IMAGE).transpose(&[1, 2, 0]);
        assert_eq!(there.dims(), [3, 4, 2]);
        assert!(there.transpose(&[2, 0, 1]).is(IMAGE));
    }

    #[test]
    fn shuffled_channels_have_an_order_and_transposed_images_have_none() {
        let shape = Shape::Image { channels: 6, height: 3, width: 4 };
        let grouped = Layout::of(shape).reshape(&[2, 3, 3, 4]).unwrap();
        let shuffled = grouped.transpose(&[1, 0, 2, 3]).reshape(&[6, 3, 4]).unwrap();
        assert_eq!(shuffled.channel_order(shape), Some(vec![0, 3, 1, 4, 2, 5]));
        assert_eq!(Layout::of(shape).transpose(&[0, 2, 1]).channel_order(shape), None);
    }

    #[test]
    fn axes_of_size_one_come_and_go() {
        let padded = Layout::of(IMAGE).reshape(&[1, 2, 1, 3, 4]).unwrap();
        assert_eq!(padded.dims(), [1, 2, 1, 3, 4]);
        assert!(padded.reshape(&[2, 3, 4]).unwrap().is(IMAGE));
    }

    #[test]
    fn an_uneven_split_of_a_transposed_image_is_refused() {
        let last = Layout::of(IMAGE).transpose(&[1, 2, 0]);
        assert_eq!(last.reshape(&[8, 3]), None);
        assert_eq!(last.reshape(&[5]), None);
        assert_eq!(last.reshape(&[24, 0]), None);
    }
}
