//! The data owner of the protocol without a dealer.

use std::ops::Range;

use veilbench_2pc::Error as Core;
use veilbench_2pc::network::{self, DataOwnerMaterial};
use veilbench_mpc::ring;

use super::super::MODEL_OWNER;
use super::Compiled;
use super::channel::{Failure, Timed};
use crate::roles::{DataOwnerSide, Refused};
use veilbench_api::{Error, Link, Recorder, RoleContext};

pub(super) struct DataOwner {
    core: network::DataOwner,
    server: Link,
    pixels: usize,
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
        Ok(Self { core, server, pixels: role.architecture.input.len(), ready: None, recorder })
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
        for (at, image) in images.chunks_exact(self.pixels).enumerate() {
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

impl DataOwnerSide for DataOwner {
    fn input_magnitude(&self) -> f64 {
        self.core.plan().circuit().format().input_magnitude
    }

    fn prepare(&mut self, window: Range<usize>) -> Result<(), Error> {
        let mut channel = Timed { link: &mut self.server, recorder: &self.recorder };
        let material = self.core.prepare(window.len(), &mut channel);
        self.ready = Some(material.map_err(|failure| failure.into_error(MODEL_OWNER))?);
        Ok(())
    }

    fn run(
        &mut self,
        pixels: &[f32],
        window: Range<usize>,
        refused: &mut Refused,
    ) -> Result<Vec<f32>, Error> {
        let material = self.ready.take().ok_or_else(|| Error::protocol("a batch was not prepared"))?;
        let first = window.start;
        let of_batch = |images: Vec<usize>| images.into_iter().map(move |image| first + image);
        let (values, beyond) = self.encode(pixels);
        refused.pixels.extend(of_batch(beyond));
        let mut channel = Timed { link: &mut self.server, recorder: &self.recorder };
        match self.core.run(material, &values, &mut channel) {
            Ok(logits) => {
                let circuit = self.core.plan().circuit();
                Ok(logits.into_iter().map(|logit| circuit.decode(logit) as f32).collect())
            }
            Err(Failure::Protocol(Core::OutOfRange { images })) => {
                refused.activations.extend(of_batch(images));
                Ok(Vec::new())
            }
            Err(failure) => Err(failure.into_error(MODEL_OWNER)),
        }
    }
}
