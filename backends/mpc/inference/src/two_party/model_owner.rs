//! The model owner of the protocol without a dealer.

use std::ops::Range;

use veilbench_2pc::Error as Core;
use veilbench_2pc::network::{self, ModelOwnerMaterial};
use veilbench_mpc::model::Model;

use super::super::DATA_OWNER;
use super::Compiled;
use super::channel::{Failure, Timed};
use crate::roles::ModelOwnerSide;
use veilbench_api::{Error, Link, Recorder, RoleContext};

pub(super) struct ModelOwner {
    core: network::ModelOwner,
    client: Link,
    /// What the window that comes next runs on.
    ready: Option<ModelOwnerMaterial>,
    recorder: Recorder,
}

impl ModelOwner {
    pub(super) fn join(role: &mut RoleContext, compiled: Compiled) -> Result<Self, Error> {
        let (mut client, recorder) = (role.links.take(DATA_OWNER)?, role.recorder.clone());
        let Compiled { lowered, network, depth, .. } = compiled;
        let parameters = lowered.parameters(role.take_network()?);
        let model = Model::encode(network.circuit(), &parameters).map_err(|error| lowered.refusal(error))?;
        let mut channel = Timed { link: &mut client, recorder: &recorder };
        let core =
            network::ModelOwner::set_up(network, &model, depth, &mut channel).map_err(
                |failure| match failure {
                    Failure::Protocol(Core::Circuit(error)) => lowered.refusal(error),
                    other => other.into_error(DATA_OWNER),
                },
            )?;
        Ok(Self { core, client, ready: None, recorder })
    }
}

impl ModelOwnerSide for ModelOwner {
    fn prepare(&mut self, window: Range<usize>) -> Result<(), Error> {
        let mut channel = Timed { link: &mut self.client, recorder: &self.recorder };
        let material = self.core.prepare(window.len(), &mut channel);
        self.ready = Some(material.map_err(|failure| failure.into_error(DATA_OWNER))?);
        Ok(())
    }

    fn run(&mut self) -> Result<(), Error> {
        let material = self.ready.take().ok_or_else(|| Error::protocol("a batch was not prepared"))?;
        let mut channel = Timed { link: &mut self.client, recorder: &self.recorder };
        self.core.run(material, &mut channel).map_err(|failure| failure.into_error(DATA_OWNER))
    }
}
