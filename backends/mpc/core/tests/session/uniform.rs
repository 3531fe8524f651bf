//! Whether numbers that were drawn many times are uniform, bit by bit, never the same, and under masks of their own.
//!
//! A bit of `n` independent uniform draws is one `n / 2 + d` times or more, or `n / 2 - d` times or fewer, with probability
//! `2 exp(-2 d^2 / n)` at most (Hoeffding, "Probability Inequalities for Sums of Bounded Random Variables", 1963); `d` follows
//! from the number of bits looked at, so that a check of uniform numbers fails with probability [`FALSE_ALARM`] at most. A bit
//! that is always the same differs from the mean by `n / 2`. Two bits under one mask change in the same draws, which of `k` bits
//! happens with probability `k^2 / 2^n` at most.

use std::collections::{HashMap, HashSet};

use super::Quantity;

/// Draws of every number.
pub(crate) const DRAWS: usize = 400;
/// Probability that uniform numbers are not found to be.
const FALSE_ALARM: f64 = 1e-8;

/// Ones of every bit of every number, and the numbers themselves where they are wide enough never to repeat.
#[derive(Default)]
pub(crate) struct Tally {
    draws: usize,
    quantities: Vec<Counted>,
}

struct Counted {
    name: String,
    bits: u32,
    /// Draws of every number.
    draws: Vec<Vec<u64>>,
}

impl Tally {
    /// Adds a draw of all quantities, which are the same ones each time.
    pub(crate) fn add(&mut self, drawn: &[Quantity]) {
        if self.draws == 0 {
            let counted = |quantity: &Quantity| Counted {
                name: quantity.name.clone(),
                bits: quantity.bits,
                draws: vec![Vec::with_capacity(DRAWS); quantity.values.len()],
            };
            self.quantities = drawn.iter().map(counted).collect();
        }
        self.draws += 1;
        assert_eq!(drawn.len(), self.quantities.len(), "other quantities than before");
        for (drawn, counted) in drawn.iter().zip(&mut self.quantities) {
            assert_eq!((&drawn.name, drawn.values.len()), (&counted.name, counted.draws.len()));
            for (value, draws) in drawn.values.iter().zip(&mut counted.draws) {
                draws.push(*value);
            }
        }
    }

    /// What is not uniform or came twice, one line a quantity.
    pub(crate) fn findings(&self) -> Vec<String> {
        let bits: usize =
            self.quantities.iter().map(|counted| counted.bits as usize * counted.draws.len()).sum();
        if bits == 0 {
            return Vec::new();
        }
        let draws = self.draws as f64;
        let allowed = (draws / 2.0 * (2.0 * bits as f64 / FALSE_ALARM).ln()).sqrt();
        assert!(allowed < draws / 4.0, "{draws} draws are too few for {bits} bits");
        self.quantities.iter().filter_map(|counted| counted.finding(allowed)).collect()
    }

    /// What is under the mask of something else, one line a quantity. Only where nothing that was drawn is a function of the rest.
    pub(crate) fn shared_masks(&self) -> Vec<String> {
        let mut masks = HashMap::new();
        self.quantities.iter().filter_map(|counted| counted.shared(&mut masks)).collect()
    }
}

impl Counted {
    fn finding(&self, allowed: f64) -> Option<String> {
        self.draws.iter().enumerate().find_map(|(at, draws)| {
            let biased = (0..self.bits).find_map(|bit| {
                let ones = draws.iter().filter(|draw| *draw >> bit & 1 == 1).count();
                let far = (ones as f64 - draws.len() as f64 / 2.0).abs() >= allowed;
                far.then(|| format!("bit {bit} of number {at} is one {ones} times of {}", draws.len()))
            });
            // Of 64 bits two of the draws are equal with probability 5e-15.
            let twice = || {
                let different = draws.iter().collect::<HashSet<_>>().len();
                (self.bits == 64 && different < draws.len())
                    .then(|| format!("number {at} came more than once"))
            };
            biased.or_else(twice).map(|what| format!("{}: {what}", self.name))
        })
    }

    /// A bit that changes in the same draws as one seen before, of whichever quantity.
    fn shared(&self, masks: &mut HashMap<Changes, String>) -> Option<String> {
        let mut found = None;
        for (at, draws) in self.draws.iter().enumerate() {
            for bit in 0..self.bits {
                let mut changes = [0; DRAWS.div_ceil(64)];
                for (draw, value) in draws.iter().enumerate() {
                    changes[draw / 64] |= ((value ^ draws[0]) >> bit & 1) << (draw % 64);
                }
                let here = || format!("bit {bit} of number {at} of {}", self.name);
                if let Some(other) = masks.insert(changes, here()) {
                    found = found.or_else(|| Some(format!("{} has the mask of {other}", here())));
                }
            }
        }
        found
    }
}

/// In which draws a bit is not what it was in the first.
type Changes = [u64; DRAWS.div_ceil(64)];
