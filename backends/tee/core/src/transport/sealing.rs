//! Sealing: data that only the same enclave, or enclaves of the same signer, on the same processor can open.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::platform::processor::{Entered, SealPolicy};
use crate::platform::signing::random;
use crate::transport::message::{Reader, Writer};
use crate::{Error, Result};

const LABEL: &[u8; 16] = b"veilbench sealed";
const HEADER_BYTES: usize = 16 + 1 + 2 + 32;
const TAG_BYTES: usize = 16;

/// Bytes a sealed blob has beyond its contents.
pub const SEAL_OVERHEAD: usize = HEADER_BYTES + TAG_BYTES;

impl Entered {
    /// Seals to this enclave, or to its signer. Every blob has a key of its own.
    ///
    /// # Errors
    /// If the operating system has no randomness.
    pub fn seal(&self, policy: SealPolicy, contents: &[u8]) -> Result<Vec<u8>> {
        let (key_id, version) = (random::<32>()?, self.identity().security_version);
        let policy_byte = match policy {
            SealPolicy::Measurement => 1,
            SealPolicy::Signer => 2,
        };
        let header = Writer::default().fixed(LABEL).fixed(&[policy_byte]);
        let mut blob = header.fixed(&version.to_le_bytes()).fixed(&key_id).finish();
        blob.reserve_exact(contents.len() + TAG_BYTES);
        blob.extend_from_slice(contents);
        let key = self.seal_key(policy, &key_id, version).ok_or(Error::Sealed)?;
        let (header, body) = blob.split_at_mut(HEADER_BYTES);
        let tag = aead(&key)?
            .seal_in_place_separate_tag(zero_nonce(), Aad::from(&*header), body)
            .map_err(|_| Error::Primitive("sealing"))?;
        blob.extend_from_slice(tag.as_ref());
        Ok(blob)
    }

    /// Opens what this enclave may open.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it is no sealed blob, [`Error::Sealed`] if it does not open here.
    pub fn unseal(&self, blob: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let what = "sealed model";
        let mut reader = Reader::new(what, blob);
        if reader.take(LABEL.len())? != LABEL {
            return Err(Error::malformed(what, "it does not begin like one"));
        }
        let policy = match reader.array()? {
            [1] => SealPolicy::Measurement,
            [2] => SealPolicy::Signer,
            _ => return Err(Error::malformed(what, "its key policy is unknown")),
        };
        let (version, key_id) = (reader.u16()?, reader.array()?);
        let key = self.seal_key(policy, &key_id, version).ok_or(Error::Sealed)?;
        let mut contents = Zeroizing::new(blob[HEADER_BYTES..].to_vec());
        let opened = aead(&key)?
            .open_in_place(zero_nonce(), Aad::from(&blob[..HEADER_BYTES]), &mut contents)
            .map_err(|_| Error::Sealed)?
            .len();
        contents.truncate(opened);
        Ok(contents)
    }
}

fn aead(key: &[u8; 32]) -> Result<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| Error::Primitive("setting up a key"))
}

/// A key id, and with it a key, is used once.
fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}
