//! Random views of training images, and the plain view of the others.

use std::f32::consts::TAU;

use rand::{Rng, RngExt};
use veilbench_networks::Normalisation;

/// How far a training image may be moved and recoloured. All zero and false: not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Augmentation {
    /// One of the eight symmetries of the square: 90-degree rotations and flips.
    pub symmetries: bool,
    /// Rotation by up to this many degrees, either way.
    pub rotation_degrees: f32,
    /// Shift by up to this many pixels along each axis.
    pub shift_pixels: f32,
    /// Enlarged or reduced by up to this factor minus one.
    pub zoom: f32,
    /// Brightness of each channel, and contrast, changed by up to this share of the full range.
    pub colour: f32,
    /// Mirrored from left to right, every other image.
    pub flip: bool,
    /// Moved by up to this many whole pixels along each axis; what comes in is the mean of the training pixels.
    pub crop: usize,
    /// Contrast about the mean of the training pixels divided or multiplied by up to this factor; 0 or 1: kept.
    pub contrast: f32,
    /// Largest standard deviation of the noise on every value, in deviations of the training pixels.
    pub noise: f32,
}

/// Channels, rows and columns of an image.
pub type Size = [usize; 3];

/// Writes the normalised pixels of an image, `(pixel / 255 - mean) / deviation`, to `out`.
///
/// # Panics
/// If `pixels` or `out` are not as long as `size` says, or a channel has no normalisation.
pub fn normalise(pixels: &[u8], size: Size, normalisation: &Normalisation, out: &mut [f32]) {
    let plane = size[1] * size[2];
    assert_eq!((pixels.len(), out.len()), (size[0] * plane, size[0] * plane), "an image of {size:?}");
    for (channel, (pixels, out)) in pixels.chunks_exact(plane).zip(out.chunks_exact_mut(plane)).enumerate() {
        let (mean, deviation) = (normalisation.mean[channel], normalisation.deviation[channel]);
        for (&pixel, out) in pixels.iter().zip(out) {
            *out = (f32::from(pixel) / 255.0 - mean) / deviation;
        }
    }
}

/// All of a run of images, normalised.
///
/// # Panics
/// As [`normalise`].
pub fn normalise_all(pixels: &[u8], size: Size, normalisation: &Normalisation) -> Vec<f32> {
    let image_len: usize = size.iter().product();
    let mut inputs = vec![0.0; pixels.len()];
    for (pixels, input) in pixels.chunks(image_len).zip(inputs.chunks_mut(image_len)) {
        normalise(pixels, size, normalisation, input);
    }
    inputs
}

impl Augmentation {
    /// Replaces the normalised image by a random view of it: an affine map about its centre with
    /// bilinear interpolation, mirrored at the borders, then colours. Symmetries alone are exact.
    ///
    /// # Panics
    /// If `image` is not as long as `size` says.
    pub fn apply(&self, image: &mut [f32], size: Size, rng: &mut impl Rng) {
        let [channels, height, width] = size;
        assert_eq!(image.len(), channels * height * width, "an image of {size:?}");
        if self.symmetries || self.rotation_degrees > 0.0 || self.shift_pixels > 0.0 || self.zoom > 0.0 {
            let view = self.view(rng);
            let source = image.to_vec();
            for row in 0..height {
                for column in 0..width {
                    let taps = view.taps(row, column, height, width);
                    for channel in 0..channels {
                        let plane = &source[channel * height * width..];
                        image[(channel * height + row) * width + column] =
                            taps.iter().map(|&(index, weight)| plane[index] * weight).sum();
                    }
                }
            }
        }
        if self.flip || self.crop > 0 {
            self.shifted(image, size, rng);
        }
        if self.colour > 0.0 {
            // Normalised values span about four units.
            let mut draw = |unit: f32| unit * self.colour * rng.random_range(-1.0..=1.0);
            let contrast = 1.0 + draw(1.0);
            for plane in image.chunks_exact_mut(height * width) {
                let brightness = draw(2.0);
                plane.iter_mut().for_each(|value| *value = *value * contrast + brightness);
            }
        }
        if self.contrast > 1.0 {
            let factor = self.contrast.powf(rng.random_range(-1.0..=1.0));
            image.iter_mut().for_each(|value| *value *= factor);
        }
        if self.noise > 0.0 {
            // Uniform noise of standard deviation 1 spans the root of three either way.
            let reach = rng.random_range(0.0..=self.noise) * 3.0_f32.sqrt();
            image.iter_mut().for_each(|value| *value += reach * rng.random_range(-1.0..=1.0));
        }
    }

    fn shifted(&self, image: &mut [f32], [_, height, width]: Size, rng: &mut impl Rng) {
        let is_flipped = self.flip && rng.random_range(0..2u8) == 1;
        let mut draw = || rng.random_range(0..=2 * self.crop);
        let (down, right) = (draw(), draw());
        let source = image.to_vec();
        for (plane, source) in image.chunks_exact_mut(height * width).zip(source.chunks_exact(height * width))
        {
            for (row, line) in plane.chunks_exact_mut(width).enumerate() {
                let from_row = (row + down).checked_sub(self.crop).filter(|&row| row < height);
                for (column, value) in line.iter_mut().enumerate() {
                    let column = if is_flipped { width - 1 - column } else { column };
                    let from_column =
                        (column + right).checked_sub(self.crop).filter(|&column| column < width);
                    *value = match (from_row, from_column) {
                        (Some(row), Some(column)) => source[row * width + column],
                        _ => 0.0,
                    };
                }
            }
        }
    }

    fn view(&self, rng: &mut impl Rng) -> View {
        let mut draw = |bound: f32| if bound > 0.0 { rng.random_range(-bound..=bound) } else { 0.0 };
        let (sin, cos) = (draw(self.rotation_degrees) / 360.0 * TAU).sin_cos();
        let scale = (1.0 + self.zoom).powf(draw(1.0));
        let shift = [draw(self.shift_pixels), draw(self.shift_pixels)];
        let mut matrix = [[cos * scale, -sin * scale], [sin * scale, cos * scale]];
        if self.symmetries {
            let symmetry = rng.random_range(0..8u8);
            if symmetry & 1 != 0 {
                matrix.swap(0, 1);
            }
            for (row, bit) in [(0, 2), (1, 4)] {
                if symmetry & bit != 0 {
                    matrix[row] = matrix[row].map(|value| -value);
                }
            }
        }
        View { matrix, shift }
    }
}

/// Where each pixel of a view comes from.
struct View {
    matrix: [[f32; 2]; 2],
    shift: [f32; 2],
}

impl View {
    /// The four pixels a pixel of the view mixes, as positions in a plane, and their weights.
    fn taps(&self, row: usize, column: usize, height: usize, width: usize) -> [(usize, f32); 4] {
        let centre = [(height - 1) as f32 / 2.0, (width - 1) as f32 / 2.0];
        let (y, x) = (row as f32 - centre[0], column as f32 - centre[1]);
        let at = |axis: usize| {
            let [a, b] = self.matrix[axis];
            a * y + b * x + centre[axis] + self.shift[axis]
        };
        let (y, x) = (at(0), at(1));
        let (top, left) = (y.floor(), x.floor());
        let (down, right) = (y - top, x - left);
        let position = |dy: f32, dx: f32| mirrored(top + dy, height) * width + mirrored(left + dx, width);
        [
            (position(0.0, 0.0), (1.0 - down) * (1.0 - right)),
            (position(0.0, 1.0), (1.0 - down) * right),
            (position(1.0, 0.0), down * (1.0 - right)),
            (position(1.0, 1.0), down * right),
        ]
    }
}

/// Reflects a coordinate about the first and last pixel until it lies between them.
fn mirrored(coordinate: f32, size: usize) -> usize {
    let last = size as i64 - 1;
    if last == 0 {
        return 0;
    }
    let folded = (coordinate as i64).rem_euclid(2 * last);
    folded.min(2 * last - folded) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};

    const SIZE: Size = [2, 6, 6];

    fn image() -> Vec<f32> {
        (0..72).map(|value| value as f32 / 16.0).collect()
    }

    fn views(augmentation: Augmentation, count: u64) -> Vec<Vec<f32>> {
        let view = |index| {
            let mut view = image();
            augmentation.apply(&mut view, SIZE, &mut stream(0, Purpose::Augmentation, index));
            view
        };
        (0..count).map(view).collect()
    }

    #[test]
    fn no_augmentation_changes_nothing() {
        assert_eq!(views(Augmentation::default(), 1)[0], image());
    }

    #[test]
    fn symmetries_permute_the_pixels_of_each_channel_in_eight_ways() {
        let mut seen = views(Augmentation { symmetries: true, ..Augmentation::default() }, 200);
        for view in &seen {
            for channel in 0..2 {
                let mut plane = view[channel * 36..][..36].to_vec();
                plane.sort_by(f32::total_cmp);
                assert_eq!(plane, image()[channel * 36..][..36]);
            }
        }
        seen.sort_by(|a, b| a.partial_cmp(b).unwrap());
        seen.dedup();
        assert_eq!(seen.len(), 8);
    }

    #[test]
    fn interpolation_stays_within_the_range_of_the_image() {
        let bold = Augmentation {
            symmetries: true,
            rotation_degrees: 180.0,
            shift_pixels: 20.0,
            zoom: 1.0,
            ..Augmentation::default()
        };
        for view in views(bold, 100) {
            assert!(view[..36].iter().all(|&value| (-1e-5..=2.18751).contains(&value)));
        }
    }

    #[test]
    fn colours_shift_channels_apart_but_keep_their_structure() {
        for view in views(Augmentation { colour: 0.1, ..Augmentation::default() }, 20) {
            let slope = (view[35] - view[0]) / 2.1875;
            assert!((0.899..=1.101).contains(&slope));
            assert!((view[36] - view[0] - 2.25 * slope).abs() <= 0.401);
        }
    }

    #[test]
    fn pixels_are_scaled_to_one_before_they_are_normalised() {
        let normalisation = Normalisation { mean: vec![0.5], deviation: vec![0.25] };
        let mut out = [0.0; 2];
        normalise(&[0, 255], [1, 1, 2], &normalisation, &mut out);
        assert_eq!(out, [-2.0, 2.0]);
    }

    #[test]
    fn crops_move_whole_pixels_and_flips_mirror_rows() {
        let mut seen = views(Augmentation { flip: true, crop: 1, ..Augmentation::default() }, 300);
        let source = image();
        for view in &seen {
            // Every value is the mean or stands in the source, a row of which runs one way or the other.
            let row: Vec<f32> = view[6 * 2 + 1..6 * 2 + 5].to_vec();
            let step = row[1] - row[0];
            assert!(step.abs() == 1.0 / 16.0 && row.windows(2).all(|pair| pair[1] - pair[0] == step));
            assert!(view[7..11].iter().all(|value| source.contains(value)));
            assert_eq!(view[36 + 14] - view[14], 36.0 / 16.0, "channels move together");
        }
        seen.sort_by(|a, b| a.partial_cmp(b).unwrap());
        seen.dedup();
        assert_eq!(seen.len(), 2 * 3 * 3);
    }

    #[test]
    fn contrast_scales_within_its_factor_and_noise_keeps_its_deviation() {
        for view in views(Augmentation { contrast: 2.0, ..Augmentation::default() }, 50) {
            let factor = view[71] / image()[71];
            assert!((0.5..=2.0).contains(&factor) && (view[7] - factor * image()[7]).abs() < 1e-5);
        }
        let noisy = views(Augmentation { noise: 0.5, ..Augmentation::default() }, 200);
        let squares = noisy.iter().flat_map(|view| view.iter().zip(image()).map(|(a, b)| (a - b).powi(2)));
        let mean = squares.sum::<f32>() / (200.0 * 72.0);
        // The deviation is uniform between 0 and 0.5, so that its square has the mean 0.25 / 3.
        assert!((mean - 0.25 / 3.0).abs() < 0.02, "{mean}");
    }
}
