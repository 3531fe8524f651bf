//! What an enclave is: the SHA-256 of its program and configuration.

use std::fmt;

use ring::digest::{Context, SHA256};

/// A SHA-256: of an image, a configuration, a model, a key or a whole enclave.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Measurement([u8; 32]);

impl Measurement {
    /// Measures some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::of_parts(&[bytes])
    }

    /// Measures the concatenation of parts, which the caller delimits.
    pub(crate) fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Hasher::default();
        parts.iter().for_each(|part| hasher.update(part));
        hasher.finish()
    }

    /// MRENCLAVE: of an image and the configuration it is started with.
    pub fn of_enclave(image: &Self, configuration: &Configuration) -> Self {
        let label = b"veilbench-tee 1 SIMULATED MRENCLAVE";
        Self::of_parts(&[label, &image.0, &configuration.to_bytes()])
    }

    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A measurement in the making.
pub(crate) struct Hasher(Context);

impl Default for Hasher {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Measurement {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.finish().as_ref());
        Measurement(bytes)
    }
}

impl From<[u8; 32]> for Measurement {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an enclave is started with; part of its measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// SHA-256 of the public architecture of the network.
    pub architecture: Measurement,
    /// SHA-256 of the model file it will run, and of no other.
    pub model: Measurement,
    /// Most images in one request.
    pub batch: u32,
    /// Threads that evaluate.
    pub threads: u32,
}

impl Configuration {
    /// Length of its encoding.
    pub const BYTES: usize = 72;

    /// Fixed-length encoding, which is measured.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..32].copy_from_slice(self.architecture.bytes());
        bytes[32..64].copy_from_slice(self.model.bytes());
        bytes[64..68].copy_from_slice(&self.batch.to_le_bytes());
        bytes[68..].copy_from_slice(&self.threads.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_is_the_sha_256() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Measurement::of(b"abc").to_string(), abc);
    }

    #[test]
    fn every_part_of_the_configuration_changes_the_measurement() {
        let image = Measurement::of(b"image");
        let one = Measurement::of(b"one");
        let base = Configuration { architecture: one, model: one, batch: 1, threads: 1 };
        let other = Measurement::of(b"other");
        let changed = [
            Configuration { architecture: other, ..base },
            Configuration { model: other, ..base },
            Configuration { batch: 2, ..base },
            Configuration { threads: 2, ..base },
        ];
        let measured = Measurement::of_enclave(&image, &base);
        for configuration in changed {
            assert_ne!(Measurement::of_enclave(&image, &configuration), measured);
        }
        assert_ne!(Measurement::of_enclave(&other, &base), measured);
    }
}
