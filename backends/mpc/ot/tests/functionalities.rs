//! Every protocol gives shares of what the ideal functionality says, on the dealer's transfers and on extended ones, in both directions.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod session;

use session::{Extended, numbers};
use veilbench_ot::correlated;
use veilbench_ot::gates::{Products, Triple};
use veilbench_ot::lookup::{IndexKeys, Shape, TableKeys, Tables};
use veilbench_ot::multiplexer::Multiplexer;
use veilbench_ot::{Depth, Error, Kind, ReceiverRows, SenderRows, ideal, product, transfer};

const COUNTS: [usize; 4] = [1, 64, 129, 1000];

/// Calls a test with transfers 1-of-2 one way and the other: of the dealer, of a session, and of that exchanged.
fn with_pairs(each_way: usize, mut test: impl FnMut([(SenderRows, ReceiverRows); 2])) {
    let dealt = || ideal::random_rows(Kind::Pairs, each_way).unwrap();
    test([dealt(), dealt()]);
    let mut extended = Extended::new(Depth::EIGHT);
    for _ in 0..2 {
        test([extended.forward(each_way), extended.backward(each_way)]);
        test([extended.backward(each_way), extended.forward(each_way)]);
    }
}

/// Calls a test with 1-of-16 transfers of the dealer and of sessions.
fn with_lookups(transfers: usize, mut test: impl FnMut((SenderRows, ReceiverRows))) {
    test(ideal::random_rows(Kind::Sixteen, transfers).unwrap());
    for depth in [Depth::EIGHT, Depth::TWO] {
        let mut extended = Extended::new(depth);
        for _ in 0..2 {
            test(extended.lookups(transfers));
        }
    }
}

#[test]
fn random_transfers_give_the_chosen_key() {
    with_pairs(1001, |both| {
        for (sent, received) in both {
            let (pairs, chosen) = (sent.into_pairs().unwrap(), received.into_chosen().unwrap());
            for ((pair, key), choice) in pairs.pairs().iter().zip(chosen.keys()).zip(chosen.choices()) {
                assert_eq!(pair[usize::from(*choice)], *key);
                assert_ne!(pair[usize::from(1 - choice)], *key);
            }
        }
    });
}

#[test]
fn transfers_prepared_before_choices_give_the_chosen_message() {
    for count in COUNTS {
        with_pairs(count, |both| {
            for (sent, received) in both {
                let wide = |seed| numbers(seed, count).into_iter().map(|word| u128::from(word) << 40);
                let messages: Vec<[u128; 2]> = wide(20).zip(wide(21)).map(Into::into).collect();
                let choices: Vec<u8> = numbers(22, count).iter().map(|word| *word as u8 & 1).collect();
                let (chosen, flips) = transfer::choose(received.into_chosen().unwrap(), &choices).unwrap();
                assert_eq!(flips.len(), transfer::choices_bytes(count));
                let message = transfer::send(sent.into_pairs().unwrap(), &flips, &messages).unwrap();
                assert_eq!(message.len(), transfer::messages_bytes(count));
                let all: Vec<u128> =
                    message.as_chunks().0.iter().map(|block| u128::from_le_bytes(*block)).collect();
                let got = chosen.receive(&message).unwrap();
                for at in 0..count {
                    assert_eq!(got[at], ideal::transfer(messages[at], choices[at] == 1));
                    assert!((0..2).all(|which| all[2 * at + which] != messages[at][which]), "in clear");
                }
            }
        });
    }
}

#[test]
fn lookups_share_the_entry_at_the_index() {
    let shapes: Vec<Shape> = (1..=4)
        .flat_map(|bits| [1, 2].map(|outputs| (bits, outputs)))
        .map(|(b, o)| Shape::new(b, o).unwrap())
        .collect();
    for count in COUNTS {
        with_lookups(count, |(sent, received)| {
            let tables: Vec<Tables> =
                numbers(1, count).iter().map(|word| [*word as u16, (word >> 16) as u16]).collect();
            let width = |lookup: usize| 1 + lookup % 8 / 2;
            let indices: Vec<u8> = numbers(2, count)
                .iter()
                .enumerate()
                .map(|(lookup, word)| *word as u8 & ((1 << width(lookup)) - 1))
                .collect();
            let (indexed, choices) = IndexKeys::new(received).unwrap().choose(&shapes, &indices).unwrap();
            assert_eq!(choices.len(), (4 * count).div_ceil(8));
            let (at_sender, message) =
                TableKeys::new(sent).unwrap().offer(&choices, &shapes, &tables).unwrap();
            let bits: usize = shapes.iter().cycle().take(count).map(|shape| shape.bits()).sum();
            assert_eq!(message.len(), bits.div_ceil(8));
            let at_receiver = indexed.look_up(&shapes, &message).unwrap();
            for lookup in 0..count {
                let outputs = if lookup % 2 == 0 { 1 } else { 3 };
                let expected = ideal::look_up(tables[lookup], indices[lookup]) & outputs;
                assert_eq!(at_sender[lookup] ^ at_receiver[lookup], expected, "lookup {lookup}");
            }
        });
    }
}

#[test]
fn lookups_of_every_index_in_every_table_of_one_entry_are_exact() {
    let count = 16 * 16;
    with_lookups(count, |(sent, received)| {
        let tables: Vec<Tables> = (0..count).map(|at| [1 << (at / 16), !(1 << (at / 16))]).collect();
        let indices: Vec<u8> = (0..count).map(|at| at as u8 % 16).collect();
        let shapes = [Shape::new(4, 2).unwrap()];
        let (indexed, choices) = IndexKeys::new(received).unwrap().choose(&shapes, &indices).unwrap();
        let (at_sender, message) = TableKeys::new(sent).unwrap().offer(&choices, &shapes, &tables).unwrap();
        let at_receiver = indexed.look_up(&shapes, &message).unwrap();
        for lookup in 0..count {
            let equal = lookup / 16 == lookup % 16;
            assert_eq!(at_sender[lookup] ^ at_receiver[lookup], if equal { 1 } else { 2 });
        }
    });
}

#[test]
fn products_of_bits_share_the_product() {
    for lanes in COUNTS {
        with_pairs(3 * lanes, |[(sent, received), (sent_back, received_back)]| {
            let first = Triple::from_transfers(lanes, sent, received_back).unwrap();
            let second = Triple::from_transfers(lanes, sent_back, received).unwrap();
            assert_eq!((first.len(), second.len()), (3, 3));
            for (gate, (first, second)) in first.into_iter().zip(second).enumerate() {
                let words = lanes.div_ceil(64);
                let inputs =
                    |party: u8| [0, 1, 2].map(|input| numbers(10 * party + input + gate as u8, words));
                let ([a, b, c], [d, e, f]) = (inputs(1), inputs(2));
                let one = gate == 2;
                let factors = |b, c| if one { vec![b] } else { vec![b, c] };
                let (first, to_second) =
                    Products::open(first, &a, &factors(b.as_slice(), c.as_slice())).unwrap();
                let (second, to_first) =
                    Products::open(second, &d, &factors(e.as_slice(), f.as_slice())).unwrap();
                assert_eq!(to_first.len(), (if one { 2 } else { 3 } * lanes).div_ceil(8));
                let first = first.close(true, &to_first).unwrap();
                let second = second.close(false, &to_second).unwrap();
                for (factor, (mine, theirs)) in [(&b, &e), (&c, &f)].into_iter().enumerate().take(first.len())
                {
                    for word in 0..words {
                        let expected = ideal::multiply_bits([a[word], d[word]], [mine[word], theirs[word]]);
                        let used = u64::MAX >> (64 * (word + 1)).saturating_sub(lanes).min(63);
                        assert_eq!((first[factor][word] ^ second[factor][word] ^ expected) & used, 0);
                    }
                }
            }
        });
    }
}

#[test]
fn correlated_transfers_share_the_number_times_the_bit_at_every_width() {
    let widths: Vec<u32> = (1..=64).collect();
    for count in COUNTS {
        with_pairs(count, |both| {
            for (sent, received) in both {
                let (xs, bits) = (numbers(3, count), numbers(4, count));
                let bits: Vec<u8> = bits.iter().map(|word| *word as u8 & 1).collect();
                let (chosen, flips) = correlated::Receiver::new(received).unwrap().choose(&bits).unwrap();
                assert_eq!(flips.len(), count.div_ceil(8));
                let (at_sender, message) =
                    correlated::Sender::new(sent).unwrap().send(&widths, &flips, &xs).unwrap();
                let sent_bits: usize = widths.iter().cycle().take(count).map(|width| *width as usize).sum();
                assert_eq!(message.len(), sent_bits.div_ceil(8));
                let at_receiver = chosen.receive(&widths, &message).unwrap();
                for at in 0..count {
                    let width = widths[at % 64];
                    let sum = ideal::add(width, [at_sender[at], at_receiver[at]]);
                    assert_eq!(sum, ideal::correlate(width, xs[at], bits[at] == 1), "{width} bits");
                }
            }
        });
    }
}

#[test]
fn two_numbers_of_a_transfer_are_shared_under_masks_of_their_own() {
    let count = 256;
    with_pairs(count, |both| {
        for (sent, received) in both {
            let bits: Vec<u8> = numbers(4, count).iter().map(|word| *word as u8 & 1).collect();
            // Of equal numbers, messages differ by their masks alone.
            let xs = [numbers(5, count), numbers(5, count)];
            let ([first, second], flips) =
                correlated::ReceiverOfTwo::new(received).unwrap().choose(&bits).unwrap();
            assert_eq!(flips.len(), count / 8);
            let senders = correlated::Sender::of_two(sent).unwrap();
            let mut messages = Vec::new();
            for ((sender, receiver), xs) in senders.into_iter().zip([first, second]).zip(&xs) {
                let (at_sender, message) = sender.send(&[64], &flips, xs).unwrap();
                let at_receiver = receiver.receive(&[64], &message).unwrap();
                for at in 0..count {
                    let sum = at_sender[at].wrapping_add(at_receiver[at]);
                    assert_eq!(sum, ideal::correlate(64, xs[at], bits[at] == 1));
                }
                messages.push(message);
            }
            let [first, second] = [0, 1].map(|at| messages[at].as_chunks::<8>().0);
            assert!(first.iter().zip(second).all(|(first, second)| first != second));
        }
    });
}

#[test]
fn multiplexers_share_the_number_or_zero() {
    for (count, width) in COUNTS.into_iter().zip([1, 48, 64, 33]) {
        with_pairs(count, |[(sent, received), (sent_back, received_back)]| {
            let party = |sent, received| {
                let sent = correlated::Sender::new(sent).unwrap();
                Multiplexer::new(width, sent, correlated::Receiver::new(received).unwrap()).unwrap()
            };
            let bits = [5, 6].map(|seed| numbers(seed, count.div_ceil(64)));
            let shares = [7, 8].map(|seed| numbers(seed, count));
            let (first, to_second) = party(sent, received_back).choose(&bits[0], &shares[0]).unwrap();
            let (second, to_first) = party(sent_back, received).choose(&bits[1], &shares[1]).unwrap();
            assert_eq!(to_first.len(), count.div_ceil(8));
            let (first, to_second) =
                first.send(&to_first).map(|(first, next)| (first, (next, to_second))).unwrap();
            let (second, to_first) = second.send(&to_second.1).unwrap();
            assert_eq!(to_first.len(), (count * width as usize).div_ceil(8));
            let outputs = [first.receive(&to_first).unwrap(), second.receive(&to_second.0).unwrap()];
            for at in 0..count {
                let bit = [0, 1].map(|party| bits[party][at / 64] >> (at % 64) & 1 == 1);
                let expected = ideal::select(width, bit, [shares[0][at], shares[1][at]]);
                assert_eq!(ideal::add(width, [outputs[0][at], outputs[1][at]]), expected);
            }
        });
    }
}

#[test]
fn products_of_numbers_share_the_product_in_every_ring() {
    for (ring_bits, operand_bits) in [(1, 1), (8, 3), (8, 64), (33, 21), (48, 48), (64, 64)] {
        let shape = product::Shape::new(ring_bits, operand_bits).unwrap();
        let factors = [(0, 0), (1, 1), (u64::MAX, u64::MAX), (1 << 63, 3), (12345, 1 << 20)];
        let (mut xs, mut ys): (Vec<_>, Vec<_>) = factors.into_iter().unzip();
        xs.extend(numbers(11, 30));
        ys.extend(numbers(12, 30));
        let ys: Vec<u64> = ys.into_iter().map(|y: u64| y & (u64::MAX >> (64 - operand_bits))).collect();
        with_pairs(shape.transfers() * xs.len(), |both| {
            for (sent, received) in both {
                let received = correlated::Receiver::new(received).unwrap();
                let (chosen, flips) = product::choose(&shape, received, &ys).unwrap();
                let sent = correlated::Sender::new(sent).unwrap();
                let (at_sender, message) = product::send(&shape, sent, &flips, &xs).unwrap();
                assert_eq!(message.len(), (shape.bits() * xs.len()).div_ceil(8));
                let at_receiver = product::receive(&shape, chosen, &message).unwrap();
                for at in 0..xs.len() {
                    let sum = ideal::add(ring_bits, [at_sender[at], at_receiver[at]]);
                    assert_eq!(sum, ideal::multiply(ring_bits, xs[at], ys[at]));
                }
            }
        });
    }
}

#[test]
fn a_product_of_full_width_takes_half_the_square_of_its_bits() {
    assert_eq!(product::Shape::new(48, 48).unwrap().bits(), 48 * 49 / 2);
    assert_eq!(product::Shape::new(48, 27).unwrap().bits(), (22..=48).sum());
}

#[test]
fn squares_of_shared_numbers_are_shared() {
    for ring_bits in [2, 9, 40, 64] {
        let shape = product::Shape::new(ring_bits - 1, ring_bits - 1).unwrap();
        let shares = [13, 14].map(|seed| numbers(seed, 50));
        with_pairs(50 * shape.transfers(), |[(sent, received), _]| {
            let received = correlated::Receiver::new(received).unwrap();
            let (chosen, flips) = product::choose(&shape, received, &shares[1]).unwrap();
            let sent = correlated::Sender::new(sent).unwrap();
            let (first, message) = product::send(&shape, sent, &flips, &shares[0]).unwrap();
            let second = product::receive(&shape, chosen, &message).unwrap();
            for at in 0..50 {
                let [t0, t1] = [0, 1].map(|party| shares[party][at]);
                let sum = ideal::add(ring_bits, [t0, t1]);
                let squares =
                    [product::square(ring_bits, t0, first[at]), product::square(ring_bits, t1, second[at])];
                assert_eq!(ideal::add(ring_bits, squares), ideal::multiply(ring_bits, sum, sum));
            }
        });
    }
}

#[test]
fn other_counts_kinds_and_lengths_are_errors() {
    let pairs = |count| ideal::random_rows(Kind::Pairs, count).unwrap();
    let sixteen = |count| ideal::random_rows(Kind::Sixteen, count).unwrap();
    let counts =
        |result: Result<(), Error>| assert!(matches!(result, Err(Error::Count { .. })), "{result:?}");
    let lengths =
        |result: Result<(), Error>| assert!(matches!(result, Err(Error::Length { .. })), "{result:?}");

    counts(TableKeys::new(pairs(3).0).map(|_| ()));
    counts(IndexKeys::new(pairs(3).1).map(|_| ()));
    counts(correlated::Sender::new(sixteen(3).0).map(|_| ()));
    counts(correlated::Receiver::new(sixteen(3).1).map(|_| ()));
    counts(Triple::from_transfers(3, pairs(3).0, pairs(6).1).map(|_| ()));
    counts(Triple::from_transfers(3, pairs(4).0, pairs(4).1).map(|_| ()));
    counts(Triple::from_transfers(3, sixteen(3).0, pairs(3).1).map(|_| ()));

    let keys = || ideal::random_keys(9).unwrap();
    counts(transfer::choose(keys().1, &[0; 8]).map(|_| ()));
    counts(transfer::send(keys().0, &[0; 2], &[[0; 2]; 8]).map(|_| ()));
    lengths(transfer::send(keys().0, &[0; 3], &[[0; 2]; 9]).map(|_| ()));
    lengths(transfer::choose(keys().1, &[0; 9]).unwrap().0.receive(&[0; 287]).map(|_| ()));

    let shapes = [Shape::new(4, 2).unwrap()];
    let keys = || TableKeys::new(sixteen(3).0).unwrap();
    counts(keys().offer(&[0; 2], &shapes, &[[0; 2]; 2]).map(|_| ()));
    lengths(keys().offer(&[0; 3], &shapes, &[[0; 2]; 3]).map(|_| ()));
    let indices = || IndexKeys::new(sixteen(3).1).unwrap();
    counts(indices().choose(&shapes, &[0; 4]).map(|_| ()));
    counts(indices().choose(&[], &[0; 3]).map(|_| ()));
    assert_eq!(indices().choose(&shapes, &[0, 16, 0]).map(|_| ()), Err(Error::Index { lookup: 1 }));
    let narrow = [Shape::new(2, 1).unwrap()];
    assert_eq!(indices().choose(&narrow, &[3, 3, 4]).map(|_| ()), Err(Error::Index { lookup: 2 }));
    for (index_bits, outputs) in [(5, 1), (4, 0), (4, 3)] {
        counts(Shape::new(index_bits, outputs).map(|_| ()));
    }
    lengths(indices().choose(&shapes, &[0; 3]).unwrap().0.look_up(&shapes, &[0; 11]).map(|_| ()));

    let sender = || correlated::Sender::new(pairs(9).0).unwrap();
    counts(sender().send(&[48], &[0; 2], &[0; 8]).map(|_| ()));
    counts(sender().send(&[], &[0; 2], &[0; 9]).map(|_| ()));
    lengths(sender().send(&[48], &[0; 1], &[0; 9]).map(|_| ()));
    assert!(matches!(sender().send(&[65], &[0; 2], &[0; 9]), Err(Error::Ring { bits: 65, .. })));
    let receiver = || correlated::Receiver::new(pairs(9).1).unwrap();
    counts(receiver().choose(&[0; 8]).map(|_| ()));
    lengths(receiver().choose(&[0; 9]).unwrap().0.receive(&[48], &[0; 53]).map(|_| ()));

    let multiplexer =
        |width, count| Multiplexer::new(width, sender(), correlated::Receiver::new(pairs(count).1).unwrap());
    counts(multiplexer(48, 8).map(|_| ()));
    assert!(matches!(multiplexer(0, 9), Err(Error::Ring { bits: 0, .. })));
    counts(multiplexer(48, 9).unwrap().choose(&[0], &[0; 8]).map(|_| ()));
    let selecting = multiplexer(48, 9).unwrap().choose(&[0], &[0; 9]).unwrap().0;
    lengths(selecting.send(&[0; 3]).map(|_| ()));

    let shape = product::Shape::new(8, 4).unwrap();
    counts(product::choose(&shape, receiver(), &[0; 2]).map(|_| ()));
    counts(product::send(&shape, sender(), &[0; 2], &[0; 2]).map(|_| ()));
    assert!(matches!(product::Shape::new(0, 4), Err(Error::Ring { bits: 0, .. })));
    assert!(matches!(product::Shape::new(8, 65), Err(Error::Ring { bits: 65, .. })));

    let triple = || Triple::from_transfers(70, pairs(70).0, pairs(70).1).unwrap().remove(0);
    counts(Products::open(triple(), &[0], &[&[0, 0]]).map(|_| ()));
    counts(Products::open(triple(), &[0, 0], &[]).map(|_| ()));
    lengths(Products::open(triple(), &[0, 0], &[&[0, 0]]).unwrap().0.close(true, &[0; 17]).map(|_| ()));
}
