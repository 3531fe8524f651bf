//! A round at the data owner: encrypts what the model owner's map reads and decrypts what comes of it.

use std::ops::Range;

use rayon::prelude::*;
use veilbench_ckks::SecretKey;
use veilbench_networks::{Shape, Tensor};
use zeroize::Zeroizing;

use super::rounds::Round;
use crate::planning::schedule::MESSAGE_CIPHERTEXTS;
use crate::planning::scheme::Scheme;
use crate::roles::findings::Findings;
use crate::roles::guard::{Difference, Guard};
use crate::roles::throughput::{decrypt, encrypt, split};
use veilbench_api::{Error, Link, Recorder};

/// A round as the data owner plays it.
pub(super) struct ClientRound {
    name: String,
    guard: Guard,
    /// How far the guard may be from the results, in units.
    tolerance: f64,
    inputs: usize,
    shape: Shape,
    units: [f64; 2],
}

impl ClientRound {
    pub(super) fn new(round: Round, guard: Guard, scheme: &Scheme) -> Self {
        let tolerance = round.tolerance(scheme);
        let (name, inputs, shape, units) = (round.name, round.map.inputs, round.shape, round.units);
        Self { name, guard, tolerance, inputs, shape, units }
    }
}

/// What a round needs of the data owner.
pub(super) struct Exchange<'a> {
    pub(super) server: &'a mut Link,
    pub(super) secret: &'a SecretKey,
    pub(super) scheme: &'a Scheme,
    pub(super) recorder: &'a Recorder,
}

impl Exchange<'_> {
    /// What the model owner's map makes of these values, image after image; the first of them is image `first` of the
    /// batch.
    pub(super) fn run(
        &mut self,
        round: &ClientRound,
        values: &Tensor,
        first: usize,
    ) -> Result<Vec<f32>, Error> {
        self.send(round, values)?;
        self.receive(round, first..first + values.images())
    }

    fn send(&mut self, round: &ClientRound, values: &Tensor) -> Result<(), Error> {
        let context = self.secret.context();
        let one = |input: usize| {
            // Slots that are left repeat the images, so that all results are those of images.
            let image = |slot: usize| f64::from(values.image(slot % values.images())[input]) / round.units[0];
            let column = Zeroizing::new((0..self.scheme.slots()).map(image).collect::<Vec<f64>>());
            encrypt(self.secret, &column, self.scheme.input_scale(), 1)?
                .to_bytes(context)
                .map_err(Error::engine("writing a ciphertext"))
        };
        for first in (0..round.inputs).step_by(MESSAGE_CIPHERTEXTS) {
            let chunk = first..(first + MESSAGE_CIPHERTEXTS).min(round.inputs);
            let message = self
                .recorder
                .span("encrypt", || chunk.into_par_iter().map(one).collect::<Result<Vec<_>, _>>())?;
            self.recorder.span("send", || self.server.send(&message.concat()))?;
        }
        Ok(())
    }

    /// The results of a round for these images of the batch, image after image.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if one cannot be what it was decoded to, or is beyond the limit.
    fn receive(&mut self, round: &ClientRound, images: Range<usize>) -> Result<Vec<f32>, Error> {
        let outputs = round.shape.len();
        let mut data = vec![0.0; images.len() * outputs];
        let mut largest = vec![0.0f64; images.len()];
        let mut difference = Difference::new(&round.guard, self.scheme.degree);
        for first in (0..=outputs).step_by(MESSAGE_CIPHERTEXTS) {
            let count = MESSAGE_CIPHERTEXTS.min(outputs + 1 - first);
            let bytes = count * self.scheme.wire_bytes(0, false);
            let message = self.recorder.span("wait", || self.server.receive_exactly(bytes))?;
            self.recorder.span("decrypt", || {
                let one = |bytes: &[u8]| decrypt(self.secret, self.scheme, bytes);
                let results =
                    split(&message, count)?.into_par_iter().map(one).collect::<Result<Vec<_>, _>>()?;
                for (output, result) in (first..).zip(&results) {
                    difference.take(output, &result.coefficients);
                    if output == outputs {
                        break;
                    }
                    for (image, value) in result.slots.iter().take(images.len()).enumerate() {
                        data[image * outputs + output] = (value * round.units[1]) as f32;
                        largest[image] = largest[image].max(value.abs());
                    }
                }
                Ok::<_, Error>(())
            })?;
        }
        let mut findings = Findings::default();
        if difference.largest() <= round.tolerance {
            largest.iter().zip(images.clone()).for_each(|(&value, image)| findings.note(image, [value]));
        } else {
            findings.wrapped_together(images.clone());
        }
        findings.into_result(&format!("results of layer {}", round.name), "batches of one image tell")?;
        Ok(data)
    }
}
