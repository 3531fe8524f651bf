//! Objects as bytes.
//!
//! Every object begins with the magic `VBCK`, the format version, its kind and the id of its parameters;
//! numbers are little-endian. A limb is its residues in NTT order, each in as many bits as its prime has, packed
//! without gaps from the low bits up. Uniform polynomials are sent as the seed of
//! ChaCha20: stream `i` for limb `i`, stream `digit * 2^32 + i` in switching keys, cut into numbers of as many whole bytes as the prime has; their
//! low bits, as many as the prime's, are residues where they are below it. A switching key says in a byte how many
//! data primes it is over, and in its top bit ([`LONG`]) whether its digits are long; after them come the special primes. Evaluation keys say in the bits of a byte whether a key for products
//! comes first ([`PRODUCTS`]) and keys for sums of squares of pairs last ([`PAIRS`]).
//!
//! Decoding checks lengths before it allocates, every residue against its prime, and that nothing is left over.

mod limbs;
mod reader;
#[cfg(test)]
mod tests;

use crate::ciphertext::{Ciphertext, SeededCiphertext};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::folded::FoldedCiphertext;
use crate::halved::{HalvedCiphertext, SeededHalvingKey};
use crate::keys::{
    DigitLength, KeyId, PublicKey, SeededEvaluationKeys, SeededGaloisKey, SeededPairKeys, SeededSwitchingKey,
    expand_mask,
};
use crate::parameters::{ParameterId, Parameters};
use limbs::{write_limb, write_limbs, write_rows};
use reader::Reader;
use veilbench_ring::GaloisElement;

const MAGIC: &[u8; 4] = b"VBCK";
const VERSION: u8 = 4;

/// There is a key for products.
const PRODUCTS: u8 = 1;

/// There are keys for sums of squares of pairs.
const PAIRS: u8 = 2;

/// A switching key has long digits: beside the number of its primes, of which there are at most
/// [`MAX_PRIMES`](crate::parameters::MAX_PRIMES).
const LONG: u8 = 1 << 7;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Parameters = 1,
    SeededCiphertext = 2,
    Ciphertext = 3,
    PublicKey = 4,
    EvaluationKeys = 5,
    FoldedCiphertext = 6,
    HalvingKey = 7,
    HalvedCiphertext = 8,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::SeededCiphertext => "seeded ciphertext",
            Self::Ciphertext => "ciphertext",
            Self::PublicKey => "public key",
            Self::EvaluationKeys => "evaluation keys",
            Self::FoldedCiphertext => "folded ciphertext",
            Self::HalvingKey => "halving key",
            Self::HalvedCiphertext => "halved ciphertext",
        }
    }
}

fn header(kind: Kind, parameters: ParameterId) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([VERSION, kind as u8]);
    bytes.extend(parameters.0);
    bytes
}

impl Parameters {
    /// The set as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = header(Kind::Parameters, self.id());
        let (data, special) = (self.data_primes(), self.special_primes());
        bytes.extend([self.degree().ilog2() as u8, self.digit_primes() as u8]);
        bytes.extend([data.len() as u8, special.len() as u8]);
        bytes.extend(data.iter().chain(special).flat_map(|prime| prime.to_le_bytes()));
        bytes
    }

    /// Reads and checks a set, its security included.
    ///
    /// # Errors
    /// [`Error::Malformed`], and as [`Parameters::new`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_bytes_insecure(bytes)?.require_security()
    }

    /// As [`Parameters::from_bytes`] without the security check: for tests only.
    ///
    /// # Errors
    /// As [`Parameters::from_bytes`], without [`Error::Insecure`].
    pub fn from_bytes_insecure(bytes: &[u8]) -> Result<Self> {
        let (mut reader, id) = Reader::open(bytes, Kind::Parameters)?;
        let [degree_bits, digit_primes, data, special] = reader.array()?;
        let degree = 1usize.checked_shl(u32::from(degree_bits)).unwrap_or(0);
        let primes = reader.take(8 * (usize::from(data) + usize::from(special)))?;
        reader.finish()?;
        let primes: Vec<u64> = primes.as_chunks().0.iter().copied().map(u64::from_le_bytes).collect();
        let (data, special) = primes.split_at(usize::from(data));
        let parameters = Self::from_primes(degree, data, special, usize::from(digit_primes))?;
        if parameters.id() != id {
            return Err(Error::Malformed {
                object: Kind::Parameters.name(),
                reason: "the id is not that of the primes".into(),
            });
        }
        Ok(parameters)
    }
}

impl SeededCiphertext {
    /// The ciphertext as bytes.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`].
    pub fn to_bytes(&self, context: &Context) -> Result<Vec<u8>> {
        context.check_parameters(self.parameters)?;
        let mut bytes = header(Kind::SeededCiphertext, self.parameters);
        bytes.extend(self.key.0);
        bytes.extend(self.scale.to_le_bytes());
        bytes.push(self.body.limbs() as u8);
        bytes.extend(self.seed);
        write_limbs(context.ring(), &self.body, &mut bytes);
        Ok(bytes)
    }

    /// Reads a ciphertext.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::ForeignParameters`], [`Error::Level`], [`Error::Scale`].
    pub fn from_bytes(context: &Context, bytes: &[u8]) -> Result<Self> {
        let (mut reader, parameters) = Reader::open(bytes, Kind::SeededCiphertext)?;
        context.check_parameters(parameters)?;
        let key = KeyId(reader.array()?);
        let (scale, limbs) = reader.scale_and_limbs(context)?;
        let seed = reader.array()?;
        let body = reader.limbs(context.ring(), limbs)?;
        reader.finish()?;
        Ok(Self { body, seed, scale, key, parameters })
    }
}

impl Ciphertext {
    /// The ciphertext as bytes.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`].
    pub fn to_bytes(&self, context: &Context) -> Result<Vec<u8>> {
        context.check_parameters(self.parameters)?;
        let mut bytes = header(Kind::Ciphertext, self.parameters);
        bytes.extend(self.key.0);
        bytes.extend(self.scale.to_le_bytes());
        bytes.push(self.limbs() as u8);
        for part in &self.parts {
            write_limbs(context.ring(), part, &mut bytes);
        }
        Ok(bytes)
    }

    /// Reads a ciphertext.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::ForeignParameters`], [`Error::Level`], [`Error::Scale`].
    pub fn from_bytes(context: &Context, bytes: &[u8]) -> Result<Self> {
        let (mut reader, parameters) = Reader::open(bytes, Kind::Ciphertext)?;
        context.check_parameters(parameters)?;
        let key = KeyId(reader.array()?);
        let (scale, limbs) = reader.scale_and_limbs(context)?;
        let parts = [reader.limbs(context.ring(), limbs)?, reader.limbs(context.ring(), limbs)?];
        reader.finish()?;
        Ok(Self { parts, scale, key, parameters })
    }
}

impl FoldedCiphertext {
    /// The ciphertext as bytes.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`].
    pub fn to_bytes(&self, context: &Context) -> Result<Vec<u8>> {
        context.check_parameters(self.parameters)?;
        let mut bytes = header(Kind::FoldedCiphertext, self.parameters);
        bytes.extend(self.key.0);
        bytes.extend(self.scale.to_le_bytes());
        bytes.push(self.period().ilog2() as u8);
        write_limb(&self.body, context.ring().modulus(0), &mut bytes);
        write_limbs(context.ring(), &self.mask, &mut bytes);
        Ok(bytes)
    }

    /// Reads a ciphertext.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::ForeignParameters`], [`Error::Scale`], [`Error::Shape`].
    pub fn from_bytes(context: &Context, bytes: &[u8]) -> Result<Self> {
        let (mut reader, parameters) = Reader::open(bytes, Kind::FoldedCiphertext)?;
        context.check_parameters(parameters)?;
        let key = KeyId(reader.array()?);
        let (scale, period) = reader.scale_and_period(context)?;
        let body = reader.row(context.ring().modulus(0), 2 * period)?;
        let mask = reader.limbs(context.ring(), 1)?;
        reader.finish()?;
        Ok(Self { body, mask, scale, key, parameters })
    }
}

impl SeededHalvingKey {
    /// The key as bytes; its uniform half is a seed.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`].
    pub fn to_bytes(&self, context: &Context) -> Result<Vec<u8>> {
        context.check_parameters(self.parameters)?;
        let mut bytes = header(Kind::HalvingKey, self.parameters);
        bytes.extend(self.from.0);
        bytes.extend(self.to.0);
        write_switching_key(context, &self.switching, &mut bytes);
        Ok(bytes)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::ForeignParameters`], and [`Error::Insecure`] where there are no such keys.
    pub fn from_bytes(context: &Context, bytes: &[u8]) -> Result<Self> {
        let (mut reader, parameters) = Reader::open(bytes, Kind::HalvingKey)?;
        context.check_parameters(parameters)?;
        context.parameters().check_half_secrets()?;
        let [from, to] = [KeyId(reader.array()?), KeyId(reader.array()?)];
        let switching = reader.switching_key(context)?;
        if switching.limbs != 1 || switching.length != DigitLength::Short {
            return Err(reader.malformed(format!("it is for {} primes, not for one", switching.limbs)));
        }
        reader.finish()?;
        Ok(Self { switching, from, to, parameters })
    }
}

impl HalvedCiphertext {
    /// The ciphertext as bytes.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`].
    pub fn to_bytes(&self, context: &Context) -> Result<Vec<u8>> {
        context.check_parameters(self.parameters)?;
        let mut bytes = header(Kind::HalvedCiphertext, self.parameters);
        bytes.extend(self.key.0);
        bytes.extend(self.scale.to_le_bytes());
        bytes.push(self.period().ilog2() as u8);
        for row in [&self.body, &self.mask] {
            write_limb(row, context.ring().modulus(0), &mut bytes);
        }
        Ok(bytes)
    }

    /// Reads a ciphertext.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::ForeignParameters`], [`Error::Scale`], [`Error::Shape`].
    pub fn from_bytes(context: &Context, bytes: &[u8]) -> Result<Self> {
        let (mut reader, parameters) = Reader::open(bytes, Kind::HalvedCiphertext)?;
        context.check_parameters(parameters)?;
        let key = KeyId(reader.array()?);
        let (scale, period) = reader.scale_and_period(context)?;
        context.check_halved_period(period)?;
        let m = context.ring().modulus(0);
        let (body, mask) = (reader.row(m, 2 * period)?, reader.row(m, context.ring().degree() / 2)?);
        reader.finish()?;
        Ok(Self { body, mask, scale, key, parameters })
    }
}

/// Seed, primes and bodies of a switching key.
fn write_switching_key(context: &Context, key: &SeededSwitchingKey, bytes: &mut Vec<u8>) {
    bytes.extend(key.seed);
    bytes.push(key.limbs as u8 | if key.length == DigitLength::Long { LONG } else { 0 });
    let ring = context.ring();
    for body in &key.bodies {
        write_rows(ring, body, |row| ring.extended_index(key.limbs, row), bytes);
    }
}

impl PublicKey {
    /// The key as bytes; its uniform half is a seed.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`].
    pub fn to_bytes(&self, context: &Context) -> Result<Vec<u8>> {
        context.check_parameters(self.parameters)?;
        let mut bytes = header(Kind::PublicKey, self.parameters);
        bytes.extend(self.key.0);
        bytes.push(self.body.limbs() as u8);
        bytes.extend(self.seed);
        write_limbs(context.ring(), &self.body, &mut bytes);
        Ok(bytes)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::ForeignParameters`], [`Error::Level`].
    pub fn from_bytes(context: &Context, bytes: &[u8]) -> Result<Self> {
        let (mut reader, parameters) = Reader::open(bytes, Kind::PublicKey)?;
        context.check_parameters(parameters)?;
        let key = KeyId(reader.array()?);
        let (limbs, seed) = (reader.limb_count(context)?, reader.array()?);
        let ring = context.ring();
        let body = reader.limbs(ring, limbs)?;
        reader.finish()?;
        Ok(Self { body, mask: expand_mask(ring, &seed, limbs), seed, key, parameters })
    }
}

impl SeededEvaluationKeys {
    /// The keys as bytes; the uniform half of each is a seed.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`].
    pub fn to_bytes(&self, context: &Context) -> Result<Vec<u8>> {
        context.check_parameters(self.parameters)?;
        let mut bytes = header(Kind::EvaluationKeys, self.parameters);
        bytes.extend(self.key.0);
        let kind = |there: bool, bit: u8| if there { bit } else { 0 };
        bytes.push(kind(self.relinearisation.is_some(), PRODUCTS) | kind(self.pairs.is_some(), PAIRS));
        bytes.extend((self.galois.len() as u32).to_le_bytes());
        let write = |bytes: &mut Vec<u8>, key| write_switching_key(context, key, bytes);
        if let Some(key) = &self.relinearisation {
            write(&mut bytes, key);
        }
        for SeededGaloisKey { element, switching } in &self.galois {
            bytes.extend(element.0.to_le_bytes());
            write(&mut bytes, switching);
        }
        if let Some(keys) = &self.pairs {
            write(&mut bytes, &keys.mixed);
            write(&mut bytes, &keys.negated_square);
        }
        Ok(bytes)
    }

    /// Reads keys.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::ForeignParameters`].
    pub fn from_bytes(context: &Context, bytes: &[u8]) -> Result<Self> {
        let (mut reader, parameters) = Reader::open(bytes, Kind::EvaluationKeys)?;
        context.check_parameters(parameters)?;
        let key = KeyId(reader.array()?);
        let [kinds] = reader.array()?;
        if kinds & !(PRODUCTS | PAIRS) != 0 {
            return Err(reader.malformed(format!("kinds of keys {kinds:#b}, of which there are two")));
        }
        let count = u32::from_le_bytes(reader.array()?);
        let relinearisation = if kinds & PRODUCTS != 0 { Some(reader.switching_key(context)?) } else { None };
        let mut galois: Vec<SeededGaloisKey> = Vec::new();
        for _ in 0..count {
            let element = u32::from_le_bytes(reader.array()?);
            let previous = galois.last().map(SeededGaloisKey::name);
            let disorder = |reader: &Reader<'_>| {
                let previous = previous.map_or(1, |(element, _)| element.0);
                reader.malformed(format!("automorphism {element} after {previous}"))
            };
            if element.is_multiple_of(2) || element < 3 || element as usize >= 2 * context.ring().degree() {
                return Err(disorder(&reader));
            }
            let switching = reader.switching_key(context)?;
            let key = SeededGaloisKey { element: GaloisElement(element), switching };
            if previous.is_some_and(|previous| key.name() <= previous) {
                return Err(disorder(&reader));
            }
            galois.push(key);
        }
        let mut key_of_pairs = || reader.switching_key(context);
        let pairs = if kinds & PAIRS != 0 {
            Some(SeededPairKeys { mixed: key_of_pairs()?, negated_square: key_of_pairs()? })
        } else {
            None
        };
        reader.finish()?;
        Ok(Self { relinearisation, galois, pairs, key, parameters })
    }
}
