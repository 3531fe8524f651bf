//! The model owner: multiplies encrypted masks by its weights, and keeps a share of the products.

use std::sync::Arc;

use veilbench_mpc::linear::LinearMap;
use veilbench_ot::bits::{Reader, Writer};
use veilbench_ring::random::{Randomness, Seed, expand_uniform};
use veilbench_ring::wiped::Wiped;
use veilbench_ring::{Coefficients, Ntt, Polynomial, sampling};
use zeroize::Zeroizing;

use super::layout::{OutputBlock, Place};
use super::rlwe::{DEGREE, Hidden, Rlwe, SEED_BYTES, read_residues, write_residues};
use super::{Layout, expect_length, expect_primes};
use crate::Error;
use crate::bits::low;
use crate::error::expect_count;

/// What the data owner has sent for answers to be hidden with: an encryption of zero, of which the model owner chose the uniform half.
pub struct PublicKey {
    rlwe: Arc<Rlwe>,
    body: Polynomial<Ntt>,
    mask: Polynomial<Ntt>,
}

impl PublicKey {
    /// Reads the data owner's message, made with this party's seed.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::Residue`] for a message that is none.
    pub fn read(rlwe: Arc<Rlwe>, seed: &Seed, message: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "public key";
        expect_length(WHAT, rlwe.primes().public_key_bytes(), message)?;
        let (ring, primes) = (rlwe.ring(), rlwe.primes().of_answers());
        let mut reader = Reader::new(WHAT, 8 * message.len(), message)?;
        let [mut body, mut mask] = [(); 2].map(|()| Polynomial::unspecified(ring, primes));
        for prime in 0..primes {
            read_residues(WHAT, ring.modulus(prime), body.limb_mut(prime), &mut reader)?;
            expand_uniform(ring.modulus(prime), seed, prime as u64, mask.limb_mut(prime));
        }
        Ok(Self { rlwe, body, mask })
    }
}

/// The weights of a layer, once as polynomials and once for products in the clear.
pub struct Weights {
    layout: Arc<Layout>,
    polynomials: Vec<Hidden<Ntt>>,
    map: LinearMap,
}

impl Weights {
    /// Whether weights, which are integers modulo `2^64` of few bits, can be those of a layer.
    ///
    /// # Errors
    /// [`Error::Weights`] if those that a ciphertext is made with are larger than [`Primes::norm_bits`](super::Primes::norm_bits) says, [`Error::Count`] for another
    /// number of them.
    pub fn check(layout: &Layout, weights: &[u64]) -> Result<(), Error> {
        expect_count("weights", layout.shape().weights(), weights.len())?;
        let bits = layout.primes().norm_bits();
        let square = |place: &Place| u128::from((weights[place.index as usize] as i64).unsigned_abs()).pow(2);
        let sum = |squares: u128, more: u128| squares.saturating_add(more);
        let squares: Vec<u128> =
            layout.weights.iter().map(|places| places.iter().map(square).fold(0, sum)).collect();
        // Errors are everywhere in a request, so that all weights of a ciphertext meet them at each of its coefficients.
        let large = |block: &OutputBlock| {
            block.terms.iter().map(|[_, weight]| squares[*weight]).fold(0, sum) > 1 << (2 * bits)
        };
        match layout.outputs.iter().position(large) {
            Some(block) => Err(Error::Weights { block, bits }),
            None => Ok(()),
        }
    }

    /// Transforms weights.
    ///
    /// # Errors
    /// Those of [`Weights::check`], [`Error::Primes`] for another ring than the layout's.
    pub fn new(rlwe: &Rlwe, layout: Arc<Layout>, weights: &[u64]) -> Result<Self, Error> {
        Self::check(&layout, weights)?;
        expect_primes(&layout, rlwe)?;
        let polynomial = |places: &Vec<Place>| {
            let mut coefficients = Zeroizing::new(vec![0; DEGREE]);
            for place in places {
                coefficients[place.coefficient as usize] = weights[place.index as usize] as i64;
            }
            Hidden(
                Polynomial::<Coefficients>::from_signed(rlwe.ring(), &coefficients, 2).into_ntt(rlwe.ring()),
            )
        };
        let polynomials = layout.weights.iter().map(polynomial).collect();
        Ok(Self { map: LinearMap::new(*layout.shape(), weights.to_vec()), layout, polynomials })
    }

    /// Answers a request. Returns this party's shares of the products, and the message to the data owner, of [`Layout::answer_bytes`].
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::Residue`] for a request that is none, [`Error::Primes`] for a key of another layout's.
    pub fn answer(
        &self,
        key: &PublicKey,
        request: &[u8],
        random: &mut Randomness,
    ) -> Result<(Wiped<u64>, Vec<u8>), Error> {
        expect_primes(&self.layout, &key.rlwe)?;
        let (bits, lengths) = (self.layout.ring_bits(), self.layout.primes());
        let primes = lengths.of_answers();
        let inputs = self.read(&key.rlwe, request)?;
        let ring = key.rlwe.ring();
        let mut shares = Wiped::new(self.layout.shape().outputs());
        let mut message = Writer::new(8 * self.layout.answer_bytes());
        let masks: Zeroizing<Seed> = Zeroizing::new(random.array());
        for (number, block) in self.layout.outputs.iter().enumerate() {
            let mut parts = [(); 2].map(|()| Hidden(Polynomial::<Ntt>::zero(ring, 2)));
            for [input, weight] in &block.terms {
                for (part, input) in parts.iter_mut().zip(&inputs[*input]) {
                    part.multiply_add(ring, input, &self.polynomials[*weight]);
                }
            }
            let [mut first, mut second] = parts.map(|part| Hidden(part.0.clone().into_coefficients(ring)));
            let mask = uniform(&key.rlwe, &masks, number);
            first.add_assign(ring, &mask);
            if primes == 1 {
                let mut centred = Wiped::new(DEGREE);
                key.rlwe.drop_prime(&mut first, &mut centred);
                key.rlwe.drop_prime(&mut second, &mut centred);
            }
            let ephemeral = sampling::ternary(random, DEGREE);
            let error = sampling::error(random, DEGREE);
            hide(key, [&mut first, &mut second], &ephemeral, &error);
            for prime in 0..primes {
                write_residues(lengths.bits(prime), second.limb(prime).iter().copied(), &mut message);
            }
            for prime in 0..primes {
                let of_prime = first.limb(prime);
                let needed = block.needed.iter().map(|place| of_prime[place.coefficient as usize]);
                write_residues(lengths.bits(prime), needed, &mut message);
            }
            for place in &block.needed {
                let residues = [0, 1].map(|prime| mask.limb(prime)[place.coefficient as usize]);
                shares[place.index as usize] = key.rlwe.share(bits, &residues).wrapping_neg() & low(bits);
            }
        }
        random.erase_past();
        Ok((shares, message.finish()))
    }

    /// The ciphertexts of a request.
    fn read(&self, rlwe: &Rlwe, request: &[u8]) -> Result<Vec<[Polynomial<Ntt>; 2]>, Error> {
        const WHAT: &str = "encrypted masks of a linear layer";
        expect_length(WHAT, self.layout.request_bytes(), request)?;
        let ring = rlwe.ring();
        let (seed, bodies) = request.split_at(SEED_BYTES);
        let seed = Seed::try_from(seed).unwrap_or_default();
        let bodies = bodies.chunks_exact(self.layout.primes().request_bytes()).enumerate();
        let read = |(block, bytes): (usize, &[u8])| {
            let mut reader = Reader::new(WHAT, 8 * bytes.len(), bytes)?;
            let (mut body, mut mask) = (Polynomial::unspecified(ring, 2), Polynomial::unspecified(ring, 2));
            for prime in [0, 1] {
                read_residues(WHAT, ring.modulus(prime), body.limb_mut(prime), &mut reader)?;
                expand_uniform(ring.modulus(prime), &seed, (2 * block + prime) as u64, mask.limb_mut(prime));
            }
            Ok([body, mask])
        };
        bodies.map(read).collect()
    }

    /// This party's shares of the outputs: products of what it knows of the inputs, its share of those with the masks, and biases.
    ///
    /// # Errors
    /// [`Error::Count`] for other numbers of them.
    pub fn apply(&self, inputs: &[u64], shares: &[u64], bias: &[u64]) -> Result<Wiped<u64>, Error> {
        let shape = self.layout.shape();
        expect_count("masked inputs", shape.inputs(), inputs.len())?;
        expect_count("shares of products", shape.outputs(), shares.len())?;
        expect_count("biases", shape.channels(), bias.len())?;
        let mut outputs = Wiped::from(self.map.apply(inputs));
        let positions = shape.outputs() / shape.channels();
        for ((outputs, shares), bias) in
            outputs.chunks_exact_mut(positions).zip(shares.chunks_exact(positions)).zip(bias)
        {
            for (output, share) in outputs.iter_mut().zip(shares) {
                *output = output.wrapping_add(*share).wrapping_add(*bias);
            }
        }
        Ok(outputs)
    }
}

/// A polynomial that is uniform modulo Q: two streams of the seed for every result.
fn uniform(rlwe: &Rlwe, seed: &Seed, number: usize) -> Hidden<Coefficients> {
    let mut mask = Hidden(Polynomial::unspecified(rlwe.ring(), 2));
    for prime in [0, 1] {
        expand_uniform(rlwe.ring().modulus(prime), seed, (2 * number + prime) as u64, mask.limb_mut(prime));
    }
    mask
}

/// Adds an encryption of zero, of a secret and an error that serve once. Its first half needs no error: no coefficient of it leaves without a uniform mask.
fn hide(key: &PublicKey, [first, second]: [&mut Hidden<Coefficients>; 2], ephemeral: &[i64], error: &[i64]) {
    let (ring, kernels) = (key.rlwe.ring(), key.rlwe.ring().kernels());
    let primes = key.rlwe.primes().of_answers();
    let ephemeral = Hidden(Polynomial::<Coefficients>::from_signed(ring, ephemeral, primes).into_ntt(ring));
    let times = |half: &Polynomial<Ntt>| {
        let mut product = half.clone();
        product.multiply_assign(ring, &ephemeral);
        Hidden(product.into_coefficients(ring))
    };
    let [of_first, of_second] = [&key.body, &key.mask].map(times);
    let error = Hidden(Polynomial::<Coefficients>::from_signed(ring, error, primes));
    for prime in 0..primes {
        let m = ring.modulus(prime);
        kernels.add_assign(m, first.limb_mut(prime), of_first.limb(prime));
        kernels.add_assign(m, second.limb_mut(prime), of_second.limb(prime));
        kernels.add_assign(m, second.limb_mut(prime), error.limb(prime));
    }
}
