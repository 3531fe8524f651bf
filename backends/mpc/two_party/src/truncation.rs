//! Truncation of shared numbers: low bits are dropped by each party, and what is left is lifted, back into their ring or into another one.
//!
//! Each party drops the low `f` bits of its share modulo `2^L` ([`relu::truncate`](veilbench_ot::relu::truncate)). On average over masks both floors together take off
//! `2^f - 1`, which the model owner adds before ([`centring`]). What is left are shares modulo `2^n`, `n = L - f`, of `floor(y / 2^f)` or `ceil(y / 2^f)`, with the mean `y / 2^f`: each of
//! the two as probable as the other is far, and nothing else if `2^f` divides `y`.
//!
//! With an offset of `2^(n - 2)` that makes `t` positive, `t = t0 + t1 - 2^n (m0 or m1)` in the integers for the upper bits `m` of both shares; a correlated transfer
//! of the upper bit of one with that of the other gives shares of `m0 m1`, and `m0 or m1 = m0 + m1 - m0 m1`. For `y` from `-2^(L - 2)` to `2^(L - 2) - 2^f`, both included; from there on with
//! errors of `2^n`. The data owner's bits may leave as soon as it knows its shares.
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

    /// Ends at the model owner. Returns its results, and the message to the data owner.
    pub(crate) fn send(
        self,
        sent: Sender,
        choices: &[u8],
        shares: &[u64],
    ) -> Result<(Wiped<u64>, Vec<u8>), Error> {
        let offset = 1 << (self.bits() - 2);
        let truncated = |share: &u64| {
            let centred = share.wrapping_add(centring(self.shift));
            truncate(self.ring_bits, self.shift, centred).wrapping_add(offset) & low(self.bits())
        };
        let shares: Wiped<u64> = shares.iter().map(truncated).collect::<Vec<_>>().into();
        let upper: Wiped<u64> =
            shares.iter().map(|share| share >> (self.bits() - 1)).collect::<Vec<_>>().into();
        let (products, message) = sent.send(&[self.number_bits()], choices, &upper)?;
        let products = Wiped::from(products);
        let lifted = shares.iter().zip(products.iter()).map(|(share, product)| {
            self.lifted(*share, *product).wrapping_sub(offset) & low(self.lifted_bits)
        });
        Ok((lifted.collect::<Vec<u64>>().into(), message))
    }
}

impl Lifting {
    /// Ends at the data owner.
    pub(crate) fn receive(self, message: &[u8]) -> Result<Wiped<u64>, Error> {
        let Self { truncation, shares, chosen } = self;
        let products = Wiped::from(chosen.receive(&[truncation.number_bits()], message)?);
        let lifted = shares.iter().zip(products.iter());
        let lifted =
            lifted.map(|(share, product)| truncation.lifted(*share, *product) & low(truncation.lifted_bits));
        Ok(lifted.collect::<Vec<u64>>().into())
    }
}

/// What the model owner adds before a truncation, so that its mean error is zero: what two floors take off on average.
pub(crate) fn centring(shift: u32) -> u64 {
    (1 << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use veilbench_ot::{Kind, ideal};

    proptest! {
        #[test]
        fn shares_are_of_the_quotient_rounded_up_or_down(
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
            let sums = truncated(truncation, [&first, &second]);
            for ((number, _), sum) in numbers.iter().zip(sums) {
                let floor = number >> shift;
                prop_assert!(sum == floor || (sum == floor + 1 && floor << shift != *number), "{number} {sum}");
            }
        }
    }

    /// What both parties' results are shares of.
    fn truncated(truncation: Truncation, [first, second]: [&[u64]; 2]) -> Vec<i64> {
        let (sent, received) = ideal::random_rows(Kind::Pairs, first.len()).unwrap();
        let (lifting, choices) = truncation.choose(Receiver::new(received).unwrap(), first).unwrap();
        assert_eq!(choices.len(), Truncation::choices_bytes(first.len()));
        let (at_model_owner, message) =
            truncation.send(Sender::new(sent).unwrap(), &choices, second).unwrap();
        assert_eq!(message.len(), truncation.numbers_bytes(first.len()));
        let at_data_owner = lifting.receive(&message).unwrap();
        let sums = at_data_owner.iter().zip(at_model_owner.iter()).map(|(a, b)| a.wrapping_add(*b));
        sums.map(|sum| ((sum << (64 - truncation.lifted_bits)) as i64) >> (64 - truncation.lifted_bits))
            .collect()
    }

    /// Every number under every mask: the errors of a number add up to nothing, and the largest number that is exact is the stated one.
    #[test]
    fn errors_of_all_masks_add_up_to_nothing_for_every_number_of_a_small_ring() {
        const L: u32 = 10;
        for (shift, lifted_bits) in [(1, 10), (3, 10), (5, 14)] {
            let truncation = Truncation { ring_bits: L, shift, lifted_bits };
            let errors = |number: i64| {
                let first: Vec<u64> = (0..1 << L).collect();
                let second: Vec<u64> =
                    first.iter().map(|mask| (number as u64).wrapping_sub(*mask) & low(L)).collect();
                let sums = truncated(truncation, [&first, &second]).into_iter();
                sums.map(|sum| (sum << shift) - number).collect::<Vec<i64>>()
            };
            let (limit, unit) = (1_i64 << (L - 2), 1_i64 << shift);
            for number in -limit..=limit - unit {
                let errors = errors(number);
                assert_eq!(errors.iter().sum::<i64>(), 0, "{number} by {shift} bits");
                assert!(errors.iter().all(|error| error.abs() < unit), "{number} by {shift} bits");
            }
            let beyond = errors(limit - unit + 1);
            assert!(beyond.iter().any(|error| error.abs() >= unit), "{shift} bits");
        }
    }
}
