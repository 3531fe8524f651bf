//! The enclave: restricts its process, proves itself to both clients, and runs the model.

use veilbench_networks::reference::Reference;
use veilbench_networks::{Architecture, Network, Tensor, import};
use veilbench_tee::{Channel, Client, Enclave, Launch, Protections, SimulatedProcessor};

use super::{HOST, MODEL_LIMIT, SPIN, batch_bytes, configuration, logits_bytes};
use crate::{Error, Link, Party, Recorder, Seat, wire};

pub(super) fn join(mut seat: Seat) -> Result<Box<dyn Party>, Error> {
    let recorder = seat.recorder.clone();
    let mut host = seat.links.take(HOST)?;
    let launch = Launch::from_bytes(&host.receive()?)?;
    let own = configuration(&seat.architecture, &seat.job, launch.configuration.model)?;
    if launch.configuration != own {
        return Err(Error::protocol("launch: the configuration is not that of this cell"));
    }
    // In a process shared with its host it would restrict the host too.
    let protections = recorder.span("sandbox", || match host.peer_process() {
        Some(process) if process != std::process::id() => Protections::enforce(),
        _ => Protections::none(),
    });
    let (enclave, introduction) = recorder.span("keys", || {
        Enclave::start(&SimulatedProcessor::new(), &launch, &|keys| protections.describe(keys))
    })?;
    recorder.span(&format!("in force: {}", introduction.protections), || ());
    host.send(&introduction.to_bytes())?;

    let mut hello = host.receive()?;
    let (mut model_owner, model) =
        recorder.span("open-model", || enclave.accept(Client::ModelOwner, &mut hello, MODEL_LIMIT))?;
    enclave.check_model(&model)?;
    let mut hello = host.receive()?;
    let (mut channel, _) = enclave.accept(Client::DataOwner, &mut hello, 0)?;

    let sealed = recorder.span("seal-model", || enclave.seal_model(&model))?;
    host.send(&sealed)?;
    drop((model, sealed));
    let stored = host.receive()?;
    let model = recorder.span("unseal-model", || enclave.unseal_model(&stored))?;
    let engine = recorder.span("optimise", || load(&model, &seat.architecture))?;
    for channel in [&mut model_owner, &mut channel] {
        host.send(&Enclave::confirm(channel)?)?;
    }
    let (architecture, batch) = (seat.architecture, seat.job.batch);
    Ok(Box::new(Inside { host, model_owner, channel, engine, architecture, batch, allowed: 0, recorder }))
}

/// The engine, by the same way as that of the clear backend: an ONNX file, read and handed to tract.
fn load(model: &[u8], architecture: &Architecture) -> Result<Reference, Error> {
    let mut network: Network =
        import::parse(model, "provisioned model").map_err(Error::engine("reading the model"))?;
    network.architecture.name.clone_from(&architecture.name);
    if network.architecture != *architecture {
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
    /// Images the model owner has allowed and that were not yet evaluated.
    allowed: usize,
    recorder: Recorder,
}

impl Party for Inside {
    fn offline(&mut self, _: usize) -> Result<(), Error> {
        let mut allowance = self.host.receive()?;
        let images: [u8; 4] = self.model_owner.open(&mut allowance, 4)?.try_into().map_err(
            |_: std::array::TryFromSliceError| Error::protocol("an allowance is not a number of images"),
        )?;
        self.allowed = self.allowed.saturating_add(u32::from_le_bytes(images) as usize);
        Ok(())
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let mut record = self.host.receive_spinning(SPIN)?;
        let limit = batch_bytes(&self.architecture, self.batch);
        let images = self.recorder.span("open", || {
            let contents = self.channel.open(&mut record, limit)?;
            wire::decode(contents, self.architecture.input, self.batch)
        })?;
        self.allowed = self.allowed.checked_sub(images.images()).ok_or_else(|| {
            Error::protocol(format!(
                "{} images came where the model owner has allowed {}",
                images.images(),
                self.allowed
            ))
        })?;
        let logits = self
            .recorder
            .span("evaluate", || self.engine.logits(&images))
            .map_err(Error::engine("evaluating the network"))?;
        let bytes = logits_bytes(&self.architecture, images.images());
        let answer = self
            .recorder
            .span("seal", || self.channel.seal_with(bytes, |record| wire::append(record, logits.data())))?;
        self.host.send(&answer)?;
        Ok(None)
    }
}
