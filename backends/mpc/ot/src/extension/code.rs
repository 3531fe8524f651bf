//! Linear codes over the trees of an extension, which make its transfers 1-of-2 or 1-of-16.
//!
//! A tree of depth k gives the receiver a random bit `u` and the sender `u` times k bits of its secret. If the bits of the trees are made a
//! codeword of the choice, two choices differ in the sender's secret bits at the trees where their codewords do: there must be 128
//! such bits. The simplex code of dimension d has all nonzero words of d bits as its generator's columns, and any two codewords differ in
//! 2^(d-1) of 2^d - 1 places (MacWilliams, Sloane, "The Theory of Error-Correcting Codes", chapter 1); repeated 128 / (2^(d-1) k)
//! times it meets Griesmer's bound, so no shorter code will do. For d = 1 it is the repetition code of 1-of-2 transfers (Ishai, Kilian, Nissim, Petrank,
//! CRYPTO 2003), for d = 4 a code for 1-of-16 (Kolesnikov, Kumaresan, CRYPTO 2013, with subspace VOLE as in Roy, CRYPTO 2022, section 4).
//!
//! A transfer costs a bit per tree, less the d bits of trees that define the choice. At k = 8 these are 15 bits for 1-of-2 and 26
//! bits for 1-of-16; four transfers 1-of-2 would take 60, and twice the cipher blocks.

use crate::Error;

/// Bits that must differ between the sender's rows of two choices.
const SECURITY: usize = 128;

/// Depth of the trees of an extension: bytes against time. A 1-of-2 transfer takes `128 / k - 1` bits of communication and `2^k / k`
/// cipher blocks at each party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Depth(u32);

impl Depth {
    /// k = 8: the fewest bytes.
    pub const EIGHT: Depth = Depth(8);
    /// k = 4: twice the bytes, an eighth of the blocks.
    pub const FOUR: Depth = Depth(4);
    /// k = 2: four times the bytes, a sixteenth of the blocks.
    pub const TWO: Depth = Depth(2);

    /// Trees of so many levels.
    ///
    /// # Errors
    /// [`Error::Depth`] for anything but 2, 4 and 8.
    pub fn new(depth: u32) -> Result<Self, Error> {
        if [2, 4, 8].contains(&depth) { Ok(Self(depth)) } else { Err(Error::Depth { depth }) }
    }

    /// Levels of a tree, k.
    pub fn levels(self) -> usize {
        self.0 as usize
    }
}

impl Default for Depth {
    fn default() -> Self {
        Self::EIGHT
    }
}

/// Kind of the transfers of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of two: the repetition code.
    Pairs,
    /// One of sixteen: the simplex code of dimension four.
    Sixteen,
}

/// The code of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    kind: Kind,
    depth: Depth,
}

impl Code {
    pub(crate) fn new(kind: Kind, depth: Depth) -> Self {
        Self { kind, depth }
    }

    /// Bits of a choice, d.
    pub(crate) fn dimension(self) -> usize {
        match self.kind {
            Kind::Pairs => 1,
            Kind::Sixteen => 4,
        }
    }

    /// Number of keys of a transfer.
    pub(crate) fn keys(self) -> usize {
        1 << self.dimension()
    }

    /// Levels of a tree.
    pub(crate) fn levels(self) -> usize {
        self.depth.levels()
    }

    /// Trees for the same column of the generator.
    fn copies(self) -> usize {
        SECURITY / (self.levels() << (self.dimension() - 1))
    }

    /// Length of the code.
    pub(crate) fn trees(self) -> usize {
        (self.keys() - 1) * self.copies()
    }

    /// Bits of the sender's secret, and base transfers: one per level of every tree.
    pub(crate) fn columns(self) -> usize {
        self.trees() * self.levels()
    }

    /// The generator's column at a tree, bit i for bit i of the choice.
    pub(crate) fn generator(self, tree: usize) -> usize {
        tree / self.copies() + 1
    }

    /// The tree whose random bit is bit `bit` of the choice.
    pub(crate) fn defining(self, bit: usize) -> usize {
        ((1 << bit) - 1) * self.copies()
    }

    /// The trees whose bits are corrected, in the order of the corrections.
    pub(crate) fn corrected(self) -> impl Iterator<Item = usize> {
        (0..self.trees()).filter(move |tree| (0..self.dimension()).all(|bit| self.defining(bit) != *tree))
    }

    /// Bits of corrections per transfer.
    pub(crate) fn correction_bits(self) -> usize {
        self.trees() - self.dimension()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPTHS: [Depth; 3] = [Depth::TWO, Depth::FOUR, Depth::EIGHT];

    #[test]
    fn any_two_codewords_differ_at_trees_with_exactly_128_secret_bits() {
        for depth in DEPTHS {
            for kind in [Kind::Pairs, Kind::Sixteen] {
                let code = Code::new(kind, depth);
                for difference in 1..code.keys() {
                    let ones = |tree: &usize| (code.generator(*tree) & difference).count_ones() % 2 == 1;
                    let trees = (0..code.trees()).filter(ones).count();
                    assert_eq!(trees * code.levels(), 128, "{code:?} {difference}");
                }
            }
        }
    }

    #[test]
    fn defining_trees_have_unit_columns_and_the_others_are_corrected() {
        for depth in DEPTHS {
            for kind in [Kind::Pairs, Kind::Sixteen] {
                let code = Code::new(kind, depth);
                for bit in 0..code.dimension() {
                    assert_eq!(code.generator(code.defining(bit)), 1 << bit);
                }
                assert_eq!(code.corrected().count(), code.correction_bits());
            }
        }
    }

    #[test]
    fn a_transfer_takes_the_bits_that_the_documentation_says() {
        let bits = |kind| DEPTHS.map(|depth| Code::new(kind, depth).correction_bits());
        assert_eq!(bits(Kind::Pairs), [63, 31, 15]);
        assert_eq!(bits(Kind::Sixteen), [116, 56, 26]);
    }

    #[test]
    fn other_depths_do_not_exist() {
        for depth in [0, 1, 3, 5, 6, 7, 9, 16] {
            assert_eq!(Depth::new(depth), Err(Error::Depth { depth }));
        }
        assert_eq!(Depth::new(8), Ok(Depth::default()));
    }
}
