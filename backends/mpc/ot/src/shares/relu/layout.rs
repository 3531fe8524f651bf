//! Sizes of all messages and of what is prepared, from public numbers.

use crate::Error;
use crate::error::expect_count;
use crate::shares::comparison::Digits;
use crate::transfers::lookup::{CHOICE_BITS, Shape};

/// What is computed of each number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Whether it is negative, as a shared bit.
    Signs,
    /// The number if it is not negative, else zero, shared modulo `2^bits`.
    Relu {
        /// 1 to 64.
        bits: u32,
    },
}

/// Public sizes of signs or ReLUs of many numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    input_bits: u32,
    output: Output,
    lanes: usize,
}

impl Layout {
    /// Describes `lanes` numbers, at least one, shared modulo `2^input_bits`, 2 to 64 bits.
    ///
    /// # Errors
    /// [`Error::Ring`] or [`Error::Count`] for other sizes.
    pub fn new(input_bits: u32, output: Output, lanes: usize) -> Result<Self, Error> {
        if !(2..=u64::BITS).contains(&input_bits) {
            return Err(Error::Ring { bits: input_bits, least: 2 });
        }
        if let Output::Relu { bits } = output
            && !(1..=u64::BITS).contains(&bits)
        {
            return Err(Error::Ring { bits, least: 1 });
        }
        expect_count("numbers", lanes.max(1), lanes)?;
        Ok(Self { input_bits, output, lanes })
    }

    /// Numbers.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Bits of a share, n.
    pub fn input_bits(&self) -> u32 {
        self.input_bits
    }

    /// What is computed.
    pub fn output(&self) -> Output {
        self.output
    }

    pub(super) fn digits(&self) -> Digits {
        Digits::new(self.input_bits - 1)
    }

    /// Triples of all lanes.
    pub(super) fn gates(&self) -> usize {
        self.digits().gates() * self.lanes
    }

    /// Bits of a correlated transfer of the lift; zero if there is none.
    pub(super) fn lift_bits(&self) -> u32 {
        match self.output {
            Output::Signs => 0,
            Output::Relu { bits } => bits.saturating_sub(self.input_bits),
        }
    }

    /// Transfers of the lift.
    pub(super) fn lifts(&self) -> usize {
        if self.lift_bits() == 0 { 0 } else { self.lanes }
    }

    fn selections(&self) -> usize {
        match self.output {
            Output::Signs => 0,
            Output::Relu { .. } => self.lanes,
        }
    }

    fn output_bits(&self) -> usize {
        match self.output {
            Output::Signs => 0,
            Output::Relu { bits } => bits as usize,
        }
    }

    /// Transfers 1-of-16 from offerer to chooser.
    pub fn lookups(&self) -> usize {
        self.digits().count() * self.lanes
    }

    /// Transfers 1-of-2 from offerer to chooser: those of products, of the multiplexer, of the lift.
    pub fn offered(&self) -> usize {
        self.returned() + self.lifts()
    }

    /// Transfers 1-of-2 from chooser to offerer: those of products and of the multiplexer.
    pub fn returned(&self) -> usize {
        self.gates() + self.selections()
    }

    pub(super) fn expect(&self, lookups: usize, offered: usize, returned: usize) -> Result<(), Error> {
        expect_count("transfers for lookups", self.lookups(), lookups)?;
        expect_count("transfers to the chooser", self.offered(), offered)?;
        expect_count("transfers to the offerer", self.returned(), returned)
    }

    /// Levels of the tree of products.
    pub(super) fn levels(&self) -> usize {
        self.digits().levels()
    }

    /// Number of messages: even ones are the chooser's, odd ones the offerer's.
    pub fn messages(&self) -> usize {
        match self.output {
            Output::Signs => self.levels() + 2,
            Output::Relu { .. } => self.levels() + 4,
        }
    }

    /// Bits of message `number`, all of which are sent by one party and known beforehand.
    pub(super) fn message_bits(&self, number: usize) -> usize {
        let (digits, levels) = (self.digits(), self.levels());
        let first = match number {
            0 => CHOICE_BITS as usize * self.lookups() + self.lifts(),
            1 => {
                let tables: usize = digits.shapes().into_iter().map(Shape::bits).sum();
                (tables + self.lift_bits() as usize) * self.lanes
            }
            _ => 0,
        };
        let opened =
            [number.wrapping_sub(1), number].into_iter().filter(|level| (1..=levels).contains(level));
        let opened: usize = opened.map(|level| digits.opened_bits(level)).sum();
        let flips = if number == levels + 1 || number == levels + 2 { self.selections() } else { 0 };
        let numbers = number == levels + 2 || number == levels + 3;
        let numbers = if numbers { self.output_bits() * self.selections() } else { 0 };
        first + opened * self.lanes + flips + numbers
    }

    /// Bytes of message `number`, from 0 to one less than [`Layout::messages`]; none of others.
    pub fn message_bytes(&self, number: usize) -> usize {
        self.message_bits(number).div_ceil(8)
    }
}
