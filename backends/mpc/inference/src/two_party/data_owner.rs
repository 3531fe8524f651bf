//! The data owner: images in, logits out.

use veilbench_2pc::Error as Core;
use veilbench_2pc::network::{self, DataOwnerMaterial};
use veilbench_mpc::ring;
use veilbench_networks::{Shape, Tensor};

use super::super::MODEL_OWNER;
use super::super::batches::Progress;
use super::channel::{Failure, Timed};
use super::{Compiled, windows};
use veilbench_api::{Error, Link, Party, Recorder, RoleContext};

pub(super) struct DataOwner {
    core: network::DataOwner,
    server: Link,
    window: usize,
    batch: usize,
    input: Shape,
    classes: usize,
    progress: Progress,
    /// What the window that comes next runs on.
    ready: Option<DataOwnerMaterial>,
    recorder: Recorder,
}

impl DataOwner {
    pub(super) fn join(role: &mut RoleContext, compiled: Compiled) -> Result<Self, Error> {
        let (mut server, recorder) = (role.links.take(MODEL_OWNER)?, role.recorder.clone());
        let mut channel = Timed { link: &mut server, recorder: &recorder };
        let core = network::DataOwner::set_up(compiled.network, compiled.depth, &mut channel)
            .map_err(|failure| failure.into_error(MODEL_OWNER))?;
        Ok(Self {
            core,
            server,
            window: compiled.window,
            batch: role.job.batch,
            input: role.architecture.input,
            classes: role.architecture.classes(),
            progress: Progress::default(),
            ready: None,
            recorder,
        })
    }

    fn prepare(&mut self, images: usize) -> Result<(), Error> {
        let mut channel = Timed { link: &mut self.server, recorder: &self.recorder };
        let material = self.core.prepare(images, &mut channel);
        self.ready = Some(material.map_err(|failure| failure.into_error(MODEL_OWNER))?);
        Ok(())
    }

    /// Values of images in fixed point, and those images with values beyond the magnitude that the format is for. These are zeros: the batch runs as any other, so
    /// that nobody else learns of them.
    fn encode(&self, images: &[f32]) -> (Vec<u64>, Vec<usize>) {
        let format = self.core.plan().circuit().format();
        let encoded = |value: &f32| {
            let value = f64::from(*value);
            let fits = value.abs() <= format.input_magnitude;
            fits.then(|| ring::encode(value, format.activation_bits)).flatten()
        };
        let (mut values, mut refused) = (Vec::with_capacity(images.len()), Vec::new());
        for (at, image) in images.chunks_exact(self.input.len()).enumerate() {
            let start = values.len();
            values.extend(image.iter().map_while(encoded));
            if values.len() - start < image.len() {
                refused.push(at);
                values.truncate(start);
                values.resize(start + image.len(), 0);
            }
        }
        (values, refused)
    }
}

fn out_of_range(images: Vec<usize>, reason: &str) -> Error {
    let reason = format!(
        "images {images:?} of the batch: {reason}; leave them out, or calibrate the network on images like them"
    );
    Error::OutOfRange { images, reason }
}

impl Party for DataOwner {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.progress.announce(images, self.batch)?;
        self.prepare(images.min(self.window))
    }

    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = images.ok_or_else(|| Error::protocol("the data owner was given no images"))?;
        let prepared = self.progress.take()?;
        if images.images() != prepared {
            let given = images.images();
            return Err(Error::Input(format!(
                "a batch of {given} images was given where {prepared} were prepared"
            )));
        }
        let (pixels, mut out_of_bounds) = (self.input.len(), Vec::new());
        let (mut logits, mut refused) = (Vec::with_capacity(prepared * self.classes), Vec::new());
        for (index, window) in windows(prepared, self.window).enumerate() {
            if index > 0 {
                self.prepare(window.len())?;
            }
            let material = self.ready.take().ok_or_else(|| Error::protocol("a batch was not prepared"))?;
            let (values, beyond) = self.encode(&images.data()[window.start * pixels..window.end * pixels]);
            out_of_bounds.extend(beyond.iter().map(|image| window.start + image));
            let mut channel = Timed { link: &mut self.server, recorder: &self.recorder };
            match self.core.run(material, &values, &mut channel) {
                Ok(of_window) => {
                    let circuit = self.core.plan().circuit();
                    logits.extend(of_window.into_iter().map(|logit| circuit.decode(logit) as f32));
                }
                Err(Failure::Protocol(Core::OutOfRange { images })) => {
                    refused.extend(images.iter().map(|image| window.start + image));
                }
                Err(failure) => return Err(failure.into_error(MODEL_OWNER)),
            }
        }
        if !out_of_bounds.is_empty() {
            let most = self.core.plan().circuit().format().input_magnitude;
            let reason = format!("they have values beyond the {most} that the input's range allows");
            return Err(out_of_range(out_of_bounds, &reason));
        }
        if !refused.is_empty() {
            let reason = "they drive activations beyond what the calibrated ranges leave room for";
            return Err(out_of_range(refused, reason));
        }
        Tensor::new(prepared, Shape::Flat(self.classes), logits)
            .map(Some)
            .ok_or_else(|| Error::protocol("logits of another number than images and classes"))
    }
}
