//! Windows over images: sums, and trees of maxima.

use crate::network::{Shape, Window};

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
        let windows = window.members(input, [output.height, output.width]);
        Self { channels: input.channels, positions: input.positions(), windows }
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
    let members = window.members(input, [output.height, output.width]);
    let mut windows: Vec<Vec<usize>> = (0..input.channels)
        .flat_map(|channel| members.iter().map(move |window| (channel, window)))
        .map(|(channel, window)| window.iter().map(|at| channel * input.positions() + at).collect())
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
