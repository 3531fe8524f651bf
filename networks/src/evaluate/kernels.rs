//! One image through one layer. Loops run over contiguous values so that they vectorise; shapes are
//! those of a checked network.

use std::ops::Range;

use rayon::prelude::*;

use super::Real;
use crate::{ActivationKind, Conv2d, Window};

/// Partial sums a dot product keeps, so that it is not one long chain of additions.
const LANES: usize = 16;

/// Output channels computed together: one pass over an unfolded row serves them all.
const CHANNELS: usize = 4;

/// Output pixels computed together: their sums for [`CHANNELS`] channels stay in registers.
const PIXELS: usize = 8;

/// Values of an unfolded block of pixels (unless one pixel has more): small enough for a cache, and a
/// bound on memory that no kernel size escapes.
const UNFOLDED: usize = 1 << 17;

pub(super) fn dense<T: Real>(x: &[T], weights: &[T], bias: &[T]) -> Vec<T> {
    weights.chunks_exact(x.len()).zip(bias).map(|(row, &bias)| bias + dot(row, x)).collect()
}

fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut sums = [T::default(); LANES];
    let (a_blocks, b_blocks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_blocks.remainder().iter().zip(b_blocks.remainder());
    for (a, b) in a_blocks.zip(b_blocks) {
        for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let blocks = sums.into_iter().fold(T::default(), |total, sum| total + sum);
    rest.fold(blocks, |total, (&a, &b)| total + a * b)
}

/// Unfolds each group's input into a matrix with a row for each weight of a kernel and a column for each
/// output pixel, a block of pixels at a time, and multiplies, output channels spread over the ambient rayon pool. Every
/// output is the sum of its products in the order of the weights, whatever the path.
pub(super) fn conv2d<T: Real>(conv: &Conv2d, size: [usize; 2], x: &[T], weights: &[T], bias: &[T]) -> Vec<T> {
    let output = output_size(&conv.window, size, conv.dilation);
    let pixels = output[0] * output[1];
    let (group_inputs, group_outputs) = (conv.inputs / conv.groups, conv.outputs / conv.groups);
    let taps = group_inputs * conv.window.kernel[0] * conv.window.kernel[1];
    let block = (UNFOLDED / taps).max(1);

    let mut y: Vec<T> = bias.iter().flat_map(|&bias| std::iter::repeat_n(bias, pixels)).collect();
    let groups = x
        .chunks_exact(group_inputs * size[0] * size[1])
        .zip(y.chunks_exact_mut(group_outputs * pixels))
        .zip(weights.chunks_exact(group_outputs * taps));
    for ((x, y), weights) in groups {
        for start in (0..pixels).step_by(block) {
            let range = start..pixels.min(start + block);
            let columns = unfold(conv, size, output[1], range.clone(), x);
            let panels = if group_outputs < CHANNELS { Vec::new() } else { panels(&columns, range.len()) };
            let channels = y.par_chunks_mut(CHANNELS * pixels).zip(weights.par_chunks(CHANNELS * taps));
            channels.for_each(|(y, weights)| {
                let mut rows: Vec<&mut [T]> =
                    y.chunks_exact_mut(pixels).map(|row| &mut row[range.clone()]).collect();
                match &mut rows[..] {
                    [a, b, c, d] => multiply([a, b, c, d], weights, &panels),
                    rows => accumulate(rows, weights, &columns),
                }
            });
        }
    }
    y
}

/// The unfolded matrix with [`PIXELS`] columns after each other, the last filled up with zeros.
fn panels<T: Real>(columns: &[T], pixels: usize) -> Vec<T> {
    let mut panels = Vec::with_capacity(columns.len() / pixels * pixels.next_multiple_of(PIXELS));
    for start in (0..pixels).step_by(PIXELS) {
        let end = pixels.min(start + PIXELS);
        for row in columns.chunks_exact(pixels) {
            panels.extend_from_slice(&row[start..end]);
            panels.extend(std::iter::repeat_n(T::default(), start + PIXELS - end));
        }
    }
    panels
}

/// `rows += weights columns` for [`CHANNELS`] output channels, from panels.
fn multiply<T: Real>(mut rows: [&mut [T]; CHANNELS], weights: &[T], panels: &[T]) {
    let taps = weights.len() / CHANNELS;
    let [first, second, third, fourth] = [0, 1, 2, 3].map(|row| &weights[row * taps..(row + 1) * taps]);
    let pixels = rows[0].len();
    for (index, panel) in panels.chunks_exact(taps * PIXELS).enumerate() {
        let place = index * PIXELS..pixels.min((index + 1) * PIXELS);
        let mut sums = [[T::default(); PIXELS]; CHANNELS];
        for (sums, row) in sums.iter_mut().zip(&rows) {
            sums[..place.len()].copy_from_slice(&row[place.clone()]);
        }
        let weights = first.iter().zip(second).zip(third).zip(fourth);
        for (x, (((&a, &b), &c), &d)) in panel.as_chunks::<PIXELS>().0.iter().zip(weights) {
            for (sums, weight) in sums.iter_mut().zip([a, b, c, d]) {
                for (sum, &x) in sums.iter_mut().zip(x) {
                    *sum += weight * x;
                }
            }
        }
        for (sums, row) in sums.iter().zip(&mut rows) {
            row[place.clone()].copy_from_slice(&sums[..place.len()]);
        }
    }
}

/// `rows += weights columns` for fewer output channels than [`multiply`] takes.
fn accumulate<T: Real>(rows: &mut [&mut [T]], weights: &[T], columns: &[T]) {
    let taps = weights.len() / rows.len();
    for (tap, column) in columns.chunks_exact(columns.len() / taps).enumerate() {
        for (row, weights) in rows.iter_mut().zip(weights.chunks_exact(taps)) {
            for (y, &x) in row.iter_mut().zip(column) {
                *y += weights[tap] * x;
            }
        }
    }
}

/// The rows of the unfolded matrix for a range of output pixels; `width` is that of the output.
fn unfold<T: Real>(conv: &Conv2d, size: [usize; 2], width: usize, pixels: Range<usize>, x: &[T]) -> Vec<T> {
    let Window { kernel, stride, padding } = conv.window;
    let taps = x.len() / (size[0] * size[1]) * kernel[0] * kernel[1];
    let mut columns = Vec::with_capacity(taps * pixels.len());
    for channel in x.chunks_exact(size[0] * size[1]) {
        for (row, column) in (0..kernel[0]).flat_map(|row| (0..kernel[1]).map(move |column| (row, column))) {
            for i in pixels.start / width..pixels.end.div_ceil(width) {
                let first = pixels.start.saturating_sub(i * width);
                let last = (pixels.end - i * width).min(width);
                let Some(i) = inside(i * stride[0] + row * conv.dilation[0], padding[0], size[0]) else {
                    columns.extend(std::iter::repeat_n(T::default(), last - first));
                    continue;
                };
                let line = &channel[i * size[1]..(i + 1) * size[1]];
                let start = first * stride[1] + column * conv.dilation[1];
                take(&mut columns, line, padding[1], [start, stride[1]], last - first);
            }
        }
    }
    columns
}

/// Appends `count` values of a line with `padding` zeros before it and any number behind it: from `start` on, `step` apart.
fn take<T: Real>(values: &mut Vec<T>, line: &[T], padding: usize, [start, step]: [usize; 2], count: usize) {
    let places_before = |end: usize| end.saturating_sub(start).div_ceil(step).min(count);
    let (first, last) = (places_before(padding), places_before(padding + line.len()));
    values.extend(std::iter::repeat_n(T::default(), first));
    if first < last {
        let from = &line[start + first * step - padding..];
        match step {
            1 => values.extend_from_slice(&from[..last - first]),
            _ => values.extend(from.iter().step_by(step).take(last - first)),
        }
    }
    values.extend(std::iter::repeat_n(T::default(), count - last));
}

/// The position in the image of a position in the padded image, if it is not in the padding.
fn inside(padded: usize, padding: usize, size: usize) -> Option<usize> {
    padded.checked_sub(padding).filter(|&position| position < size)
}

pub(super) fn average_pool<T: Real>(window: &Window, size: [usize; 2], x: &[T]) -> Vec<T> {
    let area = T::from_f32((window.kernel[0] * window.kernel[1]) as f32);
    pool(window, size, x, |values| values.fold(T::default(), |sum, value| sum + value) / area)
}

pub(super) fn max_pool<T: Real>(window: &Window, size: [usize; 2], x: &[T]) -> Vec<T> {
    let largest = |a: T, b: T| if b > a { b } else { a };
    pool(window, size, x, |values| values.reduce(largest).unwrap_or_default())
}

/// Reduces the values of every window that lie inside the image.
fn pool<T: Real>(
    window: &Window,
    size: [usize; 2],
    x: &[T],
    reduce: impl Fn(&mut dyn Iterator<Item = T>) -> T,
) -> Vec<T> {
    let output = output_size(window, size, [1, 1]);
    let span = |position: usize, axis: usize| {
        let start = position * window.stride[axis];
        let end = start + window.kernel[axis];
        let clip = |padded: usize| padded.saturating_sub(window.padding[axis]).min(size[axis]);
        clip(start)..clip(end)
    };
    let mut y = Vec::with_capacity(x.len() / (size[0] * size[1]) * output[0] * output[1]);
    for channel in x.chunks_exact(size[0] * size[1]) {
        for (i, j) in (0..output[0]).flat_map(|i| (0..output[1]).map(move |j| (i, j))) {
            let columns = span(j, 1);
            let mut values =
                span(i, 0).flat_map(|row| channel[row * size[1]..][columns.clone()].iter().copied());
            y.push(reduce(&mut values));
        }
    }
    y
}

/// Keeps NaN, as ONNX does.
pub(super) fn relu<T: Real>(values: &mut [T]) {
    for value in values {
        if *value < T::default() {
            *value = T::default();
        }
    }
}

pub(super) fn polynomial<T: Real>(degree: usize, per_channel: usize, coefficients: &[T], values: &mut [T]) {
    let channels = values.chunks_exact_mut(per_channel).zip(coefficients.chunks_exact(degree + 1));
    for (channel, coefficients) in channels {
        for x in channel {
            *x = coefficients.iter().rev().fold(T::default(), |sum, &coefficient| sum * *x + coefficient);
        }
    }
}

/// In double precision whatever the type, so that the function's value is its rounding alone. `slopes` are
/// those of [`ActivationKind::PRelu`], one for each channel.
pub(super) fn activation<T: Real>(kind: ActivationKind, per_channel: usize, slopes: &[T], values: &mut [T]) {
    for (channel, values) in values.chunks_exact_mut(per_channel).enumerate() {
        let slope = slopes.get(channel).map_or(0.0, |slope| slope.to_f64());
        for x in values {
            *x = T::from_f64(kind.value(x.to_f64(), slope));
        }
    }
}

pub(super) fn add<T: Real>(values: &mut [T], other: &[T]) {
    for (value, &other) in values.iter_mut().zip(other) {
        *value += other;
    }
}

fn output_size(window: &Window, [height, width]: [usize; 2], dilation: [usize; 2]) -> [usize; 2] {
    let Some(output) = window.output(height, width, dilation) else {
        unreachable!("a checked network has windows that fit")
    };
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_as_value_by_value() {
        let line: Vec<f64> = (1..=5).map(f64::from).collect();
        for padding in 0..4 {
            for (start, step) in (0..12).flat_map(|start| (1..4).map(move |step| (start, step))) {
                for count in 0..7 {
                    let mut values = vec![9.0];
                    take(&mut values, &line, padding, [start, step], count);
                    let at = |place: usize| inside(start + place * step, padding, line.len());
                    let due = (0..count).map(|place| at(place).map_or(0.0, |place| line[place]));
                    assert_eq!(values[1..], due.collect::<Vec<f64>>(), "{padding} {start} {step} {count}");
                }
            }
        }
    }
}
