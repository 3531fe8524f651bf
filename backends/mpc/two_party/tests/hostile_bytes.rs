//! Messages of linear layers as a peer might send them: what is none is an error with a reason, what could be one gives shares of the layer's
//! ring, and nothing panics.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use veilbench_2pc::Error;
use veilbench_2pc::linear::{Layout, Primes, PublicKey, Rlwe, SecretKey, Weights};
use veilbench_hostile::{Draw, fuzz};
use veilbench_mpc::linear::LinearShape;
use veilbench_ring::random::{Randomness, Seed};

const SEED: Seed = [9; 32];

/// A layer between two parties, and one right message of each kind.
struct Session {
    rlwe: Arc<Rlwe>,
    layout: Arc<Layout>,
    secret: SecretKey,
    public: PublicKey,
    weights: Weights,
    messages: [Vec<u8>; 3],
    random: Randomness,
}

/// Which of [`Session::messages`].
#[derive(Clone, Copy, Debug)]
enum Kind {
    PublicKey,
    Request,
    Answer,
}

const KINDS: [Kind; 3] = [Kind::PublicKey, Kind::Request, Kind::Answer];

impl Session {
    fn new(shape: LinearShape, bits: u32, primes: Primes) -> Self {
        let rlwe = Arc::new(Rlwe::new(primes).unwrap());
        let mut random = Randomness::from_system().unwrap();
        let layout = Arc::new(Layout::new(shape, bits, primes).unwrap());
        let weights = Weights::new(&rlwe, Arc::clone(&layout), &vec![3; shape.weights()]).unwrap();
        let secret = SecretKey::generate(Arc::clone(&rlwe), &mut random);
        let key = secret.public_key(&SEED, &mut random);
        let public = PublicKey::read(Arc::clone(&rlwe), &SEED, &key).unwrap();
        let (_, request) = secret.request(&layout, &mut random).unwrap();
        let (_, answer) = weights.answer(&public, &request, &mut random).unwrap();
        Self { rlwe, layout, secret, public, weights, messages: [key, request, answer], random }
    }

    /// Reads a message. `Ok` says whether it was taken for one.
    ///
    /// # Errors
    /// If it was taken for one and gives what is none of the ring's, or was refused for another reason than what it is.
    fn read(&mut self, kind: Kind, message: &[u8]) -> Result<bool, String> {
        let (layout, bits) = (&self.layout, self.layout.ring_bits());
        let outputs = layout.shape().outputs();
        let fits = |shares: &[u64]| {
            shares.len() == outputs && shares.iter().all(|share| bits == 64 || share >> bits == 0)
        };
        let read = match kind {
            Kind::PublicKey => {
                let read = PublicKey::read(Arc::clone(&self.rlwe), &SEED, message);
                read.and_then(|key| self.weights.answer(&key, &self.messages[1], &mut self.random))
                    .map(|(shares, answer)| fits(&shares) && answer.len() == layout.answer_bytes())
            }
            Kind::Request => {
                let answered = self.weights.answer(&self.public, message, &mut self.random);
                answered.map(|(shares, answer)| fits(&shares) && answer.len() == layout.answer_bytes())
            }
            Kind::Answer => {
                let (requested, _) = self.secret.request(layout, &mut self.random).unwrap();
                requested.finish(&self.secret, message).map(|masks| fits(masks.shares()))
            }
        };
        match read {
            Ok(true) => Ok(true),
            Ok(false) => Err("shares or an answer of another size".to_owned()),
            Err(Error::Length { .. } | Error::Residue { .. } | Error::Transfer(_)) => Ok(false),
            Err(other) => Err(format!("refused for another reason: {other}")),
        }
    }
}

/// Layers of one ciphertext each way and of several, whose answers are modulo one prime and modulo both.
fn sessions() -> Vec<Session> {
    let dense = |inputs, outputs| LinearShape::Dense { inputs, outputs };
    [(dense(9, 7), 41, 16), (dense(9, 7), 64, 48), (dense(90, 140), 41, 23), (dense(5000, 3), 64, 48)]
        .map(|(shape, bits, left)| Session::new(shape, bits, Primes::new(left)))
        .into()
}

#[test]
fn right_messages_are_read_and_those_of_other_lengths_are_not() {
    for mut session in sessions() {
        for kind in KINDS {
            let right = session.messages[kind as usize].clone();
            assert_eq!(session.read(kind, &right), Ok(true), "{kind:?}");
            for length in [0, 1, 31, 32, right.len() / 2, right.len() - 1] {
                assert_eq!(session.read(kind, &right[..length]), Ok(false), "{kind:?}, {length} bytes");
            }
            assert_eq!(session.read(kind, &[&right[..], &[0]].concat()), Ok(false), "{kind:?}");
        }
    }
}

/// Mutations of a right message; half of them are brought to its length, so that what it holds is looked at.
fn mutated(draw: &mut Draw, right: &[u8]) -> Vec<u8> {
    let mut bytes = draw.mutated(&[right], &[]);
    if draw.below(2) == 0 {
        bytes.resize(right.len(), draw.word() as u8);
    }
    bytes
}

#[test]
fn mutated_messages_never_panic() {
    let mut sessions = sessions();
    let (mut accepted, mut refused) = ([0; 3], [0; 3]);
    fuzz("2pc-linear", 1, |draw, bytes| {
        let (at, kind) = (draw.below(sessions.len()), *draw.one(&KINDS));
        let session = &mut sessions[at];
        *bytes = mutated(draw, &session.messages[kind as usize]);
        let counts = if session.read(kind, bytes)? { &mut accepted } else { &mut refused };
        counts[kind as usize] += 1;
        Ok(())
    });
    assert!(
        accepted.iter().chain(&refused).all(|&count| count > 0),
        "{accepted:?} mutations of keys, requests and answers accepted, {refused:?} refused"
    );
}
