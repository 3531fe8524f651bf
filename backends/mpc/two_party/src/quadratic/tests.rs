//! Polynomials and squares of numbers are those of integers, and what parties open is under masks that nobody else knows.

use proptest::prelude::*;
use veilbench_ot::Depth;
use veilbench_ot::setup::{Chooser, ChooserExtensions, Offerer, OffererExtensions};

use super::*;

fn extensions() -> (ChooserExtensions, OffererExtensions) {
    let (chooser, first) = Chooser::start(Depth::FOUR).unwrap();
    let (offerer, second) = Offerer::start(Depth::FOUR, &first).unwrap();
    let (chooser, third) = chooser.finish(&second).unwrap();
    (chooser, offerer.finish(&third).unwrap())
}

fn prepared(sizes: Sizes, coefficients: &Coefficients) -> [Keys; 2] {
    let (mut chooser, mut offerer) = extensions();
    let mut random = [(); 2].map(|()| Randomness::from_system().unwrap());
    let (mut own, mut other) = (Keys::with_room(sizes), Keys::with_room(sizes));
    for portion in sizes.portions() {
        let (requested, message) = request(portion, &mut chooser.received, &mut random[0]).unwrap();
        let extended = offerer.sent.parameters().portion_bytes(portion.transfers());
        assert_eq!(message.len(), portion.request_bytes(extended));
        let message =
            answer(portion, &mut offerer.sent, &mut random[1], coefficients, &message, &mut other).unwrap();
        assert_eq!(message.len(), portion.answer_bytes().unwrap());
        requested.finish(&message, &mut own).unwrap();
    }
    [own, other]
}

fn repeated(count: usize, value: i64) -> Wiped<u64> {
    vec![value as u64; count].into()
}

/// Sums of both parties' results for numbers shared as given, and both messages.
fn run(
    sizes: Sizes,
    coefficients: &Coefficients,
    keys: &[Keys; 2],
    shares: [&[u64]; 2],
) -> (Results, [Vec<u8>; 2]) {
    let first = mask(sizes, &keys[1], shares[1]).unwrap();
    let (own, second) = open(sizes, &keys[0], shares[0], &first).unwrap();
    assert_eq!([first.len(), second.len()], [sizes.opened_bytes(); 2]);
    let other = close(sizes, &keys[1], coefficients, &second).unwrap();
    let sum = |a: &[u64], b: &[u64]| {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b).map(|(a, b)| a.wrapping_add(*b) & low(sizes.bits)).collect::<Vec<u64>>().into()
    };
    let results =
        Results { values: sum(&own.values, &other.values), squares: sum(&own.squares, &other.squares) };
    (results, [first, second])
}

/// An operand, a share of it, and the coefficients of a polynomial from the highest on.
type Number = (i32, u64, i32, i64, i64);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn shares_of_polynomials_and_of_squares_add_up(
        numbers in prop::collection::vec((any::<i32>(), any::<u64>(), any::<i32>(), any::<i64>(), any::<i64>()), 1..20),
        bits in 40u32..=64,
        squares in any::<bool>(),
    ) {
        let sizes = Sizes { bits, count: numbers.len(), squares };
        let of = |each: &dyn Fn(&Number) -> u64| Wiped::from(numbers.iter().map(each).collect::<Vec<_>>());
        let coefficients = Coefficients {
            square: of(&|number| i64::from(number.2) as u64),
            linear: of(&|number| number.3 as u64),
            constant: of(&|number| number.4 as u64),
        };
        let keys = prepared(sizes, &coefficients);
        let own = of(&|number| number.1 & low(bits));
        let other = of(&|number| (i64::from(number.0) as u64).wrapping_sub(number.1) & low(bits));
        let (results, _) = run(sizes, &coefficients, &keys, [&own, &other]);
        prop_assert_eq!(results.squares.len(), if squares { numbers.len() } else { 0 });
        for (at, (t, _, a, b, c)) in numbers.iter().enumerate() {
            let t = i64::from(*t) as u64;
            let value = (i64::from(*a) as u64).wrapping_mul(t).wrapping_add(*b as u64).wrapping_mul(t);
            prop_assert_eq!(results.values[at], value.wrapping_add(*c as u64) & low(bits));
            if squares {
                prop_assert_eq!(results.squares[at], t.wrapping_mul(t) & low(bits));
            }
        }
    }
}

#[test]
fn more_numbers_than_a_portion_has_are_prepared_in_portions() {
    let sizes = Sizes { bits: 40, count: PORTION + 3, squares: false };
    assert_eq!(sizes.portions().map(|portion| portion.count).collect::<Vec<_>>(), [PORTION, 3]);
    let with = |square, linear, constant| Coefficients {
        square: repeated(sizes.count, square),
        linear: repeated(sizes.count, linear),
        constant: repeated(sizes.count, constant),
    };
    let coefficients = with(3, -5, 7);
    let keys = prepared(sizes, &coefficients);
    let shares: Vec<u64> = (0..sizes.count as u64).collect();
    let (results, _) = run(sizes, &coefficients, &keys, [&shares, &vec![0; sizes.count]]);
    let expected = |t: u64| (3 * t).wrapping_sub(5).wrapping_mul(t).wrapping_add(7) & low(40);
    assert!(results.values.iter().zip(&shares).all(|(value, t)| *value == expected(*t)));
}

/// The same number under the same shares, many times over: of neither message does a bit stay, nor does one follow from another.
#[test]
fn what_is_opened_is_uniform_and_different_for_every_number() {
    let sizes = Sizes { bits: 64, count: 600, squares: true };
    let coefficients = Coefficients {
        square: repeated(600, 1 << 18),
        linear: repeated(600, 1 << 20),
        constant: repeated(600, 0),
    };
    let keys = prepared(sizes, &coefficients);
    let (own, other) = (vec![12_345; 600], vec![67_890; 600]);
    let (_, messages) = run(sizes, &coefficients, &keys, [&own, &other]);
    let words = messages.map(|message| {
        message.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect::<Vec<_>>()
    });
    // The data owner adds its own masks to what it was sent: what it hides from the model owner is their sum.
    let sums: Vec<u64> = words[1].iter().zip(keys[1].masks.iter()).map(|(e, g)| e.wrapping_add(*g)).collect();
    for words in [&words[0], &words[1], &sums] {
        for bit in 0..64 {
            let ones = words.iter().filter(|word| *word >> bit & 1 == 1).count();
            assert!((200..=400).contains(&ones), "bit {bit} is one {ones} times of 600");
        }
        let mut sorted = words.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 600);
    }
}

#[test]
fn products_of_masks_are_shared_and_no_share_is_zero() {
    let sizes = Sizes { bits: 50, count: 5, squares: true };
    let coefficients =
        Coefficients { square: repeated(5, 9), linear: repeated(5, 4), constant: repeated(5, 1) };
    let [own, other] = prepared(sizes, &coefficients);
    for at in 0..5 {
        let [r, g] = [own.masks[at], other.masks[at]];
        let sum = |a: u64, b: u64| a.wrapping_add(b) & low(50);
        assert_eq!(sum(own.slopes[at], other.slopes[at]), r.wrapping_mul(9) & low(50));
        assert_eq!(sum(own.products[at], other.products[at]), r.wrapping_mul(g) & low(50));
        assert!([&own.slopes, &other.slopes, &own.products, &other.products].iter().all(|of| of[at] != 0));
    }
}

#[test]
fn messages_of_another_length_are_refused() {
    let sizes = Sizes { bits: 40, count: 2, squares: false };
    let coefficients =
        Coefficients { square: repeated(2, 1), linear: repeated(2, 0), constant: repeated(2, 0) };
    let (mut chooser, mut offerer) = extensions();
    let mut random = Randomness::from_system().unwrap();
    let (requested, message) = request(sizes, &mut chooser.received, &mut random).unwrap();
    let mut keys = Keys::with_room(sizes);
    let short = &message[1..];
    assert!(answer(sizes, &mut offerer.sent, &mut random, &coefficients, short, &mut keys).is_err());
    assert!(requested.finish(&[0; 7], &mut keys).is_err());
    let keys = prepared(sizes, &coefficients);
    assert!(matches!(open(sizes, &keys[0], &[1, 2], &[0; 9]), Err(Error::Transfer(_))));
    assert!(matches!(close(sizes, &keys[1], &coefficients, &[0; 11]), Err(Error::Transfer(_))));
}
