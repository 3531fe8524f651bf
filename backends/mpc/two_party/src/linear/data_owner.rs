//! The data owner: encrypts masks, and gets its share of what the model owner's weights make of them.

use std::sync::Arc;

use veilbench_ot::bits::{Reader, Writer};
use veilbench_ring::random::{Randomness, Seed, expand_uniform};
use veilbench_ring::wiped::Wiped;
use veilbench_ring::{Coefficients, Ntt, Polynomial, sampling};

use super::rlwe::{DEGREE, Hidden, Rlwe, read_residues, write_residues};
use super::{Layout, expect_length, expect_primes};
use crate::Error;
use crate::bits::low;
use crate::error::expect_count;

/// The data owner's secret key, ternary, of one session. Wiped on drop.
pub struct SecretKey {
    rlwe: Arc<Rlwe>,
    pub(super) polynomial: Hidden<Ntt>,
}

impl SecretKey {
    /// Samples a key.
    pub fn generate(rlwe: Arc<Rlwe>, random: &mut Randomness) -> Self {
        let coefficients = sampling::ternary(random, DEGREE);
        let polynomial = Polynomial::from_signed(rlwe.ring(), &coefficients, 2).into_ntt(rlwe.ring());
        random.erase_past();
        Self { rlwe, polynomial: Hidden(polynomial) }
    }

    /// An encryption of zero modulo the primes that answers are sent modulo, `e - a s`, where the model owner's seed says what `a` is.
    /// Of [`Primes::public_key_bytes`](super::Primes::public_key_bytes).
    pub fn public_key(&self, seed: &Seed, random: &mut Randomness) -> Vec<u8> {
        let (ring, primes) = (self.rlwe.ring(), self.rlwe.primes());
        let error = sampling::error(random, DEGREE);
        random.erase_past();
        let mut body = Polynomial::from_signed(ring, &error, primes.of_answers()).into_ntt(ring);
        self.subtract_mask(&mut body, seed, 0);
        let mut message = Writer::new(8 * primes.public_key_bytes());
        for (prime, row) in body.rows().enumerate() {
            write_residues(primes.bits(prime), row.iter().copied(), &mut message);
        }
        message.finish()
    }

    /// `body -= a s`; row `i` of `a` is stream `first + i` of the seed.
    pub(super) fn subtract_mask(&self, body: &mut Polynomial<Ntt>, seed: &Seed, first: u64) {
        let ring = self.rlwe.ring();
        body.for_each_expanded_row(|index, row| {
            let m = ring.modulus(index);
            let mut mask = Wiped::new(DEGREE);
            expand_uniform(m, seed, first + index as u64, &mut mask);
            ring.kernels().multiply_assign(m, &mut mask, self.polynomial.limb(index));
            ring.kernels().subtract_assign(m, row, &mask);
        });
    }

    /// Draws a mask for every input of a layer, and encrypts them. Returns the message to the model owner, of [`Layout::request_bytes`].
    ///
    /// # Errors
    /// [`Error::Primes`] for a layout of another ring than the key's.
    pub fn request(
        &self,
        layout: &Arc<Layout>,
        random: &mut Randomness,
    ) -> Result<(Requested, Vec<u8>), Error> {
        expect_primes(layout, &self.rlwe)?;
        let bits = layout.ring_bits();
        let mut masks = Wiped::new(layout.shape().inputs());
        for mask in masks.iter_mut() {
            *mask = random.word() & low(bits);
        }
        let ring = self.rlwe.ring();
        let seed: Seed = random.array();
        let mut message = Writer::new(8 * layout.request_bytes());
        for byte in seed {
            message.push(byte.into(), 8);
        }
        for (block, places) in layout.inputs.iter().enumerate() {
            let of_places =
                places.iter().map(|place| (place.coefficient as usize, masks[place.index as usize]));
            let mut plaintext = self.rlwe.encode(bits, of_places);
            let error = sampling::error(random, DEGREE);
            let noise = Hidden(Polynomial::<Coefficients>::from_signed(ring, &error, 2));
            plaintext.add_assign(ring, &noise);
            let mut body = plaintext.0.clone().into_ntt(ring);
            self.subtract_mask(&mut body, &seed, 2 * block as u64);
            for (prime, row) in body.rows().enumerate() {
                write_residues(layout.primes().bits(prime), row.iter().copied(), &mut message);
            }
        }
        random.erase_past();
        Ok((Requested { layout: Arc::clone(layout), masks }, message.finish()))
    }
}

/// Masks whose products are on their way.
pub struct Requested {
    layout: Arc<Layout>,
    masks: Wiped<u64>,
}

impl Requested {
    /// Decrypts the answer with the key of the request.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::Residue`] for a message that is none, [`Error::Primes`] for a key of another ring.
    pub fn finish(self, key: &SecretKey, message: &[u8]) -> Result<Masks, Error> {
        const WHAT: &str = "masked products of a linear layer";
        let Self { layout, masks } = self;
        expect_primes(&layout, &key.rlwe)?;
        let (bits, primes) = (layout.ring_bits(), layout.primes().of_answers());
        expect_length(WHAT, layout.answer_bytes(), message)?;
        let mut reader = Reader::new(WHAT, layout.bits_of_answer(), message)?;
        let rlwe = &key.rlwe;
        let ring = rlwe.ring();
        let mut shares = Wiped::new(layout.shape().outputs());
        for block in &layout.outputs {
            let mut rows = Polynomial::<Coefficients>::unspecified(ring, primes);
            for prime in 0..primes {
                read_residues(WHAT, ring.modulus(prime), rows.limb_mut(prime), &mut reader)?;
            }
            let mut product = rows.into_ntt(ring);
            product.multiply_assign(ring, &key.polynomial);
            let product = Hidden(product.into_coefficients(ring));
            let mut firsts = vec![[0; 2]; block.needed.len()];
            for prime in 0..primes {
                let residues = firsts.iter_mut().map(|residues| &mut residues[prime]);
                read_residues(WHAT, ring.modulus(prime), residues, &mut reader)?;
            }
            for (place, first) in block.needed.iter().zip(firsts) {
                let phase: [u64; 2] = std::array::from_fn(|prime| {
                    if prime >= primes {
                        return 0;
                    }
                    let second = product.limb(prime)[place.coefficient as usize];
                    ring.modulus(prime).reduce_once(first[prime] + second)
                });
                shares[place.index as usize] = rlwe.share(bits, &phase[..primes]);
            }
        }
        Ok(Masks { bits, masks, shares })
    }
}

/// The data owner's part of one linear layer on one image: masks of its inputs, and shares of what becomes of them. Wiped on drop.
pub struct Masks {
    bits: u32,
    masks: Wiped<u64>,
    shares: Wiped<u64>,
}

impl Masks {
    /// This party's shares of the outputs.
    pub fn shares(&self) -> &[u64] {
        &self.shares
    }

    /// Masks this party's shares of the inputs. Returns them, for the model owner, and this party's shares of the outputs.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of shares.
    pub fn open(self, inputs: &[u64]) -> Result<(Vec<u64>, Wiped<u64>), Error> {
        expect_count("shares of inputs", self.masks.len(), inputs.len())?;
        let masked = inputs.iter().zip(self.masks.iter());
        let masked = masked.map(|(input, mask)| input.wrapping_sub(*mask) & low(self.bits)).collect();
        Ok((masked, self.shares))
    }
}
