//! Setup of sessions, and whole ReLUs over extended transfers, portion after portion.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod session;

use std::collections::HashSet;

use session::{Extended, numbers};
use veilbench_ot::relu::{self, Chooser, Layout, Offerer, Output, Shares, Turn};
use veilbench_ot::{Depth, Error, ideal, setup};

fn keys(extended: &mut Extended, layout: Layout) -> (Offerer, Chooser) {
    let (requested, message) = relu::request(&mut extended.chooser, layout);
    let (offerer, answer) = relu::answer(&mut extended.offerer, layout, &message).unwrap();
    (offerer, requested.finish(&mut extended.chooser, &answer).unwrap())
}

/// Results of offerer and chooser.
fn relus((offerer, chooser): (Offerer, Chooser), shares: [&[u64]; 2]) -> [Shares; 2] {
    let (chooser, mut message) = chooser.start(shares[1]).unwrap();
    let mut receiver = offerer.start(shares[0]).unwrap();
    let mut other = Some(chooser);
    let mut results = Vec::new();
    let mut offerer_receives = true;
    loop {
        let turn = receiver.receive(&message).unwrap();
        match turn {
            Turn::Send(party, next) => {
                receiver = other.replace(party).unwrap();
                message = next;
            }
            Turn::Last(shares, next) => {
                results.push(shares);
                receiver = other.take().unwrap();
                message = next;
            }
            Turn::Done(shares) => {
                results.push(shares);
                if offerer_receives {
                    results.reverse();
                }
                return results.try_into().unwrap();
            }
        }
        offerer_receives = !offerer_receives;
    }
}

#[test]
fn relus_over_extended_transfers_are_exact_at_every_depth_and_in_every_portion() {
    for depth in [Depth::TWO, Depth::FOUR, Depth::EIGHT] {
        let mut extended = Extended::new(depth);
        for (portion, lanes) in [1, 700, 64].into_iter().enumerate() {
            let layout = Layout::new(27, Output::Relu { bits: 48 }, lanes).unwrap();
            let keys = keys(&mut extended, layout);
            let shares = [1, 2].map(|seed| numbers(seed + 10 * portion as u8, lanes));
            let results = relus(keys, [&shares[0], &shares[1]]);
            for lane in 0..lanes {
                let input = [0, 1].map(|party| shares[party][lane] & ((1 << 27) - 1));
                let sum = ideal::add(48, [results[0][lane], results[1][lane]]);
                assert_eq!(sum, ideal::relu(27, 48, input));
            }
        }
    }
}

#[test]
fn a_set_up_takes_less_than_25_kilobytes_in_three_messages() {
    assert_eq!(setup::message_bytes(Depth::EIGHT), [8208, 32 + 4096 + 690, 4096 + 7680]);
    assert_eq!(setup::message_bytes(Depth::FOUR), [8208, 32 + 4096 + 1426, 4096 + 7680]);
}

#[test]
fn nothing_of_a_session_comes_again_in_another_of_the_same_name() {
    let mut seen = HashSet::new();
    for _ in 0..2 {
        let mut extended = Extended::new(Depth::EIGHT);
        for _ in 0..2 {
            for (sent, received) in [extended.forward(200), extended.backward(200), extended.lookups(200)] {
                assert!(received.rows().iter().all(|row| seen.insert(*row)));
                let sent = sent.into_rows();
                assert!(
                    sent.rows().iter().zip(received.choices()).all(|(row, c)| *c == 0 || seen.insert(*row))
                );
            }
        }
        let differences = |rows: veilbench_ot::SenderRows| rows.into_rows().differences()[1..].to_vec();
        let all =
            [extended.forward(1).0, extended.backward(1).0, extended.lookups(1).0].map(differences).concat();
        assert_eq!(all.len(), 1 + 1 + 15);
        assert!(all.iter().all(|difference| seen.insert(*difference)));
    }
}

#[test]
fn hostile_messages_of_a_set_up_are_errors() {
    let depth = Depth::EIGHT;
    let (chooser, first) = setup::Chooser::start(depth).unwrap();
    let short = setup::Offerer::start(depth, &first[1..]).map(|_| ());
    assert!(matches!(short, Err(Error::Length { expected: 8208, actual: 8207, .. })));
    let (offerer, mut second) = setup::Offerer::start(depth, &first).unwrap();
    let short = offerer.finish(&[0; 11_775]).map(|_| ());
    assert!(matches!(short, Err(Error::Length { expected: 11_776, .. })));
    second.push(0);
    assert!(matches!(
        chooser.finish(&second).map(|_| ()),
        Err(Error::Length { expected: 4818, actual: 4819, .. })
    ));
    let (chooser, _) = setup::Chooser::start(depth).unwrap();
    second.pop();
    second[..32].fill(0);
    assert_eq!(chooser.finish(&second).map(|_| ()), Err(Error::Identity { index: 0 }));
}

#[test]
fn preparing_a_relu_takes_407_bits_and_another_length_is_an_error() {
    let mut extended = Extended::new(Depth::EIGHT);
    let layout = Layout::new(27, Output::Relu { bits: 48 }, 800).unwrap();
    let (requested, request) = relu::request(&mut extended.chooser, layout);
    assert_eq!(request.len() * 8, (7 * 26 + 8 * 15) * 800);
    let short = relu::answer(&mut extended.offerer, layout, &request[1..]).map(|_| ());
    assert!(matches!(short, Err(Error::Length { .. })));
    let (_, answer) = relu::answer(&mut extended.offerer, layout, &request).unwrap();
    assert_eq!(answer.len() * 8, 7 * 15 * 800);
    let short = requested.finish(&mut extended.chooser, &answer[1..]).map(|_| ());
    assert!(matches!(short, Err(Error::Length { .. })));
}

#[test]
fn an_extension_is_over_after_a_message_that_was_none() {
    let mut extended = Extended::new(Depth::EIGHT);
    let (_, message) = extended.offerer.received.extend(100);
    let refused = extended.chooser.sent.extend(100, &message[1..]).map(|_| ());
    assert!(matches!(refused, Err(Error::Length { .. })));
    assert_eq!(extended.chooser.sent.extend(100, &message).map(|_| ()), Err(Error::Broken));
}

#[test]
fn requests_are_finished_in_their_order() {
    let mut extended = Extended::new(Depth::EIGHT);
    let layout = Layout::new(27, Output::Relu { bits: 48 }, 10).unwrap();
    let mut prepared = [(); 2].map(|()| {
        let (requested, request) = relu::request(&mut extended.chooser, layout);
        (Some(requested), relu::answer(&mut extended.offerer, layout, &request).unwrap().1)
    });
    let mut finish = |at: usize| {
        let (requested, answer) = &mut prepared[at];
        requested.take().unwrap().finish(&mut extended.chooser, answer).map(|_| ())
    };
    assert_eq!(finish(1), Err(Error::Order { expected: 0, actual: 1 }));
    assert_eq!(finish(0), Ok(()));
}

#[test]
fn sessions_have_names_of_their_own() {
    let names = [(); 2].map(|()| setup::Chooser::start(Depth::EIGHT).unwrap().1[..16].to_vec());
    assert_ne!(names[0], names[1]);
}
