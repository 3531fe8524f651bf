//! Why a step of the protocol was refused. Every message names the check that failed.

use crate::Measurement;

/// The result of a step.
pub type Result<T> = std::result::Result<T, Error>;

/// A refusal. Nothing in it is secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes from outside are not what they should be.
    #[error("{what}: {reason}")]
    Malformed {
        /// Which message or field.
        what: &'static str,
        /// In which way.
        reason: String,
    },
    /// The certificates do not end at the root this client trusts.
    #[error(
        "quote: certified by {found}, not by the simulated root; real hardware and other roots are not trusted here"
    )]
    UntrustedRoot {
        /// Common name of the root found.
        found: String,
    },
    /// A certificate on the way to the root is on a revocation list.
    #[error("quote: a certificate of its platform is revoked ({reason})")]
    Revoked {
        /// What the verifier said.
        reason: String,
    },
    /// Certificates, revocation lists, TCB info or QE identity are not valid now.
    #[error("collateral: not in date ({reason}); the host must fetch it anew")]
    CollateralDate {
        /// What the verifier said.
        reason: String,
    },
    /// The quote fails verification in another way.
    #[error("quote: not genuine ({reason})")]
    QuoteRejected {
        /// What the verifier said.
        reason: String,
    },
    /// The platform's security version is not the newest.
    #[error("quote: the platform's TCB is {status}, not UpToDate")]
    TcbStatus {
        /// Status by the collateral.
        status: String,
    },
    /// The enclave may be looked into.
    #[error("quote: the enclave runs in debug mode, its memory is open to the host")]
    Debug,
    /// Other code or another configuration.
    #[error("quote: measurement {found} where {expected} is allowed; the host runs another enclave")]
    Measurement {
        /// By the client's policy.
        expected: Measurement,
        /// In the quote.
        found: Measurement,
    },
    /// Another signer.
    #[error("quote: the enclave is signed by {found}, the policy names {expected}")]
    Signer {
        /// By the client's policy.
        expected: Measurement,
        /// In the quote.
        found: Measurement,
    },
    /// Another product, or a version before the allowed one.
    #[error(
        "quote: product {product} version {version} where product {expected_product} from version {least_version} is allowed"
    )]
    Product {
        /// In the quote.
        product: u16,
        /// In the quote.
        version: u16,
        /// By the policy.
        expected_product: u16,
        /// By the policy.
        least_version: u16,
    },
    /// Made for an earlier challenge.
    #[error("quote: made for another nonce than this session's; an old quote was replayed")]
    StaleNonce,
    /// Made for another model.
    #[error("quote: the enclave is to run model {found}, not {expected}")]
    Model {
        /// SHA-256 by the client's policy.
        expected: Measurement,
        /// SHA-256 claimed with the quote.
        found: Measurement,
    },
    /// Not for this key, role, nonce, model and set of protections.
    #[error("quote: its report data are not those of this key, nonce, model and protections")]
    ReportData,
    /// Less is in force around the enclave than the policy demands.
    #[error(
        "protections: {missing} not in force where the policy demands it; the enclave reports {report:?}"
    )]
    Unprotected {
        /// Names of what is missing.
        missing: String,
        /// What the enclave says is in force.
        report: String,
    },
    /// The release is not by the publisher this client trusts.
    #[error("release: signed by {found}, the trusted publisher is {expected}")]
    Publisher {
        /// SHA-256 of the trusted key.
        expected: Measurement,
        /// SHA-256 of the key in the release.
        found: Measurement,
    },
    /// The release's signature does not hold.
    #[error("release: its signature is not valid; it was changed after it was signed")]
    ReleaseSignature,
    /// The release is about other code than the client's own copy.
    #[error(
        "release: it is about enclave {found}, this client's own copy of the program measures {expected}"
    )]
    ReleaseMeasurement {
        /// Measurement of the client's own copy.
        expected: Measurement,
        /// That in the release.
        found: Measurement,
    },
    /// The launcher measured something else than the release names: what EINIT refuses.
    #[error("launch: the image measures {found}, its release says {expected}")]
    Launch {
        /// That in the release.
        expected: Measurement,
        /// Measurement of the image.
        found: Measurement,
    },
    /// Code in a process that no measurement of files covers.
    #[error("launch: {mapping:?} cannot be measured: {reason}")]
    Unmeasurable {
        /// The mapping's name in `/proc/PID/smaps`, or the process.
        mapping: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A token, report or sealed key that this processor did not make.
    #[error("{what}: not made by this processor, or changed since")]
    NotThisProcessor {
        /// `launch token` or `report`.
        what: &'static str,
    },
    /// The model that was provisioned is not the one the enclave was launched for.
    #[error("provisioning: model {found} came where the enclave was launched for {expected}")]
    Provisioned {
        /// SHA-256 in the enclave's configuration.
        expected: Measurement,
        /// SHA-256 of what came.
        found: Measurement,
    },
    /// HPKE could not open the channel.
    #[error(
        "channel to the {role}: the key exchange failed; it was made for another enclave or session, or changed"
    )]
    KeyExchange {
        /// The client's role.
        role: &'static str,
    },
    /// A record that was already seen.
    #[error("channel to the {role}: record {got} came again where {expected} is due; it was replayed")]
    Replayed {
        /// The client's role.
        role: &'static str,
        /// Sequence number due.
        expected: u64,
        /// Sequence number that came.
        got: u64,
    },
    /// A record from further on.
    #[error(
        "channel to the {role}: record {got} came where {expected} is due; records were lost or reordered"
    )]
    Reordered {
        /// The client's role.
        role: &'static str,
        /// Sequence number due.
        expected: u64,
        /// Sequence number that came.
        got: u64,
    },
    /// Authentication failed.
    #[error(
        "channel to the {role}: record {sequence} does not authenticate; it was changed or cut short on the way"
    )]
    Tampered {
        /// The client's role.
        role: &'static str,
        /// Its sequence number.
        sequence: u64,
    },
    /// Too short to be a record.
    #[error("channel to the {role}: {bytes} bytes are no record; it was cut short on the way")]
    Truncated {
        /// The client's role.
        role: &'static str,
        /// Bytes that came.
        bytes: usize,
    },
    /// Longer than anything this channel carries now.
    #[error("channel to the {role}: a record of {bytes} bytes where at most {limit} are allowed")]
    Oversized {
        /// The client's role.
        role: &'static str,
        /// Bytes that came or were to be sent.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// An earlier error closed the channel, or every sequence number is used.
    #[error("channel to the {role}: closed")]
    Closed {
        /// The client's role.
        role: &'static str,
    },
    /// A sealed blob of another enclave, signer, processor or version, or a changed one.
    #[error(
        "sealed model: it does not open here; it was sealed by another enclave, signer or processor, or was changed"
    )]
    Sealed,
    /// The operating system refused something the protocol cannot do without.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        source: std::io::Error,
    },
    /// A primitive failed on input of ours.
    #[error("{0} failed")]
    Primitive(&'static str),
}

impl Error {
    pub(crate) fn malformed(what: &'static str, reason: impl Into<String>) -> Self {
        Error::Malformed { what, reason: reason.into() }
    }
}
