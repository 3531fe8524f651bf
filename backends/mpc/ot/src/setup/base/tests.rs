//! Base transfers: what both ends get, known answers, and messages that are refused.

use std::collections::HashSet;

use curve25519_dalek::constants::RISTRETTO_BASEPOINT_POINT;

use super::*;

const SESSION: Session = Session::new([7; 16]);

fn run(session: Session) -> (KeyPairs, ChosenKeys, Vec<u8>) {
    let (receiver, message) = Receiver::start(session).unwrap();
    let (pairs, answer) = Sender::new(session).unwrap().answer(&message).unwrap();
    assert_eq!((message.len(), answer.len()), (CHOICES_BYTES, ANSWER_BYTES));
    (pairs, receiver.finish(&answer).unwrap(), message)
}

#[test]
fn the_receiver_gets_the_key_it_chose_and_not_the_other() {
    let (pairs, chosen, _) = run(SESSION);
    assert_eq!((pairs.len(), chosen.len()), (COUNT, COUNT));
    for ((pair, key), choice) in pairs.pairs().iter().zip(chosen.keys()).zip(chosen.choices()) {
        assert_eq!(pair[usize::from(*choice)], *key);
        assert_ne!(pair[usize::from(1 - *choice)], *key);
    }
    // 128 fair bits have 29 to 99 ones but with probability 1e-9.
    let ones: u32 = chosen.choices().iter().map(|choice| u32::from(*choice)).sum();
    assert!((29..=99).contains(&ones), "{ones} ones");
}

#[test]
fn no_key_comes_twice_even_in_two_sessions_of_one_name() {
    let mut seen = HashSet::new();
    let mut choices = HashSet::new();
    for _ in 0..2 {
        let (pairs, chosen, _) = run(SESSION);
        assert!(pairs.pairs().iter().flatten().all(|key| seen.insert(*key)));
        assert!(choices.insert(chosen.choices().to_vec()));
    }
}

#[test]
fn all_points_of_a_message_are_different_and_differ_from_session_to_session() {
    let mut seen = HashSet::new();
    for _ in 0..2 {
        let (_, message) = Receiver::start(SESSION).unwrap();
        assert!(message.chunks(POINT).all(|point| seen.insert(point.to_vec())));
    }
}

#[test]
fn answers_differ_from_session_to_session() {
    let (_, message) = Receiver::start(SESSION).unwrap();
    let answer = || Sender::new(SESSION).unwrap().answer(&message).unwrap().1;
    assert_ne!(answer(), answer());
}

#[test]
fn the_multiples_behind_chosen_points_are_never_the_same() {
    let mut seen = HashSet::new();
    for _ in 0..2 {
        let (receiver, _) = Receiver::start(SESSION).unwrap();
        assert!(receiver.scalars.iter().all(|scalar| seen.insert(scalar.to_bytes())));
    }
}

#[test]
fn the_chosen_points_sum_is_the_receivers_multiple_and_the_others_is_not() {
    let (receiver, message) = Receiver::start(SESSION).unwrap();
    for (index, points) in message.chunks(2 * POINT).enumerate() {
        let choice = usize::from(receiver.choices[index]);
        let halves = [&points[..POINT], &points[POINT..]];
        let sum = |i: usize| {
            read_point(index, halves[i]).unwrap() + hash_to_group(SESSION, index, i as u8, halves[1 - i])
        };
        let own = RISTRETTO_BASEPOINT_POINT * receiver.scalars[index];
        assert_eq!(sum(choice), own);
        assert_ne!(sum(1 - choice), own);
    }
}

#[test]
fn parties_of_different_sessions_share_no_key() {
    let (receiver, message) = Receiver::start(SESSION).unwrap();
    let (pairs, answer) = Sender::new(Session::new([8; 16])).unwrap().answer(&message).unwrap();
    let chosen = receiver.finish(&answer).unwrap();
    let pairs: HashSet<u128> = pairs.pairs().iter().flatten().copied().collect();
    assert!(chosen.keys().iter().all(|key| !pairs.contains(key)));
}

#[test]
fn a_transfers_number_enters_its_hashes() {
    let (receiver, mut message) = Receiver::start(SESSION).unwrap();
    message.rotate_left(2 * POINT);
    let (pairs, answer) = Sender::new(SESSION).unwrap().answer(&message).unwrap();
    let chosen = receiver.finish(&answer).unwrap();
    let pairs: HashSet<u128> = pairs.pairs().iter().flatten().copied().collect();
    assert!(chosen.keys().iter().all(|key| !pairs.contains(key)));
}

#[test]
fn hostile_choices_are_errors() {
    let (_, message) = Receiver::start(SESSION).unwrap();
    let answer = |message: &[u8]| Sender::new(SESSION).unwrap().answer(message).map(|_| ());
    for length in [0, CHOICES_BYTES - 1] {
        let error = answer(&message[..length]).unwrap_err();
        assert!(matches!(error, Error::Length { expected: CHOICES_BYTES, actual, .. } if actual == length));
    }
    assert!(matches!(answer(&[message.as_slice(), &[0]].concat()), Err(Error::Length { .. })));
    let with = |at: usize, point: Point| {
        let mut message = message.clone();
        message[at * POINT..][..POINT].copy_from_slice(&point);
        answer(&message)
    };
    assert_eq!(with(5, [0; POINT]), Err(Error::Identity { index: 2 }));
    for point in not_canonical() {
        assert_eq!(with(254, point), Err(Error::Point { index: 127 }));
    }
}

#[test]
fn hostile_answers_are_errors() {
    let finish = |answer: &[u8]| Receiver::start(SESSION).unwrap().0.finish(answer).map(|_| ());
    assert!(matches!(finish(&[0; 31]), Err(Error::Length { .. })));
    assert!(matches!(finish(&[0; 33]), Err(Error::Length { .. })));
    assert_eq!(finish(&[0; 32]), Err(Error::Identity { index: 0 }));
    for point in not_canonical() {
        assert_eq!(finish(&point), Err(Error::Point { index: 0 }));
    }
}

/// RFC 9496, appendix A.2: field elements that are not reduced, are negative, or belong to no square.
fn not_canonical() -> [Point; 4] {
    let word = |text: &str| {
        let digits = |at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
        std::array::from_fn(digits)
    };
    [
        word("00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
        word("f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        word("0100000000000000000000000000000000000000000000000000000000000000"),
        word("26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371"),
    ]
}
