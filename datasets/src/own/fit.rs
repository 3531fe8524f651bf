//! From a decoded image to the network's channels and size.

use super::options::{Options, Step};
use super::picture::{Picture, consent};
use crate::formats::resize::{Level, plane};
use crate::image_set::Pixels;

/// What a network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// An image.
    Image {
        /// Channels.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
    /// This many values, of whatever image.
    Flat(usize),
}

/// The image a network takes, given the first of the images it is to have, and a line on what was taken for granted.
pub(super) fn target(input: Input, first: &Picture) -> Result<([usize; 3], Option<String>), String> {
    let size = match input {
        Input::Image { channels, height, width } => return Ok(([channels, height, width], None)),
        Input::Flat(size) => size,
    };
    let (height, width) = (first.height, first.width);
    let square = |values: usize| Some(values.isqrt()).filter(|side| side * side == values && values > 0);
    let shape = if first.channels * height * width == size {
        [first.channels, height, width]
    } else if height * width == size {
        [1, height, width]
    } else if let Some(side) = square(size) {
        [1, side, side]
    } else if let Some(side) = square(size / 3).filter(|_| size.is_multiple_of(3)) {
        [3, side, side]
    } else {
        return Err(format!(
            "the network takes {size} values, which is neither an image of {height}x{width} nor a square one"
        ));
    };
    let [channels, height, width] = shape;
    Ok((
        shape,
        Some(format!(
            "its {size} inputs are an image of {channels}x{height}x{width}, one channel after the other"
        )),
    ))
}

/// A picture with the channels and the size of `target`, and what was done to it, in words that continue "N of M images: ".
pub(super) fn fitted(
    picture: Picture,
    [channels, height, width]: [usize; 3],
    options: &Options,
) -> Result<(Picture, Vec<String>), String> {
    let mut steps = Vec::new();
    let Picture { channels: found, height: rows, width: columns, planes } = picture;
    let planes = match planes {
        Pixels::Bytes(planes) => {
            let planes = with_channels(planes, found, channels, 255, luma, options, &mut steps)?;
            Pixels::Bytes(sized(&planes, [rows, columns], [height, width], options, &mut steps)?)
        }
        Pixels::Reals(planes) => {
            let planes = with_channels(planes, found, channels, 1.0, real_luma, options, &mut steps)?;
            Pixels::Reals(sized(&planes, [rows, columns], [height, width], options, &mut steps)?)
        }
    };
    Ok((Picture { channels, height, width, planes }, steps))
}

/// Grey by ITU-R BT.601 in 16-bit fixed point, as Pillow's conversion to `L` has it.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let [red, green, blue] = [red, green, blue].map(u32::from);
    ((19_595 * red + 38_470 * green + 7_471 * blue + 0x8000) >> 16) as u8
}

fn real_luma([red, green, blue]: [f32; 3]) -> f32 {
    (19_595.0 * red + 38_470.0 * green + 7_471.0 * blue) / 65_536.0
}

fn with_channels<L: Level + PartialEq>(
    mut planes: Vec<L>,
    mut found: usize,
    wanted: usize,
    white: L,
    grey: impl Fn([L; 3]) -> L,
    options: &Options,
    steps: &mut Vec<String>,
) -> Result<Vec<L>, String> {
    if found == wanted {
        return Ok(planes);
    }
    let size = planes.len() / found;
    if matches!(found, 2 | 4) {
        let is_opaque = planes[size * (found - 1)..].iter().all(|&alpha| alpha == white);
        if is_opaque {
            steps.push("an alpha channel that is opaque all over, left out".into());
        } else {
            consent(
                options,
                Step::DropAlpha,
                "it is transparent in places, and what lies behind is not known",
            )?;
            steps.push("an alpha channel, left out though not opaque".into());
        }
        found -= 1;
        planes.truncate(size * found);
    }
    match (found, wanted) {
        (found, wanted) if found == wanted => Ok(planes),
        (1, 3) => {
            steps.push("grey, repeated in three channels".into());
            Ok(planes.repeat(3))
        }
        (3, 1) => {
            let (red, rest) = planes.split_at(size);
            let (green, blue) = rest.split_at(size);
            if red == green && green == blue {
                steps.push("three equal channels, taken as grey".into());
                planes.truncate(size);
                return Ok(planes);
            }
            consent(options, Step::Grey, "it is in colour and the network takes one channel")?;
            steps.push("colour, turned grey by luma (ITU-R BT.601)".into());
            Ok(red.iter().zip(green).zip(blue).map(|((&r, &g), &b)| grey([r, g, b])).collect())
        }
        _ => Err(format!("it has {found} channels and the network takes {wanted}")),
    }
}

fn sized<L: Level>(
    planes: &[L],
    from: [usize; 2],
    to: [usize; 2],
    options: &Options,
    steps: &mut Vec<String>,
) -> Result<Vec<L>, String> {
    if from == to {
        return Ok(planes.to_vec());
    }
    let ([rows, columns], [height, width]) = (from, to);
    let channels = planes.chunks_exact(rows * columns);
    let same_aspect = rows * width == columns * height;
    let (window, how) = if same_aspect {
        ([0, rows, 0, columns], "")
    } else if options.allows(Step::Crop) {
        (middle(from, to), ", from the middle that has that aspect")
    } else if options.allows(Step::Stretch) {
        ([0, rows, 0, columns], ", with another aspect")
    } else {
        return Err(format!(
            "it is {columns} wide and {rows} high, the network takes {width} by {height}, another aspect: `--allow {}` cuts the \
             middle out, `--allow {}` distorts it",
            Step::Crop,
            Step::Stretch
        ));
    };
    steps.push(format!("resized to {width}x{height} with a triangle filter (Pillow's BILINEAR){how}"));
    let [top, below, left, right] = window;
    let cut = |channel: &[L]| -> Vec<L> {
        channel
            .chunks_exact(columns)
            .take(below)
            .skip(top)
            .flat_map(|row| row[left..right].iter().copied())
            .collect()
    };
    Ok(channels.flat_map(|channel| plane(&cut(channel), [below - top, right - left], to)).collect())
}

/// Rows from and to, columns from and to, of the largest window of the aspect of `to` in the middle of `from`.
fn middle([rows, columns]: [usize; 2], [height, width]: [usize; 2]) -> [usize; 4] {
    let share =
        |of: usize, part: usize, whole: usize| ((2 * of * part + whole) / (2 * whole)).clamp(1, of.max(1));
    let (high, wide) = if rows * width > columns * height {
        (share(columns, height, width).min(rows), columns)
    } else {
        (rows, share(rows, width, height).min(columns))
    };
    let (top, left) = ((rows - high) / 2, (columns - wide) / 2);
    [top, top + high, left, left + wide]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(channels: usize, height: usize, width: usize, values: Vec<u8>) -> Picture {
        Picture { channels, height, width, planes: Pixels::Bytes(values) }
    }

    fn allow(step: Step) -> Options {
        Options { allow: vec![step], pixel_max: None }
    }

    #[test]
    fn grey_is_repeated_and_colour_is_turned_grey_only_if_asked_for() {
        let (fit, steps) = fitted(picture(1, 1, 2, vec![3, 4]), [3, 1, 2], &Options::default()).unwrap();
        assert_eq!(fit.planes, Pixels::Bytes(vec![3, 4, 3, 4, 3, 4]));
        assert_eq!(steps, ["grey, repeated in three channels"]);
        let colour = || picture(3, 1, 1, vec![255, 0, 0]);
        assert!(fitted(colour(), [1, 1, 1], &Options::default()).unwrap_err().contains("--allow grey"));
        let (fit, _) = fitted(colour(), [1, 1, 1], &allow(Step::Grey)).unwrap();
        // Pillow: Image.new("RGB", (1, 1), (255, 0, 0)).convert("L").
        assert_eq!(fit.planes, Pixels::Bytes(vec![76]));
        let (fit, steps) = fitted(picture(3, 1, 1, vec![9; 3]), [1, 1, 1], &Options::default()).unwrap();
        assert_eq!((fit.planes, steps.len()), (Pixels::Bytes(vec![9]), 1));
    }

    #[test]
    fn alpha_is_left_out_where_it_says_nothing_or_where_asked_for() {
        let opaque = picture(4, 1, 1, vec![1, 2, 3, 255]);
        let (fit, steps) = fitted(opaque, [3, 1, 1], &Options::default()).unwrap();
        assert_eq!((fit.planes, steps.len()), (Pixels::Bytes(vec![1, 2, 3]), 1));
        let clear = || picture(4, 1, 1, vec![1, 2, 3, 254]);
        assert!(fitted(clear(), [3, 1, 1], &Options::default()).unwrap_err().contains("--allow drop-alpha"));
        assert!(fitted(clear(), [3, 1, 1], &allow(Step::DropAlpha)).is_ok());
        let (fit, steps) = fitted(clear(), [4, 1, 1], &Options::default()).unwrap();
        assert_eq!(
            (fit.planes, steps.len()),
            (Pixels::Bytes(vec![1, 2, 3, 254]), 0),
            "a network of four channels"
        );
    }

    #[test]
    fn another_aspect_is_refused_cropped_or_stretched() {
        let wide = || picture(1, 2, 4, vec![9, 1, 2, 9, 9, 3, 4, 9]);
        let error = fitted(wide(), [1, 2, 2], &Options::default()).unwrap_err();
        assert!(error.contains("4 wide and 2 high") && error.contains("--allow stretch"), "{error}");
        let (fit, steps) = fitted(wide(), [1, 2, 2], &allow(Step::Crop)).unwrap();
        assert_eq!(fit.planes, Pixels::Bytes(vec![1, 2, 3, 4]));
        assert!(steps[0].contains("from the middle"), "{steps:?}");
        let (fit, steps) = fitted(wide(), [1, 2, 2], &allow(Step::Stretch)).unwrap();
        assert_eq!(fit.planes.len(), 4);
        assert!(steps[0].contains("another aspect"), "{steps:?}");
    }

    #[test]
    fn the_middle_is_never_empty_and_never_outside() {
        for from in [[1, 1], [1, 9], [9, 1], [7, 5], [100, 3]] {
            for to in [[1, 1], [1, 9], [9, 1], [64, 63]] {
                let [top, below, left, right] = middle(from, to);
                assert!(
                    top < below && below <= from[0] && left < right && right <= from[1],
                    "{from:?} {to:?}"
                );
            }
        }
    }

    #[test]
    fn flat_inputs_are_an_image_of_their_size_or_a_square() {
        let digit = picture(1, 28, 28, vec![0; 784]);
        assert_eq!(target(Input::Flat(784), &digit).unwrap().0, [1, 28, 28]);
        assert_eq!(target(Input::Flat(64), &digit).unwrap().0, [1, 8, 8]);
        assert_eq!(target(Input::Flat(3072), &digit).unwrap().0, [3, 32, 32]);
        assert!(target(Input::Flat(7), &digit).is_err());
        let wide = picture(3, 2, 5, vec![0; 30]);
        assert_eq!(target(Input::Flat(30), &wide).unwrap().0, [3, 2, 5]);
        assert_eq!(target(Input::Flat(10), &wide).unwrap().0, [1, 2, 5]);
    }
}
