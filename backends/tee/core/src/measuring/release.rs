//! What a publisher signs: that an enclave of a given measurement may run a given model. Plays
//! SIGSTRUCT to the launcher and is the clients' policy statement.

use crate::platform::signing::{Signer, verify_raw};
use crate::transport::message::{Reader, Writer};
use crate::{Error, Measurement, Result};

const LABEL: &[u8] = b"veilbench-tee 1 release";

/// Product number of the inference enclave.
pub const PRODUCT: u16 = 0x7662;
/// Its security version.
pub const SECURITY_VERSION: u16 = 1;

/// Signs releases. Simulated: its key is derived from its name, so anybody can be any publisher.
pub struct SimulatedPublisher {
    signer: Signer,
}

impl SimulatedPublisher {
    /// The publisher of a name. [`Default`] is the one clients trust.
    pub fn named(name: &str) -> Self {
        Self { signer: Signer::derive(b"veilbench SIMULATED publisher: signs nothing of worth", name) }
    }

    /// What clients pin.
    pub fn identity(&self) -> Measurement {
        Measurement::of(self.signer.public())
    }

    /// Signs.
    pub fn sign(&self, measurement: Measurement, model: Measurement) -> Release {
        let mut release = Release {
            measurement,
            model,
            product: PRODUCT,
            security_version: SECURITY_VERSION,
            public_key: *self.signer.public(),
            signature: [0; 64],
        };
        release.signature = self.signer.sign_raw(&release.signed_bytes());
        release
    }
}

impl Default for SimulatedPublisher {
    fn default() -> Self {
        Self::named("veilbench")
    }
}

/// A signed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// The enclave's.
    pub measurement: Measurement,
    /// SHA-256 of the model it runs.
    pub model: Measurement,
    /// ISVPRODID.
    pub product: u16,
    /// ISVSVN.
    pub security_version: u16,
    public_key: [u8; 65],
    signature: [u8; 64],
}

impl Release {
    /// Length of its encoding.
    pub const BYTES: usize = 68 + 65 + 64;

    fn signed_bytes(&self) -> Vec<u8> {
        let writer = Writer::default().fixed(LABEL).fixed(self.measurement.bytes()).fixed(self.model.bytes());
        writer.fixed(&self.product.to_le_bytes()).fixed(&self.security_version.to_le_bytes()).finish()
    }

    /// Who signed it, before the signature is checked. MRSIGNER of an enclave launched with it.
    pub fn signer(&self) -> Measurement {
        Measurement::of(&self.public_key)
    }

    /// For the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let statement = self.signed_bytes().split_off(LABEL.len());
        Writer::default().fixed(&statement).fixed(&self.public_key).fixed(&self.signature).finish()
    }

    /// From the wire; [`verify`](Self::verify) tells whether it is to be believed.
    ///
    /// # Errors
    /// [`Error::Malformed`] unless it has exactly the length of a release.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new("release", bytes);
        let release = Self {
            measurement: reader.measurement()?,
            model: reader.measurement()?,
            product: reader.u16()?,
            security_version: reader.u16()?,
            public_key: reader.array()?,
            signature: reader.array()?,
        };
        reader.finish()?;
        Ok(release)
    }

    /// Whether `publisher` signed exactly this.
    ///
    /// # Errors
    /// [`Error::Publisher`], [`Error::ReleaseSignature`].
    pub fn verify(&self, publisher: Measurement) -> Result<()> {
        let found = self.signer();
        if found != publisher {
            return Err(Error::Publisher { expected: publisher, found });
        }
        self.verify_signature()
    }

    /// Whether the key in it signed it, whoever holds that.
    pub(crate) fn verify_signature(&self) -> Result<()> {
        if verify_raw(&self.public_key, &self.signed_bytes(), &self.signature) {
            Ok(())
        } else {
            Err(Error::ReleaseSignature)
        }
    }
}
