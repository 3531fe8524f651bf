//! 128 random oblivious transfers from a group, to begin with: Masny and Rindal, "Endemic Oblivious Transfer", CCS 2019,
//! with the key agreement of Diffie and Hellman in the group Ristretto.
//!
//! For its bit `c` the receiver draws `b` and a point `r_(1-c)` at random and sets `r_c = bG - H_c(r_(1-c))`. It sends both points; the sender
//! answers with `A = aG` and derives key `i` from `a (r_i + H_i(r_(1-i)))`, the receiver key `c` from `bA`.
//!
//! The sender sees two uniform points per transfer, whatever the bit. The receiver would have to know the discrete logarithm of
//! both sums to know both keys, or solve the Diffie-Hellman problem: one of them holds a hash of the other point. Both hashes are
//! SHA-512, taken as a random oracle, of the session's name, the number of the transfer and the bit. One `a` serves all transfers,
//! which the number in the hash keeps apart.
//!
//! Nothing branches on or indexes by a bit or a scalar.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;
use sha2::{Digest, Sha512};
use subtle::{Choice, ConditionallySelectable};
use zeroize::Zeroizing;

use crate::Error;
use crate::error::expect_length;
use crate::setup::session::{Session, fill};
use crate::transfers::keys::{ChosenKeys, KeyPairs};
use veilbench_ring::wiped::Wiped;

/// Transfers per session.
pub const COUNT: usize = 128;

const POINT: usize = 32;
const WIDE: usize = 64;

/// Bytes of the receiver's message.
pub const CHOICES_BYTES: usize = 2 * POINT * COUNT;

/// Bytes of the sender's answer.
pub const ANSWER_BYTES: usize = POINT;

type Point = [u8; POINT];

/// Party that gets one key of each pair.
pub struct Receiver {
    session: Session,
    choices: Wiped<u8>,
    scalars: Zeroizing<Vec<Scalar>>,
    message: Vec<u8>,
}

impl Receiver {
    /// Chooses at random. Returns the message to the sender, of [`CHOICES_BYTES`].
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn start(session: Session) -> Result<(Self, Vec<u8>), Error> {
        let mut bits = Zeroizing::new([0; COUNT / 8]);
        fill(bits.as_mut())?;
        let mut entropy = Zeroizing::new(vec![[[0; WIDE]; 2]; COUNT]);
        fill(entropy.as_flattened_mut().as_flattened_mut())?;
        let mut choices = Wiped::new(COUNT);
        let mut scalars = Zeroizing::new(Vec::with_capacity(COUNT));
        let mut message = Vec::with_capacity(CHOICES_BYTES);
        for (index, (choice, [scalar, other])) in choices.iter_mut().zip(entropy.iter()).enumerate() {
            *choice = bits[index / 8] >> (index % 8) & 1;
            let scalar = Scalar::from_bytes_mod_order_wide(scalar);
            let other = RistrettoPoint::from_uniform_bytes(other).compress().to_bytes();
            let hash = hash_to_group(session, index, *choice, &other);
            let own = (RistrettoPoint::mul_base(&scalar) - hash).compress().to_bytes();
            let choice = Choice::from(*choice);
            message.extend_from_slice(&Point::conditional_select(&own, &other, choice));
            message.extend_from_slice(&Point::conditional_select(&other, &own, choice));
            scalars.push(scalar);
        }
        Ok((Self { session, choices, scalars, message: message.clone() }, message))
    }

    /// Derives the keys from the sender's answer.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Point`] or [`Error::Identity`] if that is none.
    pub fn finish(self, answer: &[u8]) -> Result<ChosenKeys, Error> {
        expect_length("answer to base transfers", ANSWER_BYTES, answer)?;
        let sender = read_point(0, answer)?;
        let mut keys = Wiped::new(COUNT);
        let points = self.message.chunks_exact(2 * POINT).zip(self.scalars.iter());
        for (index, (key, (points, scalar))) in keys.iter_mut().zip(points).enumerate() {
            let shared = Zeroizing::new(sender * scalar);
            *key = derive(self.session, index, self.choices[index], points, answer, &shared);
        }
        Ok(ChosenKeys::new(self.choices, keys))
    }
}

/// Party that gets both keys of each pair.
pub struct Sender {
    session: Session,
    scalar: Zeroizing<Scalar>,
}

impl Sender {
    /// Draws the secret of the answer.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn new(session: Session) -> Result<Self, Error> {
        let mut entropy = Zeroizing::new([0; WIDE]);
        fill(entropy.as_mut())?;
        Ok(Self { session, scalar: Zeroizing::new(Scalar::from_bytes_mod_order_wide(&entropy)) })
    }

    /// Derives the keys from the receiver's message. Returns them and the answer, of [`ANSWER_BYTES`].
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::Point`] or [`Error::Identity`] if the message is none.
    pub fn answer(self, message: &[u8]) -> Result<(KeyPairs, Vec<u8>), Error> {
        expect_length("choices of base transfers", CHOICES_BYTES, message)?;
        let answer = RistrettoPoint::mul_base(&self.scalar).compress().to_bytes();
        let mut pairs: Wiped<[u128; 2]> = Wiped::new(COUNT);
        for (index, (pair, points)) in pairs.iter_mut().zip(message.chunks_exact(2 * POINT)).enumerate() {
            let (first, second) = points.split_at(POINT);
            let sums = [
                read_point(index, first)? + hash_to_group(self.session, index, 0, second),
                read_point(index, second)? + hash_to_group(self.session, index, 1, first),
            ];
            for (choice, (key, sum)) in pair.iter_mut().zip(sums).enumerate() {
                let shared = Zeroizing::new(sum * *self.scalar);
                *key = derive(self.session, index, choice as u8, points, &answer, &shared);
            }
        }
        Ok((KeyPairs::new(pairs), answer.to_vec()))
    }
}

/// The point that these bytes encode, which is not the identity.
fn read_point(index: usize, bytes: &[u8]) -> Result<RistrettoPoint, Error> {
    let point = CompressedRistretto::from_slice(bytes).ok().and_then(|point| point.decompress());
    let point = point.ok_or(Error::Point { index })?;
    if point.is_identity() { Err(Error::Identity { index }) } else { Ok(point) }
}

fn begin(domain: &[u8], session: Session, index: usize, choice: u8) -> Sha512 {
    let mut hash = Sha512::new();
    hash.update(domain);
    hash.update(session.bytes());
    hash.update((index as u64).to_le_bytes());
    hash.update([choice]);
    hash
}

/// `H_choice(point)`.
fn hash_to_group(session: Session, index: usize, choice: u8, point: &[u8]) -> RistrettoPoint {
    let mut hash = begin(b"veilbench-ot base point", session, index, choice);
    hash.update(point);
    RistrettoPoint::from_uniform_bytes(&hash.finalize().into())
}

/// Key of everything both parties saw, and of the point that they share.
fn derive(
    session: Session,
    index: usize,
    choice: u8,
    points: &[u8],
    answer: &[u8],
    shared: &RistrettoPoint,
) -> u128 {
    let mut hash = begin(b"veilbench-ot base key", session, index, choice);
    hash.update(points);
    hash.update(answer);
    hash.update(Zeroizing::new(shared.compress()).as_bytes());
    let digest: Zeroizing<[u8; WIDE]> = Zeroizing::new(hash.finalize().into());
    digest.first_chunk().map_or(0, |key| u128::from_le_bytes(*key))
}

#[cfg(test)]
mod tests;
