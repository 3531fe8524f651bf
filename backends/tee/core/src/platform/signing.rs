//! P-256 keys of the simulation: derived from a label or the fuse key, deterministic (RFC 6979).

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use rcgen::{PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm};
use ring::hkdf;

use crate::{Error, Result};

/// A signing key and its public half.
pub(crate) struct Signer {
    key: SigningKey,
    public: [u8; 65],
}

impl Signer {
    /// The key that belongs to a secret and a label.
    pub(crate) fn derive(secret: &[u8], label: &str) -> Self {
        for attempt in 0..=u8::MAX {
            let bytes = derive(secret, &[label.as_bytes(), &[attempt]]);
            if let Ok(key) = SigningKey::from_slice(&bytes[..]) {
                let mut public = [0; 65];
                public.copy_from_slice(key.verifying_key().to_sec1_point(false).as_bytes());
                return Self { key, public };
            }
        }
        unreachable!("a scalar is out of range once in 2^32 attempts")
    }

    /// The public key, uncompressed: 0x04, x, y.
    pub(crate) fn public(&self) -> &[u8; 65] {
        &self.public
    }

    /// `r || s` of the SHA-256 of a message.
    pub(crate) fn sign_raw(&self, message: &[u8]) -> [u8; 64] {
        let signature: Signature = self.key.sign(message);
        signature.to_bytes().into()
    }
}

impl PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, rcgen::Error> {
        let signature: Signature = self.key.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// Whether `r || s` is a signature of a message.
pub(crate) fn verify_raw(public: &[u8; 65], message: &[u8], signature: &[u8; 64]) -> bool {
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_sec1_bytes(public), Signature::from_slice(signature))
    else {
        return false;
    };
    key.verify(message, &signature).is_ok()
}

/// HKDF-SHA256 without salt.
pub(crate) fn derive(secret: &[u8], info: &[&[u8]]) -> zeroize::Zeroizing<[u8; 32]> {
    let mut key = zeroize::Zeroizing::new([0; 32]);
    let derived = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
    derived
        .expand(info, hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key[..]))
        .expect("32 bytes are within HKDF's bounds");
    key
}

/// Fills an array from the operating system's generator.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    use ring::rand::SecureRandom;
    let mut bytes = [0; N];
    ring::rand::SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::Primitive("the operating system's random generator"))?;
    Ok(bytes)
}
