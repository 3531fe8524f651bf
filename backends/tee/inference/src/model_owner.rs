//! Publishes the release, and provisions the model to an enclave it has judged.

use veilbench_networks::{Tensor, export};
use veilbench_tee::{Channel, Client, Measurement, SimulatedPublisher, Verifier};
use zeroize::Zeroizing;

use super::expected::{configuration, own_program, policy};
use super::{DATA_OWNER, HOST, MODEL_LIMIT, failure, now};
use veilbench_api::{Error, Link, Party, RoleContext};

pub(super) fn join(mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
    let (mut data_owner, mut host) = (role.links.take(DATA_OWNER)?, role.links.take(HOST)?);
    let recorder = role.recorder.clone();
    let network = role.take_network()?;
    let model = recorder.span("serialise", || export::to_bytes(&network));
    let model = Zeroizing::new(model.map_err(Error::engine("serialising the model"))?);
    if model.len() > MODEL_LIMIT {
        return Err(Error::Input(format!(
            "the model has {} bytes where at most {MODEL_LIMIT} can be provisioned",
            model.len()
        )));
    }
    let policy = policy(&role.job)?;
    let image = recorder.span("measure", || own_program(&role.job))?;
    let release = recorder.span("sign-release", || {
        let configuration = configuration(&role.architecture, &role.job, Measurement::of(&model))?;
        let measurement = Measurement::of_enclave(&image, &configuration);
        let release = SimulatedPublisher::default().sign(measurement, configuration.model);
        policy.check_release(&release, &image, &configuration).map_err(failure)?;
        Ok::<_, Error>(release)
    })?;
    data_owner.send(&release.to_bytes())?;
    let verifier = Verifier::new(Client::ModelOwner, policy, release).map_err(failure)?;
    host.send_parts(&[&release.to_bytes(), verifier.nonce()])?;
    let evidence = recorder.span("wait-for-evidence", || host.receive())?;
    let now = now()?;
    let (connected, hello) = recorder
        .span("verify-quote-and-seal-model", || verifier.connect(&evidence, &model, now))
        .map_err(failure)?;
    recorder.span("provision", || host.send(&hello))?;
    let ready = recorder.span("wait-for-model", || host.receive())?;
    let channel = connected.confirm(ready).map_err(failure)?;
    Ok(Box::new(ModelOwner { data_owner, channel, batch: role.job.batch }))
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
        let allowance = self.channel.seal(&images.to_le_bytes()).map_err(failure)?;
        Ok(self.data_owner.send(&allowance)?)
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        Ok(None)
    }
}
