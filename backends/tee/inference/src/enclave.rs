//! The enclave: restricts its process, proves itself to both clients, and runs the model.

use veilbench_networks::reference::Reference;
use veilbench_networks::{Architecture, Network, Tensor, import};
use veilbench_tee::{Channel, Client, Enclave, Launch, Protections, SimulatedProcessor};

use super::expected::configuration;
use super::request::{images_per_record, records};
use super::{HOST, MODEL_LIMIT, SPIN, answer_bytes, batch_bytes, failure, reveals};
use veilbench_api::{Error, Link, Party, Recorder, Reveals, RoleContext, wire};

/// Images a thread evaluates while others are on their way: as many as the engine takes at once, so that batches
/// are cut as outside.
const IMAGES_TOGETHER: usize = 64;

pub(super) fn join(mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
    let recorder = role.recorder.clone();
    let mut host = role.links.take(HOST)?;
    let launch = Launch::from_bytes(&host.receive()?).map_err(failure)?;
    let own = configuration(&role.architecture, &role.job, launch.configuration.model)?;
    if launch.configuration != own {
        return Err(Error::protocol("launch: the configuration is not that of this cell"));
    }
    // In a process shared with its host it would restrict the host too.
    let protections = recorder.span("sandbox", || match host.peer_process() {
        Some(process) if process != std::process::id() => Protections::enforce(),
        _ => Protections::none(),
    });
    let (enclave, introduction) = recorder
        .span("keys", || {
            Enclave::start(&SimulatedProcessor::new(), &launch, &|keys| protections.describe(keys))
        })
        .map_err(failure)?;
    recorder.span(&format!("in force: {}", introduction.protections), || ());
    host.send(&introduction.to_bytes())?;

    let mut hello = host.receive()?;
    let (mut model_owner, model) = recorder
        .span("open-model", || enclave.accept(Client::ModelOwner, &mut hello, MODEL_LIMIT))
        .map_err(failure)?;
    enclave.check_model(&model).map_err(failure)?;
    let mut hello = host.receive()?;
    let (mut channel, _) = enclave.accept(Client::DataOwner, &mut hello, 0).map_err(failure)?;

    let sealed = recorder.span("seal-model", || enclave.seal_model(&model)).map_err(failure)?;
    host.send(&sealed)?;
    drop((model, sealed));
    let stored = host.receive()?;
    let model = recorder.span("unseal-model", || enclave.unseal_model(&stored)).map_err(failure)?;
    let engine = recorder.span("optimise", || load(&model, &role.architecture))?;
    for channel in [&mut model_owner, &mut channel] {
        host.send(&Enclave::confirm(channel).map_err(failure)?)?;
    }
    let (architecture, batch, reveals) = (role.architecture, role.job.batch, reveals(&role.job));
    Ok(Box::new(Inside {
        host,
        model_owner,
        channel,
        engine,
        architecture,
        batch,
        reveals,
        allowed: 0,
        recorder,
    }))
}

/// The engine, by the same way as that of the clear backend: an ONNX file, read and handed to tract.
fn load(model: &[u8], architecture: &Architecture) -> Result<Reference, Error> {
    let mut network: Network =
        import::parse(model, "provisioned model").map_err(Error::engine("reading the model"))?;
    network.architecture.name.clone_from(&architecture.name);
    if network.architecture.without_ranges() != architecture.without_ranges() {
        return Err(Error::protocol("the provisioned model has another architecture than this session's"));
    }
    Reference::new(&network).map_err(Error::engine("preparing the network"))
}

struct Inside {
    host: Link,
    model_owner: Channel,
    channel: Channel,
    engine: Reference,
    architecture: Architecture,
    batch: usize,
    reveals: Reveals,
    /// Images of the next request, as the model owner allows them.
    allowed: usize,
    recorder: Recorder,
}

impl Party for Inside {
    fn offline(&mut self, _: usize) -> Result<(), Error> {
        let mut allowance = self.host.receive()?;
        let images: [u8; 4] = self.model_owner.open(&mut allowance, 4).map_err(failure)?.try_into().map_err(
            |_: std::array::TryFromSliceError| Error::protocol("an allowance is not a number of images"),
        )?;
        self.allowed = u32::from_le_bytes(images) as usize;
        if self.allowed > self.batch {
            return Err(Error::protocol(format!(
                "{} images are allowed at once where batches of up to {} were planned",
                self.allowed, self.batch
            )));
        }
        Ok(())
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let count = std::mem::take(&mut self.allowed);
        let together = IMAGES_TOGETHER * rayon::current_num_threads();
        let (image, classes) = (self.architecture.input.len(), self.architecture.classes());
        let mut waiting =
            Vec::with_capacity(count.min(together + images_per_record(&self.architecture)) * image);
        let mut logits = Vec::with_capacity(count * classes);
        for images in records(&self.architecture, count) {
            self.receive(images, &mut waiting)?;
            if waiting.len() >= together * image {
                let rest = waiting.split_off(together * image);
                self.evaluate(std::mem::replace(&mut waiting, rest), &mut logits)?;
            }
        }
        while !waiting.is_empty() {
            let rest = waiting.split_off(waiting.len().min(together * image));
            self.evaluate(std::mem::replace(&mut waiting, rest), &mut logits)?;
        }
        let bytes = answer_bytes(&self.architecture, self.reveals, count);
        let labels = match self.reveals {
            Reveals::Logits => None,
            Reveals::Labels => Some(labels(&logits, classes)?),
        };
        let fill = |record: &mut Vec<u8>| match &labels {
            None => wire::append(record, &logits),
            Some(labels) => labels.iter().for_each(|label| record.extend(label.to_le_bytes())),
        };
        let answer = self.recorder.span("seal", || self.channel.seal_with(bytes, fill)).map_err(failure)?;
        self.host.send(&answer)?;
        Ok(None)
    }
}

/// The class of each image. Who sees a class alone cannot see that there was no number behind it.
fn labels(logits: &[f32], classes: usize) -> Result<Vec<u32>, Error> {
    let images = logits.chunks_exact(classes.max(1)).enumerate();
    let labels = images.map(|(image, logits)| match logits.iter().all(|logit| logit.is_finite()) {
        true => Ok(label(logits)),
        false => Err(Error::Answer(format!("a logit of image {image} is no finite number"))),
    });
    labels.collect()
}

/// Place of the largest logit, the first of equal ones.
fn label(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(0, |(place, _)| place as u32)
}

impl Inside {
    /// Takes in the next record, which must hold this many images.
    fn receive(&mut self, images: usize, values: &mut Vec<f32>) -> Result<(), Error> {
        let mut record = self.host.receive_spinning(SPIN)?;
        let expected = batch_bytes(&self.architecture, images);
        let (channel, recorder) = (&mut self.channel, &self.recorder);
        recorder.span("open", || {
            let contents = channel.open(&mut record, expected).map_err(failure)?;
            if contents.len() != expected {
                return Err(Error::protocol(format!(
                    "a record of {} bytes came where the model owner has allowed {images} images of {}",
                    contents.len(),
                    self.architecture.input,
                )));
            }
            values.extend(contents.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)));
            Ok(())
        })
    }

    fn evaluate(&self, values: Vec<f32>, logits: &mut Vec<f32>) -> Result<(), Error> {
        let input = self.architecture.input;
        let images = Tensor::new(values.len() / input.len().max(1), input, values)
            .ok_or_else(|| Error::protocol("images and their values disagree"))?;
        let answers = self
            .recorder
            .span("evaluate", || self.engine.logits(&images))
            .map_err(Error::engine("evaluating the network"))?;
        logits.extend_from_slice(answers.data());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_label_is_made_of_what_is_no_number() {
        assert_eq!(labels(&[0.5, 2.0, 2.0, -1.0, -2.0, -3.0], 3).unwrap(), [1, 0]);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let error = labels(&[0.5, 2.0, 1.0, bad], 2).unwrap_err().to_string();
            assert!(error.contains("logit of image 1 is no finite number"), "{error}");
        }
    }
}
