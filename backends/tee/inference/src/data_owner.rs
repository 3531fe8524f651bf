//! Sends images to an enclave it has judged, and to nothing else.

use veilbench_networks::{Architecture, Shape, Tensor};
use veilbench_tee::{Channel, Client, Release, Verifier};

use super::expected::{configuration, own_program, policy};
use super::request::records;
use super::{HOST, MODEL_OWNER, answer_bytes, batch_bytes, failure, now, reveals};
use veilbench_api::{Answers, Error, Link, Party, Recorder, Reveals, RoleContext, wire};

pub(super) fn join(mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
    let (mut publisher, mut host) = (role.links.take(MODEL_OWNER)?, role.links.take(HOST)?);
    let recorder = role.recorder.clone();
    let program = recorder.span("measure", || own_program(&role.job))?;
    let release = publisher.receive()?;
    let policy = policy(&role.job)?;
    let verifier = recorder.span("check-release", || {
        let release = Release::from_bytes(&release).map_err(failure)?;
        let configuration = configuration(&role.architecture, &role.job, release.model)?;
        policy.check_release(&release, &program, &configuration).map_err(failure)?;
        Verifier::new(Client::DataOwner, policy, release).map_err(failure)
    })?;
    host.send(verifier.nonce())?;
    let evidence = recorder.span("wait-for-evidence", || host.receive())?;
    let now = now()?;
    let (connected, hello) =
        recorder.span("verify-quote", || verifier.connect(&evidence, &[], now)).map_err(failure)?;
    host.send(&hello)?;
    let ready = recorder.span("wait-for-model", || host.receive())?;
    let channel = connected.confirm(ready).map_err(failure)?;
    Ok(Box::new(DataOwner {
        publisher,
        host,
        channel,
        architecture: role.architecture,
        batch: role.job.batch,
        reveals: reveals(&role.job),
        recorder,
    }))
}

struct DataOwner {
    publisher: Link,
    host: Link,
    channel: Channel,
    architecture: Architecture,
    batch: usize,
    reveals: Reveals,
    recorder: Recorder,
}

impl Party for DataOwner {
    fn offline(&mut self, _: usize) -> Result<(), Error> {
        let allowance = self.publisher.receive()?;
        Ok(self.host.send(&allowance)?)
    }

    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        match self.answer(images)? {
            Some(Answers::Logits(logits)) => Ok(Some(logits)),
            _ => Err(Error::Answer("labels alone are revealed".into())),
        }
    }

    fn answer(&mut self, images: Option<&Tensor>) -> Result<Option<Answers>, Error> {
        let images = images.ok_or_else(|| Error::protocol("the data owner was given no images"))?;
        let (input, count) = (self.architecture.input, images.images());
        if images.shape() != input || count == 0 || count > self.batch {
            return Err(Error::Input(format!(
                "a batch of {count} images of {} was given where 1 to {} images of {input} were planned",
                images.shape(),
                self.batch,
            )));
        }
        let image = self.architecture.input.len();
        let mut rest = images.data();
        for images in records(&self.architecture, count) {
            let (values, others) = rest.split_at(images * image);
            let bytes = batch_bytes(&self.architecture, images);
            let record = self
                .recorder
                .span("seal", || self.channel.seal_with(bytes, |record| wire::append(record, values)))
                .map_err(failure)?;
            self.recorder.span("send", || self.host.send(&record))?;
            rest = others;
        }
        let mut answer = self.recorder.span("wait", || self.host.receive())?;
        self.recorder.span("open", || {
            let bytes = answer_bytes(&self.architecture, self.reveals, count);
            let contents = self.channel.open(&mut answer, bytes).map_err(failure)?;
            if contents.len() != bytes {
                let reason = format!("an answer of {} bytes came for {count} images", contents.len());
                return Err(Error::Protocol(reason));
            }
            match self.reveals {
                Reveals::Logits => {
                    let logits = wire::decode(contents, Shape::Flat(self.architecture.classes()), count)?;
                    Ok(Some(Answers::Logits(logits)))
                }
                Reveals::Labels => {
                    let labels = contents.as_chunks().0.iter().map(|&label| u32::from_le_bytes(label));
                    Ok(Some(Answers::Labels(labels.collect())))
                }
            }
        })
    }
}
