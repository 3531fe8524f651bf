//! Publishes the release, and provisions the model to an enclave it has judged.

use veilbench_networks::{Tensor, export};
use veilbench_tee::{Challenger, Channel, Client, Measurement, SimulatedPublisher};
use zeroize::Zeroizing;

use super::{DATA_OWNER, HOST, MODEL_LIMIT, configuration, now, own_program, policy};
use crate::{Error, Link, Party, Seat};

pub(super) fn join(mut seat: Seat) -> Result<Box<dyn Party>, Error> {
    let (mut data_owner, mut host) = (seat.links.take(DATA_OWNER)?, seat.links.take(HOST)?);
    let recorder = seat.recorder.clone();
    let network = seat.take_network()?;
    let model = recorder.span("serialise", || export::to_bytes(&network));
    let model = Zeroizing::new(model.map_err(Error::engine("serialising the model"))?);
    if model.len() > MODEL_LIMIT {
        return Err(Error::Input(format!(
            "the model has {} bytes where at most {MODEL_LIMIT} can be provisioned",
            model.len()
        )));
    }
    let policy = policy(&seat.job)?;
    let image = recorder.span("measure", || own_program(&seat.job))?;
    let release = recorder.span("sign-release", || {
        let configuration = configuration(&seat.architecture, &seat.job, Measurement::of(&model))?;
        let measurement = Measurement::of_enclave(&image, &configuration);
        let release = SimulatedPublisher::default().sign(measurement, configuration.model);
        policy.check_release(&release, &image, &configuration)?;
        Ok::<_, Error>(release)
    })?;
    data_owner.send(&release.to_bytes())?;
    let challenger = Challenger::new(Client::ModelOwner, policy, release)?;
    host.send_parts(&[&release.to_bytes(), challenger.nonce()])?;
    let evidence = recorder.span("wait-for-evidence", || host.receive())?;
    let now = now()?;
    let (connected, hello) =
        recorder.span("verify-quote-and-seal-model", || challenger.connect(&evidence, &model, now))?;
    recorder.span("provision", || host.send(&hello))?;
    let ready = recorder.span("wait-for-model", || host.receive())?;
    let channel = connected.confirm(ready)?;
    Ok(Box::new(ModelOwner { data_owner, channel, batch: seat.job.batch }))
}

/// Allows every batch that its model is used for.
struct ModelOwner {
    data_owner: Link,
    channel: Channel,
    batch: usize,
}

impl Party for ModelOwner {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        let images = u32::try_from(images.min(self.batch)).map_err(Error::engine("allowing a batch"))?;
        let allowance = self.channel.seal(&images.to_le_bytes())?;
        Ok(self.data_owner.send(&allowance)?)
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        Ok(None)
    }
}
