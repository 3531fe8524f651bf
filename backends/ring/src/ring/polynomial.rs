//! Polynomials as residues modulo each prime, by coefficients or by values.

use super::Ring;
use crate::modulus::Factor;
use crate::parallel;
use crate::scratch::Rows;
use std::fmt;
use std::marker::PhantomData;
use zeroize::Zeroize;

/// How many transforms of a row take as long as expanding it from its seed.
const EXPANSION_COST: usize = 6;

/// How a polynomial is represented: part of its type, so that the two never mix.
pub trait Domain {}

/// By its coefficients, the constant one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coefficients {}

/// By its values at the primitive `2N`-th roots of unity, in bit-reversed order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ntt {}

impl Domain for Coefficients {}
impl Domain for Ntt {}

/// A polynomial in residues: limb after limb, limb `i` modulo the `i`-th prime of the ring unless the owner
/// says otherwise.
#[derive(Clone, PartialEq, Eq)]
pub struct Polynomial<D: Domain> {
    residues: Rows,
    degree: usize,
    domain: PhantomData<D>,
}

impl<D: Domain> fmt::Debug for Polynomial<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Polynomial({} limbs of {})", self.limbs(), self.degree)
    }
}

impl<D: Domain> Polynomial<D> {
    /// The zero polynomial over the first `limbs` primes.
    pub fn zero(ring: &Ring, limbs: usize) -> Self {
        let mut zero = Self::unspecified(ring, limbs);
        zero.residues.fill(0);
        zero
    }

    /// With unspecified residues, for those who overwrite all of them.
    pub fn unspecified(ring: &Ring, limbs: usize) -> Self {
        let residues = Rows::unspecified(ring.polynomials(), ring.degree() * limbs);
        Self { residues, degree: ring.degree(), domain: PhantomData }
    }

    /// Number of rows.
    pub fn limbs(&self) -> usize {
        self.residues.len() / self.degree
    }

    /// A row.
    pub fn limb(&self, index: usize) -> &[u64] {
        &self.residues[index * self.degree..(index + 1) * self.degree]
    }

    /// A row, to be changed.
    pub fn limb_mut(&mut self, index: usize) -> &mut [u64] {
        &mut self.residues[index * self.degree..(index + 1) * self.degree]
    }

    /// All rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.residues.chunks_exact(self.degree)
    }

    /// All rows, to be changed.
    pub fn rows_mut(&mut self) -> impl ExactSizeIterator<Item = &mut [u64]> {
        self.residues.chunks_exact_mut(self.degree)
    }

    /// The limbs, `group` at a time.
    pub fn groups_mut(&mut self, group: usize) -> impl ExactSizeIterator<Item = &mut [u64]> {
        self.residues.chunks_mut(group * self.degree)
    }

    /// Runs `work` on every limb: about as much of it as a transform.
    pub fn for_each_row(&mut self, work: impl Fn(usize, &mut [u64]) + Sync + Send) {
        let words = self.residues.len();
        parallel::for_each(words, self.rows_mut().enumerate(), |(index, row)| work(index, row));
    }

    /// Runs `work` on every limb, which expands the limb's uniform counterpart: several times a transform.
    pub fn for_each_expanded_row(&mut self, work: impl Fn(usize, &mut [u64]) + Sync + Send) {
        let words = EXPANSION_COST * self.residues.len();
        parallel::for_each(words, self.rows_mut().enumerate(), |(index, row)| work(index, row));
    }

    /// A copy of the first `limbs` limbs.
    pub fn prefix(&self, limbs: usize) -> Self {
        let residues = self.residues.prefix(limbs * self.degree);
        Self { residues, degree: self.degree, domain: PhantomData }
    }

    /// `self += other`; `other` may have more limbs.
    pub fn add_assign(&mut self, ring: &Ring, other: &Self) {
        for ((a, b), m) in self.rows_mut().zip(other.rows()).zip(ring.moduli()) {
            ring.kernels().add_assign(m, a, b);
        }
    }

    /// `self -= other`; `other` may have more limbs.
    pub fn subtract_assign(&mut self, ring: &Ring, other: &Self) {
        for ((a, b), m) in self.rows_mut().zip(other.rows()).zip(ring.moduli()) {
            ring.kernels().subtract_assign(m, a, b);
        }
    }

    /// `self = -self`.
    pub fn negate(&mut self, ring: &Ring) {
        for (a, m) in self.rows_mut().zip(ring.moduli()) {
            ring.kernels().negate(m, a);
        }
    }

    /// Multiplies limb `i` by `factors[i]`.
    pub fn scale(&mut self, ring: &Ring, factors: &[Factor]) {
        for ((a, m), &factor) in self.rows_mut().zip(ring.moduli()).zip(factors) {
            ring.kernels().scale_assign(m, a, factor);
        }
    }

    /// Overwrites all residues with zeros, in place.
    pub fn zeroize(&mut self) {
        self.residues.zeroize();
    }

    fn reinterpret<E: Domain>(self) -> Polynomial<E> {
        Polynomial { residues: self.residues, degree: self.degree, domain: PhantomData }
    }
}

impl Polynomial<Coefficients> {
    /// Takes coefficients to values.
    pub fn into_ntt(mut self, ring: &Ring) -> Polynomial<Ntt> {
        self.for_each_row(|index, limb| ring.forward(index, limb));
        self.reinterpret()
    }

    /// The polynomial with these coefficients, of magnitude below `2^50`, modulo the first `limbs` primes.
    pub fn from_signed(ring: &Ring, coefficients: &[i64], limbs: usize) -> Self {
        let mut polynomial = Self::unspecified(ring, limbs);
        for (limb, m) in polynomial.rows_mut().zip(ring.moduli()) {
            ring.kernels().reduce_signed(m, coefficients, limb);
        }
        polynomial
    }
}

impl Polynomial<Ntt> {
    /// Takes values to coefficients.
    pub fn into_coefficients(mut self, ring: &Ring) -> Polynomial<Coefficients> {
        self.for_each_row(|index, limb| ring.inverse(index, limb));
        self.reinterpret()
    }

    /// `self *= other`; `other` may have more limbs.
    pub fn multiply_assign(&mut self, ring: &Ring, other: &Self) {
        for ((a, b), m) in self.rows_mut().zip(other.rows()).zip(ring.moduli()) {
            ring.kernels().multiply_assign(m, a, b);
        }
    }

    /// `self += a * b`; `a` and `b` may have more limbs.
    pub fn multiply_add(&mut self, ring: &Ring, a: &Self, b: &Self) {
        for (((sum, a), b), m) in self.rows_mut().zip(a.rows()).zip(b.rows()).zip(ring.moduli()) {
            ring.kernels().multiply_add(m, sum, a, b);
        }
    }
}
