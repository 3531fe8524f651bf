//! Whether one party's number is less than the other's, in shares: digits of four bits looked up, and a tree of products over them.
//!
//! The offerer's table for digit `j` has `less[v] = [a_j < v]` and `equal[v] = [a_j = v]`. Of two neighbours the tree makes `less = less_h + equal_h
//! less_l` and `equal = equal_h equal_l`; the lowest digit, and what it is part of, need no `equal`. Garay, Schoenmakers, Villegas, "Practical and
//! Secure Solutions for Integer Comparison", PKC 2007; with lookups as in CrypTFlow2 (CCS 2020, section 3).
//!
//! A plane is a bit of every comparison, 64 to a word.

use std::vec::IntoIter;

use crate::Error;
use crate::bits::{Reader, Writer, low, plane};
use crate::shares::gates::{Opening, Triple};
use crate::transfers::lookup::{CHOICE_BITS, Shape, Tables};
use veilbench_ring::wiped::Wiped;

/// Public size of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digits {
    bits: u32,
}

impl Digits {
    /// Describes numbers of `bits` bits, at least one.
    pub(crate) fn new(bits: u32) -> Self {
        Self { bits }
    }

    /// Digits of a number.
    pub(crate) fn count(self) -> usize {
        self.bits.div_ceil(CHOICE_BITS) as usize
    }

    /// Size of the lookup of every digit, from the lowest.
    pub(crate) fn shapes(self) -> Vec<Shape> {
        let digits = (0..self.bits).step_by(CHOICE_BITS as usize);
        digits.map(|at| Shape::of((self.bits - at).min(CHOICE_BITS), if at == 0 { 1 } else { 2 })).collect()
    }

    /// The digits of numbers, all of one after those of the other.
    pub(crate) fn of(self, numbers: &[u64]) -> Wiped<u8> {
        let mut digits = Wiped::with_capacity(numbers.len() * self.count());
        for number in numbers {
            let number = number & low(self.bits);
            digits
                .extend((0..self.count()).map(|digit| (number >> (CHOICE_BITS as usize * digit)) as u8 & 15));
        }
        digits
    }

    /// Levels of the tree.
    pub(crate) fn levels(self) -> usize {
        self.count().next_power_of_two().trailing_zeros() as usize
    }

    /// Products on a level, the lowest being 1.
    pub(crate) fn gates_on(self, level: usize) -> usize {
        self.count().div_ceil(1 << (level - 1)) / 2
    }

    /// Products of all levels.
    pub(crate) fn gates(self) -> usize {
        self.count() - 1
    }

    /// Bits per comparison that each party opens on a level: three per product, but two where the lowest digit is.
    pub(crate) fn opened_bits(self, level: usize) -> usize {
        3 * self.gates_on(level) - 1
    }
}

/// Tables of an offerer's digit.
pub(crate) fn tables(digit: u8) -> Tables {
    [(0xfffe_u32 << digit) as u16, 1 << digit]
}

/// A party's shares of what two intervals of digits are: less, and, unless the lowest digit is among them, equal.
pub(crate) struct Node {
    pub(crate) less: Wiped<u64>,
    equal: Option<Wiped<u64>>,
}

/// The nodes of single digits out of shares of lookups, in the order of [`Digits::of`].
pub(crate) fn leaves(digits: Digits, shares: &[u8]) -> Vec<Node> {
    let count = digits.count();
    let bits = |digit: usize, bit: u32| {
        plane(shares.chunks_exact(count).map(move |shares| u64::from(shares[digit] >> bit)))
    };
    let node = |digit| Node { less: bits(digit, 0), equal: (digit > 0).then(|| bits(digit, 1)) };
    (0..count).map(node).collect()
}

/// A level of the tree whose factors are on their way.
pub(crate) struct Opened {
    pairs: Vec<(Opening, Wiped<u64>)>,
    single: Option<Node>,
}

impl Opened {
    /// Begins to join neighbours with the next triples.
    pub(crate) fn new(nodes: Vec<Node>, triples: &mut IntoIter<Triple>) -> Result<Self, Error> {
        let (mut pairs, mut single) = (Vec::with_capacity(nodes.len() / 2), None);
        let mut nodes = nodes.into_iter();
        while let Some(lower) = nodes.next() {
            let Some(Node { less, equal: Some(equal) }) = nodes.next() else {
                single = Some(lower);
                break;
            };
            let factors: Vec<&[u64]> =
                std::iter::once(&lower.less).chain(&lower.equal).map(|plane| plane.as_slice()).collect();
            let triple = triples.next().ok_or(Error::Count {
                what: "triples of a level",
                expected: pairs.len() + 1,
                actual: pairs.len(),
            })?;
            pairs.push((triple.open(&equal, &factors), less));
        }
        Ok(Self { pairs, single })
    }

    pub(crate) fn write(&self, message: &mut Writer) {
        for (opening, _) in &self.pairs {
            opening.write(message);
        }
    }

    /// The nodes of the next level; `first` is true at one of the parties.
    pub(crate) fn close(self, first: bool, message: &mut Reader<'_>) -> Vec<Node> {
        let join = |(opening, mut less): (Opening, Wiped<u64>)| {
            let mut products = opening.close(first, message).into_iter();
            for (less, product) in less.iter_mut().zip(products.next().unwrap_or_default().iter()) {
                *less ^= product;
            }
            Node { less, equal: products.next() }
        };
        let mut nodes: Vec<Node> = self.pairs.into_iter().map(join).collect();
        nodes.extend(self.single);
        nodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_say_less_and_equal() {
        for a in 0..16 {
            let [less, equal] = tables(a);
            for v in 0..16 {
                assert_eq!((less >> v & 1 == 1, equal >> v & 1 == 1), (a < v, a == v));
            }
        }
    }

    #[test]
    fn sizes_are_those_of_a_tree_over_digits_of_four_bits() {
        // Of 26 bits: five digits of two results, the lowest of one, and a highest of two bits.
        let digits = Digits::new(26);
        assert_eq!((digits.count(), digits.levels(), digits.gates()), (7, 3, 6));
        assert_eq!(
            digits.shapes().iter().map(|shape| shape.bits()).collect::<Vec<_>>(),
            [15, 30, 30, 30, 30, 30, 6]
        );
        assert_eq!([1, 2, 3].map(|level| digits.opened_bits(level)), [8, 5, 2]);
        for bits in 1..64 {
            let digits = Digits::new(bits);
            let gates: usize = (1..=digits.levels()).map(|level| digits.gates_on(level)).sum();
            assert_eq!(gates, digits.gates(), "{bits} bits");
            assert_eq!(digits.shapes().len(), digits.count());
        }
        assert_eq!(*Digits::new(10).of(&[0x7a5, 0x0ff]), [5, 10, 3, 15, 15, 0]);
    }
}
