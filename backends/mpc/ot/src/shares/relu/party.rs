//! A party between two messages.

use std::vec::IntoIter;

use super::{Chooser, Keys, Layout, Offerer, Output, Shares, Turn};
use crate::Error;
use crate::bits::{Reader, Writer, low, plane};
use crate::shares::comparison::{Node, Opened, leaves, tables};
use crate::shares::gates::Triple;
use crate::shares::multiplexer::{Multiplexer, Selected, Selecting};
use crate::transfers::correlated::{Chosen, Sender};
use crate::transfers::lookup::{Indexed, TableKeys};
use veilbench_ring::wiped::Wiped;

/// A party that waits for a message. It is consumed by it, also if that is an error: keys never serve twice.
pub struct Party {
    layout: Layout,
    /// Number of the message it waits for.
    next: usize,
    state: State,
    triples: IntoIter<Triple>,
    multiplexer: Option<Multiplexer>,
    /// This party's part of the result's bit, but the comparison.
    bits: Wiped<u64>,
    /// This party's share of the number, later lifted.
    numbers: Wiped<u64>,
}

enum State {
    Offering(TableKeys, Option<Sender>),
    Choosing(Indexed, Option<Chosen>),
    Opened(Opened),
    Selecting(Selecting),
    Selected(Selected),
}

impl Party {
    pub(super) fn offering(offerer: Offerer, shares: &[u64]) -> Self {
        let Offerer { layout, tables, lift, keys } = offerer;
        let mut party = Self::new(layout, 0, State::Offering(tables, lift), keys, shares);
        if let Output::Relu { .. } = layout.output() {
            for word in party.bits.iter_mut() {
                *word = !*word;
            }
        }
        party
    }

    pub(super) fn choosing(chooser: Chooser, shares: &[u64]) -> (Self, Vec<u8>) {
        let Chooser { layout, indices, lift, keys } = chooser;
        let mut message = Writer::new(layout.message_bits(0));
        let indexed = indices.choose_into(layout.digits().of(shares), &mut message);
        let upper = upper_bits(layout, shares);
        let lift = lift.map(|lift| lift.choose_into(upper, &mut message));
        (Self::new(layout, 1, State::Choosing(indexed, lift), keys, shares), message.finish())
    }

    fn new(layout: Layout, next: usize, state: State, keys: Keys, shares: &[u64]) -> Self {
        let numbers = shares.iter().map(|share| share & low(layout.input_bits())).collect::<Vec<_>>();
        Self {
            layout,
            next,
            state,
            triples: keys.triples.into_iter(),
            multiplexer: keys.multiplexer,
            bits: upper_bits(layout, shares),
            numbers: numbers.into(),
        }
    }

    /// Number and bytes of the message that this party waits for.
    pub fn expects(&self) -> (usize, usize) {
        (self.next, self.layout.message_bytes(self.next))
    }

    /// Whether this is the offerer.
    fn offers(&self) -> bool {
        self.next.is_multiple_of(2)
    }

    /// Takes the message that it waits for.
    ///
    /// # Errors
    /// [`Error::Length`] for a message that is none; this party is then gone, and so must be the other.
    pub fn receive(mut self, message: &[u8]) -> Result<Turn, Error> {
        let (layout, number, offers) = (self.layout, self.next, self.offers());
        let mut message = Reader::new("message of a comparison", layout.message_bits(number), message)?;
        let mut answer = Writer::new(layout.message_bits(number + 1));
        let mut nodes = match self.state {
            State::Offering(keys, lift) => {
                offer(layout, keys, lift, &mut self.numbers, &mut message, &mut answer)
            }
            State::Choosing(indexed, lift) => look_up(layout, indexed, lift, &mut self.numbers, &mut message),
            State::Opened(opened) => opened.close(offers, &mut message),
            State::Selecting(selecting) => {
                let selected = selecting.send_into(&mut message, &mut answer);
                return Ok(Turn::Last(selected.receive_from(&mut message), answer.finish()));
            }
            State::Selected(selected) => return Ok(Turn::Done(selected.receive_from(&mut message))),
        };
        let levels = layout.levels();
        if (1..=levels).contains(&number) {
            let opened = Opened::new(nodes, &mut self.triples)?;
            opened.write(&mut answer);
            nodes = opened.close(offers, &mut message);
        }
        if number < levels {
            let opened = Opened::new(nodes, &mut self.triples)?;
            opened.write(&mut answer);
            self.state = State::Opened(opened);
            self.next += 2;
            return Ok(Turn::Send(self, answer.finish()));
        }
        let bits = decided(self.bits, &nodes);
        let Some(multiplexer) = self.multiplexer else {
            let signs = Shares::new(bits.to_vec());
            return Ok(if number == levels { Turn::Last(signs, answer.finish()) } else { Turn::Done(signs) });
        };
        let selecting = multiplexer.choose_into(bits, self.numbers, &mut answer);
        let state = if number == levels {
            State::Selecting(selecting)
        } else {
            State::Selected(selecting.send_into(&mut message, &mut answer))
        };
        let waiting = Self {
            layout,
            next: number + 2,
            state,
            triples: self.triples,
            multiplexer: None,
            bits: Wiped::default(),
            numbers: Wiped::default(),
        };
        Ok(Turn::Send(waiting, answer.finish()))
    }
}

/// The upper bit of every share.
fn upper_bits(layout: Layout, shares: &[u64]) -> Wiped<u64> {
    plane(shares.iter().map(|share| share >> (layout.input_bits() - 1)))
}

/// The result's bit: upper bits of both, and the comparison.
fn decided(mut bits: Wiped<u64>, nodes: &[Node]) -> Wiped<u64> {
    for node in nodes {
        for (bit, less) in bits.iter_mut().zip(node.less.iter()) {
            *bit ^= less;
        }
    }
    bits
}

fn offer(
    layout: Layout,
    keys: TableKeys,
    lift: Option<Sender>,
    numbers: &mut Wiped<u64>,
    message: &mut Reader<'_>,
    answer: &mut Writer,
) -> Vec<Node> {
    let digits = layout.digits();
    let complements = Wiped::from(numbers.iter().map(|number| !number).collect::<Vec<_>>());
    let of_digits = digits.of(&complements);
    let tables = of_digits.iter().map(|digit| tables(*digit));
    let shares = keys.offer_into(message, &digits.shapes(), tables, answer);
    if let Some(lift) = lift {
        let upper = layout.input_bits() - 1;
        let correlations = numbers.iter().map(|number| number >> upper);
        let both = lift.send_into(&[layout.lift_bits()], message, correlations, answer);
        lift_numbers(layout, numbers, &both);
    }
    leaves(digits, &shares)
}

fn look_up(
    layout: Layout,
    indexed: Indexed,
    lift: Option<Chosen>,
    numbers: &mut Wiped<u64>,
    message: &mut Reader<'_>,
) -> Vec<Node> {
    let digits = layout.digits();
    let shares = indexed.look_up_in(&digits.shapes(), message);
    if let Some(lift) = lift {
        let both = lift.receive_from(&[layout.lift_bits()], message);
        lift_numbers(layout, numbers, &both);
    }
    leaves(digits, &shares)
}

/// Subtracts this party's share of `2^n (m0 or m1)`, given its share of `m0 m1`.
fn lift_numbers(layout: Layout, numbers: &mut Wiped<u64>, both: &[u64]) {
    let bits = layout.input_bits();
    for (number, both) in numbers.iter_mut().zip(both) {
        let wrap = (*number >> (bits - 1)).wrapping_sub(*both);
        *number = number.wrapping_sub(wrap << bits);
    }
}
