//! Extensions: rows that fit each other, keys that differ, messages that are refused.

use std::collections::HashSet;

use super::*;
use crate::ideal;

const SESSION: Session = Session::new([3; 16]);
const DEPTHS: [Depth; 3] = [Depth::TWO, Depth::FOUR, Depth::EIGHT];
const KINDS: [Kind; 2] = [Kind::Pairs, Kind::Sixteen];

fn parameters(kind: Kind, depth: Depth) -> Parameters {
    Parameters { session: SESSION, direction: Direction::Forward, kind, depth }
}

fn begin(parameters: Parameters) -> (Sender, Receiver) {
    let (pairs, chosen) = ideal::random_keys(parameters.seeds()).unwrap();
    let (receiver, message) = Receiver::new(parameters, pairs).unwrap();
    assert_eq!(message.len(), parameters.setup_bytes());
    (Sender::new(parameters, chosen, &message).unwrap(), receiver)
}

fn portion(sender: &mut Sender, receiver: &mut Receiver, transfers: usize) -> (SenderRows, ReceiverRows) {
    let (received, message) = receiver.extend(transfers);
    assert_eq!(message.len(), sender.forest.parameters.portion_bytes(transfers));
    let sent = sender.extend(transfers, &message).unwrap();
    assert_eq!((sent.len(), received.len()), (transfers, transfers));
    (sent, received)
}

/// Every row of the receiver is the sender's plus the difference of its choice.
fn assert_correlated(sent: SenderRows, received: &ReceiverRows) {
    let sent = sent.into_rows();
    for (index, (row, choice)) in received.rows().iter().zip(received.choices()).enumerate() {
        assert_eq!(sent.rows()[index] ^ sent.differences()[usize::from(*choice)], *row, "transfer {index}");
    }
}

/// The receiver's key is the sender's of its choice, and no two keys of the sender are the same.
fn assert_transferred(sent: SenderRows, received: ReceiverRows, seen: &mut HashSet<u128>) {
    let (choices, keys) = received.into_hashes();
    let mut expected = choices.iter().zip(keys.iter());
    sent.for_each_keys(|keys| {
        let (choice, key) = expected.next().unwrap();
        assert_eq!(keys[usize::from(*choice)], *key);
        assert!(keys.iter().all(|key| seen.insert(*key)), "a key comes twice");
    });
    assert!(expected.next().is_none());
}

#[test]
fn rows_differ_by_the_choices_difference_first_and_last_and_in_any_number() {
    for depth in DEPTHS {
        for kind in KINDS {
            let (mut sender, mut receiver) = begin(parameters(kind, depth));
            for transfers in [1, 127, 128, 129, 0, 2047, 2048, 2049, 5001] {
                let (sent, received) = portion(&mut sender, &mut receiver, transfers);
                assert_correlated(sent, &received);
            }
        }
    }
}

#[test]
fn keys_are_those_of_the_choices_and_none_comes_twice_in_any_portion_or_session() {
    for kind in KINDS {
        let mut seen = HashSet::new();
        for _ in 0..2 {
            let (mut sender, mut receiver) = begin(parameters(kind, Depth::EIGHT));
            for transfers in [300, 300, 1] {
                let (sent, received) = portion(&mut sender, &mut receiver, transfers);
                assert_transferred(sent, received, &mut seen);
            }
        }
        assert_eq!(seen.len(), 2 * 601 * if kind == Kind::Pairs { 2 } else { 16 });
    }
}

#[test]
fn differences_are_a_subspace_of_random_blocks_new_in_every_session() {
    let mut seen = HashSet::new();
    for kind in KINDS {
        for _ in 0..20 {
            let (sender, _) = begin(parameters(kind, Depth::EIGHT));
            let differences = &sender.differences;
            assert_eq!(differences[0], 0);
            for (a, first) in differences.iter().enumerate() {
                for (b, second) in differences.iter().enumerate() {
                    assert_eq!(first ^ second, differences[a ^ b]);
                }
            }
            // Of 128 fair bits fewer than 20 are one with probability 1e-16.
            assert!(differences[1..].iter().all(|difference| difference.count_ones() > 20));
            assert!(differences[1..].iter().all(|difference| seen.insert(*difference)));
        }
    }
}

#[test]
fn choices_are_random_and_new_in_every_portion_and_session_of_the_same_seeds() {
    for kind in KINDS {
        let parameters = parameters(kind, Depth::EIGHT);
        let mut seen = HashSet::new();
        for _ in 0..3 {
            let pairs = KeyPairs::new(Wiped::from(vec![[1, 2]; parameters.seeds()]));
            let (mut receiver, _) = Receiver::new(parameters, pairs).unwrap();
            for _ in 0..2 {
                let (received, _) = receiver.extend(4000);
                let keys = received.keys();
                for choice in 0..keys {
                    let count = received.choices().iter().filter(|c| usize::from(**c) == choice).count();
                    // Seven standard deviations and more.
                    assert!(count.abs_diff(4000 / keys) < 220, "{count} times {choice} of {keys}");
                }
                assert!(seen.insert(received.choices().to_vec()));
            }
        }
    }
}

/// What the sender sees beside what it knows: with the true streams of the leaves it lacks, corrections are a codeword's.
#[test]
fn corrections_are_hidden_by_the_leaf_that_the_sender_lacks() {
    for kind in KINDS {
        let parameters = parameters(kind, Depth::TWO);
        let code = parameters.code();
        let (mut sender, mut receiver) = begin(parameters);
        let (received, message) = receiver.extend(ROWS);
        let mut columns = vec![[0; strip::BLOCKS]; code.columns()];
        let mut known = vec![[0; strip::BLOCKS]; code.trees()];
        sender.forest.next(&mut columns, &mut known);
        let mut reader = Reader::new("corrections", parameters.portion_bits(ROWS), &message).unwrap();
        for tree in code.corrected() {
            let mut guess = strip::from_words(&reader.plane(ROWS));
            strip::add(&mut guess, &known[tree]);
            let words = strip::words(&guess);
            let right = received.choices().iter().enumerate().filter(|(row, choice)| {
                let bit = (usize::from(**choice) & code.generator(tree)).count_ones() & 1;
                words[row / 64] >> (row % 64) & 1 == u64::from(bit)
            });
            // A guess without the missing leaf is right half the time; 200 off is nine standard deviations.
            assert!(right.count().abs_diff(ROWS / 2) < 200, "{kind:?} tree {tree}");
        }
    }
}

/// Public keys of the hash and numbers are different in every portion, direction, kind and session.
#[test]
fn no_two_hashes_have_key_and_number_in_common() {
    let (mut seen, mut keys) = (HashSet::new(), HashSet::new());
    for name in [3, 4] {
        for direction in [Direction::Forward, Direction::Backward] {
            for kind in KINDS {
                let session = Session::new([name; 16]);
                let parameters = Parameters { session, direction, kind, depth: Depth::FOUR };
                let (_, mut receiver) = begin(parameters);
                let mut end = 0;
                for transfers in [10, 1, 300] {
                    let numbering = receiver.forest.begin(transfers);
                    assert!(seen.insert(numbering.key));
                    assert_eq!(numbering.first, end);
                    for number in 0..transfers as u64 {
                        assert!(keys.insert(numbering.key ^ u128::from(numbering.first + number)));
                    }
                    end += transfers as u64;
                }
            }
        }
    }
}

#[test]
fn every_kernel_gives_the_same_rows() {
    for kind in KINDS {
        let parameters = parameters(kind, Depth::FOUR);
        let (pairs, chosen) = ideal::random_keys(parameters.seeds()).unwrap();
        for kernel in Kernel::available() {
            let again = KeyPairs::new(Wiped::from(pairs.pairs().to_vec()));
            let chosen = ChosenKeys::new(chosen.choices().to_vec().into(), chosen.keys().to_vec().into());
            let (mut receiver, message) = Receiver::new(parameters, again).unwrap();
            let mut sender = Sender::with_kernel(kernel, parameters, chosen, &message).unwrap();
            let (sent, received) = portion(&mut sender, &mut receiver, 3000);
            assert_transferred(sent, received, &mut HashSet::new());
        }
    }
}

#[test]
fn parts_of_a_portion_have_the_keys_they_had_in_it() {
    let (mut sender, mut receiver) = begin(parameters(Kind::Pairs, Depth::EIGHT));
    let (mut sent, mut received) = portion(&mut sender, &mut receiver, 100);
    let mut whole = sent.split_off(0).unwrap();
    assert!(sent.is_empty());
    let tail = whole.split_off(33).unwrap();
    let mut middle = received.split_off(20).unwrap();
    let last = middle.split_off(13).unwrap();
    assert_eq!((whole.len(), tail.len(), received.len(), middle.len(), last.len()), (33, 67, 20, 13, 67));
    assert!(matches!(received.split_off(21), Err(Error::Count { .. })));
    let mut seen = HashSet::new();
    assert_transferred(tail, last, &mut seen);
    let second = whole.split_off(20).unwrap();
    assert_transferred(second, middle, &mut seen);
    assert_transferred(whole, received, &mut seen);
}

#[test]
fn messages_of_other_lengths_and_other_numbers_of_seeds_are_errors() {
    let parameters = parameters(Kind::Pairs, Depth::EIGHT);
    let (pairs, chosen) = ideal::random_keys(127).unwrap();
    let expected = Error::Count { what: "seeds of an extension", expected: 128, actual: 127 };
    assert_eq!(Receiver::new(parameters, pairs).map(|_| ()), Err(expected.clone()));
    assert_eq!(Sender::new(parameters, chosen, &[]).map(|_| ()), Err(expected));
    for length in [0, 4095, 4097] {
        let (_, chosen) = ideal::random_keys(128).unwrap();
        let error = Sender::new(parameters, chosen, &vec![0; length]).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Length { expected: 4096, actual, .. } if actual == length));
    }
    for length in [0, 187, 189, 1 << 20] {
        let (mut sender, _) = begin(parameters);
        let error = sender.extend(100, &vec![0; length]).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Length { expected: 188, actual, .. } if actual == length));
        assert_eq!(sender.extend(100, &[0; 188]).map(|_| ()), Err(Error::Broken));
    }
}

#[test]
fn sixteen_keys_are_no_pair() {
    let (mut sender, mut receiver) = begin(parameters(Kind::Sixteen, Depth::EIGHT));
    let (sent, received) = portion(&mut sender, &mut receiver, 2);
    assert!(matches!(sent.into_pairs(), Err(Error::Count { expected: 2, actual: 16, .. })));
    assert!(matches!(received.into_chosen(), Err(Error::Count { expected: 2, actual: 16, .. })));
}
