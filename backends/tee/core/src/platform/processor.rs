//! The simulated processor: what is hardware elsewhere. It launches (EINIT), reports (EREPORT)
//! and derives sealing keys (EGETKEY) from a fuse key that is a constant of this file: everything
//! below it is simulated, and so is all trust in it.

use ring::hmac;
use zeroize::Zeroizing;

use crate::platform::report::{ATTRIBUTE_DEBUG, ATTRIBUTES_64_BIT, ReportBody};
use crate::platform::signing::derive;
use crate::transport::message::{Reader, Writer};
use crate::{Configuration, Error, Measurement, Release, Result};

/// Stands for the secret burnt into a processor.
#[derive(Clone)]
pub struct SimulatedProcessor {
    fuse_key: [u8; 32],
}

/// Who an enclave is, as the processor knows it (SECS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// MRENCLAVE.
    pub measurement: Measurement,
    /// MRSIGNER.
    pub signer: Measurement,
    /// ISVPRODID.
    pub product: u16,
    /// ISVSVN.
    pub security_version: u16,
    /// Whether the host may look into it.
    pub debug: bool,
}

impl Identity {
    const BYTES: usize = 69;

    fn to_bytes(self) -> Vec<u8> {
        let writer = Writer::default().fixed(self.measurement.bytes()).fixed(self.signer.bytes());
        let writer = writer.fixed(&self.product.to_le_bytes()).fixed(&self.security_version.to_le_bytes());
        writer.fixed(&[u8::from(self.debug)]).finish()
    }
}

/// An enclave that was launched: its identity, and the processor's word for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchToken {
    identity: Identity,
    mac: [u8; 32],
}

impl LaunchToken {
    /// Length of its encoding.
    pub const BYTES: usize = Identity::BYTES + 32;

    /// The enclave's identity; [`SimulatedProcessor::enter`] tells whether it is to be believed.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// For the way from the launcher to the enclave.
    pub fn to_bytes(&self) -> Vec<u8> {
        Writer::default().fixed(&self.identity.to_bytes()).fixed(&self.mac).finish()
    }

    /// As it came.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is no token.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new("launch token", bytes);
        let (measurement, signer) = (reader.measurement()?, reader.measurement()?);
        let (product, security_version) = (reader.u16()?, reader.u16()?);
        let debug = match reader.array()? {
            [0] => false,
            [1] => true,
            _ => return Err(Error::malformed("launch token", "its debug flag is neither 0 nor 1")),
        };
        let identity = Identity { measurement, signer, product, security_version, debug };
        let token = Self { identity, mac: reader.array()? };
        reader.finish()?;
        Ok(token)
    }
}

/// To whom sealed data open (KEYPOLICY).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealPolicy {
    /// The same enclave alone.
    Measurement,
    /// Every enclave of the signer and product, of the same security version or a later one.
    Signer,
}

impl SimulatedProcessor {
    /// The one processor there is.
    pub fn new() -> Self {
        Self::numbered(0)
    }

    /// Another processor of the same make.
    pub fn numbered(serial: u64) -> Self {
        let label = b"veilbench SIMULATED fuse key: a constant, protects nothing";
        Self { fuse_key: *derive(label, &[&serial.to_le_bytes()]) }
    }

    pub(crate) fn fuse_key(&self) -> &[u8; 32] {
        &self.fuse_key
    }

    /// Launches an enclave: what it measures must be what its release says (ECREATE to EINIT).
    ///
    /// # Errors
    /// [`Error::ReleaseSignature`], [`Error::Launch`].
    pub fn launch(
        &self,
        image: &Measurement,
        configuration: &Configuration,
        release: &Release,
    ) -> Result<LaunchToken> {
        self.launch_as(image, configuration, release, false)
    }

    /// As [`launch`](Self::launch), open to the host's debugger: for the test that clients refuse it.
    ///
    /// # Errors
    /// As [`launch`](Self::launch).
    pub fn launch_for_debugging(
        &self,
        image: &Measurement,
        configuration: &Configuration,
        release: &Release,
    ) -> Result<LaunchToken> {
        self.launch_as(image, configuration, release, true)
    }

    fn launch_as(
        &self,
        image: &Measurement,
        configuration: &Configuration,
        release: &Release,
        debug: bool,
    ) -> Result<LaunchToken> {
        release.verify_signature()?;
        let found = Measurement::of_enclave(image, configuration);
        if found != release.measurement {
            return Err(Error::Launch { expected: release.measurement, found });
        }
        let identity = Identity {
            measurement: found,
            signer: release.signer(),
            product: release.product,
            security_version: release.security_version,
            debug,
        };
        Ok(LaunchToken { identity, mac: self.mac("launch token", &identity.to_bytes()) })
    }

    /// Enters a launched enclave (EENTER): its instructions below act for the identity returned.
    ///
    /// # Errors
    /// [`Error::NotThisProcessor`] if this processor did not launch it.
    pub fn enter(&self, token: &LaunchToken) -> Result<Entered> {
        self.check_mac("launch token", &token.identity.to_bytes(), &token.mac)?;
        Ok(Entered { processor: self.clone(), identity: token.identity })
    }

    fn mac_key(&self, what: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &derive(&self.fuse_key, &[b"mac ", what.as_bytes()])[..])
    }

    fn mac(&self, what: &'static str, bytes: &[u8]) -> [u8; 32] {
        let mut mac = [0; 32];
        mac.copy_from_slice(hmac::sign(&self.mac_key(what), bytes).as_ref());
        mac
    }

    fn check_mac(&self, what: &'static str, bytes: &[u8], mac: &[u8; 32]) -> Result<()> {
        hmac::verify(&self.mac_key(what), bytes, mac).map_err(|_| Error::NotThisProcessor { what })
    }

    pub(crate) fn check_report(&self, report: &Report) -> Result<()> {
        self.check_mac("report", &report.body, &report.mac)
    }
}

impl Default for SimulatedProcessor {
    fn default() -> Self {
        Self::new()
    }
}

/// The processor inside an enclave: its instructions speak for that enclave's identity.
pub struct Entered {
    processor: SimulatedProcessor,
    identity: Identity,
}

impl Entered {
    /// Who this is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// EREPORT: the identity with 64 bytes of the enclave's choice, for the quoting enclave.
    pub fn report(&self, report_data: [u8; 64]) -> Report {
        let Identity { measurement, signer, product, security_version, debug } = self.identity;
        let attributes = ATTRIBUTES_64_BIT | if debug { ATTRIBUTE_DEBUG } else { 0 };
        let body = ReportBody { attributes, measurement, signer, product, security_version, report_data };
        let body = body.to_bytes();
        Report { body, mac: self.processor.mac("report", &body) }
    }

    /// EGETKEY: the key to which data of this enclave are sealed under a policy, a key id and a security version.
    ///
    /// `None` if the version is later than the enclave's own.
    pub(crate) fn seal_key(
        &self,
        policy: SealPolicy,
        key_id: &[u8; 32],
        security_version: u16,
    ) -> Option<Zeroizing<[u8; 32]>> {
        if security_version > self.identity.security_version {
            return None;
        }
        let (name, of): (&[u8], _) = match policy {
            SealPolicy::Measurement => (b"seal to measurement ", self.identity.measurement),
            SealPolicy::Signer => (b"seal to signer ", self.identity.signer),
        };
        let (product, version) = (self.identity.product.to_le_bytes(), security_version.to_le_bytes());
        let debug = [u8::from(self.identity.debug)];
        Some(derive(&self.processor.fuse_key, &[name, of.bytes(), &product, &version, &debug, key_id]))
    }
}

/// A report with its authentication for the quoting enclave of the same processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub(crate) body: [u8; ReportBody::BYTES],
    mac: [u8; 32],
}

impl Report {
    /// Length of its encoding.
    pub const BYTES: usize = ReportBody::BYTES + 32;

    /// For the way from the enclave to the host.
    pub fn to_bytes(&self) -> Vec<u8> {
        Writer::default().fixed(&self.body).fixed(&self.mac).finish()
    }

    /// As it came.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new("report", bytes);
        let report = Self { body: reader.array()?, mac: reader.array()? };
        reader.finish()?;
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_version_seals_to_its_signer_opens_to_it_and_to_later_ones() {
        let one = Measurement::of(b"one");
        let entered = |security_version| Entered {
            processor: SimulatedProcessor::new(),
            identity: Identity { measurement: one, signer: one, product: 1, security_version, debug: false },
        };
        let sealed = entered(2).seal(SealPolicy::Signer, b"model").unwrap();
        assert!(matches!(entered(1).unseal(&sealed), Err(Error::Sealed)), "an earlier version");
        assert_eq!(&entered(2).unseal(&sealed).unwrap()[..], b"model");
        assert_eq!(&entered(3).unseal(&sealed).unwrap()[..], b"model");
    }
}
