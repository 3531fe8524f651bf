//! Whether the chooser's number is the offerer's or the one after it, told to the chooser alone: a message each way, of 1-of-16 transfers.
//!
//! The chooser looks up the digits of its number `x`, of four bits each, and has the sum of the keys behind them. The offerer sends the sums of the keys behind the
//! digits of `v` and of `v + 1`, in an order of its own: the chooser accepts if one of them is its sum. The private equality test on transfers of Pinkas, Schneider, Zohner,
//! "Faster Private Set Intersection Based on OT Extension" (USENIX Security 2014, section 5), for two neighbours at once.
//! A number of another value is accepted with a probability of `2^-63`.
//!
//! # Views
//! The offerer sees digits under the chooser's random choices. The chooser sees two sums of keys. Of each number that is not its own it lacks a key at least. If neither is,
//! it lacks different sets of keys of both, for their lowest digits differ, so that both sums are uniform and independent of each other; if one is, the other is
//! uniform. Which of them it is follows the offerer's coin. So it learns whether it accepts, and nothing else.

use veilbench_ring::wiped::Wiped;

use crate::Error;
use crate::bits::{Reader, Writer, low, mask};
use crate::error::{expect_count, expect_length};
use crate::extension::correlation::{ReceiverRows, SenderRows};
use crate::setup::session::fill;
use crate::shares::comparison::Digits;
use crate::transfers::lookup::CHOICE_BITS;

/// Entries that a digit is one of.
const ENTRIES: usize = 1 << CHOICE_BITS;
/// Numbers that are accepted.
const NEIGHBOURS: u64 = 2;
/// Bytes of a sum of keys.
const SUM_BYTES: usize = 8;

/// Public sizes of many such questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    bits: u32,
    lanes: usize,
}

impl Layout {
    /// For `lanes` numbers, at least one, modulo `2^bits`, 2 to 64 bits.
    ///
    /// # Errors
    /// [`Error::Ring`] or [`Error::Count`] for other sizes.
    pub fn new(bits: u32, lanes: usize) -> Result<Self, Error> {
        if !(2..=u64::BITS).contains(&bits) {
            return Err(Error::Ring { bits, least: 2 });
        }
        expect_count("numbers", lanes.max(1), lanes)?;
        Ok(Self { bits, lanes })
    }

    /// Numbers.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    fn digits(&self) -> Digits {
        Digits::new(self.bits)
    }

    /// Transfers 1-of-16 from offerer to chooser.
    pub fn lookups(&self) -> usize {
        self.digits().count() * self.lanes
    }

    /// Bytes of the chooser's message.
    pub fn choices_bytes(&self) -> usize {
        (CHOICE_BITS as usize * self.lookups()).div_ceil(8)
    }

    /// Bytes of the offerer's message.
    pub fn sums_bytes(&self) -> usize {
        NEIGHBOURS as usize * SUM_BYTES * self.lanes
    }

    fn expect(&self, numbers: &[u64]) -> Result<(), Error> {
        expect_count("numbers", self.lanes, numbers.len())
    }
}

/// Party that gets to know.
pub struct Chooser {
    layout: Layout,
    choices: Wiped<u8>,
    keys: Wiped<u64>,
}

impl Chooser {
    /// Hashes extended 1-of-16 transfers, [`Layout::lookups`] of them.
    ///
    /// # Errors
    /// [`Error::Count`] for others.
    pub fn new(layout: Layout, rows: ReceiverRows) -> Result<Self, Error> {
        expect_count("keys of a transfer", ENTRIES, rows.keys())?;
        expect_count("transfers for lookups", layout.lookups(), rows.len())?;
        let (choices, keys) = rows.into_hashes();
        let keys = keys.iter().map(|key| *key as u64).collect::<Vec<_>>();
        Ok(Self { layout, choices, keys: keys.into() })
    }

    /// Asks about these numbers. Returns the message to the offerer.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of them.
    pub fn start(self, numbers: &[u64]) -> Result<(Waiting, Vec<u8>), Error> {
        let Self { layout, choices, keys } = self;
        layout.expect(numbers)?;
        let digits = layout.digits().of(numbers);
        let mut message = Writer::new(8 * layout.choices_bytes());
        for (digit, choice) in digits.iter().zip(choices.iter()) {
            message.push(u64::from(digit ^ choice), CHOICE_BITS);
        }
        let sums = keys.chunks(layout.digits().count()).map(|keys| keys.iter().fold(0, |sum, key| sum ^ key));
        let sums = sums.collect::<Vec<u64>>();
        Ok((Waiting { layout, sums: sums.into() }, message.finish()))
    }
}

/// The chooser, whose question is on its way.
pub struct Waiting {
    layout: Layout,
    sums: Wiped<u64>,
}

impl Waiting {
    /// Whether each number is the offerer's or the one after it.
    ///
    /// # Errors
    /// [`Error::Length`] for a message that is none.
    pub fn finish(self, message: &[u8]) -> Result<Vec<bool>, Error> {
        expect_length("sums of keys", self.layout.sums_bytes(), message)?;
        let sums = message.as_chunks::<SUM_BYTES>().0.chunks_exact(NEIGHBOURS as usize);
        let is_among = |(own, sums): (&u64, &[[u8; SUM_BYTES]])| {
            sums.iter().fold(false, |found, sum| found | (u64::from_le_bytes(*sum) == *own))
        };
        Ok(self.sums.iter().zip(sums).map(is_among).collect())
    }
}

/// Party that is asked.
pub struct Offerer {
    layout: Layout,
    /// The keys of every digit.
    keys: Wiped<[u64; ENTRIES]>,
}

impl Offerer {
    /// Hashes extended 1-of-16 transfers, [`Layout::lookups`] of them.
    ///
    /// # Errors
    /// [`Error::Count`] for others.
    pub fn new(layout: Layout, rows: SenderRows) -> Result<Self, Error> {
        expect_count("keys of a transfer", ENTRIES, rows.keys())?;
        expect_count("transfers for lookups", layout.lookups(), rows.len())?;
        let mut keys = Wiped::with_capacity(rows.len());
        rows.for_each_keys(|of_digit| {
            let mut entries = [0; ENTRIES];
            for (entry, key) in entries.iter_mut().zip(of_digit) {
                *entry = *key as u64;
            }
            keys.push(entries);
        });
        Ok(Self { layout, keys })
    }

    /// Answers for these numbers. Returns the message to the chooser.
    ///
    /// # Errors
    /// [`Error::Count`] for another number of them, [`Error::Length`] for choices that are none, [`Error::Entropy`].
    pub fn answer(self, choices: &[u8], numbers: &[u64]) -> Result<Vec<u8>, Error> {
        let Self { layout, keys } = self;
        layout.expect(numbers)?;
        let mut choices =
            Reader::new("choices of lookups", CHOICE_BITS as usize * layout.lookups(), choices)?;
        let mut coins = Wiped::new(layout.lanes);
        fill(&mut coins)?;
        let count = layout.digits().count();
        let mut message = Vec::with_capacity(layout.sums_bytes());
        for ((number, coin), keys) in numbers.iter().zip(coins.iter()).zip(keys.chunks(count)) {
            let neighbours = [0, 1].map(|more| number.wrapping_add(more) & low(layout.bits));
            let digits = layout.digits().of(&neighbours);
            let mut sums = [0_u64; NEIGHBOURS as usize];
            for (at, keys) in keys.iter().enumerate() {
                let flip = choices.pop(CHOICE_BITS) as usize;
                for (sum, digits) in sums.iter_mut().zip(digits.chunks(count)) {
                    *sum ^= key_of(keys, flip, digits[at]);
                }
            }
            let swap = mask(u64::from(*coin)) & (sums[0] ^ sums[1]);
            for sum in sums {
                message.extend((sum ^ swap).to_le_bytes());
            }
        }
        Ok(message)
    }
}

/// The key behind a digit, which is secret, where the chooser's choice is `flip` away from its random one.
fn key_of(keys: &[u64; ENTRIES], flip: usize, digit: u8) -> u64 {
    let entries = (0..ENTRIES).map(|entry| {
        let is_other = (entry as u64 ^ u64::from(digit)).wrapping_neg() >> (u64::BITS - 1);
        keys[(entry ^ flip) % ENTRIES] & mask(is_other ^ 1)
    });
    entries.fold(0, |sum, key| sum ^ key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extension::code::Kind;
    use crate::ideal;

    /// The chooser's sum of keys, and what the offerer sends, of each question.
    fn ask(bits: u32, asked: &[u64], offered: &[u64]) -> (Vec<u64>, Vec<[u64; 2]>, Vec<bool>) {
        let layout = Layout::new(bits, asked.len()).unwrap();
        let (sent, received) = ideal::random_rows(Kind::Sixteen, layout.lookups()).unwrap();
        let (waiting, choices) = Chooser::new(layout, received).unwrap().start(asked).unwrap();
        assert_eq!(choices.len(), layout.choices_bytes());
        let message = Offerer::new(layout, sent).unwrap().answer(&choices, offered).unwrap();
        assert_eq!(message.len(), layout.sums_bytes());
        let words: Vec<u64> = message.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        (waiting.sums.to_vec(), words.as_chunks().0.to_vec(), waiting.finish(&message).unwrap())
    }

    #[test]
    fn numbers_and_the_ones_before_them_are_accepted_and_no_others() {
        for bits in [2, 4, 5, 26, 33, 64] {
            let most = low(bits);
            let offered: Vec<u64> =
                [0, 1, 14, 15, 16, 0x0fff_ffff, most >> 1, most - 1, most].iter().map(|v| v & most).collect();
            for distance in [0, 1, 2, 3, 16, 17, 1 << 20, most - 1, most] {
                let asked: Vec<u64> = offered.iter().map(|v| v.wrapping_add(distance) & most).collect();
                let expected: Vec<bool> =
                    asked.iter().zip(&offered).map(|(x, v)| ideal::is_it_or_next(bits, *x, *v)).collect();
                assert_eq!(ask(bits, &asked, &offered).2, expected, "{bits} bits, {distance}");
            }
        }
    }

    #[test]
    fn which_of_both_numbers_it_was_follows_a_coin() {
        let offered: Vec<u64> = (0..512).collect();
        for distance in [0, 1] {
            let asked: Vec<u64> = offered.iter().map(|v| v + distance).collect();
            let (own, sums, accepted) = ask(20, &asked, &offered);
            assert!(accepted.into_iter().all(|accepted| accepted));
            let first = own.iter().zip(&sums).filter(|(own, sums)| sums[0] == **own).count();
            assert!((180..=332).contains(&first), "the first of both in {first} of 512");
        }
    }

    #[test]
    fn sums_that_are_not_the_choosers_are_uniform_and_have_no_key_in_common() {
        // Numbers that differ in the highest digit alone, and in the lowest alone.
        for offset in [1 << 16, 5, 0] {
            let offered = vec![0x1_2340; 400];
            let (own, sums, _) = ask(20, &vec![0x1_2340 + offset; 400], &offered);
            let views = own.iter().zip(&sums).flat_map(|(own, [a, b])| [a ^ own, b ^ own, a ^ b]);
            let mut seen: Vec<u64> = views.filter(|difference| *difference != 0).collect();
            let count = seen.len();
            let ones: u32 = seen.iter().map(|word| word.count_ones()).sum();
            assert!((f64::from(ones) - 32.0 * count as f64).abs() < 6.0 * (16.0 * count as f64).sqrt());
            seen.sort_unstable();
            seen.dedup();
            // Where one of both is accepted, what the other differs by is seen twice.
            assert_eq!(seen.len(), if offset == 0 { count / 2 } else { count });
        }
    }

    #[test]
    fn messages_of_another_length_are_refused() {
        let layout = Layout::new(7, 3).unwrap();
        let (sent, received) = ideal::random_rows(Kind::Sixteen, layout.lookups()).unwrap();
        let (waiting, choices) = Chooser::new(layout, received).unwrap().start(&[1, 2, 3]).unwrap();
        let refused = Offerer::new(layout, sent).unwrap().answer(&choices[1..], &[1, 2, 3]);
        assert!(matches!(refused, Err(Error::Length { .. })));
        assert!(matches!(waiting.finish(&[0; 47]), Err(Error::Length { expected: 48, .. })));
        assert!(matches!(Layout::new(65, 1), Err(Error::Ring { .. })));
        assert!(matches!(Layout::new(8, 0), Err(Error::Count { .. })));
    }
}
