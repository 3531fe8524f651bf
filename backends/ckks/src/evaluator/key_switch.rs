//! Hybrid key switching.
//!
//! The polynomial is cut into digits, each digit is taken to all primes, and the inner product with the key is
//! divided by the special primes. All that can stays in the NTT domain: a digit's own primes are not
//! transformed at all.

use crate::context::{Context, Division};
use crate::kernels::GROUP;
use crate::keys::SwitchingKey;
use crate::modulus::Factor;
use crate::ring::{Automorphism, BaseConversion, Ntt, Polynomial, Ring};
use crate::scratch::Scratch;

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

    /// The primes of the ring that rows of such a polynomial are modulo.
    fn indices(self, rows: std::ops::Range<usize>) -> Vec<usize> {
        rows.map(|row| self.context.ring().extended_index(self.limbs, row)).collect()
    }

    /// Rows of a polynomial over the data primes in use and the special primes.
    fn extended_rows(self) -> usize {
        self.limbs + self.context.ring().special()
    }
}

/// A polynomial cut into digits, before they are taken to other primes.
struct Prepared<'a> {
    digits: Digits<'a>,
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
        Self { digits, rows }
    }

    /// Digit `digit` modulo the primes `targets`, none of them its own, in the NTT domain: `out` holds one row
    /// for each.
    fn extend(&self, digit: usize, targets: &[usize], out: &mut [u64]) {
        let ring = self.digits.context.ring();
        let degree = ring.degree();
        let row = |index: usize| &self.rows[index * degree..(index + 1) * degree];
        let overflow = row(self.digits.limbs + digit);
        let conversion = self.digits.conversion(digit);
        let rows: Vec<&[u64]> = self
            .digits
            .primes(digit)
            .map(row)
            .chain(conversion.needs_overflow().then_some(overflow))
            .collect();
        conversion.convert_many(ring, &rows, targets, out);
        for (&target, row) in targets.iter().zip(out.chunks_exact_mut(degree)) {
            ring.forward(target, row);
        }
    }

    /// How many primes a digit is taken to in one pass over it: more than one only pays if there is something
    /// to sum.
    fn group(&self) -> usize {
        if self.digits.conversion(0).needs_overflow() { GROUP } else { 1 }
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
    rows: Scratch<'a>,
}

impl<'a> Decomposition<'a> {
    pub(crate) fn new(context: &'a Context, source: &'a Polynomial<Ntt>) -> Self {
        let prepared = Prepared::new(context, source);
        let digits = prepared.digits;
        let degree = context.ring().degree();
        let mut rows = context.tables().scratch.take(digits.count() * digits.extended_rows() * degree);
        for (digit, rows) in rows.chunks_exact_mut(digits.extended_rows() * degree).enumerate() {
            let own = digits.primes(digit);
            let (before, rest) = rows.split_at_mut(own.start * degree);
            let (own_rows, after) = rest.split_at_mut(own.len() * degree);
            for (index, row) in own.clone().zip(own_rows.chunks_exact_mut(degree)) {
                row.copy_from_slice(source.limb(index));
            }
            prepared.extend(digit, &digits.indices(0..own.start), before);
            prepared.extend(digit, &digits.indices(own.end..digits.extended_rows()), after);
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
    let (digits, degree) = (prepared.digits, context.ring().degree());
    let mut sums = Extended::new(context, source.limbs());
    let group = prepared.group();
    let mut buffers = context.tables().scratch.take(group * digits.count() * degree);
    for start in (0..digits.extended_rows()).step_by(group) {
        let rows = start..(start + group).min(digits.extended_rows());
        let indices = digits.indices(rows.clone());
        // The rows of each digit's own primes are borrowed from the source, all others fill the buffers.
        let values: Vec<Vec<&[u64]>> = buffers
            .chunks_exact_mut(group * degree)
            .enumerate()
            .map(|(digit, buffer)| {
                let own = digits.primes(digit);
                let foreign: Vec<usize> =
                    indices.iter().copied().filter(|index| !own.contains(index)).collect();
                prepared.extend(digit, &foreign, &mut buffer[..foreign.len() * degree]);
                let mut extended = buffer.chunks_exact(degree);
                let row = |&index: &usize| {
                    if own.contains(&index) {
                        source.limb(index)
                    } else {
                        extended.next().unwrap_or_default()
                    }
                };
                indices.iter().map(row).collect()
            })
            .collect();
        for (position, row) in rows.enumerate() {
            let values: Vec<&[u64]> = values.iter().map(|rows| rows[position]).collect();
            sums.inner_product(row, &values, key);
        }
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
        let range = row * degree..(row + 1) * degree;
        let [first, second] = &mut self.parts;
        let (first, second) = (&mut first[range.clone()], &mut second[range]);
        ring.kernels().dot_stream(ring.modulus(index), values, (&key.rows[index], key.digits), first, second);
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
        let group = if conversion.needs_overflow() { GROUP } else { 1 };
        let mut remainders = context.tables().scratch.take(group * degree);
        for (part, rows) in self.parts.iter_mut().enumerate() {
            let (data, special) = rows.split_at_mut(self.limbs * degree);
            for (position, row) in special.chunks_exact_mut(degree).enumerate() {
                conversion.prepare(ring, position, row);
            }
            let special: Vec<&[u64]> = special.chunks_exact(degree).collect();
            conversion.count_overflow(ring, &special, &mut overflow);
            let sources: Vec<&[u64]> =
                special.into_iter().chain(conversion.needs_overflow().then_some(&overflow[..])).collect();
            for start in (0..self.limbs).step_by(group) {
                let limbs: Vec<usize> = (start..(start + group).min(self.limbs)).collect();
                conversion.convert_many(ring, &sources, &limbs, &mut remainders[..limbs.len() * degree]);
                for (&limb, remainder) in limbs.iter().zip(remainders.chunks_exact_mut(degree)) {
                    ring.forward(limb, remainder);
                    let row = &data[limb * degree..(limb + 1) * degree];
                    finish(ring, part, limb, row, remainder, inverses[limb]);
                }
            }
        }
    }

    /// Divides by the special primes and adds the result to `parts`.
    pub(crate) fn add_quotient(self, parts: &mut [Polynomial<Ntt>; 2]) {
        self.divide(|ring, part, limb, row, remainder, inverse| {
            let sum = parts[part].limb_mut(limb);
            ring.kernels().subtract_scale_add(ring.modulus(limb), sum, row, remainder, inverse);
        });
    }

    /// Divides by the special primes, adds `c0` to the first part, and applies the automorphism.
    pub(crate) fn rotated_quotient(
        self,
        c0: &Polynomial<Ntt>,
        automorphism: &Automorphism,
    ) -> [Polynomial<Ntt>; 2] {
        let ring = self.context.ring();
        let mut parts = [(); 2].map(|()| Polynomial::unspecified(ring, self.limbs));
        self.divide(|ring, part, limb, row, remainder, inverse| {
            let addend = if part == 0 { c0.limb(limb) } else { ring.zero_row() };
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
