//! The certificate authority of one session: it lives in the memory of whoever starts the parties, and nowhere else.

use std::fmt;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};

/// Issues certificates to the parties of one session.
///
/// The certificates are valid at any time a clock may show: parties hold each other to the very certificates of their
/// session, and a host whose clock is wrong must not fail for that.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// What one party shows on its links and what it demands of its peers.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The session's authority, DER.
    pub(crate) authority: Vec<u8>,
    /// This party's private key, PKCS #8.
    pub(crate) key: Vec<u8>,
    /// Certificates of all parties, DER, in the order of the roles.
    pub(crate) parties: Vec<Vec<u8>>,
}

/// Why no certificates could be made.
#[derive(Debug, thiserror::Error)]
#[error("making certificates for the links: {0}")]
pub struct AuthorityError(#[from] rcgen::Error);

impl Authority {
    /// Makes an authority with a key of its own.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn new() -> Result<Self, AuthorityError> {
        let mut params = named("authority of a veilbench session");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Issues a key and a certificate to each of a session's parties, in the order of the roles.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn issue(&self, parties: usize) -> Result<Vec<Credentials>, AuthorityError> {
        let mut issued = Vec::with_capacity(parties);
        for party in 0..parties {
            let mut params = named(&subject(party));
            params.subject_alt_names = CertificateParams::new(vec![subject(party)])?.subject_alt_names;
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &self.issuer)?;
            issued.push((key.serialize_der(), certificate.der().to_vec()));
        }
        let certificates: Vec<Vec<u8>> = issued.iter().map(|(_, certificate)| certificate.clone()).collect();
        let credentials = |(key, _)| Credentials {
            authority: self.issuer.der().to_vec(),
            key,
            parties: certificates.clone(),
        };
        Ok(issued.into_iter().map(credentials).collect())
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    params.distinguished_name = names;
    params
}

/// The name under which a party's certificate is issued.
pub(crate) fn subject(party: usize) -> String {
    format!("party-{party}")
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(..)")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}
