//! What a client insists on before it sends anything secret.

use dcap_qvl::quote::{EnclaveReport, Quote, Report};
use dcap_qvl::verify::QuoteVerifier;

use crate::attestation::evidence::Evidence;
use crate::measuring::release::{PRODUCT, Release, SECURITY_VERSION, SimulatedPublisher};
use crate::platform::manufacturer::SimulatedManufacturer;
use crate::platform::report::{ATTRIBUTE_DEBUG, Client, Nonce, report_data};
use crate::sandbox::{LeastProtections, Protections};
use crate::{Configuration, Error, Measurement, Result};

/// Trusted roots and the least that is accepted.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Root certificate, DER.
    pub root: Vec<u8>,
    /// Publisher of releases.
    pub publisher: Measurement,
    /// ISVPRODID.
    pub product: u16,
    /// Least ISVSVN.
    pub least_version: u16,
    /// Protections that must be in force in the enclave's process.
    pub protections: LeastProtections,
}

/// An enclave that a policy accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attested {
    /// Its HPKE key.
    pub public_key: [u8; 32],
    /// SHA-256 of its report.
    pub report: Measurement,
    /// Protections in force, as the enclave says.
    pub protections: String,
}

impl Policy {
    /// The simulated root, the simulated publisher, and an enclave that is [confined](LeastProtections::confined).
    ///
    /// # Errors
    /// If the root's certificate cannot be made.
    pub fn simulated() -> Result<Self> {
        Ok(Self {
            root: SimulatedManufacturer::new().root_certificate()?,
            publisher: SimulatedPublisher::default().identity(),
            product: PRODUCT,
            least_version: SECURITY_VERSION,
            protections: LeastProtections::confined(),
        })
    }

    /// Whether a release is by the trusted publisher and about the client's own copy of the program
    /// with this configuration.
    ///
    /// # Errors
    /// [`Error::Publisher`], [`Error::ReleaseSignature`], [`Error::Model`], [`Error::ReleaseMeasurement`].
    pub fn check_release(
        &self,
        release: &Release,
        image: &Measurement,
        configuration: &Configuration,
    ) -> Result<()> {
        release.verify(self.publisher)?;
        if release.model != configuration.model {
            return Err(Error::Model { expected: configuration.model, found: release.model });
        }
        let expected = Measurement::of_enclave(image, configuration);
        if release.measurement != expected {
            return Err(Error::ReleaseMeasurement { expected, found: release.measurement });
        }
        Ok(())
    }

    /// Whether evidence shows the released enclave, running now for this client's nonce. `now` is
    /// the client's clock, seconds since 1970.
    ///
    /// # Errors
    /// Names the check that failed: root, revocation, dates, signatures, TCB, debug flag, measurement,
    /// signer, version, nonce, model, report data, protections.
    pub fn judge(
        &self,
        client: Client,
        release: &Release,
        nonce: &Nonce,
        evidence: &Evidence,
        now: u64,
    ) -> Result<Attested> {
        self.check_root(&evidence.quote)?;
        // Debug enclaves are refused below, by a name of their own.
        let verified = QuoteVerifier::new(self.root.clone())
            .allow_debug(true)
            .verify(&evidence.quote, &evidence.collateral, now)
            .map_err(|error| refusal(&format!("{error:#}")))?;
        let Report::SgxEnclave(report) = &verified.report else {
            return Err(Error::QuoteRejected { reason: "it is not of an SGX enclave".into() });
        };
        if verified.status != "UpToDate" {
            return Err(Error::TcbStatus { status: verified.status });
        }
        self.check_identity(release, report)?;
        if evidence.nonce != *nonce {
            return Err(Error::StaleNonce);
        }
        if evidence.model != release.model {
            return Err(Error::Model { expected: release.model, found: evidence.model });
        }
        let protections = evidence.protections.as_bytes();
        let expected = report_data(client, &evidence.public_key, nonce, &release.model, protections);
        if report.report_data != expected {
            return Err(Error::ReportData);
        }
        self.check_protections(&evidence.protections)?;
        let body = evidence.quote.get(48..48 + 384).ok_or(Error::ReportData)?;
        Ok(Attested {
            public_key: evidence.public_key,
            report: Measurement::of(body),
            protections: evidence.protections.clone(),
        })
    }

    /// Whether an enclave's word, which its report data hold, tells of enough.
    fn check_protections(&self, report: &str) -> Result<()> {
        let (protections, keys) = Protections::read(report).ok_or_else(|| {
            Error::malformed("evidence", "its protections are not those of an enclave's report")
        })?;
        let missing = self.protections.missing(&protections, keys);
        if missing.is_empty() {
            return Ok(());
        }
        Err(Error::Unprotected { missing: missing.join(", "), report: report.to_owned() })
    }

    fn check_identity(&self, release: &Release, report: &EnclaveReport) -> Result<()> {
        if u64::from(report.attributes[0]) & ATTRIBUTE_DEBUG != 0 {
            return Err(Error::Debug);
        }
        let found = Measurement::from(report.mr_enclave);
        if found != release.measurement {
            return Err(Error::Measurement { expected: release.measurement, found });
        }
        let found = Measurement::from(report.mr_signer);
        if found != self.publisher {
            return Err(Error::Signer { expected: self.publisher, found });
        }
        let (product, version) = (report.isv_prod_id, report.isv_svn);
        if product != self.product || version < self.least_version {
            return Err(Error::Product {
                product,
                version,
                expected_product: self.product,
                least_version: self.least_version,
            });
        }
        Ok(())
    }

    /// The last certificate of the quote's chain must be the pinned root itself: another root gets
    /// an error that names it. Whether the chain leads there, verification tells.
    fn check_root(&self, quote: &[u8]) -> Result<()> {
        let rejected = |reason: String| Error::QuoteRejected { reason };
        let quote = Quote::parse(quote).map_err(|error| rejected(format!("{error:#}")))?;
        let chain = quote.raw_cert_chain().map_err(|error| rejected(format!("{error:#}")))?;
        let chain = pem::parse_many(chain).map_err(|error| rejected(error.to_string()))?;
        match chain.last() {
            Some(root) if root.contents() == self.root => Ok(()),
            Some(root) => Err(Error::UntrustedRoot { found: common_name(root.contents()) }),
            None => Err(rejected("it has no certificates".into())),
        }
    }
}

/// The first common name in a certificate, which of a root is its own, for people.
fn common_name(certificate: &[u8]) -> String {
    const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
    let after =
        certificate.windows(5).position(|window| window == COMMON_NAME).map(|at| &certificate[at + 5..]);
    let name = after.and_then(|value| {
        let (&[_tag, length], contents) = value.split_first_chunk()?;
        std::str::from_utf8(contents.get(..usize::from(length))?).ok()
    });
    name.map_or_else(|| "an unknown root".to_owned(), |name| format!("{name:?}"))
}

/// Sorts what the verifier says by what the user can do about it. The words only choose the name of
/// the refusal; refused it is in any case.
fn refusal(reason: &str) -> Error {
    let reason = reason.to_owned();
    let says = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if says(&["CertRevoked", "Revoked", "revoked"]) {
        return Error::Revoked { reason };
    }
    if says(&["expired", "Expired", "NotValidYet", "in the future"]) {
        return Error::CollateralDate { reason };
    }
    Error::QuoteRejected { reason }
}
