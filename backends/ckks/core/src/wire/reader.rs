//! Reading objects from bytes that a peer sent.

use super::limbs::{limb_bytes, read_limb};
use super::{Kind, LONG, MAGIC, VERSION};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::keys::{DigitLength, SeededSwitchingKey};
use crate::parameters::ParameterId;
use veilbench_ring::modulus::Modulus;
use veilbench_ring::{Ntt, Polynomial, Ring};

/// The bytes of an object that are still to be read.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    kind: Kind,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    pub(super) fn open(bytes: &'a [u8], kind: Kind) -> Result<(Self, ParameterId)> {
        let mut reader = Self { rest: bytes, kind };
        if reader.array::<4>()? != *MAGIC {
            return Err(reader.malformed("it does not begin with VBCK".into()));
        }
        let [version, found] = reader.array()?;
        if version != VERSION {
            return Err(reader.malformed(format!("format version {version}, not {VERSION}")));
        }
        if found != kind as u8 {
            return Err(reader.malformed(format!("object kind {found}, not {}", kind as u8)));
        }
        let parameters = ParameterId(reader.array()?);
        Ok((reader, parameters))
    }

    pub(super) fn malformed(&self, reason: String) -> Error {
        Error::Malformed { object: self.kind.name(), reason }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(
                self.malformed(format!("{length} bytes are needed where {} are left", self.rest.len()))
            );
        };
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH]> {
        let mut array = [0; LENGTH];
        array.copy_from_slice(self.take(LENGTH)?);
        Ok(array)
    }

    pub(super) fn scale_and_limbs(&mut self, context: &Context) -> Result<(f64, usize)> {
        let scale = f64::from_le_bytes(self.array()?);
        let limbs = self.limb_count(context)?;
        context.check_scale(scale, limbs - 1)?;
        Ok((scale, limbs))
    }

    /// Of a result at level 0: its scale, and after how many slots it repeats.
    pub(super) fn scale_and_period(&mut self, context: &Context) -> Result<(f64, usize)> {
        let scale = f64::from_le_bytes(self.array()?);
        context.check_scale(scale, 0)?;
        let [period_bits] = self.array()?;
        let period = 1usize.checked_shl(u32::from(period_bits)).unwrap_or(0);
        context.check_period(period)?;
        Ok((scale, period))
    }

    /// How many data primes an object is over: at least one.
    pub(super) fn limb_count(&mut self, context: &Context) -> Result<usize> {
        let [limbs] = self.array()?;
        let level =
            usize::from(limbs).checked_sub(1).ok_or_else(|| self.malformed("it has no primes".into()))?;
        context.check_level(level)?;
        Ok(level + 1)
    }

    /// A polynomial over the first `limbs` moduli of the ring.
    pub(super) fn limbs(&mut self, ring: &Ring, limbs: usize) -> Result<Polynomial<Ntt>> {
        self.rows(ring, limbs, |row| row)
    }

    /// A polynomial of `count` rows, each modulo the prime of the ring that `prime` says.
    fn rows(&mut self, ring: &Ring, count: usize, prime: impl Fn(usize) -> usize) -> Result<Polynomial<Ntt>> {
        // All of it is there before room is made for it.
        let length = |row| limb_bytes(ring.degree(), ring.modulus(prime(row)));
        let mut bytes = self.take((0..count).map(length).sum())?;
        let mut polynomial = Polynomial::unspecified(ring, count);
        for (index, row) in polynomial.rows_mut().enumerate() {
            let m = ring.modulus(prime(index));
            let (limb, rest) = bytes.split_at(limb_bytes(ring.degree(), m));
            bytes = rest;
            if !read_limb(limb, m, row) {
                return Err(self.malformed(format!("a residue of limb {index} reaches its prime")));
            }
        }
        Ok(polynomial)
    }

    /// So many residues modulo a prime, a multiple of 8 of them.
    pub(super) fn row(&mut self, m: &Modulus, length: usize) -> Result<Vec<u64>> {
        let bytes = self.take(limb_bytes(length, m))?;
        let mut row = vec![0; length];
        if !read_limb(bytes, m, &mut row) {
            return Err(self.malformed("a residue reaches its prime".into()));
        }
        Ok(row)
    }

    pub(super) fn switching_key(&mut self, context: &Context) -> Result<SeededSwitchingKey> {
        let (seed, [length]) = (self.array()?, self.array()?);
        let (ring, limbs) = (context.ring(), usize::from(length & !LONG));
        let is_long = length & LONG != 0;
        if !(1..=ring.data()).contains(&limbs) {
            return Err(self.malformed(format!("a switching key over {limbs} of {} primes", ring.data())));
        }
        let length = DigitLength::new(context, is_long);
        if is_long && length == DigitLength::Short {
            return Err(
                self.malformed("a switching key of long digits, which these parameters have not".into())
            );
        }
        let bodies = (0..length.digits(context, limbs))
            .map(|_| self.rows(ring, limbs + ring.special(), |row| ring.extended_index(limbs, row)))
            .collect::<Result<_>>()?;
        Ok(SeededSwitchingKey { seed, limbs, length, bodies })
    }

    pub(super) fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.malformed(format!("{} bytes are left over", self.rest.len())))
    }
}
