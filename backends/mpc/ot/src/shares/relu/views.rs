//! What parties see of ReLUs on the same numbers, many times over: every bit is uniform, and no two bits are under one mask.
//!
//! First of all messages, with all randomness fresh. That is not enough: what a message masks may be a share, which is random itself. So
//! one party's randomness is held, that of the other is fresh, and what both parties open is looked at beside the other's messages: clear
//! values, which are always the same, under masks that must then all be the other party's.
//!
//! A bit of `n` independent fair draws is one `n / 2 + d` times or more, or `n / 2 - d` times or fewer, with probability
//! `2 exp(-2 d^2 / n)` at most (Hoeffding, "Probability Inequalities for Sums of Bounded Random Variables", 1963); two of `k` bits change in
//! the same draws with probability `k^2 / 2^n`.

use std::collections::HashMap;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use super::{Chooser, Layout, Offerer, Output, Turn, answer, request};
use crate::cipher::kernel::Kernel;
use crate::extension::code::{Depth, Kind};
use crate::extension::correlation::{Numbering, ReceiverRows, SenderRows};
use crate::extension::{Parameters, Receiver};
use crate::setup::session::{Direction, Session};
use crate::{ideal, setup};

const DRAWS: usize = 400;
/// Probability that uniform bits are not found to be.
const FALSE_ALARM: f64 = 1e-8;

/// Lookups, transfers to the chooser, transfers to the offerer.
type Transfers = [(SenderRows, ReceiverRows); 3];

fn keys(layout: Layout, transfers: Transfers) -> (Offerer, Chooser) {
    let [(lookups, chosen_lookups), (offered, chosen_offered), (returned, chosen_returned)] = transfers;
    let offerer = Offerer::new(layout, lookups, offered, chosen_returned).unwrap();
    (offerer, Chooser::new(layout, chosen_lookups, chosen_offered, returned).unwrap())
}

/// All messages of ReLUs.
fn transcript((offerer, chooser): (Offerer, Chooser), shares: &[Vec<u64>; 2]) -> Vec<Vec<u8>> {
    let (chooser, mut message) = chooser.start(&shares[1]).unwrap();
    let mut parties = [Some(offerer.start(&shares[0]).unwrap()), Some(chooser)];
    let mut messages = Vec::new();
    for number in 0.. {
        let turn = parties[number % 2].take().unwrap().receive(&message).unwrap();
        messages.push(message);
        match turn {
            Turn::Send(party, next) => (parties[number % 2], message) = (Some(party), next),
            Turn::Last(_, next) => message = next,
            Turn::Done(_) => break,
        }
    }
    messages
}

/// What is not uniform, or under the mask of something else.
fn findings(draws: &[Vec<Vec<u8>>]) -> Vec<String> {
    let names: Vec<String> = draws[0]
        .iter()
        .enumerate()
        .flat_map(|(part, bytes)| (0..8 * bytes.len()).map(move |bit| format!("bit {bit} of part {part}")))
        .collect();
    let unpack = |draw: &Vec<Vec<u8>>| -> Vec<bool> {
        draw.iter().flatten().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect()
    };
    let draws: Vec<Vec<bool>> = draws.iter().map(unpack).collect();
    let bits = names.len();
    let count = draws.len() as f64;
    let allowed = (count / 2.0 * (2.0 * bits as f64 / FALSE_ALARM).ln()).sqrt();
    assert!(allowed < count / 4.0, "{count} draws are too few for {bits} bits");
    let mut masks = HashMap::new();
    let mut found = Vec::new();
    for (at, here) in names.into_iter().enumerate() {
        let ones = draws.iter().filter(|draw| draw[at]).count();
        if (ones as f64 - count / 2.0).abs() >= allowed {
            found.push(format!("{here} is one {ones} times"));
        }
        let changes: Vec<bool> = draws.iter().map(|draw| draw[at] ^ draws[0][at]).collect();
        if let Some(other) = masks.insert(changes, here.clone()) {
            found.push(format!("{here} has the mask of {other}"));
        }
    }
    found
}

/// Eight numbers, so that all planes are whole bytes, of which two are the same.
const LANES: usize = 8;

fn shares() -> [Vec<u64>; 2] {
    let mut rng = ChaCha12Rng::from_seed([1; 32]);
    [(); 2].map(|()| {
        let mut shares: Vec<u64> = (0..LANES).map(|_| rng.next_u64()).collect();
        shares[1] = shares[0];
        shares
    })
}

fn layouts() -> [Layout; 2] {
    [(27, 48), (12, 12)].map(|(from, to)| Layout::new(from, Output::Relu { bits: to }, LANES).unwrap())
}

fn assert_uniform(draw: impl FnMut(usize) -> Vec<Vec<u8>>) {
    assert_eq!(findings(&(0..DRAWS).map(draw).collect::<Vec<_>>()), Vec::<String>::new());
}

#[test]
fn all_bits_of_relus_on_the_dealers_transfers_are_uniform_and_under_masks_of_their_own() {
    for layout in layouts() {
        assert_uniform(|_| {
            let rows = |kind, count| ideal::random_rows(kind, count).unwrap();
            let transfers = [
                rows(Kind::Sixteen, layout.lookups()),
                rows(Kind::Pairs, layout.offered()),
                rows(Kind::Pairs, layout.returned()),
            ];
            transcript(keys(layout, transfers), &shares())
        });
    }
}

#[test]
fn all_bits_of_relus_of_one_session_are_uniform_and_under_masks_of_their_own() {
    let (session, depth) = (Session::new([5; 16]), Depth::FOUR);
    let (chooser, first) = setup::Chooser::start_in(session, depth).unwrap();
    let (offerer, second) = setup::Offerer::start(depth, &first).unwrap();
    let (mut chooser, third) = chooser.finish(&second).unwrap();
    let mut offerer = offerer.finish(&third).unwrap();
    let [layout, _] = layouts();
    assert_uniform(|_| {
        let (requested, message) = request(&mut chooser, layout);
        let (keys_of_offerer, message) = answer(&mut offerer, layout, &message).unwrap();
        let keys_of_chooser = requested.finish(&mut chooser, &message).unwrap();
        transcript((keys_of_offerer, keys_of_chooser), &shares())
    });
}

/// What an extension's sender sees, over sessions.
#[test]
fn all_bits_of_corrections_are_uniform_and_under_masks_of_their_own() {
    for kind in [Kind::Pairs, Kind::Sixteen] {
        let (session, direction, depth) = (Session::new([9; 16]), Direction::Forward, Depth::FOUR);
        let parameters = Parameters { session, direction, kind, depth };
        assert_uniform(|_| {
            let (pairs, _) = ideal::random_keys(parameters.seeds()).unwrap();
            let (mut receiver, _) = Receiver::new(parameters, pairs).unwrap();
            // Two portions: bits of one stream must not come again.
            vec![receiver.extend(LANES).1, receiver.extend(LANES).1]
        });
    }
}

/// What one party of transfers holds.
enum Held {
    Sender { rows: Vec<u128>, differences: Vec<u128> },
    Receiver { rows: Vec<u128>, choices: Vec<u8>, dimension: usize },
}

/// All combinations of generators.
fn span(generators: &[u128]) -> Vec<u128> {
    generators.iter().fold(vec![0], |span, generator| {
        let with = span.iter().map(|difference| difference ^ generator);
        span.iter().copied().chain(with).collect()
    })
}

fn blocks(rng: &mut ChaCha12Rng, count: usize) -> Vec<u128> {
    (0..count).map(|_| u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64())).collect()
}

fn choices(rng: &mut ChaCha12Rng, count: usize, dimension: usize) -> Vec<u8> {
    (0..count).map(|_| rng.next_u32() as u8 & ((1 << dimension) - 1)).collect()
}

impl Held {
    fn new(rng: &mut ChaCha12Rng, by_sender: bool, dimension: usize, transfers: usize) -> Self {
        let rows = blocks(rng, transfers);
        if by_sender {
            Self::Sender { rows, differences: span(&blocks(rng, dimension)) }
        } else {
            Self::Receiver { rows, choices: choices(rng, transfers, dimension), dimension }
        }
    }

    /// With fresh randomness of the other party.
    fn completed(&self, fresh: &mut ChaCha12Rng) -> (SenderRows, ReceiverRows) {
        let (held, choices, differences, dimension) = match self {
            Self::Sender { rows, differences } => {
                let dimension = differences.len().ilog2() as usize;
                (rows, choices(fresh, rows.len(), dimension), differences.clone(), dimension)
            }
            Self::Receiver { rows, choices, dimension } => {
                (rows, choices.clone(), span(&blocks(fresh, *dimension)), *dimension)
            }
        };
        let other = held.iter().zip(&choices).map(|(row, choice)| row ^ differences[usize::from(*choice)]);
        let (held, other) = (held.clone(), other.collect());
        let (sent, received) =
            if matches!(self, Self::Sender { .. }) { (held, other) } else { (other, held) };
        let numbering = Numbering { kernel: Kernel::best(), key: 1, first: 0 };
        (
            SenderRows::new(sent.into(), Zeroizing::new(differences), numbering),
            ReceiverRows::new(received.into(), choices.into(), dimension, numbering),
        )
    }
}

/// What a party that offers or chooses can put together: what both open on each level of the tree, and whatever else the other sends.
fn view(layout: Layout, offers: bool, messages: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let levels = layout.levels();
    let bytes =
        |level: usize| if (1..=levels).contains(&level) { layout.digits().opened_bits(level) } else { 0 };
    let mut opened = vec![Vec::new(); levels + 1];
    let mut parts = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        // Choices, or tables and numbers of the lift, come first.
        let flips = if number == levels + 1 || number == levels + 2 { 1 } else { 0 };
        let numbers =
            layout.message_bits(number) - LANES * (bytes(number.wrapping_sub(1)) + bytes(number) + flips);
        let first = if number < 2 { numbers / 8 } else { 0 };
        let (first, mut rest) = message.split_at(first);
        for level in [number.wrapping_sub(1), number] {
            let (planes, after) = rest.split_at(bytes(level));
            rest = after;
            if let (Some(opened), false) = (opened.get_mut(level), planes.is_empty()) {
                opened.resize(planes.len(), 0);
                opened.iter_mut().zip(planes).for_each(|(sum, byte): (&mut u8, &u8)| *sum ^= byte);
            }
        }
        let by_offerer = number % 2 == 1;
        if by_offerer != offers {
            parts.extend([first.to_vec(), rest.to_vec()]);
        }
    }
    parts.extend(opened);
    parts
}

#[test]
fn what_the_offerer_can_put_together_is_uniform_and_under_masks_of_the_chooser() {
    assert_view_is_uniform(true);
}

#[test]
fn what_the_chooser_can_put_together_is_uniform_and_under_masks_of_the_offerer() {
    assert_view_is_uniform(false);
}

fn assert_view_is_uniform(offers: bool) {
    for layout in layouts() {
        let mut rng = ChaCha12Rng::from_seed([2; 32]);
        let held = [
            Held::new(&mut rng, offers, 4, layout.lookups()),
            Held::new(&mut rng, offers, 1, layout.offered()),
            Held::new(&mut rng, !offers, 1, layout.returned()),
        ];
        assert_uniform(|_| {
            let transfers = held.each_ref().map(|held| held.completed(&mut rng));
            view(layout, offers, &transcript(keys(layout, transfers), &shares()))
        });
    }
}
