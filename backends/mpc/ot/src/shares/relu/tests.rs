//! Signs and ReLUs against what a trusted party would do.

use super::*;
use crate::extension::code::Kind;
use crate::ideal;

/// Keys of both parties from a trusted dealer.
fn dealt(layout: Layout) -> (Offerer, Chooser) {
    let (lookups, chosen_lookups) = ideal::random_rows(Kind::Sixteen, layout.lookups()).unwrap();
    let (offered, chosen_offered) = ideal::random_rows(Kind::Pairs, layout.offered()).unwrap();
    let (returned, chosen_returned) = ideal::random_rows(Kind::Pairs, layout.returned()).unwrap();
    let offerer = Offerer::new(layout, lookups, offered, chosen_returned).unwrap();
    (offerer, Chooser::new(layout, chosen_lookups, chosen_offered, returned).unwrap())
}

/// Both parties' results, and all messages.
fn run(layout: Layout, shares: [&[u64]; 2]) -> ([Shares; 2], Vec<Vec<u8>>) {
    let (offerer, chooser) = dealt(layout);
    let (chooser, mut message) = chooser.start(shares[1]).unwrap();
    let mut waiting = [Some(offerer.start(shares[0]).unwrap()), Some(chooser)];
    let mut results = [None, None];
    let mut messages = Vec::new();
    loop {
        let number = messages.len();
        assert_eq!(message.len(), layout.message_bytes(number), "message {number}");
        let party = waiting[number % 2].take().unwrap();
        assert_eq!(party.expects(), (number, message.len()));
        let turn = party.receive(&message).unwrap();
        messages.push(message);
        match turn {
            Turn::Send(party, next) => {
                waiting[number % 2] = Some(party);
                message = next;
            }
            Turn::Last(shares, next) => {
                results[number % 2] = Some(shares);
                message = next;
            }
            Turn::Done(shares) => {
                results[number % 2] = Some(shares);
                break;
            }
        }
    }
    assert_eq!(messages.len(), layout.messages());
    (results.map(Option::unwrap), messages)
}

fn check_relu(from: u32, to: u32, shares: [&[u64]; 2]) {
    let layout = Layout::new(from, Output::Relu { bits: to }, shares[0].len()).unwrap();
    let ([first, second], _) = run(layout, shares);
    for lane in 0..shares[0].len() {
        let input = [shares[0][lane], shares[1][lane]];
        let output = ideal::add(to, [first[lane], second[lane]]);
        assert_eq!(output, ideal::relu(from, to, input), "{input:?} from {from} to {to} bits");
    }
}

fn check_signs(bits: u32, shares: [&[u64]; 2]) {
    let layout = Layout::new(bits, Output::Signs, shares[0].len()).unwrap();
    let ([first, second], _) = run(layout, shares);
    for lane in 0..shares[0].len() {
        let input = [shares[0][lane], shares[1][lane]];
        let sign = (first[lane / 64] ^ second[lane / 64]) >> (lane % 64) & 1 == 1;
        assert_eq!(sign, ideal::is_negative(bits, input), "{input:?} of {bits} bits");
    }
}

/// All pairs of shares.
fn all(bits: u32) -> [Vec<u64>; 2] {
    let pairs = (0..1_u64 << bits).flat_map(|first| (0..1 << bits).map(move |second| (first, second)));
    let (first, second) = pairs.unzip();
    [first, second]
}

/// Extremes and random numbers, each under extreme and random shares.
fn some(bits: u32, random: usize) -> [Vec<u64>; 2] {
    let mut rng = random_numbers(bits as u8);
    let top = 1_u64 << (bits - 1);
    let mut numbers = vec![0, 1, 2, u64::MAX, top, top - 1, top + 1, top >> 1, 15, 16, 17];
    numbers.extend((0..bits).flat_map(|bit| [1 << bit, (1_u64 << bit).wrapping_neg(), (1 << bit) - 1]));
    let mut pairs = Vec::new();
    for number in &numbers {
        let shares = [0, 1, u64::MAX, top, top - 1, *number, rng(), rng()];
        pairs.extend(shares.map(|share| (number.wrapping_sub(share), share)));
    }
    pairs.extend((0..random).map(|_| (rng(), rng())));
    let reduce = |share| share & crate::bits::low(bits);
    pairs
        .into_iter()
        .map(|(first, second)| (reduce(first), reduce(second)))
        .unzip::<_, _, Vec<_>, Vec<_>>()
        .into()
}

fn random_numbers(seed: u8) -> impl FnMut() -> u64 {
    use rand_chacha::rand_core::{Rng, SeedableRng};
    let mut rng = rand_chacha::ChaCha12Rng::from_seed([seed; 32]);
    move || rng.next_u64()
}

#[test]
fn relus_and_signs_of_all_shares_in_small_rings_are_exact() {
    for bits in 2..=7 {
        let [first, second] = all(bits);
        check_signs(bits, [&first, &second]);
        for to in [1, bits - 1, bits, bits + 1, bits + 7, 64] {
            check_relu(bits, to, [&first, &second]);
        }
    }
    // Two digits, and one more bit.
    for bits in [9, 10] {
        let [first, second] = all(bits);
        check_relu(bits, bits + 4, [&first, &second]);
    }
}

#[test]
fn relus_and_signs_in_all_larger_rings_are_exact_at_extremes_and_at_random() {
    for bits in 8..=64 {
        let [first, second] = some(bits, 200);
        check_signs(bits, [&first, &second]);
        check_relu(bits, (bits + 12).min(64), [&first, &second]);
        check_relu(bits, bits / 2, [&first, &second]);
    }
}

#[test]
fn relus_of_many_numbers_from_27_to_48_and_from_19_to_32_bits_are_exact() {
    for (from, to) in [(27, 48), (19, 32)] {
        let [first, second] = some(from, 30_000);
        check_relu(from, to, [&first, &second]);
    }
}

#[test]
fn single_numbers_and_odd_counts_are_exact() {
    for lanes in [1, 2, 63, 64, 65, 127, 129] {
        let mut rng = random_numbers(lanes as u8);
        let [first, second]: [Vec<u64>; 2] = [0; 2].map(|_| (0..lanes).map(|_| rng() >> 37).collect());
        check_relu(27, 48, [&first, &second]);
        check_signs(27, [&first, &second]);
    }
}

#[test]
fn a_relu_from_27_to_48_bits_takes_320_bits_in_six_messages_after_its_choices() {
    let layout = Layout::new(27, Output::Relu { bits: 48 }, 800).unwrap();
    assert_eq!((layout.lookups(), layout.offered(), layout.returned()), (7 * 800, 8 * 800, 7 * 800));
    let (_, messages) = run(layout, [&[5; 800], &[7; 800]]);
    let bytes: Vec<usize> = messages.iter().map(Vec::len).collect();
    // Per ReLU: choices 29; tables 171, lift 21, factors 8; 13; 7; factors 2, flip 1; flip 1, number 48; number 48.
    assert_eq!(bytes, [2900, 20_000, 1300, 700, 300, 4900, 4800]);
    assert_eq!(bytes[1..].iter().sum::<usize>() * 8, 320 * 800);
}

#[test]
fn a_sign_of_27_bits_takes_201_bits_in_four_messages_after_its_choices() {
    let layout = Layout::new(27, Output::Signs, 800).unwrap();
    assert_eq!((layout.lookups(), layout.offered(), layout.returned()), (7 * 800, 6 * 800, 6 * 800));
    let (_, messages) = run(layout, [&[5; 800], &[7; 800]]);
    let bytes: Vec<usize> = messages.iter().map(Vec::len).collect();
    assert_eq!(bytes, [2800, 17_900, 1300, 700, 200]);
}

#[test]
fn one_number_is_padded_to_whole_bytes_per_message_only() {
    let layout = Layout::new(27, Output::Relu { bits: 48 }, 1).unwrap();
    let bytes: Vec<usize> = (0..layout.messages()).map(|number| layout.message_bytes(number)).collect();
    assert_eq!(bytes, [4, 25, 2, 1, 1, 7, 6]);
    assert_eq!(layout.message_bytes(7), 0);
}

#[test]
fn truncated_shares_are_the_floor_or_one_less() {
    for [first, second] in [all(8), some(40, 1000)] {
        let ring_bits = if first.len() == 1 << 16 { 8 } else { 40 };
        for bits in [1, 3, 7] {
            for (first, second) in first.iter().zip(&second) {
                let sum = ideal::add(ring_bits, [*first, *second]);
                let truncated = [*first, *second].map(|share| truncate(ring_bits, bits, share));
                let error = (sum >> bits).wrapping_sub(ideal::add(ring_bits - bits, truncated));
                assert!(error & crate::bits::low(ring_bits - bits) <= 1, "{first} {second} {bits}");
            }
        }
    }
}

#[test]
fn every_message_of_another_length_is_an_error_whoever_receives_it() {
    for output in [Output::Signs, Output::Relu { bits: 40 }] {
        let layout = Layout::new(22, output, 5).unwrap();
        let (_, messages) = run(layout, [&[1; 5], &[2; 5]]);
        for at in 0..messages.len() {
            for change in [-1, 1] {
                let (offerer, chooser) = dealt(layout);
                let mut waiting =
                    [Some(offerer.start(&[1; 5]).unwrap()), Some(chooser.start(&[2; 5]).unwrap().0)];
                // Messages of other keys have the right lengths and mean nothing.
                for (number, message) in messages.iter().enumerate().take(at) {
                    if let Turn::Send(party, _) =
                        waiting[number % 2].take().unwrap().receive(message).unwrap()
                    {
                        waiting[number % 2] = Some(party);
                    }
                }
                let wrong = vec![0; messages[at].len().saturating_add_signed(change)];
                let result = waiting[at % 2].take().unwrap().receive(&wrong).map(|_| ());
                assert!(matches!(result, Err(Error::Length { .. })), "message {at}");
            }
        }
    }
}

#[test]
fn keys_for_another_layout_and_sizes_that_do_not_exist_are_errors() {
    let relu = Output::Relu { bits: 32 };
    let layout = Layout::new(20, relu, 3).unwrap();
    let rows = |kind, count| ideal::random_rows(kind, count).unwrap();
    let (lookups, _) = rows(Kind::Sixteen, layout.lookups() - 1);
    let ((offered, _), (_, returned)) =
        (rows(Kind::Pairs, layout.offered()), rows(Kind::Pairs, layout.returned()));
    let result = Offerer::new(layout, lookups, offered, returned).map(|_| ());
    assert!(matches!(result, Err(Error::Count { what: "transfers for lookups", .. })));
    let (_, lookups) = rows(Kind::Pairs, layout.lookups());
    let ((_, offered), (returned, _)) =
        (rows(Kind::Pairs, layout.offered()), rows(Kind::Pairs, layout.returned()));
    let result = Chooser::new(layout, lookups, offered, returned).map(|_| ());
    assert!(matches!(result, Err(Error::Count { expected: 16, actual: 2, .. })));
    assert!(matches!(Layout::new(1, relu, 3), Err(Error::Ring { bits: 1, least: 2 })));
    assert!(matches!(Layout::new(65, Output::Signs, 3), Err(Error::Ring { bits: 65, .. })));
    assert!(matches!(Layout::new(20, Output::Relu { bits: 0 }, 3), Err(Error::Ring { bits: 0, least: 1 })));
    assert!(matches!(Layout::new(20, relu, 0), Err(Error::Count { actual: 0, .. })));
    let (offerer, chooser) = dealt(layout);
    assert!(matches!(offerer.start(&[0; 2]), Err(Error::Count { expected: 3, actual: 2, .. })));
    assert!(matches!(chooser.start(&[0; 4]), Err(Error::Count { expected: 3, actual: 4, .. })));
}
