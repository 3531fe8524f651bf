//! Squares of both numbers of a [pair](crate::Context::encode_pairs), and their sums.
//!
//! With `z` for the pair `(x, y)` and `z'` for its conjugate, the pair `(x^2, y^2)` is `z z' + (z^2 - z'^2) / 2`. Twice that is
//! computed, and the scale doubled.
//!
//! **One square** is `2 z^2 - (z - z')^2`: the key switches of a conjugation and of a product.
//!
//! **A sum of squares** switches once what all its terms add up to. Of `z = c0 + c1 s` the conjugate is `z' = c0' + c1' s'`, and
//! `2 z z' + z^2 - z'^2` has the terms
//!
//! | of | 1 | `s` | `s'` | `s^2` | `s'^2` | `s s'` |
//! |---|---|---|---|---|---|---|
//! | | `2 c0 c0' + c0^2 - c0'^2` | `2 c1 (c0' + c0)` | `2 c1' (c0 - c0')` | `c1^2` | `-c1'^2` | `2 c1 c1'` |
//!
//! Those of `s'` and `s'^2` are the conjugates of `2 c1 (c0' - c0)` of `s` and of `-c1^2` of `s^2`, which are switched to `s'` and
//! conjugated last. So three polynomials are cut into digits, those of `c1^2` meet two keys, and what comes of all is divided by the
//! special primes once, however many terms there are.

use super::Evaluator;
use super::key_switch::{Decomposition, switch};
use crate::ciphertext::Ciphertext;
use crate::error::Result;
use crate::keys::PAIR_SUMS;
use veilbench_ring::parallel;
use veilbench_ring::{Automorphism, Ntt, Polynomial};

impl Evaluator {
    /// The sum of the squares of some ciphertexts of pairs, each number of a slot for itself. The scale is twice the square of theirs.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) if there are no ciphertexts, [`Error::LevelMismatch`](crate::Error::LevelMismatch) or
    /// [`Error::ScaleMismatch`](crate::Error::ScaleMismatch) if they differ, and as [`Evaluator::multiply`] and
    /// [`Evaluator::conjugate`]; [`Error::NoPairKeys`](crate::Error::NoPairKeys) for more than one if only single squares were
    /// [asked for](crate::PairSquares).
    pub fn sum_of_pair_squares(&self, ciphertexts: &[&Ciphertext]) -> Result<Ciphertext> {
        let (first, rest) = self.squared(ciphertexts)?;
        let scale = 2.0 * first.scale * first.scale;
        if rest.is_empty() { self.pair_square(first, scale) } else { self.pair_squares(ciphertexts, scale) }
    }

    fn pair_square(&self, pair: &Ciphertext, scale: f64) -> Result<Ciphertext> {
        let difference = self.subtract(pair, &self.conjugate(pair)?)?;
        let (ring, kernels) = (self.context.ring(), self.context.ring().kernels());
        self.relinearised(pair, scale, |index, mut out| {
            let m = ring.modulus(index);
            let two = m.factor(2);
            let mut square = [(); 3].map(|()| self.context.tables().scratch.take(ring.degree()));
            kernels.square(m, rows(pair, index), out.each_mut().map(|row| &mut **row));
            kernels.square(m, rows(&difference, index), square.each_mut().map(|row| &mut row[..]));
            for (out, row) in out.iter_mut().zip(&square) {
                kernels.scale_assign(m, out, two);
                kernels.subtract_assign(m, out, row);
            }
        })
    }

    fn pair_squares(&self, terms: &[&Ciphertext], scale: f64) -> Result<Ciphertext> {
        let (context, first) = (&self.context, terms[0]);
        let (ring, level) = (context.ring(), first.level());
        let squares_key = self.keys.relinearisation(level)?;
        let conjugation = self.keys.conjugation(ring.degree(), level)?;
        let keys = self.keys.pairs(level)?;
        context.check_scale(scale, level)?;
        let mut sums = [(); 5].map(|()| Polynomial::<Ntt>::unspecified(ring, first.limbs()));
        let words = 6 * terms.len() * first.limbs() * ring.degree();
        let [constant, own, squares, mixed, turned] = sums.each_mut().map(|sum| sum.rows_mut());
        let sums_of_limbs = constant.zip(own).zip(squares).zip(mixed).zip(turned).enumerate();
        parallel::for_each(words, sums_of_limbs, |(index, ((((constant, own), squares), mixed), turned))| {
            let sums = Sums { constant, own, squares, mixed, turned };
            self.add_terms(terms, index, &conjugation.automorphism, sums);
        });
        let [constant, own, squares, mixed, turned] = sums;
        let squares = Decomposition::new(context, &squares);
        let mut switched = squares.switch(squares_key, || "products".into())?;
        switched.add(&switch(context, &mixed, &keys.mixed));
        let mut conjugates = squares.switch(&keys.negated_square, || PAIR_SUMS.into())?;
        conjugates.add(&switch(context, &turned, &conjugation.switching));
        switched.add_permuted(&conjugates, &conjugation.automorphism);
        let mut sum = first.like([constant, own]);
        sum.scale = scale;
        switched.add_quotient(&mut sum.parts);
        Ok(sum)
    }

    /// Fills one limb of the sums over all terms.
    fn add_terms(&self, terms: &[&Ciphertext], index: usize, conjugation: &Automorphism, sums: Sums<'_>) {
        let Sums { constant, own, squares, mixed, turned } = sums;
        let (ring, scratch) = (self.context.ring(), &self.context.tables().scratch);
        let (m, kernels) = (ring.modulus(index), ring.kernels());
        let mut conjugate = [(); 2].map(|()| scratch.take(ring.degree()));
        let mut square = [(); 3].map(|()| scratch.take(ring.degree()));
        let mut crossed = scratch.take(ring.degree());
        for sum in [&mut *constant, &mut *own, &mut *squares, &mut *mixed, &mut *turned, &mut crossed[..]] {
            sum.fill(0);
        }
        for term in terms {
            let parts = rows(term, index);
            for (conjugate, part) in conjugate.iter_mut().zip(parts) {
                kernels.permute(conjugation.blocks(), part, conjugate);
            }
            kernels.square(m, parts, square.each_mut().map(|row| &mut row[..]));
            for (sum, row) in [&mut *constant, &mut *own, &mut *squares].into_iter().zip(&square) {
                kernels.add_assign(m, sum, row);
            }
            kernels.multiply_add(m, &mut crossed, parts[0], &conjugate[0]);
            kernels.multiply_add(m, turned, parts[1], &conjugate[0]);
            kernels.multiply_add(m, mixed, parts[1], &conjugate[1]);
        }
        // So far `constant` is the sum of c0^2, `crossed` of c0 c0', `own` of 2 c0 c1 and `turned` of c1 c0'.
        let two = m.factor(2);
        let [spare, _] = &mut conjugate;
        kernels.permute(conjugation.blocks(), constant, spare);
        kernels.subtract_assign(m, constant, spare);
        kernels.scale_add(m, constant, &crossed, two);
        kernels.scale_assign(m, mixed, two);
        kernels.scale_assign(m, turned, two);
        spare.copy_from_slice(own);
        kernels.add_assign(m, own, turned);
        kernels.subtract_assign(m, turned, spare);
    }
}

/// One limb of what a sum of squares multiplies: nothing, the secret, its square, its product with its conjugate, and, conjugated, what
/// multiplies that conjugate.
struct Sums<'a> {
    constant: &'a mut [u64],
    own: &'a mut [u64],
    squares: &'a mut [u64],
    mixed: &'a mut [u64],
    turned: &'a mut [u64],
}

/// One limb of both parts of a ciphertext.
fn rows(ciphertext: &Ciphertext, index: usize) -> [&[u64]; 2] {
    ciphertext.parts.each_ref().map(|part| part.limb(index))
}
