//! The model owner: holds the weights, learns nothing.

use veilbench_2pc::Error as Core;
use veilbench_2pc::network::{self, ModelOwnerMaterial};
use veilbench_mpc::model::Model;
use veilbench_networks::Tensor;

use super::super::DATA_OWNER;
use super::super::batches::Progress;
use super::channel::{Failure, Timed};
use super::{Compiled, windows};
use veilbench_api::{Error, Link, Party, Recorder, RoleContext};

pub(super) struct ModelOwner {
    core: network::ModelOwner,
    client: Link,
    window: usize,
    batch: usize,
    progress: Progress,
    /// What the window that comes next runs on.
    ready: Option<ModelOwnerMaterial>,
    recorder: Recorder,
}

impl ModelOwner {
    pub(super) fn join(role: &mut RoleContext, compiled: Compiled) -> Result<Self, Error> {
        let (mut client, recorder) = (role.links.take(DATA_OWNER)?, role.recorder.clone());
        let Compiled { lowered, network, depth, window } = compiled;
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
        Ok(Self {
            core,
            client,
            window,
            batch: role.job.batch,
            progress: Progress::default(),
            ready: None,
            recorder,
        })
    }

    fn prepare(&mut self, images: usize) -> Result<(), Error> {
        let mut channel = Timed { link: &mut self.client, recorder: &self.recorder };
        let material = self.core.prepare(images, &mut channel);
        self.ready = Some(material.map_err(|failure| failure.into_error(DATA_OWNER))?);
        Ok(())
    }
}

impl Party for ModelOwner {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.progress.announce(images, self.batch)?;
        self.prepare(images.min(self.window))
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = self.progress.take()?;
        for (index, window) in windows(images, self.window).enumerate() {
            if index > 0 {
                self.prepare(window.len())?;
            }
            let material = self.ready.take().ok_or_else(|| Error::protocol("a batch was not prepared"))?;
            let mut channel = Timed { link: &mut self.client, recorder: &self.recorder };
            self.core.run(material, &mut channel).map_err(|failure| failure.into_error(DATA_OWNER))?;
        }
        Ok(None)
    }
}
