//! Hybrid key switching.
//!
//! The polynomial is cut into digits, each digit is taken to all primes, and the inner product with the key is
//! divided by the special primes. All that can stays in the NTT domain: a digit's own primes are not
//! transformed at all.

use crate::context::{Context, Division};
use crate::kernels::{Accumulators, Carry};
use crate::keys::SwitchingKey;
use crate::modulus::Factor;
use crate::ring::{Automorphism, BaseConversion, Ntt, Polynomial, Ring, zeroed};
use crate::scratch::Scratch;
use aligned_vec::AVec;

/// How the first `limbs` data primes fall into digits.
#[derive(Clone, Copy)]
struct Digits<'a> {
    context: &'a Context,
    limbs: usize,
}

impl<'a> Digits<'a> {
    fn count(self) -> usize {
        self.limbs.div_ceil(self.context.parameters().digit_primes())
    }

    fn primes(self, digit: usize) -> std::ops::Range<usize> {
        let primes = self.context.parameters().digit_primes();
        digit * primes..((digit + 1) * primes).min(self.limbs)
    }

    fn conversion(self, digit: usize) -> &'a BaseConversion {
        &self.context.tables().digits[digit][self.primes(digit).len() - 1]
    }

    /// Rows of a polynomial over the data primes in use and the special primes.
    fn extended_rows(self) -> usize {
        self.limbs + self.context.ring().special()
    }
}

/// A polynomial cut into digits, before they are taken to other primes.
struct Prepared<'a> {
    digits: Digits<'a>,
    source: &'a Polynomial<Ntt>,
    /// The coefficient rows, and after them one overflow row for each digit.
    rows: Scratch<'a>,
}

impl<'a> Prepared<'a> {
    fn new(context: &'a Context, source: &'a Polynomial<Ntt>) -> Self {
        let (ring, degree) = (context.ring(), context.ring().degree());
        let digits = Digits { context, limbs: source.limbs() };
        let mut rows = context.tables().scratch.take((digits.limbs + digits.count()) * degree);
        let (values, overflows) = rows.split_at_mut(digits.limbs * degree);
        for digit in 0..digits.count() {
            let conversion = digits.conversion(digit);
            for (position, index) in digits.primes(digit).enumerate() {
                let row = &mut values[index * degree..(index + 1) * degree];
                row.copy_from_slice(source.limb(index));
                conversion.prepare(ring, position, row);
            }
            let rows: Vec<&[u64]> =
                digits.primes(digit).map(|index| &values[index * degree..(index + 1) * degree]).collect();
            conversion.count_overflow(ring, &rows, &mut overflows[digit * degree..(digit + 1) * degree]);
        }
        Self { digits, source, rows }
    }

    /// Digit `digit` modulo prime `index` of the ring, in the NTT domain: borrowed from the source if it is
    /// there, written to `buffer` if not.
    fn digit<'b>(&'b self, digit: usize, index: usize, buffer: &'b mut [u64]) -> &'b [u64] {
        let primes = self.digits.primes(digit);
        if primes.contains(&index) {
            return self.source.limb(index);
        }
        let ring = self.digits.context.ring();
        let degree = ring.degree();
        let row = |index: usize| &self.rows[index * degree..(index + 1) * degree];
        let overflow = row(self.digits.limbs + digit);
        let conversion = self.digits.conversion(digit);
        let rows: Vec<&[u64]> =
            primes.map(row).chain(conversion.needs_overflow().then_some(overflow)).collect();
        conversion.convert(ring, &rows, index, buffer);
        ring.forward(index, buffer);
        buffer
    }
}

/// A pair of polynomials over data primes and special primes, before the division by the special primes.
pub(crate) struct Extended<'a> {
    context: &'a Context,
    limbs: usize,
    parts: [Scratch<'a>; 2],
}

/// Every digit of a polynomial modulo every prime: what rotations of one ciphertext have in common.
pub(crate) struct Decomposition<'a> {
    digits: Digits<'a>,
    /// Digit after digit, for each the rows of all primes.
    rows: AVec<u64>,
}

impl<'a> Decomposition<'a> {
    pub(crate) fn new(context: &'a Context, source: &'a Polynomial<Ntt>) -> Self {
        let prepared = Prepared::new(context, source);
        let digits = prepared.digits;
        let (ring, degree) = (context.ring(), context.ring().degree());
        let mut rows = zeroed(digits.count() * digits.extended_rows() * degree);
        for (position, row) in rows.chunks_exact_mut(degree).enumerate() {
            let (digit, row_index) = (position / digits.extended_rows(), position % digits.extended_rows());
            let index = ring.extended_index(digits.limbs, row_index);
            if digits.primes(digit).contains(&index) {
                row.copy_from_slice(source.limb(index));
            } else {
                prepared.digit(digit, index, row);
            }
        }
        Self { digits, rows }
    }

    pub(crate) fn switch(&self, key: &SwitchingKey) -> Extended<'a> {
        let Digits { context, limbs } = self.digits;
        let degree = context.ring().degree();
        let mut sums = Extended::new(context, limbs);
        for row in 0..self.digits.extended_rows() {
            let values: Vec<&[u64]> = (0..self.digits.count())
                .map(|digit| {
                    let start = (digit * self.digits.extended_rows() + row) * degree;
                    &self.rows[start..start + degree]
                })
                .collect();
            sums.inner_product(row, &values, key);
        }
        sums
    }
}

/// The product of a polynomial and the secret a key switches from, under the secret it switches to.
pub(crate) fn switch<'a>(
    context: &'a Context,
    source: &'a Polynomial<Ntt>,
    key: &SwitchingKey,
) -> Extended<'a> {
    let prepared = Prepared::new(context, source);
    let degree = context.ring().degree();
    let mut sums = Extended::new(context, source.limbs());
    let mut buffers = context.tables().scratch.take(prepared.digits.count() * degree);
    for row in 0..prepared.digits.extended_rows() {
        let index = context.ring().extended_index(source.limbs(), row);
        let values: Vec<&[u64]> = buffers
            .chunks_exact_mut(degree)
            .enumerate()
            .map(|(digit, buffer)| prepared.digit(digit, index, buffer))
            .collect();
        sums.inner_product(row, &values, key);
    }
    sums
}

impl<'a> Extended<'a> {
    /// With unspecified contents.
    fn new(context: &'a Context, limbs: usize) -> Self {
        let length = (limbs + context.ring().special()) * context.ring().degree();
        let parts = [(); 2].map(|()| context.tables().scratch.take(length));
        Self { context, limbs, parts }
    }

    pub(crate) fn zero(context: &'a Context, limbs: usize) -> Self {
        let mut zero = Self::new(context, limbs);
        for part in &mut zero.parts {
            part.fill(0);
        }
        zero
    }

    fn inner_product(&mut self, row: usize, values: &[&[u64]], key: &SwitchingKey) {
        let ring = self.context.ring();
        let (degree, index) = (ring.degree(), ring.extended_index(self.limbs, row));
        let bodies: Vec<&[u64]> = key.bodies[..values.len()].iter().map(|body| body.limb(index)).collect();
        let masks: Vec<&[u64]> = key.masks[..values.len()].iter().map(|mask| mask.limb(index)).collect();
        let [first, second] = &mut self.parts;
        let range = row * degree..(row + 1) * degree;
        let sums = Accumulators {
            first: &mut first[range.clone()],
            second: &mut second[range],
            carry: Carry::Start,
        };
        ring.kernels().dot(ring.modulus(index), values, [&bodies, &masks], sums);
    }

    /// Adds another pair with an automorphism applied to it.
    pub(crate) fn add_permuted(&mut self, other: &Extended<'_>, automorphism: &Automorphism) {
        let ring = self.context.ring();
        let degree = ring.degree();
        let mut permuted = self.context.tables().scratch.take(degree);
        for (sum, part) in self.parts.iter_mut().zip(&other.parts) {
            let rows = sum.chunks_exact_mut(degree).zip(part.chunks_exact(degree));
            for (row, (sum, part)) in rows.enumerate() {
                let m = ring.modulus(ring.extended_index(self.limbs, row));
                ring.kernels().permute(automorphism.blocks(), part, &mut permuted);
                ring.kernels().add_assign(m, sum, &permuted);
            }
        }
    }

    /// Divides by the special primes and rounds; `finish` gets the part and limb, the data row, the remainder
    /// to subtract from it, and the inverse to multiply by.
    fn divide(mut self, mut finish: impl FnMut(&Ring, usize, usize, &[u64], &[u64], Factor)) {
        let context = self.context;
        let ring = context.ring();
        let Division { conversion, inverses } = &context.tables().special_division;
        let degree = ring.degree();
        let mut overflow = context.tables().scratch.take(degree);
        let mut remainder = context.tables().scratch.take(degree);
        for (part, rows) in self.parts.iter_mut().enumerate() {
            let (data, special) = rows.split_at_mut(self.limbs * degree);
            for (position, row) in special.chunks_exact_mut(degree).enumerate() {
                conversion.prepare(ring, position, row);
            }
            let special: Vec<&[u64]> = special.chunks_exact(degree).collect();
            conversion.count_overflow(ring, &special, &mut overflow);
            let sources: Vec<&[u64]> =
                special.into_iter().chain(conversion.needs_overflow().then_some(&overflow[..])).collect();
            for (limb, row) in data.chunks_exact(degree).enumerate() {
                conversion.convert(ring, &sources, limb, &mut remainder);
                ring.forward(limb, &mut remainder);
                finish(ring, part, limb, row, &remainder, inverses[limb]);
            }
        }
    }

    /// Divides by the special primes and adds the result to `parts`.
    pub(crate) fn add_quotient(self, parts: &mut [Polynomial<Ntt>; 2]) {
        let mut quotient = zeroed(self.context.ring().degree());
        self.divide(|ring, part, limb, row, remainder, inverse| {
            let (m, kernels) = (ring.modulus(limb), ring.kernels());
            quotient.copy_from_slice(row);
            kernels.subtract_scale(m, &mut quotient, remainder, inverse);
            kernels.add_assign(m, parts[part].limb_mut(limb), &quotient);
        });
    }

    /// Divides by the special primes, adds `c0` to the first part, and applies the automorphism.
    pub(crate) fn rotated_quotient(
        self,
        c0: &Polynomial<Ntt>,
        automorphism: &Automorphism,
    ) -> [Polynomial<Ntt>; 2] {
        let ring = self.context.ring();
        let mut parts = [(); 2].map(|()| Polynomial::zero(ring, self.limbs));
        let zero = zeroed(ring.degree());
        self.divide(|ring, part, limb, row, remainder, inverse| {
            let addend = if part == 0 { c0.limb(limb) } else { &zero };
            ring.kernels().permute_subtract_scale_add(
                ring.modulus(limb),
                automorphism.blocks(),
                [row, remainder, addend],
                inverse,
                parts[part].limb_mut(limb),
            );
        });
        parts
    }
}
