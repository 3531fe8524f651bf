//! Downscaling that gives the same bytes as Pillow's `resize(size, BILINEAR)`.
//!
//! A triangle filter widened by the reduction factor (so every source pixel counts), once along rows
//! and once along columns, in 22-bit fixed point with rounding to 8 bits between the passes. The malaria
//! archive was made that way; a filter in floating point differs from it by a level here and there.
//! Rows come first unless `height > 2 width - side`: observed of Pillow 13.0.0, for square targets.

/// Bits after the point of a weight.
const FRACTION_BITS: u32 = 22;

/// What one output pixel takes from a line: the first source pixel and the weights from there on.
pub(crate) struct Tap {
    first: usize,
    weights: Vec<i64>,
}

/// A value of a channel that can be weighed.
pub(crate) trait Level: Copy {
    /// Sum of the pixels under a tap, each times its weight.
    fn weigh(tap: &Tap, pixel: impl Fn(usize) -> Self) -> Self;
}

impl Level for u8 {
    fn weigh(tap: &Tap, pixel: impl Fn(usize) -> u8) -> u8 {
        let half = 1 << (FRACTION_BITS - 1);
        let sum: i64 =
            tap.weights.iter().enumerate().map(|(i, weight)| weight * i64::from(pixel(tap.first + i))).sum();
        ((sum + half) >> FRACTION_BITS).clamp(0, 255) as u8
    }
}

impl Level for f32 {
    fn weigh(tap: &Tap, pixel: impl Fn(usize) -> f32) -> f32 {
        let weights = || tap.weights.iter().map(|&weight| weight as f64);
        let sum: f64 =
            weights().enumerate().map(|(i, weight)| weight * f64::from(pixel(tap.first + i))).sum();
        (sum / weights().sum::<f64>()) as f32
    }
}

/// `pixels` (interleaved RGB, `height` x `width`) as three planes of `side` x `side`.
///
/// # Panics
/// If `pixels` is shorter than that or a size is zero.
pub(crate) fn rgb_planes(pixels: &[u8], height: usize, width: usize, side: usize) -> Vec<u8> {
    let mut planes = Vec::with_capacity(3 * side * side);
    for channel in 0..3 {
        let one: Vec<u8> = pixels.iter().skip(channel).step_by(3).take(height * width).copied().collect();
        planes.extend(plane(&one, [height, width], [side, side]));
    }
    planes
}

/// One channel of `from` (rows, columns) at the size `to`.
///
/// # Panics
/// If `pixels` is shorter than that or a size is zero.
pub(crate) fn plane<L: Level>(pixels: &[L], from: [usize; 2], to: [usize; 2]) -> Vec<L> {
    let ([height, width], [rows, columns]) = (from, to);
    let (across, down) = (taps(width, columns), taps(height, rows));
    if height + rows > 2 * width {
        along_rows(&along_columns(pixels, width, &down), width, &across)
    } else {
        along_columns(&along_rows(pixels, width, &across), columns, &down)
    }
}

fn along_rows<L: Level>(plane: &[L], width: usize, taps: &[Tap]) -> Vec<L> {
    let rows = plane.chunks_exact(width);
    rows.flat_map(|row| taps.iter().map(move |tap| L::weigh(tap, |x| row[x]))).collect()
}

fn along_columns<L: Level>(plane: &[L], width: usize, taps: &[Tap]) -> Vec<L> {
    taps.iter().flat_map(|tap| (0..width).map(move |x| L::weigh(tap, |y| plane[y * width + x]))).collect()
}

fn taps(source: usize, target: usize) -> Vec<Tap> {
    let scale = source as f64 / target as f64;
    let reach = scale.max(1.0);
    (0..target)
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale;
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(source);
            let triangle = |x: usize| (1.0 - ((x as f64 - centre + 0.5) * (1.0 / reach)).abs()).max(0.0);
            let total: f64 = (first..end).map(triangle).sum();
            let fixed = |x| (triangle(x) / total * f64::from(1u32 << FRACTION_BITS) + 0.5) as i64;
            Tap { first, weights: (first..end).map(fixed).collect() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_image_stays_flat() {
        let planes = rgb_planes(&[10, 20, 250].repeat(7 * 11), 7, 11, 4);
        assert_eq!(planes, [[10; 16], [20; 16], [250; 16]].concat());
    }

    #[test]
    fn the_same_size_changes_nothing() {
        let pixels: Vec<u8> = (0..48).map(|i| i * 5).collect();
        let planes = rgb_planes(&pixels, 4, 4, 4);
        for (index, pixel) in pixels.chunks(3).enumerate() {
            assert_eq!([planes[index], planes[16 + index], planes[32 + index]], pixel);
        }
    }

    #[test]
    fn levels_in_floating_point_are_within_rounding_of_bytes() {
        let bytes: Vec<u8> = (0..90 * 70u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let reals: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
        for to in [[32, 32], [20, 64], [128, 16]] {
            let (fixed, real) = (plane(&bytes, [90, 70], to), plane(&reals, [90, 70], to));
            assert_eq!(fixed.len(), to[0] * to[1]);
            // Two roundings to a level.
            assert!(fixed.iter().zip(&real).all(|(a, b)| (f32::from(*a) - b).abs() <= 1.01), "{to:?}");
        }
    }

    #[test]
    fn halving_weighs_neighbours_one_three_three_one() {
        let row = [0, 0, 0, 0, 80, 0, 0, 0];
        let pixels: Vec<u8> = row.iter().flat_map(|&v| [v; 3]).collect::<Vec<_>>().repeat(8);
        let planes = rgb_planes(&pixels, 8, 8, 4);
        assert_eq!(planes[..4], [0, 10, 30, 0]);
    }

    #[test]
    fn it_agrees_with_a_triangle_filter_in_floating_point() {
        let pixels: Vec<u8> =
            (0..100 * 90 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let ours = rgb_planes(&pixels, 100, 90, 32);
        let image = image::RgbImage::from_raw(90, 100, pixels).unwrap();
        let theirs = image::imageops::resize(&image, 32, 32, image::imageops::FilterType::Triangle);
        for (x, y, pixel) in theirs.enumerate_pixels() {
            for channel in 0..3 {
                let own = ours[channel * 1024 + (y * 32 + x) as usize];
                assert!(own.abs_diff(pixel.0[channel]) <= 1, "{x} {y} {channel}: {own} {pixel:?}");
            }
        }
    }
}
