//! The report body of SGX, 384 bytes, as `dcap-qvl` lays it out.

use dcap_qvl::quote::EnclaveReport;
use parity_scale_codec::Encode;

use crate::platform::signing::derive;
use crate::{Measurement, Result};

/// Attribute: launched.
const ATTRIBUTE_INIT: u64 = 1;
/// Attribute: open to debuggers.
pub(crate) const ATTRIBUTE_DEBUG: u64 = 2;
/// Attributes of every enclave here: launched, 64 bits.
pub(crate) const ATTRIBUTES_64_BIT: u64 = ATTRIBUTE_INIT | 4;

/// Security versions of the simulated processor's parts.
pub(crate) const CPU_SVN: [u8; 16] = [1; 16];

/// What a report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReportBody {
    pub(crate) attributes: u64,
    pub(crate) measurement: Measurement,
    pub(crate) signer: Measurement,
    pub(crate) product: u16,
    pub(crate) security_version: u16,
    pub(crate) report_data: [u8; 64],
}

impl ReportBody {
    pub(crate) const BYTES: usize = 384;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut attributes = [0; 16];
        attributes[..8].copy_from_slice(&self.attributes.to_le_bytes());
        // XFRM: x87 and SSE state.
        attributes[8] = 3;
        let report = EnclaveReport {
            cpu_svn: CPU_SVN,
            misc_select: 0,
            reserved1: [0; 28],
            attributes,
            mr_enclave: *self.measurement.bytes(),
            reserved2: [0; 32],
            mr_signer: *self.signer.bytes(),
            reserved3: [0; 96],
            isv_prod_id: self.product,
            isv_svn: self.security_version,
            reserved4: [0; 60],
            report_data: self.report_data,
        };
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(&report.encode());
        bytes
    }
}

/// A client of the enclave. Part of the report data and of every key, so that what is meant for one
/// is of no use with the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Provisions the model.
    ModelOwner,
    /// Sends images.
    DataOwner,
}

impl Client {
    /// The role's name.
    pub fn role(self) -> &'static str {
        match self {
            Client::ModelOwner => "model-owner",
            Client::DataOwner => "data-owner",
        }
    }
}

/// What a quote is bound to: SHA-256(public key || nonce || model) and SHA-256(role || protections).
pub(crate) fn report_data(
    client: Client,
    public_key: &[u8; 32],
    nonce: &[u8; 32],
    model: &Measurement,
    protections: &[u8],
) -> [u8; 64] {
    let session = Measurement::of_parts(&[public_key, nonce, model.bytes()]);
    let circumstances = Measurement::of_parts(&[client.role().as_bytes(), &[0], protections]);
    let mut data = [0; 64];
    data[..32].copy_from_slice(session.bytes());
    data[32..].copy_from_slice(circumstances.bytes());
    data
}

/// A challenge.
pub type Nonce = [u8; 32];

/// A fresh challenge.
///
/// # Errors
/// If the operating system has no randomness.
pub fn fresh_nonce() -> Result<Nonce> {
    crate::platform::signing::random()
}

/// Sixteen bytes that name the simulated platform.
pub(crate) fn platform_id(fuse_key: &[u8; 32]) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&derive(fuse_key, &[b"platform id"])[..16]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_a_quote_is_bound_to_changes_its_report_data() {
        let [one, other] = [Measurement::of(b"one"), Measurement::of(b"other")];
        let data = [
            report_data(Client::DataOwner, &[1; 32], &[2; 32], &one, b"seccomp=no"),
            report_data(Client::ModelOwner, &[1; 32], &[2; 32], &one, b"seccomp=no"),
            report_data(Client::DataOwner, &[9; 32], &[2; 32], &one, b"seccomp=no"),
            report_data(Client::DataOwner, &[1; 32], &[9; 32], &one, b"seccomp=no"),
            report_data(Client::DataOwner, &[1; 32], &[2; 32], &other, b"seccomp=no"),
            report_data(Client::DataOwner, &[1; 32], &[2; 32], &one, b"seccomp=yes"),
        ];
        for (index, own) in data.iter().enumerate() {
            assert!(!data[..index].contains(own), "{index}");
        }
    }
}
