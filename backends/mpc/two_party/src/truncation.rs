//! Truncation of shared numbers: low bits are dropped by each party, and what is left is lifted, back into their ring or into another one.
//!
//! Each party drops the low `f` bits of its share modulo `2^L` ([`relu::truncate`](veilbench_ot::relu::truncate)): shares of `floor(y / 2^f)` or one less modulo `2^n`, `n = L - f`.
//! With an offset of `2^(n - 2)` that makes `t` positive, `t = t0 + t1 - 2^n (m0 or m1)` in the integers for the upper bits `m` of both shares; a correlated transfer
//! of the upper bit of one with that of the other gives shares of `m0 m1`, and `m0 or m1 = m0 + m1 - m0 m1`. Exact from `-2^(L - 2)` to below `2^(L - 2) - 2^(f - 1)`. The data owner's
//! bits may leave as soon as it knows its shares.
//!
//! # Views
//! Those of correlated transfers ([`veilbench_ot::correlated`]): the model owner sees the data owner's upper bits under random choices, the data owner numbers
//! under keys, of which it has those for its bits only.

use veilbench_ot::correlated::{Chosen, Receiver, Sender};
use veilbench_ot::relu::truncate;
use veilbench_ring::wiped::Wiped;

use crate::Error;
use crate::bits::low;

/// What is public of the truncation of shares modulo `2^ring_bits` by `shift` bits, to shares modulo `2^lifted_bits`, which are more than are left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truncation {
    pub(crate) ring_bits: u32,
    pub(crate) shift: u32,
    pub(crate) lifted_bits: u32,
}

/// At the data owner, between its bits and the model owner's numbers.
pub(crate) struct Lifting {
    truncation: Truncation,
    shares: Wiped<u64>,
    chosen: Chosen,
}

impl Truncation {
    fn bits(self) -> u32 {
        self.ring_bits - self.shift
    }

    /// Bits of a correlated transfer.
    fn number_bits(self) -> u32 {
        self.lifted_bits - self.bits()
    }

    /// Whether there are such shares: a truncation drops bits, leaves some, and lifts what it leaves.
    pub(crate) fn exists(self) -> bool {
        let Self { ring_bits, shift, lifted_bits } = self;
        shift > 0 && shift + 2 < ring_bits && ring_bits - shift < lifted_bits
    }

    /// Bytes of the data owner's message.
    pub(crate) fn choices_bytes(count: usize) -> usize {
        count.div_ceil(8)
    }

    /// Bytes of the model owner's message.
    pub(crate) fn numbers_bytes(self, count: usize) -> usize {
        (self.number_bits() as usize * count).div_ceil(8)
    }

    /// This party's share of the upper bits' sum, given its share of their product.
    fn lifted(self, share: u64, product: u64) -> u64 {
        let wraps = (share >> (self.bits() - 1)).wrapping_sub(product);
        share.wrapping_sub(wraps << self.bits())
    }

    /// Begins at the data owner. Returns the message to the model owner.
    pub(crate) fn choose(self, received: Receiver, shares: &[u64]) -> Result<(Lifting, Vec<u8>), Error> {
        let shares: Vec<u64> =
            shares.iter().map(|share| truncate(self.ring_bits, self.shift, *share)).collect();
        let shares = Wiped::from(shares);
        let upper: Vec<u8> = shares.iter().map(|share| (share >> (self.bits() - 1)) as u8).collect();
        let (chosen, message) = received.choose(&Wiped::from(upper))?;
        Ok((Lifting { truncation: self, shares, chosen }, message))
    }

    /// Ends at the model owner, whose shares are rounded. Returns its results, and the message to the data owner.
    pub(crate) fn send(
        self,
        sent: Sender,
        choices: &[u8],
        shares: &[u64],
    ) -> Result<(Vec<u64>, Vec<u8>), Error> {
        let offset = 1 << (self.bits() - 2);
        let truncated = |share: &u64| {
            let rounded = share.wrapping_add(half(self.shift));
            truncate(self.ring_bits, self.shift, rounded).wrapping_add(offset) & low(self.bits())
        };
        let shares: Wiped<u64> = shares.iter().map(truncated).collect::<Vec<_>>().into();
        let upper: Wiped<u64> =
            shares.iter().map(|share| share >> (self.bits() - 1)).collect::<Vec<_>>().into();
        let (products, message) = sent.send(&[self.number_bits()], choices, &upper)?;
        let lifted = shares.iter().zip(&products).map(|(share, product)| {
            self.lifted(*share, *product).wrapping_sub(offset) & low(self.lifted_bits)
        });
        Ok((lifted.collect(), message))
    }
}

impl Lifting {
    /// Ends at the data owner.
    pub(crate) fn receive(self, message: &[u8]) -> Result<Vec<u64>, Error> {
        let Self { truncation, shares, chosen } = self;
        let products = Wiped::from(chosen.receive(&[truncation.number_bits()], message)?);
        let lifted = shares.iter().zip(products.iter());
        Ok(lifted
            .map(|(share, product)| truncation.lifted(*share, *product) & low(truncation.lifted_bits))
            .collect())
    }
}

/// What the model owner adds before a truncation: the mean error is half a unit below zero, and not a whole one.
pub(crate) fn half(shift: u32) -> u64 {
    if shift > 0 { 1 << (shift - 1) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use veilbench_ot::{Kind, ideal};

    proptest! {
        #[test]
        fn shares_of_the_quotient_are_within_one_unit(
            numbers in prop::collection::vec((any::<i64>(), any::<u64>()), 1..40),
            shift in 1u32..20,
            ring_bits in 24u32..=50,
            lifted_bits in 50u32..=64,
            is_back in any::<bool>(),
        ) {
            let lifted_bits = if is_back { ring_bits } else { lifted_bits };
            let truncation = Truncation { ring_bits, shift, lifted_bits };
            prop_assert!(truncation.exists());
            let unused = 64 - (ring_bits - 1);
            let numbers: Vec<(i64, u64)> = numbers.into_iter().map(|(number, mask)| ((number >> unused) / 2, mask)).collect();
            let first: Vec<u64> = numbers.iter().map(|(_, mask)| mask & low(ring_bits)).collect();
            let second: Vec<u64> = numbers.iter().map(|(number, mask)| (*number as u64).wrapping_sub(*mask) & low(ring_bits)).collect();
            let (sent, received) = ideal::random_rows(Kind::Pairs, numbers.len()).unwrap();
            let (lifting, choices) = truncation.choose(Receiver::new(received).unwrap(), &first).unwrap();
            prop_assert_eq!(choices.len(), Truncation::choices_bytes(numbers.len()));
            let (at_model_owner, message) = truncation.send(Sender::new(sent).unwrap(), &choices, &second).unwrap();
            prop_assert_eq!(message.len(), truncation.numbers_bytes(numbers.len()));
            let at_data_owner = lifting.receive(&message).unwrap();
            for ((number, _), (a, b)) in numbers.iter().zip(at_data_owner.iter().zip(&at_model_owner)) {
                let sum = a.wrapping_add(*b) & low(lifted_bits);
                let sum = ((sum << (64 - lifted_bits)) as i64) >> (64 - lifted_bits);
                let rounded = (number + half(shift) as i64) >> shift;
                prop_assert!(sum == rounded || sum == rounded - 1, "{number} {sum} {rounded}");
            }
        }
    }
}
