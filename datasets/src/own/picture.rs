//! One image file of a user's, decoded. Whatever a decoder would settle in silence is an error or a stated step.

use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, Limits};

use super::options::{Options, Step};
use crate::formats::bounded;
use crate::formats::png::check_palettes;
use crate::image_set::Pixels;
use crate::sets::tree::{MAX_DECODE_BYTES, MAX_FILE_BYTES, MAX_SIDE};

/// A decoded image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Picture {
    pub(super) channels: usize,
    pub(super) height: usize,
    pub(super) width: usize,
    /// `channels x height x width`.
    pub(super) planes: Pixels,
}

impl Picture {
    /// From interleaved values.
    ///
    /// # Panics
    /// If there are not `channels x height x width` values.
    pub(super) fn from_interleaved([channels, height, width]: [usize; 3], interleaved: &Pixels) -> Self {
        let planes = match interleaved {
            Pixels::Bytes(values) => Pixels::Bytes(planes(values, channels)),
            Pixels::Reals(values) => Pixels::Reals(planes(values, channels)),
        };
        assert_eq!(planes.len(), channels * height * width, "an image of another size");
        Self { channels, height, width, planes }
    }
}

fn planes<T: Copy>(interleaved: &[T], channels: usize) -> Vec<T> {
    (0..channels).flat_map(|channel| interleaved.iter().skip(channel).step_by(channels).copied()).collect()
}

/// Decodes a file, and says what was done to it, in words that continue "N of M images: ".
pub(super) fn read(path: &Path, options: &Options) -> Result<(Picture, Vec<String>), String> {
    let bytes = bounded::read(path, MAX_FILE_BYTES).map_err(|error| match error {
        crate::Error::Unusable { reason, .. } => reason,
        other => other.to_string(),
    })?;
    decode(&bytes, options)
}

/// Decodes the bytes of a file.
pub(super) fn decode(bytes: &[u8], options: &Options) -> Result<(Picture, Vec<String>), String> {
    let told = |error: ImageError| match error {
        ImageError::IoError(_) | ImageError::Decoding(_) => {
            format!("{error}: the file is cut off or damaged; replace or remove it")
        }
        other => other.to_string(),
    };
    let mut steps = Vec::new();
    let (image, orientation) = match image::guess_format(bytes) {
        Ok(ImageFormat::Png) => {
            check_palettes(bytes)?;
            let mut limits = Limits::default();
            limits.max_image_width = Some(MAX_SIDE);
            limits.max_image_height = Some(MAX_SIDE);
            limits.max_alloc = Some(MAX_DECODE_BYTES);
            let mut decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(told)?;
            if decoder.is_apng().map_err(told)? {
                consent(options, Step::FirstFrame, "it is animated")?;
                steps.push("an animation, of which the first frame is taken".to_owned());
            }
            let orientation = decoder.orientation().map_err(told)?;
            (DynamicImage::from_decoder(decoder).map_err(told)?, orientation)
        }
        Ok(ImageFormat::Jpeg) => {
            match jpeg_components(bytes)? {
                1 | 3 => {}
                4 => {
                    return Err(
                        "it is a JPEG in CMYK, whose colours depend on a printer: convert it to RGB".into()
                    );
                }
                other => return Err(format!("it is a JPEG of {other} components")),
            }
            let mut decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(told)?;
            let (width, height) = decoder.dimensions();
            if width > MAX_SIDE || height > MAX_SIDE {
                return Err(format!("it is {width}x{height} pixels: at most {MAX_SIDE} a side are read"));
            }
            let orientation = decoder.orientation().map_err(told)?;
            (DynamicImage::from_decoder(decoder).map_err(told)?, orientation)
        }
        Ok(other) => return Err(format!("it is {other:?}: PNG and JPEG are read, so convert it")),
        Err(_) => return Err("it is neither PNG nor JPEG".into()),
    };
    let image = upright(image, orientation, options, &mut steps)?;
    let (height, width) = (image.height() as usize, image.width() as usize);
    if height == 0 || width == 0 {
        return Err("it has no pixels".into());
    }
    let (channels, values) = match image {
        DynamicImage::ImageLuma8(image) => (1, Pixels::Bytes(image.into_raw())),
        DynamicImage::ImageLumaA8(image) => (2, Pixels::Bytes(image.into_raw())),
        DynamicImage::ImageRgb8(image) => (3, Pixels::Bytes(image.into_raw())),
        DynamicImage::ImageRgba8(image) => (4, Pixels::Bytes(image.into_raw())),
        DynamicImage::ImageLuma16(image) => (1, deep(image.as_raw(), options, &mut steps)),
        DynamicImage::ImageLumaA16(image) => (2, deep(image.as_raw(), options, &mut steps)),
        DynamicImage::ImageRgb16(image) => (3, deep(image.as_raw(), options, &mut steps)),
        DynamicImage::ImageRgba16(image) => (4, deep(image.as_raw(), options, &mut steps)),
        other => return Err(format!("its pixels are {:?}, which is not read", other.color())),
    };
    let values = match (values, options.pixel_max) {
        (Pixels::Bytes(values), Some(max)) if max != 255.0 => {
            steps.push(format!("values of 8 bits divided by {max}"));
            Pixels::Reals(values.into_iter().map(|value| f32::from(value) / max).collect())
        }
        (values, _) => values,
    };
    Ok((Picture::from_interleaved([channels, height, width], &values), steps))
}

/// Values of 16 bits, scaled.
fn deep(values: &[u16], options: &Options, steps: &mut Vec<String>) -> Pixels {
    let max = options.pixel_max.unwrap_or(65_535.0);
    steps.push(format!("16 bits a channel, divided by {max}"));
    Pixels::Reals(values.iter().map(|&value| f32::from(value) / max).collect())
}

fn upright(
    mut image: DynamicImage,
    orientation: Orientation,
    options: &Options,
    steps: &mut Vec<String>,
) -> Result<DynamicImage, String> {
    if orientation == Orientation::NoTransforms {
        return Ok(image);
    }
    if options.allows(Step::IgnoreRotation) {
        steps.push("an EXIF orientation, which was ignored".into());
    } else if options.allows(Step::Rotate) {
        image.apply_orientation(orientation);
        steps.push("turned upright as their EXIF orientation says".into());
    } else {
        return Err(format!(
            "its EXIF orientation is {}, so its pixels are not stored upright: `--allow {}` turns it, `--allow {}` takes it \
             as it is stored, as PyTorch's image folders do",
            orientation.to_exif(),
            Step::Rotate,
            Step::IgnoreRotation
        ));
    }
    Ok(image)
}

/// An error that names the step unless the user consents to it.
pub(super) fn consent(options: &Options, step: Step, what: &str) -> Result<(), String> {
    if options.allows(step) { Ok(()) } else { Err(format!("{what}: `--allow {step}` consents to it")) }
}

/// Components of a JPEG file, read from its frame header. The decoder forgives a scan that is cut short; this does not.
/// Source: ITU-T T.81, annex B.
fn jpeg_components(bytes: &[u8]) -> Result<u8, String> {
    let cut = || "it is a JPEG that ends too early".to_owned();
    let mut components = None;
    let mut at = 2;
    loop {
        let &[0xff, marker] = bytes.get(at..at + 2).and_then(|two| two.first_chunk::<2>()).ok_or_else(cut)?
        else {
            return Err("it is a damaged JPEG: a marker is missing".into());
        };
        match marker {
            // Fill bytes, and markers without a segment.
            0xff => at += 1,
            0x01 | 0xd0..=0xd8 => at += 2,
            0xda => break,
            _ => {
                let &[high, low] =
                    bytes.get(at + 2..at + 4).and_then(|two| two.first_chunk::<2>()).ok_or_else(cut)?;
                let is_frame = matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc);
                if is_frame {
                    components = Some(*bytes.get(at + 9).ok_or_else(cut)?);
                }
                at += 2 + usize::from(u16::from_be_bytes([high, low])).max(2);
            }
        }
    }
    if !bytes[at..].windows(2).any(|two| two == [0xff, 0xd9]) {
        return Err(cut());
    }
    components.ok_or_else(|| "it is a JPEG without a frame".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, RgbImage};

    fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn colours() -> DynamicImage {
        RgbImage::from_fn(5, 3, |x, y| image::Rgb([x as u8 * 40, y as u8 * 80, 7])).into()
    }

    #[test]
    fn interleaved_pixels_become_planes() {
        let (picture, steps) = decode(&encoded(&colours(), ImageFormat::Png), &Options::default()).unwrap();
        assert_eq!((picture.channels, picture.height, picture.width), (3, 3, 5));
        let Pixels::Bytes(planes) = picture.planes else { panic!("8 bits") };
        assert_eq!(planes[..5], [0, 40, 80, 120, 160]);
        assert_eq!(planes[15..30], [0, 0, 0, 0, 0, 80, 80, 80, 80, 80, 160, 160, 160, 160, 160]);
        assert!(steps.is_empty());
    }

    #[test]
    fn every_cut_of_a_jpeg_or_png_is_an_error() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let whole =
                encoded(&GrayImage::from_fn(16, 16, |x, y| image::Luma([(x * y) as u8])).into(), format);
            decode(&whole, &Options::default()).unwrap();
            for length in 0..whole.len() - 12 {
                assert!(decode(&whole[..length], &Options::default()).is_err(), "{format:?}, {length} bytes");
            }
        }
    }

    #[test]
    fn flipped_bytes_never_panic() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let whole = encoded(&colours(), format);
            for at in 0..whole.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut damaged = whole.clone();
                    damaged[at] ^= flip;
                    if let Ok((picture, _)) = decode(&damaged, &Options::default()) {
                        assert_eq!(picture.planes.len(), picture.channels * picture.height * picture.width);
                    }
                }
            }
        }
    }
}
