//! The enclave's side of a session. Bytes in, bytes out; all of them pass through the host.

use std::sync::atomic::{AtomicBool, Ordering};

use zeroize::Zeroizing;

use crate::attestation::client::READY;
use crate::attestation::evidence::PROTECTIONS_LIMIT;
use crate::platform::processor::{Entered, LaunchToken, Report, SealPolicy, SimulatedProcessor};
use crate::platform::report::{Client, Nonce, report_data};
use crate::transport::channel::{Channel, ENCAPSULATED_BYTES, EnclaveKey};
use crate::transport::message::{Reader, Writer};
use crate::transport::secret::KeyMemory;
use crate::{Configuration, Error, Measurement, Result};

/// What the launcher hands to an enclave it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The processor's word.
    pub token: LaunchToken,
    /// Measurement of the image, by the launcher.
    pub image: Measurement,
    /// What the enclave is started with.
    pub configuration: Configuration,
    /// The model owner's challenge.
    pub model_owner: Nonce,
    /// The data owner's.
    pub data_owner: Nonce,
}

impl Launch {
    /// For the way from the launcher to the enclave.
    pub fn to_bytes(&self) -> Vec<u8> {
        let writer = Writer::default().fixed(&self.token.to_bytes()).fixed(self.image.bytes());
        let writer = writer.fixed(&self.configuration.to_bytes());
        writer.fixed(&self.model_owner).fixed(&self.data_owner).finish()
    }

    /// As it came.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new("launch", bytes);
        let token = LaunchToken::from_bytes(reader.take(LaunchToken::BYTES)?)?;
        let image = reader.measurement()?;
        let configuration = Configuration {
            architecture: reader.measurement()?,
            model: reader.measurement()?,
            batch: u32::from_le_bytes(reader.array()?),
            threads: u32::from_le_bytes(reader.array()?),
        };
        let (model_owner, data_owner) = (reader.array()?, reader.array()?);
        reader.finish()?;
        Ok(Self { token, image, configuration, model_owner, data_owner })
    }
}

/// What an enclave says of itself for the quoting enclave to sign: one report for each client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnclaveHello {
    /// Its HPKE key.
    pub public_key: [u8; 32],
    /// Protections in force in its process, in words.
    pub protections: String,
    /// For the model owner.
    pub model_owner: Report,
    /// For the data owner.
    pub data_owner: Report,
}

impl EnclaveHello {
    /// For the way from the enclave to the host.
    pub fn to_bytes(&self) -> Vec<u8> {
        let writer = Writer::default().fixed(&self.public_key).field(self.protections.as_bytes());
        writer.fixed(&self.model_owner.to_bytes()).fixed(&self.data_owner.to_bytes()).finish()
    }

    /// As it came.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new("introduction", bytes);
        let (public_key, protections) = (reader.array()?, reader.text(PROTECTIONS_LIMIT)?);
        let model_owner = Report::from_bytes(reader.take(Report::BYTES)?)?;
        let data_owner = Report::from_bytes(reader.take(Report::BYTES)?)?;
        reader.finish()?;
        Ok(Self { public_key, protections, model_owner, data_owner })
    }
}

/// A running enclave.
pub struct Enclave {
    processor: Entered,
    configuration: Configuration,
    key: EnclaveKey,
    reports: [Measurement; 2],
    /// Whether the model owner and the data owner have their channel.
    served: [AtomicBool; 2],
}

impl Enclave {
    /// Enters a launched enclave: a key pair for this launch, and the introduction for the host.
    ///
    /// # Errors
    /// [`Error::NotThisProcessor`], [`Error::Launch`] if the configuration is not what was measured.
    pub fn start(
        processor: &SimulatedProcessor,
        launch: &Launch,
        protections: &dyn Fn(KeyMemory) -> String,
    ) -> Result<(Self, EnclaveHello)> {
        let processor = processor.enter(&launch.token)?;
        let (expected, configuration) = (processor.identity().measurement, launch.configuration);
        let found = Measurement::of_enclave(&launch.image, &configuration);
        if found != expected {
            return Err(Error::Launch { expected, found });
        }
        let key = EnclaveKey::generate()?;
        let protections = protections(key.memory());
        let report = |client, nonce| {
            let words = protections.as_bytes();
            processor.report(report_data(client, &key.public, nonce, &configuration.model, words))
        };
        let model_owner = report(Client::ModelOwner, &launch.model_owner);
        let data_owner = report(Client::DataOwner, &launch.data_owner);
        let reports = [Measurement::of(&model_owner.body), Measurement::of(&data_owner.body)];
        let introduction = EnclaveHello { public_key: key.public, protections, model_owner, data_owner };
        let served = Default::default();
        Ok((Self { processor, configuration, key, reports, served }, introduction))
    }

    /// What it was launched with.
    pub fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// The enclave's end of a client's channel and the contents of its first record, of at most
    /// `limit` bytes. Each client has one channel: were its key exchange taken twice, two channels would
    /// count up from zero under the same keys.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::KeyExchange`], those of [`Channel::open`], [`Error::Closed`] if the
    /// client has its channel.
    pub fn accept(
        &self,
        client: Client,
        hello: &mut [u8],
        limit: usize,
    ) -> Result<(Channel, Zeroizing<Vec<u8>>)> {
        let Some((encapsulated, record)) = hello.split_first_chunk_mut::<ENCAPSULATED_BYTES>() else {
            return Err(Error::Truncated { role: client.role(), bytes: hello.len() });
        };
        let index = match client {
            Client::ModelOwner => 0,
            Client::DataOwner => 1,
        };
        let mut channel = self.key.accept(client, &self.reports[index], encapsulated)?;
        let contents = Zeroizing::new(channel.open(record, limit)?.to_vec());
        if self.served[index].swap(true, Ordering::Relaxed) {
            return Err(Error::Closed { role: client.role() });
        }
        Ok((channel, contents))
    }

    /// Whether a model is the one the enclave was launched for.
    ///
    /// # Errors
    /// [`Error::Provisioned`] if it is another.
    pub fn check_model(&self, model: &[u8]) -> Result<()> {
        let (expected, found) = (self.configuration.model, Measurement::of(model));
        if found == expected { Ok(()) } else { Err(Error::Provisioned { expected, found }) }
    }

    /// Seals the model to this very enclave, for the host to store.
    ///
    /// # Errors
    /// As [`Entered::seal`].
    pub fn seal_model(&self, model: &[u8]) -> Result<Vec<u8>> {
        self.processor.seal(SealPolicy::Measurement, model)
    }

    /// Opens a model from the host's storage.
    ///
    /// # Errors
    /// As [`Entered::unseal`] and [`check_model`](Self::check_model).
    pub fn unseal_model(&self, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let model = self.processor.unseal(blob)?;
        self.check_model(&model)?;
        Ok(model)
    }

    /// Tells a client that the channel stands and the model runs.
    ///
    /// # Errors
    /// As [`Channel::seal`].
    pub fn confirm(channel: &mut Channel) -> Result<Vec<u8>> {
        channel.seal(READY)
    }
}
