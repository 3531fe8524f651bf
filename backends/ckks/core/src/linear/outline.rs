//! How a linear map is walked through: baby steps, giant steps and the rotation keys they need, without any weight.

use std::collections::BTreeSet;

/// What steps cost, in halves of a baby step.
const BABY_COST: usize = 2;
const GIANT_COST: usize = 4;
/// A giant step in a chain divides by the special primes itself.
const CHAINED_GIANT_COST: usize = 5;

/// The largest multiple of the common divisor of all shifts that is tried as the distance of giant steps.
const LARGEST_MULTIPLE: i64 = 64;

/// Which diagonals a transform has, and how it walks through them: public, unlike the weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransformOutline {
    pub(super) step: i64,
    /// `(input, baby shift)`, in the order rotations are kept.
    pub(super) babies: Vec<(usize, i64)>,
    /// For every output its giant shifts.
    giants: Vec<BTreeSet<i64>>,
    /// Whether a partial sum is rotated by the distance to the next, again and again, as in Horner's rule: few keys
    /// for many giant steps. Otherwise every partial sum is rotated by its shift.
    pub(super) chained: bool,
    diagonals: usize,
}

impl TransformOutline {
    /// The outline for these diagonals of every output, with the distance of giant steps that makes the fewest key
    /// switches.
    pub fn new(outputs: &[BTreeSet<(usize, i64)>]) -> Self {
        Self::with_key_cost(outputs, 0)
    }

    /// The outline that costs least, where a rotation key counts as much as this many halves of a hoisted rotation.
    pub fn with_key_cost(outputs: &[BTreeSet<(usize, i64)>], key_cost: usize) -> Self {
        let shifts: BTreeSet<i64> = outputs.iter().flatten().map(|&(_, shift)| shift).collect();
        let divisor = shifts.iter().fold(0, |divisor, &shift| greatest_common_divisor(divisor, shift)).max(1);
        let reach = shifts.iter().map(|shift| shift.abs()).max().unwrap_or(0);
        let multiples = (1..=LARGEST_MULTIPLE).map(|multiple| multiple * divisor);
        multiples
            .chain((0..62).map(|bits| 1i64 << bits))
            .filter(|&step| step <= 2 * reach)
            .map(|step| Self::with_step(outputs, step))
            .flat_map(|outline| {
                let chain = (key_cost > 0).then(|| Self { chained: true, ..outline.clone() });
                std::iter::once(outline).chain(chain)
            })
            .min_by_key(|outline| outline.cost(key_cost))
            .unwrap_or_else(|| Self::with_step(outputs, 1))
    }

    fn cost(&self, key_cost: usize) -> usize {
        let giant = if self.chained { CHAINED_GIANT_COST } else { GIANT_COST };
        let keys = if key_cost == 0 { 0 } else { key_cost * self.rotations().len() };
        BABY_COST * self.babies.len() + giant * self.giant_steps() + keys
    }

    /// Whether it walks through the diagonals of these outputs.
    pub(super) fn is_of(&self, outputs: &[BTreeSet<(usize, i64)>]) -> bool {
        *self == Self { chained: self.chained, ..Self::with_step(outputs, self.step) }
    }

    fn with_step(outputs: &[BTreeSet<(usize, i64)>], step: i64) -> Self {
        let babies: BTreeSet<(usize, i64)> =
            outputs.iter().flatten().map(|&(input, shift)| (input, shift.rem_euclid(step))).collect();
        let giant = |&(_, shift): &(usize, i64)| shift - shift.rem_euclid(step);
        Self {
            step,
            babies: babies.into_iter().collect(),
            giants: outputs.iter().map(|output| output.iter().map(giant).collect()).collect(),
            chained: false,
            diagonals: outputs.iter().map(BTreeSet::len).sum(),
        }
    }

    /// The rotations that need keys.
    pub fn rotations(&self) -> BTreeSet<i64> {
        self.hoisted_rotations().into_iter().chain(self.rotations_of_sums()).collect()
    }

    /// Those of inputs, which are hoisted.
    pub fn hoisted_rotations(&self) -> BTreeSet<i64> {
        self.babies.iter().map(|&(_, shift)| shift).filter(|&shift| shift != 0).collect()
    }

    /// Those of partial sums: of products with weights, which keys of [long digits](crate::LongDigits) may rotate.
    pub fn rotations_of_sums(&self) -> BTreeSet<i64> {
        let rotations = self.giants.iter().flat_map(|giants| self.giant_rotations(giants));
        rotations.filter(|&shift| shift != 0).collect()
    }

    /// By how much partial sums of an output are rotated.
    fn giant_rotations(&self, giants: &BTreeSet<i64>) -> Vec<i64> {
        if !self.chained {
            return giants.iter().copied().collect();
        }
        let gaps = giants.iter().zip(giants.iter().skip(1)).map(|(low, high)| high - low);
        giants.first().copied().into_iter().chain(gaps).collect()
    }

    /// Hoisted rotations of inputs.
    pub fn baby_steps(&self) -> usize {
        self.babies.iter().filter(|(_, shift)| *shift != 0).count()
    }

    /// Rotations of partial sums.
    pub fn giant_steps(&self) -> usize {
        let rotations = self.giants.iter().flat_map(|giants| self.giant_rotations(giants));
        rotations.filter(|&shift| shift != 0).count()
    }

    /// Whether partial sums are rotated on and on, which takes a division by the special primes each time.
    pub fn is_chained(&self) -> bool {
        self.chained
    }

    /// Plaintext vectors.
    pub fn diagonals(&self) -> usize {
        self.diagonals
    }
}

fn greatest_common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { greatest_common_divisor(b, a % b) }
}
