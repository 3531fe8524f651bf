//! Windows over images: sums, and trees of maxima.

use veilbench_networks::{Shape, Window};

/// Sums of windows, the same in every channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    channels: usize,
    positions: usize,
    windows: Vec<Vec<usize>>,
}

impl Pool {
    /// Sums of `window` over an input that it fits.
    pub fn new(window: &Window, input: Shape, output: Shape) -> Self {
        let windows = members(window, input, output);
        Self { channels: input.channels(), positions: input.values_per_channel(), windows }
    }

    /// Values of one image it reads.
    pub fn inputs(&self) -> usize {
        self.channels * self.positions
    }

    /// Values of one image it writes.
    pub fn outputs(&self) -> usize {
        self.channels * self.windows.len()
    }

    /// Values of the largest window.
    pub fn area(&self) -> usize {
        self.windows.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The sums of a whole batch.
    pub fn sum(&self, values: &[u64]) -> Vec<u64> {
        let mut sums = Vec::with_capacity(values.len() / self.positions * self.windows.len());
        for channel in values.chunks_exact(self.positions) {
            sums.extend(self.windows.iter().map(|window| {
                window.iter().fold(0u64, |sum, &position| sum.wrapping_add(channel[position]))
            }));
        }
        sums
    }
}

/// For every output position, the input positions under the kernel (padding left out).
fn members(window: &Window, input: Shape, output: Shape) -> Vec<Vec<usize>> {
    let Window { kernel, stride, padding } = window;
    let (height, width) = (input.height(), input.width());
    let mut members = Vec::with_capacity(output.values_per_channel());
    for row in 0..output.height() {
        for column in 0..output.width() {
            let mut under = Vec::with_capacity(window.area());
            for y in 0..kernel[0] {
                for x in 0..kernel[1] {
                    let y = (row * stride[0] + y).wrapping_sub(padding[0]);
                    let x = (column * stride[1] + x).wrapping_sub(padding[1]);
                    if y < height && x < width {
                        under.push(y * width + x);
                    }
                }
            }
            members.push(under);
        }
    }
    members
}

/// Applies pools one after the other.
pub(crate) fn sum_all(pools: &[Pool], values: Vec<u64>) -> Vec<u64> {
    pools.iter().fold(values, |values, pool| pool.sum(&values))
}

/// One value a level of maxima writes, by indices into what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The larger of two.
    Larger(usize, usize),
    /// A value without a partner.
    Keep(usize),
}

/// Levels of pairwise maxima that end with the maximum of every window, channel by channel.
/// `None` if a window lies in the padding altogether.
pub(crate) fn levels_of_maxima(window: &Window, input: Shape, output: Shape) -> Option<Vec<Vec<Slot>>> {
    let members = members(window, input, output);
    let mut windows: Vec<Vec<usize>> = (0..input.channels())
        .flat_map(|channel| members.iter().map(move |window| (channel, window)))
        .map(|(channel, window)| window.iter().map(|at| channel * input.values_per_channel() + at).collect())
        .collect();
    if windows.iter().any(Vec::is_empty) {
        return None;
    }
    let mut levels = Vec::new();
    loop {
        let mut slots = Vec::new();
        for window in &mut windows {
            let first = slots.len();
            slots.extend(window.chunks(2).map(|pair| match *pair {
                [a, b] => Slot::Larger(a, b),
                _ => Slot::Keep(pair[0]),
            }));
            *window = (first..slots.len()).collect();
        }
        levels.push(slots);
        if windows.iter().all(|window| window.len() == 1) {
            return Some(levels);
        }
    }
}

/// Comparisons of one level of maxima in one image.
pub(crate) fn pairs(slots: &[Slot]) -> usize {
    slots.iter().filter(|slot| matches!(slot, Slot::Larger(..))).count()
}

/// Differences of the pairs, and the second of each pair, for a whole batch.
pub(crate) fn differences(inputs: usize, slots: &[Slot], wire: &[u64]) -> (Vec<u64>, Vec<u64>) {
    let pairs = |image| {
        slots.iter().filter_map(move |slot| match *slot {
            Slot::Larger(a, b) => Some((image, a, b)),
            Slot::Keep(_) => None,
        })
    };
    wire.chunks_exact(inputs)
        .flat_map(pairs)
        .map(|(image, a, b): (&[u64], usize, usize)| (image[a].wrapping_sub(image[b]), image[b]))
        .unzip()
}

/// The next level: `larger` in place of the pairs, the rest as it was.
pub(crate) fn assemble(inputs: usize, slots: &[Slot], wire: &[u64], larger: &[u64]) -> Vec<u64> {
    let mut larger = larger.iter();
    wire.chunks_exact(inputs)
        .flat_map(|image| slots.iter().map(move |slot| (image, slot)))
        .map(|(image, slot)| match *slot {
            Slot::Larger(..) => larger.next().copied().unwrap_or(0),
            Slot::Keep(a) => image[a],
        })
        .collect()
}
