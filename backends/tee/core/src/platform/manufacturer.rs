//! The simulated manufacturer: a root, the certificates below it, and the collateral with which a
//! quote is verified. Every subject says SIMULATED; every key is derived from a constant.

use dcap_qvl::QuoteCollateralV3;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, CustomExtension,
    DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use serde_json::json;
use time::OffsetDateTime;

use crate::platform::der;
use crate::platform::processor::SimulatedProcessor;
use crate::platform::report::{CPU_SVN, platform_id};
use crate::platform::signing::Signer;
use crate::{Error, Measurement, Result};

/// Product number of the simulated quoting enclave.
pub(crate) const QE_PRODUCT: u16 = 1;
/// Its security version.
pub(crate) const QE_VERSION: u16 = 1;
/// Security version of the simulated provisioning certification enclave.
pub(crate) const PCE_VERSION: u16 = 1;
/// Family of the simulated platform: no real one has it.
const FMSPC: [u8; 6] = [0xFF, 0x51, 0x4D, 0x00, 0x00, 0x00];
/// SGX extension of platform certificates, 1.2.840.113741.1.13.1.
const SGX_EXTENSION: [u64; 7] = [1, 2, 840, 113_741, 1, 13, 1];
/// Collateral is issued for this many days.
const COLLATERAL_DAYS: u64 = 30;

const ROOT_NAME: &str = "veilbench SIMULATED SGX Root CA";
const PLATFORM_CA_NAME: &str = "veilbench SIMULATED PCK Platform CA";

/// Issues certificates and collateral. Its keys are constants: a certificate of it proves nothing
/// about any hardware.
pub struct SimulatedManufacturer {
    name: &'static str,
    root: Signer,
    platform_ca: Signer,
    collateral: Signer,
}

/// What is signed in collateral, so that tests may have it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollateralOptions {
    /// Seconds since 1970 at which it is issued.
    pub issued: u64,
    /// Whether the platform's certificate is on the revocation list.
    pub revoked: bool,
    /// Whether the platform needs an update to be up to date.
    pub out_of_date: bool,
}

impl CollateralOptions {
    /// Good collateral, issued then.
    pub fn issued(issued: u64) -> Self {
        Self { issued, revoked: false, out_of_date: false }
    }
}

/// MRSIGNER of the simulated quoting enclave.
pub(crate) fn qe_signer() -> Measurement {
    Measurement::of(b"veilbench SIMULATED quoting enclave signer")
}

/// The platform's certified key.
pub(crate) fn platform_key(processor: &SimulatedProcessor) -> Signer {
    Signer::derive(processor.fuse_key(), "provisioning certification key")
}

impl SimulatedManufacturer {
    /// The one whose root clients trust.
    pub fn new() -> Self {
        Self::named(ROOT_NAME)
    }

    /// Another manufacturer, with a root that nobody trusts.
    pub fn named(name: &'static str) -> Self {
        let key = |what: &str| {
            Signer::derive(b"veilbench SIMULATED manufacturer: certifies nothing", &format!("{name} {what}"))
        };
        Self { name, root: key("root"), platform_ca: key("platform CA"), collateral: key("TCB signing") }
    }

    /// The root, DER: the same on every machine, for clients to pin.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn root_certificate(&self) -> Result<Vec<u8>> {
        Ok(self.root()?.der().to_vec())
    }

    fn root_params(&self) -> CertificateParams {
        authority(self.name, 1, &self.root, 1)
    }

    fn platform_ca_params(&self) -> CertificateParams {
        authority(PLATFORM_CA_NAME, 2, &self.platform_ca, 0)
    }

    fn root(&self) -> Result<Certificate> {
        self.root_params().self_signed(&self.root).map_err(failed)
    }

    fn issuer(params: CertificateParams, key: &Signer) -> Issuer<'static, &Signer> {
        Issuer::new(params, key)
    }

    /// Platform certificate, its issuer and the root, PEM.
    pub(crate) fn platform_chain(&self, processor: &SimulatedProcessor) -> Result<String> {
        let key = platform_key(processor);
        let mut params = subject("veilbench SIMULATED SGX PCK Certificate", PLATFORM_SERIAL, &key);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        let extension = sgx_extension(&platform_id(processor.fuse_key()));
        params.custom_extensions = vec![CustomExtension::from_oid_content(&SGX_EXTENSION, extension)];
        let issuer = Self::issuer(self.platform_ca_params(), &self.platform_ca);
        let leaf = params.signed_by(&key, &issuer).map_err(failed)?;
        Ok(leaf.pem() + &self.platform_ca_chain()?)
    }

    fn platform_ca_chain(&self) -> Result<String> {
        let issuer = Self::issuer(self.root_params(), &self.root);
        let platform_ca = self.platform_ca_params().signed_by(&self.platform_ca, &issuer).map_err(failed)?;
        Ok(platform_ca.pem() + &self.root()?.pem())
    }

    /// What a verifier of quotes needs beside the quote: revocation lists, TCB info, QE identity.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn collateral(&self, options: CollateralOptions) -> Result<QuoteCollateralV3> {
        let until = options.issued.saturating_add(COLLATERAL_DAYS * 86_400);
        let (issue_date, next_update) = (rfc3339(options.issued)?, rfc3339(until)?);
        let root_issuer = Self::issuer(self.root_params(), &self.root);
        let mut signing = subject("veilbench SIMULATED TCB Signing", 3, &self.collateral);
        signing.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::ContentCommitment];
        let signing = signing.signed_by(&self.collateral, &root_issuer).map_err(failed)?;
        let signing_chain = signing.pem() + &self.root()?.pem();

        let components = |svn: u8| vec![json!({ "svn": svn }); CPU_SVN.len()];
        let level = |svn: u8, status: &str| {
            json!({
                "tcb": { "sgxtcbcomponents": components(svn), "pcesvn": PCE_VERSION },
                "tcbDate": "2024-01-01T00:00:00Z",
                "tcbStatus": status,
            })
        };
        let mut levels = vec![level(CPU_SVN[0], "UpToDate")];
        if options.out_of_date {
            levels = vec![level(CPU_SVN[0] + 1, "UpToDate"), level(CPU_SVN[0], "OutOfDate")];
        }
        let tcb_info = json!({
            "id": "SGX",
            "version": 3,
            "issueDate": issue_date,
            "nextUpdate": next_update,
            "fmspc": hex::encode_upper(FMSPC),
            "pceId": "0000",
            "tcbType": 0,
            "tcbEvaluationDataNumber": 1,
            "tcbLevels": levels,
        })
        .to_string();
        let qe_identity = json!({
            "id": "QE",
            "version": 2,
            "issueDate": issue_date,
            "nextUpdate": next_update,
            "tcbEvaluationDataNumber": 1,
            "miscselect": "00000000",
            "miscselectMask": "FFFFFFFF",
            "attributes": "05000000000000000000000000000000",
            "attributesMask": "FBFFFFFFFFFFFFFF0000000000000000",
            "mrsigner": hex::encode_upper(qe_signer().bytes()),
            "isvprodid": QE_PRODUCT,
            "tcbLevels": [{
                "tcb": { "isvsvn": QE_VERSION }, "tcbDate": "2024-01-01T00:00:00Z", "tcbStatus": "UpToDate",
            }],
        })
        .to_string();
        let platform_ca_issuer = Self::issuer(self.platform_ca_params(), &self.platform_ca);
        let revoked = if options.revoked { vec![PLATFORM_SERIAL] } else { Vec::new() };
        Ok(QuoteCollateralV3 {
            pck_crl_issuer_chain: self.platform_ca_chain()?,
            root_ca_crl: revocation_list(&root_issuer, &self.root, options.issued, until, &[])?,
            pck_crl: revocation_list(
                &platform_ca_issuer,
                &self.platform_ca,
                options.issued,
                until,
                &revoked,
            )?,
            tcb_info_issuer_chain: signing_chain.clone(),
            tcb_info_signature: self.collateral.sign_raw(tcb_info.as_bytes()).to_vec(),
            tcb_info,
            qe_identity_issuer_chain: signing_chain,
            qe_identity_signature: self.collateral.sign_raw(qe_identity.as_bytes()).to_vec(),
            qe_identity,
            pck_certificate_chain: None,
        })
    }
}

impl Default for SimulatedManufacturer {
    fn default() -> Self {
        Self::new()
    }
}

/// Serial number of the platform's certificate.
const PLATFORM_SERIAL: u64 = 4;

fn subject(name: &str, serial: u64, key: &Signer) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names.push(DnType::OrganizationName, "veilbench SIMULATION, no hardware");
    params.distinguished_name = names;
    params.serial_number = Some(SerialNumber::from(serial));
    params.not_before = rcgen::date_time_ymd(2024, 1, 1);
    params.not_after = rcgen::date_time_ymd(2049, 12, 31);
    params.use_authority_key_identifier_extension = true;
    params.key_identifier_method = key_identifier(key);
    params
}

fn authority(name: &str, serial: u64, key: &Signer, below: u8) -> CertificateParams {
    let mut params = subject(name, serial, key);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn key_identifier(key: &Signer) -> KeyIdMethod {
    KeyIdMethod::PreSpecified(Measurement::of(key.public()).bytes()[..20].to_vec())
}

fn revocation_list(
    issuer: &Issuer<'_, &Signer>,
    key: &Signer,
    issued: u64,
    until: u64,
    revoked: &[u64],
) -> Result<Vec<u8>> {
    let revoked = revoked.iter().map(|&serial| {
        Ok(RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: moment(issued)?,
            reason_code: None,
            invalidity_date: None,
        })
    });
    let params = CertificateRevocationListParams {
        this_update: moment(issued)?,
        next_update: moment(until)?,
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect::<Result<_>>()?,
        key_identifier_method: key_identifier(key),
    };
    Ok(params.signed_by(issuer).map_err(failed)?.der().to_vec())
}

/// The SGX extension's contents: platform id, TCB, PCE id, family and type.
fn sgx_extension(platform: &[u8; 16]) -> Vec<u8> {
    let oid = |tail: &[u8]| {
        let prefix = [0x2A, 0x86, 0x48, 0x86, 0xF8, 0x4D, 0x01, 0x0D, 0x01];
        der::element(der::OBJECT_IDENTIFIER, &[&prefix[..], tail].concat())
    };
    let pair = |tail: &[u8], value: Vec<u8>| der::sequence(&[oid(tail), value]);
    let mut tcb: Vec<_> = (1..=16)
        .map(|component: u8| pair(&[2, component], der::integer(CPU_SVN[usize::from(component) - 1])))
        .collect();
    tcb.push(pair(&[2, 17], der::integer(PCE_VERSION as u8)));
    tcb.push(pair(&[2, 18], der::element(der::OCTET_STRING, &CPU_SVN)));
    der::sequence(&[
        pair(&[1], der::element(der::OCTET_STRING, platform)),
        pair(&[2], der::sequence(&tcb)),
        pair(&[3], der::element(der::OCTET_STRING, &[0, 0])),
        pair(&[4], der::element(der::OCTET_STRING, &FMSPC)),
        pair(&[5], der::element(der::ENUMERATED, &[0])),
    ])
}

fn moment(seconds: u64) -> Result<OffsetDateTime> {
    let seconds = i64::try_from(seconds).ok();
    seconds
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .ok_or(Error::Primitive("turning seconds into a date"))
}

fn rfc3339(seconds: u64) -> Result<String> {
    let at = moment(seconds)?;
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    Ok(format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month)))
}

fn failed(_: rcgen::Error) -> Error {
    Error::Primitive("making a certificate")
}
