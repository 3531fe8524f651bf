//! Images and labels as arrays in NumPy's `.npz` and `.npy`.

use std::path::{Path, PathBuf};

use super::options::Options;
use super::part::{Found, Part, Source};
use super::picture::Picture;
use crate::Error;
use crate::formats::bounded;
use crate::formats::npy::{Array, Npy, Values};
use crate::formats::npz::Npz;
use crate::image_set::Pixels;

/// Most bytes an array may have, unpacked.
pub(super) const LIMIT_BYTES: u64 = 1 << 31;

/// Bytes up to this one only are told of: they may be shades from 0 to 16, or masks.
const DIM: u8 = 16;

/// Names of images and labels of the test part, the first pair that is there.
const TEST: [[&str; 2]; 9] = [
    ["test_images", "test_labels"],
    ["x_test", "y_test"],
    ["X_test", "y_test"],
    ["images", "labels"],
    ["image", "label"],
    ["X", "y"],
    ["x", "y"],
    ["data", "target"],
    ["data", "labels"],
];
const TRAIN: [[&str; 2]; 3] =
    [["train_images", "train_labels"], ["x_train", "y_train"], ["X_train", "y_train"]];
const VALIDATION: [[&str; 2]; 3] = [["val_images", "val_labels"], ["x_val", "y_val"], ["X_val", "y_val"]];

/// Images of one size.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stack {
    shape: [usize; 3],
    channels_last: bool,
    pixels: Pixels,
}

impl Stack {
    /// Grey images of 8 bits, whose pixels are as many as whole images have.
    pub(super) fn grey([height, width]: [usize; 2], pixels: Vec<u8>) -> Self {
        Self { shape: [1, height, width], channels_last: false, pixels: Pixels::Bytes(pixels) }
    }

    /// Number of images.
    pub(super) fn len(&self) -> usize {
        self.pixels.len() / self.shape.iter().product::<usize>()
    }

    /// The image at `index`, which is below [`len`](Self::len).
    pub(super) fn picture(&self, index: usize) -> Picture {
        let size = self.shape.iter().product::<usize>();
        let of = index * size..(index + 1) * size;
        let values = match &self.pixels {
            Pixels::Bytes(values) => Pixels::Bytes(values[of].to_vec()),
            Pixels::Reals(values) => Pixels::Reals(values[of].to_vec()),
        };
        let [channels, height, width] = self.shape;
        if self.channels_last {
            return Picture::from_interleaved(self.shape, &values);
        }
        Picture { channels, height, width, planes: values }
    }

    /// Channels, rows and columns.
    pub(super) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// All values, as they are stored.
    pub(super) fn pixels(&self) -> &Pixels {
        &self.pixels
    }
}

/// Arrays by name, wherever they are kept.
trait Arrays {
    fn names(&self) -> Vec<String>;
    fn array(&mut self, name: &str) -> Result<Array, Error>;
    fn unusable(&self, name: &str, reason: &str) -> Error;
    fn path(&self, name: &str) -> PathBuf;
}

struct InArchive<'a>(&'a Path, Npz);

impl Arrays for InArchive<'_> {
    fn names(&self) -> Vec<String> {
        self.1.names()
    }

    fn array(&mut self, name: &str) -> Result<Array, Error> {
        let file = self.1.file(name, LIMIT_BYTES)?;
        Npy::parse(&file).and_then(|npy| npy.array()).map_err(|reason| self.unusable(name, &reason))
    }

    fn unusable(&self, name: &str, reason: &str) -> Error {
        self.1.unusable(name, reason)
    }

    fn path(&self, _name: &str) -> PathBuf {
        self.0.into()
    }
}

struct InFolder<'a>(&'a Path, Vec<String>);

impl Arrays for InFolder<'_> {
    fn names(&self) -> Vec<String> {
        self.1.clone()
    }

    fn array(&mut self, name: &str) -> Result<Array, Error> {
        let file = bounded::read(&self.path(name), LIMIT_BYTES)?;
        Npy::parse(&file).and_then(|npy| npy.array()).map_err(|reason| self.unusable(name, &reason))
    }

    fn unusable(&self, name: &str, reason: &str) -> Error {
        Error::unusable(self.path(name), reason)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.npy"))
    }
}

/// The images and labels of an `.npz` archive.
pub(super) fn archive(path: &Path, options: &Options) -> Result<Found, Error> {
    from(&mut InArchive(path, Npz::open(path)?), path, options)
}

/// Images and labels in `.npy` files of these names, without the ending, in one folder.
pub(super) fn folder(folder: &Path, names: Vec<String>, options: &Options) -> Result<Found, Error> {
    from(&mut InFolder(folder, names), folder, options)
}

/// One `.npy` file of images, and the labels beside it if there are any.
pub(super) fn file(path: &Path, options: &Options) -> Result<Found, Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let labels: Vec<&str> = TEST
        .iter()
        .chain(&TRAIN)
        .chain(&VALIDATION)
        .filter(|pair| pair[0] == stem)
        .map(|pair| pair[1])
        .collect();
    let labels = labels.into_iter().find(|name| folder.join(format!("{name}.npy")).is_file());
    let mut arrays = InFolder(folder, Vec::new());
    let mut found = Found::default();
    found.test = part(&mut arrays, &stem, labels, options, &mut found.notes)?;
    found.files = [Some(stem.as_str()), labels].into_iter().flatten().map(|name| arrays.path(name)).collect();
    Ok(found)
}

fn from(arrays: &mut dyn Arrays, path: &Path, options: &Options) -> Result<Found, Error> {
    let names = arrays.names();
    let has = |name: &str| names.iter().any(|known| known == name);
    let pick = |pairs: &[[&'static str; 2]]| {
        let whole = pairs.iter().find(|pair| has(pair[0]) && has(pair[1]));
        whole.or_else(|| pairs.iter().find(|pair| has(pair[0]))).copied()
    };
    let [mut test, train, validation] = [pick(&TEST), pick(&TRAIN), pick(&VALIDATION)];
    let mut found = Found::default();
    let mut used = Vec::new();
    if test.is_none() && validation.is_some() {
        found.notes.push("no test part: the validation part is taken for it".into());
        test = validation;
    }
    let Some([images, labels]) = test else {
        let expected = TEST.map(|[images, labels]| format!("`{images}` and `{labels}`")).join(", or ");
        let there = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let reason = format!("its arrays are {there}: expected {expected}");
        return Err(Error::unusable(path, reason));
    };
    let mut read = |[images, labels]: [&'static str; 2], notes: &mut Vec<String>| {
        let labels = Some(labels).filter(|labels| has(labels));
        used.push(images);
        used.extend(labels);
        part(arrays, images, labels, options, notes)
    };
    found.test = read([images, labels], &mut found.notes)?;
    found.train = train.map(|pair| read(pair, &mut found.notes)).transpose()?;
    found.files = used.iter().map(|name| arrays.path(name)).collect();
    found.files.dedup();
    let left: Vec<_> =
        names.iter().filter(|name| !used.contains(&name.as_str())).map(|name| format!("`{name}`")).collect();
    if !left.is_empty() {
        found.notes.push(format!("arrays that were not read: {}", left.join(", ")));
    }
    Ok(found)
}

fn part(
    arrays: &mut dyn Arrays,
    images: &str,
    labels: Option<&str>,
    options: &Options,
    notes: &mut Vec<String>,
) -> Result<Part, Error> {
    let array = arrays.array(images)?;
    let stack = stack(array, options, notes).map_err(|reason| arrays.unusable(images, &reason))?;
    let count = stack.len();
    let labels = match labels {
        None => None,
        Some(name) => {
            let array = arrays.array(name)?;
            Some(numbers(&array, count, notes).map_err(|reason| arrays.unusable(name, &reason))?)
        }
    };
    Ok(Part { source: Source::Stack(stack), labels })
}

/// Images from an array of two to four axes.
fn stack(array: Array, options: &Options, notes: &mut Vec<String>) -> Result<Stack, String> {
    let few = |channels: usize| matches!(channels, 1 | 3 | 4);
    let (shape, channels_last) = match *array.shape {
        [_, height, width] => ([1, height, width], false),
        [_, channels, height, width] if few(channels) && !few(width) => ([channels, height, width], false),
        [_, height, width, channels] if few(channels) && !few(height) => ([channels, height, width], true),
        [_, a, _, b] if few(a) && few(b) => {
            return Err(format!(
                "its shape {:?} may have channels first or last: leave out an axis of one, or name the files as images",
                array.shape
            ));
        }
        [_, values] => {
            let side = values.isqrt();
            let shape = if side * side == values { [1, side, side] } else { [1, 1, values] };
            notes.push(format!("rows of {values} values are grey images of {}x{}", shape[1], shape[2]));
            (shape, false)
        }
        _ => {
            return Err(format!(
                "its shape is {:?}: expected (images, rows, columns), with 1, 3 or 4 channels behind or before rows and columns",
                array.shape
            ));
        }
    };
    Ok(Stack { shape, channels_last, pixels: scaled(array.values, options, notes)? })
}

/// Values with white as one, or as bytes where they are.
fn scaled(values: Values, options: &Options, notes: &mut Vec<String>) -> Result<Pixels, String> {
    let divided = |values: Vec<f32>, max: f32, notes: &mut Vec<String>| {
        let values: Vec<f32> = values.into_iter().map(|value| value / max).collect();
        let (low, high) = extent(&values);
        notes.push(format!("values divided by {max}, which gives {low} to {high}"));
        Pixels::Reals(values)
    };
    match (values, options.pixel_max) {
        (Values::Bytes(values), None) if values.iter().all(|&value| value <= DIM) => {
            notes.push(format!(
                "bytes of {DIM} at most, of which 255 is taken as white: `--pixel-max` says otherwise"
            ));
            Ok(Pixels::Bytes(values))
        }
        (Values::Bytes(values), None | Some(255.0)) => Ok(Pixels::Bytes(values)),
        (Values::Bytes(values), Some(max)) => {
            Ok(divided(values.into_iter().map(f32::from).collect(), max, notes))
        }
        (Values::Integers(values), Some(max)) => {
            Ok(divided(values.into_iter().map(|value| value as f32).collect(), max, notes))
        }
        (Values::Integers(values), None) => Err(format!(
            "its values are whole numbers from {} to {}, not bytes: `--pixel-max` says which of them is white, such as 255 or 65535",
            values.iter().min().unwrap_or(&0),
            values.iter().max().unwrap_or(&0)
        )),
        (Values::Reals(values), max) => {
            if let Some(index) = values.iter().position(|value| !value.is_finite()) {
                return Err(format!("value {index} is {}", values[index]));
            }
            let (low, high) = extent(&values);
            match max {
                Some(max) => Ok(divided(values, max, notes)),
                None if low >= 0.0 && high <= 1.0 => {
                    notes.push("floats from 0 to 1, taken as they are".into());
                    Ok(Pixels::Reals(values))
                }
                None => Err(format!(
                    "its values go from {low} to {high}: `--pixel-max` says which of them is white, such as 255; `--pixel-max 1` \
                     takes them as they are"
                )),
            }
        }
    }
}

fn extent(values: &[f32]) -> (f32, f32) {
    values
        .iter()
        .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)))
}

/// Labels of shape `(n,)` or `(n, 1)`, or one-hot of shape `(n, classes)`.
fn numbers(array: &Array, images: usize, notes: &mut Vec<String>) -> Result<Vec<u32>, String> {
    let (count, width) = match *array.shape {
        [count] => (count, 1),
        [count, width] => (count, width),
        _ => return Err(format!("its shape is {:?}: expected one label per image", array.shape)),
    };
    if count != images {
        return Err(format!("it has {count} labels for {images} images"));
    }
    let values: Vec<f64> = match &array.values {
        Values::Bytes(values) => values.iter().map(|&value| f64::from(value)).collect(),
        Values::Integers(values) => values.iter().map(|&value| value as f64).collect(),
        Values::Reals(values) => values.iter().map(|&value| f64::from(value)).collect(),
    };
    if width == 1 {
        let label = |(index, value): (usize, &f64)| {
            super::part::label(*value)
                .ok_or_else(|| format!("label {value} of image {index} is not a whole number from 0 on"))
        };
        return values.iter().enumerate().map(label).collect();
    }
    notes.push(format!("labels are one-hot, of {width} columns"));
    let hot = |(index, row): (usize, &[f64])| {
        let ones = row.iter().filter(|&&value| value == 1.0).count();
        let zeros = row.iter().filter(|&&value| value == 0.0).count();
        let place = row.iter().position(|&value| value == 1.0).filter(|_| ones == 1 && zeros + 1 == width);
        place.map(|place| place as u32).ok_or_else(|| {
            format!("image {index} has {ones} labels of {width}: a network here tells one class, not several, for each image")
        })
    };
    values.chunks_exact(width).enumerate().map(hot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(shape: &[usize]) -> Array {
        let values = Values::Bytes((0..shape.iter().product::<usize>()).map(|value| value as u8).collect());
        Array { shape: shape.to_vec(), values }
    }

    fn read(array: Array) -> Result<Stack, String> {
        stack(array, &Options::default(), &mut Vec::new())
    }

    #[test]
    fn bytes_that_are_all_dark_are_told_of_unless_white_is_named() {
        let told = |brightest: u8, pixel_max: Option<f32>| {
            let mut notes = Vec::new();
            let array = Array { shape: vec![1, 2, 2], values: Values::Bytes(vec![0, 1, 2, brightest]) };
            stack(array, &Options { pixel_max, ..Options::default() }, &mut notes).unwrap();
            notes
        };
        assert!(told(16, None)[0].contains("255 is taken as white"));
        assert!(told(17, None).is_empty() && told(16, Some(255.0)).is_empty());
        assert!(told(16, Some(16.0))[0].contains("divided by 16"));
    }

    #[test]
    fn channels_are_found_first_or_last_and_an_ambiguous_shape_is_refused() {
        let last = read(bytes(&[2, 5, 6, 3])).unwrap();
        assert_eq!((last.len(), last.shape, last.channels_last), (2, [3, 5, 6], true));
        assert_eq!(
            last.picture(1).planes,
            Pixels::Bytes((0..90).map(|i| 90 + i % 30 * 3 + i / 30).collect())
        );
        let first = read(bytes(&[2, 3, 5, 6])).unwrap();
        assert_eq!((first.shape, first.channels_last), ([3, 5, 6], false));
        assert_eq!(read(bytes(&[4, 5, 6])).unwrap().shape, [1, 5, 6]);
        assert_eq!(read(bytes(&[4, 64])).unwrap().shape, [1, 8, 8]);
        assert!(read(bytes(&[2, 3, 32, 3])).unwrap_err().contains("first or last"));
        for shape in [&[2, 28, 28, 28][..], &[7], &[1, 2, 3, 4, 5], &[2, 5, 6, 2]] {
            assert!(
                read(bytes(shape)).unwrap_err().contains("expected (images, rows, columns)"),
                "{shape:?}"
            );
        }
    }

    #[test]
    fn what_white_is_has_to_be_said_where_it_cannot_be_told() {
        let with = |values: Values, pixel_max| {
            let options = Options { pixel_max, ..Options::default() };
            stack(Array { shape: vec![1, 1, 2], values }, &options, &mut Vec::new()).map(|stack| stack.pixels)
        };
        assert_eq!(with(Values::Bytes(vec![0, 255]), None).unwrap(), Pixels::Bytes(vec![0, 255]));
        assert_eq!(with(Values::Bytes(vec![0, 1]), Some(1.0)).unwrap(), Pixels::Reals(vec![0.0, 1.0]));
        assert!(with(Values::Integers(vec![0, 4095]), None).unwrap_err().contains("0 to 4095"));
        assert_eq!(
            with(Values::Integers(vec![0, 4095]), Some(4095.0)).unwrap(),
            Pixels::Reals(vec![0.0, 1.0])
        );
        assert_eq!(with(Values::Reals(vec![0.25, 1.0]), None).unwrap(), Pixels::Reals(vec![0.25, 1.0]));
        assert!(with(Values::Reals(vec![-2.0, 2.0]), None).unwrap_err().contains("--pixel-max 1"));
        assert_eq!(with(Values::Reals(vec![-2.0, 2.0]), Some(1.0)).unwrap(), Pixels::Reals(vec![-2.0, 2.0]));
        assert!(with(Values::Reals(vec![0.0, f32::NAN]), Some(1.0)).unwrap_err().contains("value 1 is NaN"));
    }

    #[test]
    fn labels_are_whole_numbers_one_for_each_image_or_one_hot() {
        let labels = |shape: &[usize], values: Values| {
            numbers(&Array { shape: shape.to_vec(), values }, shape[0], &mut Vec::new())
        };
        assert_eq!(labels(&[2, 1], Values::Bytes(vec![3, 4])).unwrap(), [3, 4]);
        assert_eq!(labels(&[2], Values::Reals(vec![3.0, 0.0])).unwrap(), [3, 0]);
        assert_eq!(labels(&[2, 3], Values::Bytes(vec![0, 0, 1, 1, 0, 0])).unwrap(), [2, 0]);
        for (shape, values) in [
            (&[2][..], Values::Integers(vec![0, -1])),
            (&[1], Values::Reals(vec![0.5])),
            (&[1], Values::Reals(vec![f32::NAN])),
            (&[1], Values::Integers(vec![1 << 40])),
            (&[1, 2], Values::Bytes(vec![1, 1])),
            (&[1, 2], Values::Bytes(vec![0, 2])),
        ] {
            assert!(labels(shape, values.clone()).is_err(), "{values:?}");
        }
        assert!(numbers(&bytes(&[3]), 2, &mut Vec::new()).unwrap_err().contains("3 labels for 2 images"));
    }
}
