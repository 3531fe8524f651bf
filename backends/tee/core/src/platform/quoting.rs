//! The simulated quoting enclave: turns a report of this processor into a DCAP quote of version 3.

use dcap_qvl::INTEL_QE_VENDOR_ID;
use dcap_qvl::quote::{AuthDataV3, CertificationData, Data, Header};
use parity_scale_codec::Encode;

use crate::platform::manufacturer::{self, QE_PRODUCT, QE_VERSION, SimulatedManufacturer};
use crate::platform::processor::{Report, SimulatedProcessor};
use crate::platform::report::{ATTRIBUTES_64_BIT, ReportBody, platform_id};
use crate::platform::signing::{Signer, derive};
use crate::{Measurement, Result};

/// A chain in PEM: the format of certification data of type 5.
const PCK_CERTIFICATE_CHAIN: u16 = 5;

/// Signs quotes with an attestation key that the platform's certified key vouches for.
pub struct SimulatedQuotingEnclave {
    processor: SimulatedProcessor,
    attestation_key: Signer,
    auth: AuthDataV3,
}

impl SimulatedQuotingEnclave {
    /// Sets up the quoting enclave of a processor: the manufacturer certifies its platform key, and
    /// that key its attestation key.
    ///
    /// # Errors
    /// If a certificate cannot be made.
    pub fn new(processor: &SimulatedProcessor, manufacturer: &SimulatedManufacturer) -> Result<Self> {
        let attestation_key = Signer::derive(processor.fuse_key(), "quoting enclave attestation key");
        let platform_key = manufacturer::platform_key(processor);
        let qe_auth_data = *derive(processor.fuse_key(), &[b"quoting enclave auth data"]);
        let mut ecdsa_attestation_key = [0; 64];
        ecdsa_attestation_key.copy_from_slice(&attestation_key.public()[1..]);
        let mut report_data = [0; 64];
        let bound = Measurement::of_parts(&[&ecdsa_attestation_key, &qe_auth_data]);
        report_data[..32].copy_from_slice(bound.bytes());
        let qe_report = ReportBody {
            attributes: ATTRIBUTES_64_BIT,
            measurement: Measurement::of(b"veilbench SIMULATED quoting enclave"),
            signer: manufacturer::qe_signer(),
            product: QE_PRODUCT,
            security_version: QE_VERSION,
            report_data,
        }
        .to_bytes();
        let chain = manufacturer.platform_chain(processor)?;
        let auth = AuthDataV3 {
            ecdsa_signature: [0; 64],
            ecdsa_attestation_key,
            qe_report,
            qe_report_signature: platform_key.sign_raw(&qe_report),
            qe_auth_data: Data::new(qe_auth_data.to_vec()),
            certification_data: CertificationData {
                cert_type: PCK_CERTIFICATE_CHAIN,
                body: Data::new(chain.into_bytes()),
            },
        };
        Ok(Self { processor: processor.clone(), attestation_key, auth })
    }

    /// Quotes a report.
    ///
    /// # Errors
    /// [`Error::NotThisProcessor`](crate::Error::NotThisProcessor) if this processor did not make it.
    pub fn quote(&self, report: &Report) -> Result<Vec<u8>> {
        self.processor.check_report(report)?;
        let mut user_data = [0; 20];
        user_data[..16].copy_from_slice(&platform_id(self.processor.fuse_key()));
        let header = Header {
            version: 3,
            attestation_key_type: 2,
            tee_type: 0,
            qe_svn: QE_VERSION,
            pce_svn: manufacturer::PCE_VERSION,
            qe_vendor_id: INTEL_QE_VENDOR_ID,
            user_data,
        };
        let mut quote = header.encode();
        quote.extend_from_slice(&report.body);
        let signature = self.attestation_key.sign_raw(&quote);
        let auth = AuthDataV3 { ecdsa_signature: signature, ..self.auth.clone() }.encode();
        quote.extend_from_slice(&(auth.len() as u32).to_le_bytes());
        quote.extend_from_slice(&auth);
        Ok(quote)
    }
}
