//! What a host shows a client: the quote, the collateral to verify it with, and the values its
//! report data are made of.

use dcap_qvl::QuoteCollateralV3;

use crate::platform::report::Nonce;
use crate::transport::message::{Reader, Writer};
use crate::{Error, Measurement, Result};

/// Largest quote that is looked at.
const QUOTE_LIMIT: usize = 16 << 10;
/// Largest part of the collateral that is looked at.
const PART_LIMIT: usize = 64 << 10;
/// Longest description of protections.
pub(crate) const PROTECTIONS_LIMIT: usize = 512;

/// Everything a client judges an enclave by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The enclave's HPKE key.
    pub public_key: [u8; 32],
    /// The nonce the quote was made for.
    pub nonce: Nonce,
    /// The model the enclave was launched for.
    pub model: Measurement,
    /// Protections in force in the enclave's process, in words.
    pub protections: String,
    /// DCAP quote, version 3.
    pub quote: Vec<u8>,
    /// What verifies it.
    pub collateral: QuoteCollateralV3,
}

impl Evidence {
    /// For the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let c = &self.collateral;
        let writer = Writer::default().fixed(&self.public_key).fixed(&self.nonce).fixed(self.model.bytes());
        let writer = writer.field(self.protections.as_bytes()).field(&self.quote);
        let writer = writer.field(c.pck_crl_issuer_chain.as_bytes()).field(&c.root_ca_crl).field(&c.pck_crl);
        let writer = writer.field(c.tcb_info_issuer_chain.as_bytes()).field(c.tcb_info.as_bytes());
        let writer = writer.field(&c.tcb_info_signature).field(c.qe_identity_issuer_chain.as_bytes());
        writer.field(c.qe_identity.as_bytes()).field(&c.qe_identity_signature).finish()
    }

    /// From the host; nothing in it is believed before [`Policy::judge`](crate::Policy::judge).
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new("evidence", bytes);
        let (public_key, nonce, model) = (reader.array()?, reader.array()?, reader.measurement()?);
        let protections = reader.text(PROTECTIONS_LIMIT)?;
        if protections.chars().any(char::is_control) {
            return Err(Error::malformed("evidence", "its protections are not one line of text"));
        }
        let quote = reader.field(QUOTE_LIMIT)?.to_vec();
        let collateral = QuoteCollateralV3 {
            pck_crl_issuer_chain: reader.text(PART_LIMIT)?,
            root_ca_crl: reader.field(PART_LIMIT)?.to_vec(),
            pck_crl: reader.field(PART_LIMIT)?.to_vec(),
            tcb_info_issuer_chain: reader.text(PART_LIMIT)?,
            tcb_info: reader.text(PART_LIMIT)?,
            tcb_info_signature: reader.field(PART_LIMIT)?.to_vec(),
            qe_identity_issuer_chain: reader.text(PART_LIMIT)?,
            qe_identity: reader.text(PART_LIMIT)?,
            qe_identity_signature: reader.field(PART_LIMIT)?.to_vec(),
            pck_certificate_chain: None,
        };
        reader.finish()?;
        Ok(Self { public_key, nonce, model, protections, quote, collateral })
    }
}
