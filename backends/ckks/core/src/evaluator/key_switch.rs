//! Hybrid key switching.
//!
//! The polynomial is cut into digits, each digit is taken to all primes, and the inner product with the key is
//! divided by the special primes. All that can stays in the NTT domain: a digit's own primes are not
//! transformed at all.

use crate::context::{Context, Division};
use crate::error::{Error, Result};
use crate::keys::{DigitLength, SwitchingKey};
use crate::parameters::MAX_PRIMES;
use arrayvec::ArrayVec;
use veilbench_ring::kernels::{GROUP, Stream};
use veilbench_ring::modulus::Factor;
use veilbench_ring::parallel;
use veilbench_ring::scratch::Scratch;
use veilbench_ring::{Automorphism, BaseConversion, Ntt, Polynomial, Ring};

/// Something for each of some primes or digits, on the stack: this is where the hot loops are.
type Few<T> = ArrayVec<T, MAX_PRIMES>;

/// How the first `limbs` data primes fall into digits.
#[derive(Clone, Copy)]
struct Digits<'a> {
    context: &'a Context,
    limbs: usize,
    length: DigitLength,
}

impl<'a> Digits<'a> {
    fn count(self) -> usize {
        self.length.digits(self.context, self.limbs)
    }

    fn primes(self, digit: usize) -> std::ops::Range<usize> {
        let primes = self.length.primes(self.context);
        digit * primes..((digit + 1) * primes).min(self.limbs)
    }

    fn conversion(self, digit: usize) -> &'a BaseConversion {
        let tables = self.context.tables();
        let digits = match self.length {
            DigitLength::Short => &tables.digits,
            DigitLength::Long => &tables.long_digits,
        };
        &digits[digit][self.primes(digit).len() - 1]
    }

    /// The primes of the ring that rows of such a polynomial are modulo.
    fn indices(self, rows: std::ops::Range<usize>) -> Few<usize> {
        rows.map(|row| self.context.ring().extended_index(self.limbs, row)).collect()
    }

    /// Those of the primes that a digit has to be taken to.
    fn foreign(self, digit: usize, indices: &[usize]) -> impl Iterator<Item = usize> {
        let own = self.primes(digit);
        indices.iter().copied().filter(move |index| !own.contains(index))
    }

    /// The products of all digits with both halves of a key, modulo the prime of row `row`.
    fn inner_product(self, row: usize, values: &[&[u64]], key: &SwitchingKey, out: [&mut [u64]; 2]) {
        let ring = self.context.ring();
        let index = ring.extended_index(self.limbs, row);
        let [first, second] = out;
        let keys = Stream::of(&key.rows[index], 2 * key.digits * ring.degree());
        ring.kernels().dot_stream(ring.modulus(index), values, (keys, key.digits), first, second);
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
    fn new(context: &'a Context, source: &Polynomial<Ntt>, length: DigitLength) -> Self {
        let (ring, degree) = (context.ring(), context.ring().degree());
        let digits = Digits { context, limbs: source.limbs(), length };
        let of_digit = length.primes(context);
        let mut rows = context.tables().scratch.take((digits.limbs + digits.count()) * degree);
        let words = rows.len();
        let (values, overflows) = rows.split_at_mut(digits.limbs * degree);
        parallel::for_each(words, values.chunks_exact_mut(degree).enumerate(), |(index, row)| {
            let digit = index / of_digit;
            row.copy_from_slice(source.limb(index));
            digits.conversion(digit).prepare(ring, index - digits.primes(digit).start, row);
        });
        let values = &*values;
        parallel::for_each(words, overflows.chunks_exact_mut(degree).enumerate(), |(digit, overflow)| {
            let rows: Few<&[u64]> =
                digits.primes(digit).map(|index| &values[index * degree..(index + 1) * degree]).collect();
            digits.conversion(digit).count_overflow(ring, &rows, overflow);
        });
        Self { digits, rows }
    }

    /// The coefficients of digit `digit` modulo the primes `targets`, none of them its own: `out` holds one row
    /// for each.
    fn convert(&self, digit: usize, targets: &[usize], out: &mut [u64]) {
        let ring = self.digits.context.ring();
        let degree = ring.degree();
        let row = |index: usize| &self.rows[index * degree..(index + 1) * degree];
        let overflow = row(self.digits.limbs + digit);
        let conversion = self.digits.conversion(digit);
        let rows: Few<&[u64]> = self
            .digits
            .primes(digit)
            .map(row)
            .chain(conversion.needs_overflow().then_some(overflow))
            .collect();
        conversion.convert_many(ring, &rows, targets, out);
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

/// Every short digit of a polynomial modulo every prime: what rotations of one ciphertext have in common.
pub(crate) struct Decomposition<'a> {
    digits: Digits<'a>,
    /// Digit after digit, for each the rows of all primes.
    rows: Scratch<'a>,
}

impl<'a> Decomposition<'a> {
    pub(crate) fn new(context: &'a Context, source: &'a Polynomial<Ntt>) -> Self {
        let prepared = Prepared::new(context, source, DigitLength::Short);
        let digits = prepared.digits;
        let degree = context.ring().degree();
        let extended = digits.extended_rows();
        let mut rows = context.tables().scratch.take(digits.count() * extended * degree);
        let (words, group) = (rows.len(), prepared.group());
        let mut pieces = Vec::new();
        for (digit, rows) in rows.chunks_exact_mut(extended * degree).enumerate() {
            let own = digits.primes(digit);
            let (before, rest) = rows.split_at_mut(own.start * degree);
            let (own_rows, after) = rest.split_at_mut(own.len() * degree);
            for (index, row) in own.clone().zip(own_rows.chunks_exact_mut(degree)) {
                row.copy_from_slice(source.limb(index));
            }
            for (first, rows) in [(0, before), (own.end, after)] {
                let chunks = rows.chunks_mut(group * degree).enumerate();
                pieces.extend(chunks.map(|(chunk, rows)| (digit, first + chunk * group, rows)));
            }
        }
        // Rows of one prime one after another: they share its roots of unity.
        pieces.sort_by_key(|&(digit, first, _)| (first, digit));
        parallel::for_each(words, pieces, |(digit, first, rows)| {
            let targets = digits.indices(first..first + rows.len() / degree);
            prepared.convert(digit, &targets, rows);
            for (&target, row) in targets.iter().zip(rows.chunks_exact_mut(degree)) {
                context.ring().forward(target, row);
            }
        });
        Self { digits, rows }
    }

    /// The product with the secret that a key of short digits switches from; `operation` is what for.
    ///
    /// # Errors
    /// [`Error::LongDigits`] for another key.
    pub(crate) fn switch(
        &self,
        key: &SwitchingKey,
        operation: impl FnOnce() -> String,
    ) -> Result<Extended<'a>> {
        let Digits { context, limbs, length } = self.digits;
        if key.length != length {
            return Err(Error::LongDigits { operation: operation() });
        }
        let degree = context.ring().degree();
        let mut sums = Extended::new(context, limbs);
        sums.fill(1, |row, first, second| {
            let values: Few<&[u64]> = (0..self.digits.count())
                .map(|digit| {
                    let start = (digit * self.digits.extended_rows() + row) * degree;
                    &self.rows[start..start + degree]
                })
                .collect();
            self.digits.inner_product(row, &values, key, [first, second]);
        });
        Ok(sums)
    }
}

/// The product of a polynomial and the secret a key switches from, under the secret it switches to.
pub(crate) fn switch<'a>(context: &'a Context, source: &Polynomial<Ntt>, key: &SwitchingKey) -> Extended<'a> {
    let prepared = Prepared::new(context, source, key.length);
    let (digits, degree) = (prepared.digits, context.ring().degree());
    let mut sums = Extended::new(context, source.limbs());
    let group = prepared.group();
    sums.fill(group, |start, first, second| {
        let indices = digits.indices(start..start + first.len() / degree);
        let mut buffers = context.tables().scratch.take(group * digits.count() * degree);
        // The rows of each digit's own primes are borrowed from the source, all others fill the buffers.
        for (digit, buffer) in buffers.chunks_exact_mut(group * degree).enumerate() {
            let foreign: Few<usize> = digits.foreign(digit, &indices).collect();
            prepared.convert(digit, &foreign, &mut buffer[..foreign.len() * degree]);
        }
        let halves = first.chunks_exact_mut(degree).zip(second.chunks_exact_mut(degree));
        for (position, (first, second)) in halves.enumerate() {
            let index = indices[position];
            // All rows of one prime one after another: they share its roots of unity.
            let values: Few<&[u64]> = buffers
                .chunks_exact_mut(group * degree)
                .enumerate()
                .map(|(digit, buffer)| {
                    if digits.primes(digit).contains(&index) {
                        return source.limb(index);
                    }
                    let place = digits.foreign(digit, &indices[..position]).count();
                    let row = &mut buffer[place * degree..(place + 1) * degree];
                    context.ring().forward(index, row);
                    &*row
                })
                .collect();
            digits.inner_product(start + position, &values, key, [first, second]);
        }
    });
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

    /// Works on both parts, `group` rows at a time: `work` gets the first row and the rows of both.
    fn fill(&mut self, group: usize, work: impl Fn(usize, &mut [u64], &mut [u64]) + Sync + Send) {
        let length = group * self.context.ring().degree();
        let [first, second] = &mut self.parts;
        let words = 2 * first.len();
        let chunks = first.chunks_mut(length).zip(second.chunks_mut(length)).enumerate();
        parallel::for_each(words, chunks, |(chunk, (first, second))| work(chunk * group, first, second));
    }

    /// Adds another pair.
    pub(crate) fn add(&mut self, other: &Extended<'_>) {
        let (ring, limbs) = (self.context.ring(), self.limbs);
        let other = &other.parts;
        self.fill(1, |row, first, second| {
            let m = ring.modulus(ring.extended_index(limbs, row));
            for (sum, part) in [first, second].into_iter().zip(other) {
                ring.kernels().add_assign(m, sum, &part[row * ring.degree()..(row + 1) * ring.degree()]);
            }
        });
    }

    /// Adds another pair with an automorphism applied to it.
    pub(crate) fn add_permuted(&mut self, other: &Extended<'_>, automorphism: &Automorphism) {
        let (ring, limbs) = (self.context.ring(), self.limbs);
        let scratch = &self.context.tables().scratch;
        let other = &other.parts;
        self.fill(1, |row, first, second| {
            let m = ring.modulus(ring.extended_index(limbs, row));
            let mut permuted = scratch.take(ring.degree());
            for (sum, part) in [first, second].into_iter().zip(other) {
                let part = &part[row * ring.degree()..(row + 1) * ring.degree()];
                ring.kernels().permute(automorphism.blocks(), part, &mut permuted);
                ring.kernels().add_assign(m, sum, &permuted);
            }
        });
    }

    /// Divides by the special primes and rounds, into `out`; `finish` makes a row of it.
    fn divide(
        mut self,
        out: &mut [Polynomial<Ntt>; 2],
        finish: impl Fn(Quotient<'_>, &mut [u64]) + Sync + Send,
    ) {
        let (context, limbs) = (self.context, self.limbs);
        let ring = context.ring();
        let Division { conversion, inverses } = &context.tables().special_division;
        let degree = ring.degree();
        let words = self.parts[0].len();
        let [(first, first_special), (second, second_special)] =
            self.parts.each_mut().map(|part| part.split_at_mut(limbs * degree));
        let special = first_special.chunks_exact_mut(degree).zip(second_special.chunks_exact_mut(degree));
        parallel::for_each(words, special.enumerate(), |(position, (first, second))| {
            conversion.prepare(ring, position, first);
            conversion.prepare(ring, position, second);
        });
        let mut overflows = context.tables().scratch.take(2 * degree);
        let (first_overflow, second_overflow) = overflows.split_at_mut(degree);
        let sources = [(first_special, first_overflow), (second_special, second_overflow)].map(
            |(special, overflow)| {
                let special: Few<&[u64]> = special.chunks_exact(degree).collect();
                conversion.count_overflow(ring, &special, overflow);
                let overflow = conversion.needs_overflow().then_some(&*overflow);
                special.into_iter().chain(overflow).collect::<Few<&[u64]>>()
            },
        );
        let data = [&*first, &*second];
        let group = if conversion.needs_overflow() { GROUP } else { 1 };
        let [first, second] = out.each_mut().map(|part| part.groups_mut(group));
        parallel::for_each(words, first.zip(second).enumerate(), |(chunk, (first, second))| {
            let mut out = [first, second];
            let targets: Few<usize> = (chunk * group..limbs.min((chunk + 1) * group)).collect();
            let mut remainders = context.tables().scratch.take(2 * group * degree);
            let (first, second) = remainders.split_at_mut(group * degree);
            let mut remainders = [first, second];
            for (sources, remainders) in sources.iter().zip(&mut remainders) {
                conversion.convert_many(ring, sources, &targets, &mut remainders[..targets.len() * degree]);
            }
            for (position, &limb) in targets.iter().enumerate() {
                let place = position * degree..(position + 1) * degree;
                for (part, (out, remainders)) in out.iter_mut().zip(&mut remainders).enumerate() {
                    let remainder = &mut remainders[place.clone()];
                    ring.forward(limb, remainder);
                    let row = &data[part][limb * degree..(limb + 1) * degree];
                    let quotient = Quotient { ring, part, limb, row, remainder, inverse: inverses[limb] };
                    finish(quotient, &mut out[place.clone()]);
                }
            }
        });
    }

    /// Divides by the special primes and adds the result to `parts`.
    pub(crate) fn add_quotient(self, parts: &mut [Polynomial<Ntt>; 2]) {
        self.divide(parts, |Quotient { ring, limb, row, remainder, inverse, .. }, sum| {
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
        self.divide(&mut parts, |Quotient { ring, part, limb, row, remainder, inverse }, out| {
            let addend = if part == 0 { c0.limb(limb) } else { ring.zero_row() };
            ring.kernels().permute_subtract_scale_add(
                ring.modulus(limb),
                automorphism.blocks(),
                [row, remainder, addend],
                inverse,
                out,
            );
        });
        parts
    }
}

/// A row divided by the special primes: `(row - remainder) * inverse`.
struct Quotient<'a> {
    ring: &'a Ring,
    part: usize,
    limb: usize,
    row: &'a [u64],
    remainder: &'a [u64],
    inverse: Factor,
}
