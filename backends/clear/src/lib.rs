//! The `clear` backend: no privacy at all. The data owner sends its images as they are, and the
//! model owner runs them through tract. What every other backend costs is compared with this.

use veilbench_networks::reference::Reference;
use veilbench_networks::{Architecture, Network, Shape, Tensor};

use veilbench_api::link::MESSAGE_LIMIT;
use veilbench_api::wire;
use veilbench_api::{
    Adversary, Backend, Error, Job, Leakage, Learned, Link, Party, Plan, Profile, Protection, Recorder, Role,
    RoleContext, Technology, Unsupported,
};

/// Baseline and oracle.
#[derive(Clone, Copy, Debug)]
pub struct Clear;

impl Backend for Clear {
    fn profile(&self) -> Profile {
        let data_owner = Leakage { logits: Learned::Yes, ..Leakage::none("data-owner") };
        let model_owner = Leakage {
            images: Learned::Yes,
            activations: Learned::Yes,
            logits: Learned::Yes,
            ..Leakage::none("model-owner")
        };
        Profile {
            name: "clear".into(),
            summary: "the baseline: images travel in the clear, tract evaluates".into(),
            technology: Technology::None,
            roles: vec![Role::data_owner(), Role::model_owner()],
            protection: Protection {
                label: "no privacy".into(),
                adversary: Adversary::Unprotected,
                colluding: 0,
                trusted: vec!["the model owner sees every image and every answer".into()],
                learns: vec![data_owner, model_owner],
                simulated: false,
            },
        }
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let classes = architecture.classes();
        for (what, values) in [("request", architecture.input.len()), ("answer", classes)] {
            let bytes = job.batch as u128 * (values * size_of::<f32>()) as u128;
            if bytes > MESSAGE_LIMIT as u128 {
                let reason = format!(
                    "a batch's {what} of {bytes} bytes exceeds the {MESSAGE_LIMIT} bytes of one message: ask for smaller \
                     batches"
                );
                return Err(Unsupported { layer: None, reason });
            }
        }
        let parameters = serde_json::json!({
            "engine": "tract",
            "upload_bytes": job.batch * architecture.input.len() * size_of::<f32>(),
        });
        Ok(Plan { parameters, ..Plan::default() })
    }

    fn join(&self, mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
        let classes = role.architecture.classes();
        let (input, batch, recorder) = (role.architecture.input, role.job.batch, role.recorder.clone());
        if role.index == 0 {
            let server = role.links.take("model-owner")?;
            return Ok(Box::new(DataOwner { server, classes, recorder }));
        }
        let network: Network = role.take_network()?;
        let client = role.links.take("data-owner")?;
        let engine = recorder
            .span("optimise", || Reference::new(&network))
            .map_err(Error::engine("preparing the network"))?;
        Ok(Box::new(ModelOwner { client, engine, input, batch, recorder }))
    }
}

struct DataOwner {
    server: Link,
    classes: usize,
    recorder: Recorder,
}

impl Party for DataOwner {
    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = images.ok_or_else(|| Error::protocol("the data owner was given no images"))?;
        self.recorder.span("send", || self.server.send(&wire::encode(images)))?;
        let answer = self.recorder.span("wait", || self.server.receive())?;
        let logits = wire::decode(&answer, Shape::Flat(self.classes), images.images())?;
        if logits.images() != images.images() {
            let reason = format!("{} answers came for {} images", logits.images(), images.images());
            return Err(Error::Protocol(reason));
        }
        Ok(Some(logits))
    }
}

struct ModelOwner {
    client: Link,
    engine: Reference,
    input: Shape,
    batch: usize,
    recorder: Recorder,
}

impl Party for ModelOwner {
    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let request = self.client.receive()?;
        let images = wire::decode(&request, self.input, self.batch)?;
        let logits = self
            .recorder
            .span("evaluate", || self.engine.logits(&images))
            .map_err(Error::engine("evaluating the network"))?;
        self.recorder.span("send", || self.client.send(&wire::encode(&logits)))?;
        Ok(None)
    }
}
