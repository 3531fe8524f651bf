//! The attested channel: an HPKE key exchange (RFC 9180) to the key in a quote, and records with
//! sequence numbers, each direction under a key of its own.
//!
//! A record is its sequence number, 8 bytes little-endian, the ciphertext and a tag of 16 bytes. The
//! number is the nonce and is authenticated with the record; keys are fresh in every session, so no
//! nonce repeats. After the first error a channel is closed.

use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use rand_core::TryRngCore;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::attestation::policy::Attested;
use crate::platform::report::Client;
use crate::platform::signing::random;
use crate::transport::secret::SecretKey;
use crate::{Error, Measurement, Result};

/// Bytes of a sequence number.
const SEQUENCE_BYTES: usize = 8;
/// Bytes of an authentication tag.
const TAG_BYTES: usize = 16;
/// Bytes of a record beyond its contents.
pub const RECORD_OVERHEAD: usize = SEQUENCE_BYTES + TAG_BYTES;
/// Bytes of an encapsulated key, which opens a channel.
pub const ENCAPSULATED_BYTES: usize = 32;

type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey;

/// An enclave's key pair of one launch.
pub(crate) struct EnclaveKey {
    private: SecretKey,
    pub(crate) public: [u8; 32],
}

impl EnclaveKey {
    pub(crate) fn generate() -> Result<Self> {
        let seed = Zeroizing::new(random::<32>()?);
        let (private, public) = X25519HkdfSha256::derive_keypair(&seed[..]);
        let mut bytes = Zeroizing::new([0; 32]);
        bytes.copy_from_slice(&private.to_bytes());
        Ok(Self { private: SecretKey::new(*bytes)?, public: public.to_bytes().into() })
    }

    pub(crate) fn memory(&self) -> crate::KeyMemory {
        self.private.memory()
    }

    /// The enclave's end of a channel, from what the client sent.
    pub(crate) fn accept(
        &self,
        client: Client,
        report: &Measurement,
        encapsulated: &[u8; ENCAPSULATED_BYTES],
    ) -> Result<Channel> {
        let refused = |_| Error::KeyExchange { role: client.role() };
        let private = Private::from_bytes(self.private.expose()).map_err(refused)?;
        let encapsulated = Encapsulated::from_bytes(encapsulated).map_err(refused)?;
        let context = hpke::setup_receiver::<AesGcm256, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &private,
            &encapsulated,
            &binding(client, report),
        )
        .map_err(refused)?;
        Channel::new(client, false, |label, key| context.export(label, key))
    }
}

/// The client's end of a channel to an attested enclave, and what the enclave needs for its own.
pub(crate) fn connect(client: Client, attested: &Attested) -> Result<(Channel, [u8; ENCAPSULATED_BYTES])> {
    let refused = |_| Error::KeyExchange { role: client.role() };
    let public = Public::from_bytes(&attested.public_key).map_err(refused)?;
    let (encapsulated, context) = hpke::setup_sender::<AesGcm256, HkdfSha256, X25519HkdfSha256, _>(
        &OpModeS::Base,
        &public,
        &binding(client, &attested.report),
        &mut rand_core::OsRng.unwrap_err(),
    )
    .map_err(refused)?;
    let channel = Channel::new(client, true, |label, key| context.export(label, key))?;
    Ok((channel, encapsulated.to_bytes().into()))
}

/// What both ends must agree on: protocol, client, and the report, in which measurement, enclave
/// key, nonce and model are.
fn binding(client: Client, report: &Measurement) -> Vec<u8> {
    [b"veilbench-tee 1 channel of the ", client.role().as_bytes(), b" ", report.bytes()].concat()
}

/// One end of an attested channel.
pub struct Channel {
    role: &'static str,
    send: Direction,
    receive: Direction,
    open: bool,
}

struct Direction {
    key: SecretKey,
    next: u64,
}

impl Channel {
    fn new(
        client: Client,
        at_client: bool,
        export: impl Fn(&[u8], &mut [u8]) -> std::result::Result<(), hpke::HpkeError>,
    ) -> Result<Self> {
        let direction = |label: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            export(label, &mut key[..]).map_err(|_| Error::KeyExchange { role: client.role() })?;
            Ok(Direction { key: SecretKey::new(*key)?, next: 0 })
        };
        let (to_enclave, to_client) = (direction(b"to enclave")?, direction(b"to client")?);
        let (send, receive) = if at_client { (to_enclave, to_client) } else { (to_client, to_enclave) };
        Ok(Self { role: client.role(), send, receive, open: true })
    }

    /// Bytes of the record that carries this many.
    pub fn record_bytes(contents: usize) -> usize {
        contents + RECORD_OVERHEAD
    }

    /// The next record, with what `fill` appends to the buffer it is given as its contents.
    ///
    /// # Errors
    /// [`Error::Closed`] after an error or 2^64 - 1 records.
    pub fn seal_with(&mut self, contents: usize, fill: impl FnOnce(&mut Vec<u8>)) -> Result<Vec<u8>> {
        let sequence = self.send.next;
        let next = sequence.checked_add(1).filter(|_| self.open).ok_or(Error::Closed { role: self.role })?;
        let mut record = Vec::with_capacity(Self::record_bytes(contents));
        record.extend_from_slice(&sequence.to_le_bytes());
        fill(&mut record);
        let key = self.send.aead()?;
        let tag = key
            .seal_in_place_separate_tag(nonce(sequence), Aad::empty(), &mut record[SEQUENCE_BYTES..])
            .map_err(|_| Error::Primitive("sealing a record"))?;
        record.extend_from_slice(tag.as_ref());
        self.send.next = next;
        Ok(record)
    }

    /// The next record.
    ///
    /// # Errors
    /// As [`seal_with`](Self::seal_with).
    pub fn seal(&mut self, contents: &[u8]) -> Result<Vec<u8>> {
        self.seal_with(contents.len(), |record| record.extend_from_slice(contents))
    }

    /// The contents of the record that is due, of at most `limit` bytes, decrypted where it lies.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Oversized`], [`Error::Replayed`], [`Error::Reordered`],
    /// [`Error::Tampered`]; the channel is closed then.
    pub fn open<'a>(&mut self, record: &'a mut [u8], limit: usize) -> Result<&'a mut [u8]> {
        if !self.open {
            return Err(Error::Closed { role: self.role });
        }
        let contents = self.open_next(record, limit);
        self.open = contents.is_ok();
        contents
    }

    /// As [`open`](Self::open), of a record that becomes its contents.
    ///
    /// # Errors
    /// Likewise.
    pub fn open_whole(&mut self, record: &mut Vec<u8>, limit: usize) -> Result<()> {
        let contents = self.open(record, limit)?.len();
        record.drain(..SEQUENCE_BYTES);
        record.truncate(contents);
        Ok(())
    }

    fn open_next<'a>(&mut self, record: &'a mut [u8], limit: usize) -> Result<&'a mut [u8]> {
        let (role, bytes, expected) = (self.role, record.len(), self.receive.next);
        if bytes < RECORD_OVERHEAD {
            return Err(Error::Truncated { role, bytes });
        }
        if bytes - RECORD_OVERHEAD > limit {
            return Err(Error::Oversized { role, bytes, limit: limit + RECORD_OVERHEAD });
        }
        let (sequence, body) = record.split_first_chunk_mut().ok_or(Error::Truncated { role, bytes })?;
        let got = u64::from_le_bytes(*sequence);
        match got.cmp(&expected) {
            std::cmp::Ordering::Less => return Err(Error::Replayed { role, expected, got }),
            std::cmp::Ordering::Greater => return Err(Error::Reordered { role, expected, got }),
            std::cmp::Ordering::Equal => {}
        }
        let next = expected.checked_add(1).ok_or(Error::Closed { role })?;
        let contents = self
            .receive
            .aead()?
            .open_in_place(nonce(expected), Aad::empty(), body)
            .map_err(|_| Error::Tampered { role, sequence: expected })?;
        self.receive.next = next;
        Ok(contents)
    }
}

impl Direction {
    fn aead(&self) -> Result<LessSafeKey> {
        let key = UnboundKey::new(&AES_256_GCM, self.key.expose());
        key.map(LessSafeKey::new).map_err(|_| Error::Primitive("setting up a key"))
    }
}

/// Unique under a key: a direction's key is used for its own records alone, once each.
fn nonce(sequence: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&sequence.to_be_bytes());
    Nonce::assume_unique_for_key(nonce)
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("role", &self.role).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_must_agree_on_the_report_and_on_the_client() {
        let key = EnclaveKey::generate().unwrap();
        let [report, other] = [Measurement::of(b"report"), Measurement::of(b"another")];
        let attested = Attested { public_key: key.public, report, protections: String::new() };
        let opens = |client, report| {
            let (mut near, encapsulated) = connect(Client::DataOwner, &attested).unwrap();
            let mut record = near.seal(b"hello").unwrap();
            let mut far = key.accept(client, report, &encapsulated).unwrap();
            far.open(&mut record, 100).is_ok()
        };
        assert!(opens(Client::DataOwner, &report));
        assert!(!opens(Client::DataOwner, &other), "another report");
        assert!(!opens(Client::ModelOwner, &report), "another client");
    }

    #[test]
    fn a_record_that_is_opened_whole_becomes_its_contents() {
        let key = EnclaveKey::generate().unwrap();
        let report = Measurement::of(b"report");
        let attested = Attested { public_key: key.public, report, protections: String::new() };
        let (mut near, encapsulated) = connect(Client::DataOwner, &attested).unwrap();
        let mut far = key.accept(Client::DataOwner, &report, &encapsulated).unwrap();
        for contents in [&b"correlated randomness"[..], b""] {
            let mut record = near.seal(contents).unwrap();
            far.open_whole(&mut record, 100).unwrap();
            assert_eq!(record, contents);
        }
        let mut record = near.seal(b"another").unwrap();
        record[SEQUENCE_BYTES] ^= 1;
        assert!(matches!(far.open_whole(&mut record, 100), Err(Error::Tampered { .. })));
    }
}
