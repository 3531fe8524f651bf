//! The way between a dealer and an owner: a link, and an attested channel over it if the dealer is in an enclave.

use veilbench_tee::{Channel, Client};

use super::enclave::{self, refusal};
use crate::{DATA_OWNER, DEALER, MODEL_OWNER};
use veilbench_api::link::MESSAGE_LIMIT;
use veilbench_api::{Error, Link, Recorder, RoleContext, RoleInput};

pub(super) struct DealerLink {
    peer: &'static str,
    link: Link,
    channel: Option<Channel>,
}

impl DealerLink {
    /// The owners' ends, as the dealer has them: the data owner's, and the model owner's.
    pub(super) fn of_dealer(role: &mut RoleContext, protocol: &str) -> Result<[Self; 2], Error> {
        let mut links = [role.links.take(DATA_OWNER)?, role.links.take(MODEL_OWNER)?];
        let [of_data_owner, of_model_owner] = if enclave::is_asked_for(&role.job) {
            enclave::Machine::measured(role, protocol)?.serve(&mut links, &role.recorder)?.map(Some)
        } else {
            [None, None]
        };
        let [to_data_owner, to_model_owner] = links;
        Ok([
            Self { peer: DATA_OWNER, link: to_data_owner, channel: of_data_owner },
            Self { peer: MODEL_OWNER, link: to_model_owner, channel: of_model_owner },
        ])
    }

    /// The dealer's end, as an owner has it: one that is to be in an enclave has shown that it is.
    pub(super) fn of_owner(role: &mut RoleContext, protocol: &str) -> Result<Self, Error> {
        let mut link = role.links.take(DEALER)?;
        let channel = if enclave::is_asked_for(&role.job) {
            let client = match role.input {
                RoleInput::Images => Client::DataOwner,
                RoleInput::Network(_) | RoleInput::Nothing => Client::ModelOwner,
            };
            Some(enclave::attest(&mut link, client, role, protocol)?)
        } else {
            None
        };
        Ok(Self { peer: DEALER, link, channel })
    }

    pub(super) fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        match &mut self.channel {
            None => Ok(self.link.send(message)?),
            Some(channel) => Ok(self.link.send(&channel.seal(message).map_err(refusal(self.peer))?)?),
        }
    }

    pub(super) fn receive(&mut self, recorder: &Recorder) -> Result<Vec<u8>, Error> {
        let mut message = recorder.span("wait", || self.link.receive())?;
        if let Some(channel) = &mut self.channel {
            recorder.span("open", || {
                channel.open_whole(&mut message, MESSAGE_LIMIT).map_err(refusal(self.peer))
            })?;
        }
        Ok(message)
    }
}
