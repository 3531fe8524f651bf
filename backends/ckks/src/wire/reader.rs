use super::limbs::{limb_bytes, read_limb};
use super::{Kind, MAGIC, VERSION};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::keys::SeededSwitchingKey;
use crate::parameters::ParameterId;
use crate::ring::{Ntt, Polynomial, Ring};

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
        let [limbs] = self.array()?;
        let level =
            usize::from(limbs).checked_sub(1).ok_or_else(|| self.malformed("it has no primes".into()))?;
        context.check_level(level)?;
        context.check_scale(scale, level)?;
        Ok((scale, level + 1))
    }

    /// A polynomial over the first `limbs` moduli of the ring.
    pub(super) fn limbs(&mut self, ring: &Ring, limbs: usize) -> Result<Polynomial<Ntt>> {
        let moduli = &ring.moduli()[..limbs];
        // All of it is there before room is made for it.
        let mut bytes = self.take(moduli.iter().map(|m| limb_bytes(ring.degree(), m)).sum())?;
        let mut polynomial = Polynomial::unspecified(ring, limbs);
        for (index, (row, m)) in polynomial.rows_mut().zip(moduli).enumerate() {
            let (limb, rest) = bytes.split_at(limb_bytes(ring.degree(), m));
            bytes = rest;
            if !read_limb(limb, m, row) {
                return Err(self.malformed(format!("a residue of limb {index} reaches its prime")));
            }
        }
        Ok(polynomial)
    }

    pub(super) fn switching_key(&mut self, context: &Context) -> Result<SeededSwitchingKey> {
        let seed = self.array()?;
        let ring = context.ring();
        let bodies = (0..context.parameters().digits())
            .map(|_| self.limbs(ring, ring.moduli().len()))
            .collect::<Result<_>>()?;
        Ok(SeededSwitchingKey { seed, bodies })
    }

    pub(super) fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.malformed(format!("{} bytes are left over", self.rest.len())))
    }
}
