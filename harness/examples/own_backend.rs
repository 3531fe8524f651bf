//! A backend of one's own, outside veilbench's tree: the whole program.
//!
//! `in-house` has no privacy either: the data owner sends its images as they are, and the model owner
//! evaluates them with plain loops. A private backend has the same three parts: what it is
//! ([`Backend::profile`]), whether it can run a network ([`Backend::plan`]), and what each role does
//! ([`Backend::join`]).
//!
//! ```sh
//! cargo run --release --example own_backend -- run -b 'clear|in-house' -n 'mnist-.*'
//! cargo test --release -p veilbench --example own_backend
//! ```

use std::process::ExitCode;

use veilbench_api::{
    Adversary, Backend, Error, Job, Leakage, Learned, Link, Party, Plan, Profile, Protection, Recorder, Role,
    RoleContext, Technology, Unsupported, wire,
};
use veilbench_networks::evaluate::evaluate;
use veilbench_networks::{Architecture, Network, Shape, Tensor};

fn main() -> ExitCode {
    let mut backends = veilbench_backends::all();
    backends.push(Box::new(InHouse));
    veilbench::main(backends)
}

struct InHouse;

impl Backend for InHouse {
    fn profile(&self) -> Profile {
        let data_owner = Leakage { logits: Learned::Yes, ..Leakage::none("data-owner") };
        let model_owner = Leakage {
            images: Learned::Yes,
            activations: Learned::Yes,
            logits: Learned::Yes,
            ..Leakage::none("model-owner")
        };
        Profile {
            name: "in-house".into(),
            summary: "an example: images travel in the clear, plain loops evaluate".into(),
            technology: Technology::None,
            roles: vec![Role::data_owner(), Role::model_owner()],
            protection: Protection {
                // Equal labels are ranked against each other.
                label: "no privacy".into(),
                adversary: Adversary::Unprotected,
                colluding: 0,
                trusted: vec!["the model owner sees every image and every answer".into()],
                learns: vec![data_owner, model_owner],
                simulated: false,
            },
        }
    }

    fn plan(&self, _: &Architecture, _: &Job) -> Result<Plan, Unsupported> {
        Ok(Plan::default())
    }

    fn join(&self, mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
        let (batch, recorder) = (role.job.batch, role.recorder.clone());
        // Roles are numbered as the profile lists them.
        if role.index == 0 {
            let classes = role.architecture.classes();
            let server = role.links.take("model-owner")?;
            return Ok(Box::new(DataOwner { server, classes, recorder }));
        }
        let (network, client) = (role.take_network()?, role.links.take("data-owner")?);
        Ok(Box::new(ModelOwner { client, network, batch, recorder }))
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
        self.server.send(&wire::encode(images))?;
        let answer = self.recorder.span("wait", || self.server.receive())?;
        let logits = wire::decode(&answer, Shape::Flat(self.classes), images.images())?;
        Ok(Some(logits))
    }
}

struct ModelOwner {
    client: Link,
    network: Network,
    batch: usize,
    recorder: Recorder,
}

impl Party for ModelOwner {
    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let request = self.client.receive()?;
        let images = wire::decode(&request, self.network.architecture.input, self.batch)?;
        let logits = self
            .recorder
            .span("evaluate", || evaluate::<f32>(&self.network, &images))
            .map_err(Error::engine("evaluating the network"))?;
        self.client.send(&wire::encode(&logits))?;
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_shows_this_program() {
        let program = include_str!("own_backend.rs").split("\n#[cfg(test)]").next().unwrap();
        assert!(program.lines().count() < 120);
        assert!(include_str!("../../backends/README.md").contains(&format!("```rust\n{program}```\n")));
    }

    #[test]
    fn in_house_keeps_the_promises_of_a_backend() {
        veilbench_api::conformance::check(&InHouse).unwrap();
    }
}
