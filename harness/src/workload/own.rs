//! A user's own images: options, the data they name, and what calibrates a network on it.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use veilbench_datasets::{Fitted, ImageSet, Input, Options, OwnData, Split, Step, Store};
use veilbench_networks::{Network, Shape, Tensor};

use crate::error::Error;
use crate::workload::WorkloadError;
use crate::workload::pixels::{normalise, normalised};
use crate::workload::preparation::Preparation;

/// Training images whose activations give the ranges of a network that states none.
const CALIBRATION_IMAGES: usize = 1000;
/// Made-up images that do where there are none.
const MADE_UP_IMAGES: usize = 64;

/// Where the ranges of a network's activations are taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Calibration {
    /// This many images of the data's training part, or of the data itself where it has none.
    Images(usize),
    /// Images of their own.
    Data(PathBuf),
}

impl FromStr for Calibration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(0) => Err("no range can be taken from no image".into()),
            Ok(count) => Ok(Self::Images(count)),
            Err(_) => Ok(Self::Data(text.into())),
        }
    }
}

/// Options about images and models of the user's.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct OwnOptions {
    /// Your own images: a folder per class, a folder with a CSV, .npz, .npy, IDX files, images without labels, or the
    /// name of data that was added. Measured on them are the files of --model, or else the networks of -n
    #[arg(long, value_name = "PATH|NAME", help_heading = "Your own images")]
    data: Option<PathBuf>,
    /// Steps to consent to: stretch or crop (another aspect), grey, drop-alpha, first-frame (of an animation), rotate or
    /// ignore-rotation (EXIF)
    #[arg(long, value_name = "STEP,...", value_delimiter = ',', help_heading = "Your own images")]
    allow: Vec<Step>,
    /// Value of a white pixel, where bytes, 16 bits or floats from 0 to 1 do not say it
    #[arg(long, value_name = "X", help_heading = "Your own images")]
    pixel_max: Option<f32>,
    /// The same of the images of --calibrate PATH, for which --pixel-max does not hold
    #[arg(long, value_name = "X", help_heading = "Your own images")]
    calibrate_pixel_max: Option<f32>,
    /// Take the ranges of activations from these images, or from this many of the data's own [default: its training part, if
    /// the file states no ranges]
    #[arg(long, value_name = "PATH|N", help_heading = "Your own images")]
    calibrate: Option<Calibration>,
    #[command(flatten)]
    pub(crate) preparation: Preparation,
}

/// A network's training images, and what they are called where their ranges are told.
pub(crate) struct Calibrating {
    pub(crate) images: Tensor,
    pub(crate) from: String,
    /// What was done to them, a line each.
    pub(crate) notes: Vec<String>,
}

impl Calibrating {
    /// This many training images of a published set, as far as there are so many.
    ///
    /// # Errors
    /// If they do not fit the network.
    pub(crate) fn training(
        training: &ImageSet,
        count: usize,
        seed: u64,
        network: &Network,
    ) -> Result<Self, WorkloadError> {
        let images = training.subset(count.min(training.len()), seed)?;
        let from = format!("{} training images of {}", images.len(), images.id);
        Ok(Self { images: normalise(&images, network)?, from, notes: Vec::new() })
    }
}

impl OwnOptions {
    /// How own images are read.
    pub(crate) fn reading(&self) -> Options {
        Options { allow: self.allow.clone(), pixel_max: self.pixel_max }
    }

    /// Whether own images were named.
    pub(crate) fn has_data(&self) -> bool {
        self.data.is_some()
    }

    /// Whether ranges are to be taken anew even if the file states them.
    pub(crate) fn recalibrates(&self) -> bool {
        self.calibrate.is_some()
    }

    /// Options that say nothing without others are refused.
    ///
    /// # Errors
    /// [`Error::Own`].
    pub(crate) fn check(&self, models: usize, networks_are_named: bool) -> Result<(), Error> {
        let refuse = |reason: &str| Err(Error::Own { reason: reason.into() });
        if self.has_data() && models == 0 && !networks_are_named {
            return refuse("--data needs the network to run on it: --model FILE, or -n NAME");
        }
        if !self.preparation.is_empty() && models == 0 {
            return refuse("--mean, --std, --scale, --channels and --classes are about a file: --model FILE");
        }
        let calibrates = matches!(self.calibrate, Some(Calibration::Data(_)));
        let is_about_data = self.pixel_max.is_some() || (!calibrates && !self.allow.is_empty());
        if is_about_data && !self.has_data() {
            return refuse("--allow and --pixel-max are about images: --data PATH");
        }
        if !calibrates && self.calibrate_pixel_max.is_some() {
            return refuse("--calibrate-pixel-max is about the images of --calibrate PATH");
        }
        let checked = self.reading().check().and_then(|()| self.reading_to_calibrate().check());
        checked.map_err(|reason| Error::Own { reason })
    }

    /// How images that calibrate alone are read: what is white in the others says nothing of them.
    fn reading_to_calibrate(&self) -> Options {
        Options { allow: self.allow.clone(), pixel_max: self.calibrate_pixel_max }
    }

    /// The data that was named, if any.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn open(&self, store: &Store) -> Result<Option<OwnData>, Error> {
        let find = |path: &PathBuf| OwnData::find(store, path, &self.reading());
        Ok(self.data.as_ref().map(find).transpose()?)
    }

    /// Images that calibrate a network on a user's data: those asked for, its training part, or made-up ones.
    ///
    /// # Errors
    /// If images cannot be read or do not fit the network.
    pub(crate) fn calibrating(
        &self,
        store: &Store,
        data: Option<&OwnData>,
        network: &Network,
        seed: u64,
    ) -> Result<Option<Calibrating>, WorkloadError> {
        let of = |data: &OwnData, split, count: usize| -> Result<Option<Calibrating>, WorkloadError> {
            let Fitted { images, notes } = fit(data, split, network)?;
            let notes = notes.iter().map(|note| format!("{}, to calibrate: {note}", data.name())).collect();
            let images = images.subset(count.min(images.len()), seed)?;
            let part = match split {
                Split::Train => "training images of",
                Split::Test => "images of",
            };
            let from = format!("{} {part} {}", images.len(), images.id);
            Ok(Some(Calibrating { images: normalise(&images, network)?, from, notes }))
        };
        let best = |data: &OwnData| if data.len(Split::Train) > 0 { Split::Train } else { Split::Test };
        match (&self.calibrate, data) {
            (Some(Calibration::Data(path)), _) => {
                let data = OwnData::find(store, path, &self.reading_to_calibrate())
                    .map_err(WorkloadError::to_calibrate)?;
                of(&data, best(&data), CALIBRATION_IMAGES).map_err(|error| match error {
                    WorkloadError::Dataset(error) => WorkloadError::to_calibrate(error),
                    other => other,
                })
            }
            (Some(Calibration::Images(count)), Some(data)) => of(data, best(data), *count),
            (None, Some(data)) if data.len(Split::Train) > 0 => of(data, Split::Train, CALIBRATION_IMAGES),
            (None, Some(_)) => Ok(Some(made_up(network)?)),
            (_, None) => Ok(None),
        }
    }

    /// How many training images of a published set calibrate a network.
    pub(crate) fn calibration_images(&self) -> usize {
        match self.calibrate {
            Some(Calibration::Images(count)) => count,
            _ => CALIBRATION_IMAGES,
        }
    }
}

/// The images of a split as a network takes them.
///
/// # Errors
/// If one cannot be read or fitted.
pub(crate) fn fit(data: &OwnData, split: Split, network: &Network) -> Result<Fitted, WorkloadError> {
    let input = match network.architecture.input {
        Shape::Image { channels, height, width } => Input::Image { channels, height, width },
        Shape::Flat(size) => Input::Flat(size),
    };
    Ok(data.fit(split, input, network.architecture.classes())?)
}

/// Images over the whole range of pixels: flat, waves, and noise, brighter and darker.
pub(super) fn made_up(network: &Network) -> Result<Calibrating, WorkloadError> {
    let shape = network.architecture.input;
    let (channels, height, width) = match shape {
        Shape::Image { channels, height, width } => (channels, height, width),
        Shape::Flat(size) => (1, 1, size),
    };
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let mut values = Vec::with_capacity(MADE_UP_IMAGES * shape.len());
    for image in 0..MADE_UP_IMAGES {
        let level = (image / 4) as f32 / (MADE_UP_IMAGES / 4 - 1) as f32;
        for place in 0..channels * height * width {
            let (row, column) = ((place / width % height) as f32, (place % width) as f32);
            let wave = |at: f32| 0.5 + 0.5 * (at * (0.1 + level)).sin();
            values.push(match image % 4 {
                0 => level,
                1 => wave(row + column),
                2 => wave(row) * level,
                _ => noise() * level.max(0.1),
            });
        }
    }
    let images = normalised(&values, [channels, height * width], network)?;
    let from =
        format!("{MADE_UP_IMAGES} made-up images of all pixel values (--calibrate takes images of yours)");
    Ok(Calibrating { images, from, notes: Vec::new() })
}

/// Lines on what was done to own images, each with the name of the data.
pub(crate) fn told(data: &OwnData, images: &ImageSet, notes: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = notes.iter().map(|note| format!("{}: {note}", data.name())).collect();
    if images.labels.is_none() {
        lines.push(format!(
            "{}: without labels there is agreement with the clear network, and no accuracy",
            data.name()
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::model::calibrate_if_needed;
    use veilbench_networks::zoo;

    #[test]
    fn a_plan_calibrates_on_so_many_images_as_asked_for_drawn_by_its_seed() {
        let own = OwnOptions { calibrate: Some(Calibration::Images(3)), ..OwnOptions::default() };
        let ranges = |seed| {
            let mut network = zoo::load("mnist-cnn").unwrap();
            let said = calibrate_if_needed(&mut network, &own, seed).unwrap().join("; ");
            assert!(said.contains("from 3 training images of mnist"), "{said}");
            network.architecture.layers.iter().map(|layer| layer.range).collect::<Vec<_>>()
        };
        assert_eq!(ranges(0), ranges(0));
        assert_ne!(ranges(0), ranges(5));
    }
}
