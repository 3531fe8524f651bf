//! What the dealer sends a party in the setup phase, and what every message of the offline phase begins with.

use zeroize::Zeroizing;

use crate::Error;
use crate::circuit::Circuit;
use crate::random::{Seed, permuted};
use crate::session::message::{Reader, Writer};

/// Bytes before the contents of a message of the setup or offline phase: session, circuit, batch, images, gate, part.
pub const HEADER_BYTES: usize = 8 * HEADER_WORDS;
const HEADER_WORDS: usize = 7;
/// In place of a gate: a message for all of them.
pub(crate) const ALL_GATES: usize = usize::MAX;

/// A session's name, drawn by its dealer. Public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionId(pub(crate) [u64; 2]);

impl SessionId {
    /// From randomness that is given away.
    pub(crate) fn new(name: &Seed) -> Self {
        let name = u128::from_le_bytes(name.to_bytes());
        Self([name as u64, (name >> 64) as u64])
    }

    fn word(self) -> u128 {
        u128::from(self.0[1]) << 64 | u128::from(self.0[0])
    }

    /// The seed as one of this session.
    pub(crate) fn name(self, seed: Seed) -> Seed {
        seed.named(self.word())
    }
}

/// A party's seed and the session's name. A dealer makes one for each party, and joining consumes it, because a party that
/// joins twice with one seed masks two secrets with one mask.
///
/// ```compile_fail,E0382
/// # use std::sync::Arc;
/// # use veilbench_mpc::{circuit::Circuit, masked::Masked, session::{DataOwner, SetupSeed}};
/// fn twice(circuit: Arc<Circuit>, setup_seed: SetupSeed, parameters: &[u8]) {
///     let _ = DataOwner::<Masked>::new(Arc::clone(&circuit), setup_seed, parameters);
///     let _ = DataOwner::<Masked>::new(circuit, setup_seed, parameters);
/// }
/// ```
pub struct SetupSeed {
    pub(crate) session: SessionId,
    pub(crate) seed: Seed,
}

impl SetupSeed {
    /// Bytes on the wire.
    pub const BYTES: usize = 2 * Seed::BYTES;

    /// What came over a confidential link. The caller wipes its copy and uses it once.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let [session, seed] = [0, 1].map(|half| {
            let mut bytes_of_half = [0; Seed::BYTES];
            bytes_of_half.copy_from_slice(&bytes[Seed::BYTES * half..][..Seed::BYTES]);
            bytes_of_half
        });
        let words = u128::from_le_bytes(session);
        let seed = Zeroizing::new(seed);
        let session = SessionId([words as u64, (words >> 64) as u64]);
        Self { session, seed: session.name(Seed::from_bytes(*seed)) }
    }

    /// To be sent to one party, over a confidential link.
    pub fn into_bytes(self) -> Zeroizing<[u8; Self::BYTES]> {
        let mut bytes = Zeroizing::new([0; Self::BYTES]);
        let (words, seed) = bytes.split_at_mut(Seed::BYTES);
        for (bytes, word) in words.as_chunks_mut::<8>().0.iter_mut().zip(self.session.0) {
            *bytes = word.to_le_bytes();
        }
        seed.copy_from_slice(&*Zeroizing::new(self.seed.to_bytes()));
        bytes
    }
}

impl std::fmt::Debug for SetupSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SetupSeed(..)")
    }
}

/// One for each party.
#[derive(Debug)]
pub struct SetupSeeds {
    /// To be sent to the data owner.
    pub data_owner: SetupSeed,
    /// To be sent to the model owner.
    pub model_owner: SetupSeed,
}

impl SetupSeeds {
    pub(crate) fn new(session: SessionId, data_owner: &Seed, model_owner: &Seed) -> Self {
        Self {
            data_owner: SetupSeed { session, seed: data_owner.clone() },
            model_owner: SetupSeed { session, seed: model_owner.clone() },
        }
    }
}

/// What says where a message belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    session: SessionId,
    circuit: u64,
    pub(crate) batch: u64,
    pub(crate) images: usize,
    /// Which of the messages for one gate.
    part: usize,
}

impl Header {
    /// That of a message of the setup phase.
    pub(crate) fn of_setup(session: SessionId, circuit: &Circuit) -> Self {
        Self { session, circuit: circuit.digest, batch: u64::MAX, images: 0, part: 0 }
    }

    /// That of the messages of one batch.
    pub(crate) fn of_batch(self, batch: u64, images: usize) -> Self {
        Self { batch, images, ..self }
    }

    /// That of one of the messages for one gate, numbered from 0.
    pub(crate) fn of_part(self, part: usize) -> Self {
        Self { part, ..self }
    }

    /// Public, and another one for every gate of every batch of every session.
    pub(crate) fn salt(&self, gate: usize) -> u128 {
        permuted(self.session.word(), u128::from(self.batch) << 64 | gate as u128)
    }

    fn words(&self, gate: usize) -> [(&'static str, u64); HEADER_WORDS] {
        let [low, high] = self.session.0;
        [
            ("session", low),
            ("session", high),
            ("a circuit with the fingerprint", self.circuit),
            ("batch", self.batch),
            ("a batch of images", self.images as u64),
            ("gate", gate as u64),
            ("part of a gate", self.part as u64),
        ]
    }

    pub(crate) fn write(&self, gate: usize, writer: &mut Writer) {
        writer.words(&self.words(gate).map(|(_, word)| word));
    }

    pub(crate) fn check(&self, gate: usize, reader: &mut Reader<'_>) -> Result<(), Error> {
        let read = reader.words(HEADER_WORDS, "header")?;
        for ((what, expected), actual) in self.words(gate).into_iter().zip(read) {
            if expected != actual {
                return Err(Error::WrongRandomness { what, expected, actual });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_gate_of_every_batch_of_every_session_has_a_salt_of_its_own() {
        let mut salts = HashSet::new();
        for session in [[1, 0], [0, 1], [2, 0]] {
            for batch in 0..3 {
                let header = Header { session: SessionId(session), circuit: 0, batch, images: 1, part: 0 };
                salts.extend((0..3).map(|gate| header.salt(gate)));
            }
        }
        assert_eq!(salts.len(), 27);
    }

    #[test]
    fn each_party_is_invited_with_its_own_seed() {
        let [data_owner, model_owner] = [1, 2].map(|byte| Seed::from_bytes([byte; 16]));
        let seeds = SetupSeeds::new(SessionId([3, 4]), &data_owner, &model_owner);
        assert_eq!(seeds.data_owner.into_bytes()[Seed::BYTES..], data_owner.to_bytes());
        assert_eq!(seeds.model_owner.into_bytes()[Seed::BYTES..], model_owner.to_bytes());
    }
}
