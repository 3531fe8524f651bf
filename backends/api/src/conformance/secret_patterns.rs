//! Secret numbers in the encodings a backend may use, searched for in messages and in memory.

use std::collections::HashMap;

/// Bits that do not stand in a row by chance: so many do the magnitudes of fixed-point neighbours have together.
const TELLING_BITS: u32 = 40;

/// Fixed point is looked for with this many fractional bits.
const FRACTIONAL_BITS: std::ops::RangeInclusive<u32> = 8..=40;

/// Bits of the filter in front of the table: all values of three bytes.
const FILTER_BITS: usize = 1 << 24;

/// Neighbouring values of a secret: two as floating-point numbers, four in fixed point in words of 2 to 8 bytes.
pub struct SecretPatterns {
    /// Which first three bytes occur.
    filter: Vec<u64>,
    by_start: HashMap<[u8; 4], Vec<Vec<u8>>>,
}

impl SecretPatterns {
    /// The patterns of at most `places` places of a secret, spread over it.
    pub fn of(secret: &[f32], places: usize) -> Self {
        let mut patterns = Self { filter: vec![0; FILTER_BITS / 64], by_start: HashMap::new() };
        let telling = |values: &&[f32]| values.iter().all(|value| value.abs() > 1e-2) && differ(values);
        let mut spread = |count: usize, add: fn(&mut Self, &[f32])| {
            let windows: Vec<&[f32]> = secret.windows(count).filter(telling).collect();
            let step = (windows.len() / places.max(1)).max(1);
            windows.iter().step_by(step).for_each(|values| add(&mut patterns, values));
        };
        spread(2, Self::add_floating_point);
        spread(4, Self::add_fixed_point);
        patterns
    }

    /// True if there is nothing to look for: a search would prove nothing.
    pub fn is_empty(&self) -> bool {
        self.by_start.is_empty()
    }

    fn add_floating_point(&mut self, values: &[f32]) {
        self.add(values.iter().flat_map(|value| value.to_le_bytes()).collect());
        self.add(values.iter().flat_map(|value| f64::from(*value).to_le_bytes()).collect());
    }

    fn add_fixed_point(&mut self, values: &[f32]) {
        for fractional_bits in FRACTIONAL_BITS {
            let fixed = |value: &f32| (f64::from(*value) * f64::from(fractional_bits).exp2()).round() as i64;
            let bits = |value: &f32| 64 - fixed(value).unsigned_abs().leading_zeros();
            if values.iter().map(bits).sum::<u32>() < TELLING_BITS {
                continue;
            }
            // A value that does not fit its word is not in it.
            let widest = values.iter().map(bits).max().unwrap_or(0);
            for width in (2..=8).filter(|width| widest < 8 * width) {
                let word = |value: &f32| fixed(value).to_le_bytes()[..width as usize].to_vec();
                self.add(values.iter().flat_map(word).collect());
            }
        }
    }

    fn add(&mut self, pattern: Vec<u8>) {
        let start = [pattern[0], pattern[1], pattern[2], pattern[3]];
        let (word, bit) = place(&start);
        self.filter[word] |= bit;
        self.by_start.entry(start).or_default().push(pattern);
    }

    /// Whether any of them stands in these bytes, at any offset.
    pub fn stand_in(&self, bytes: &[u8]) -> bool {
        self.found_in(bytes).is_some()
    }

    /// The first of them that stands in these bytes, and where.
    pub fn found_in(&self, bytes: &[u8]) -> Option<(usize, &[u8])> {
        bytes.array_windows::<4>().enumerate().find_map(|(at, start)| {
            let (word, bit) = place(start);
            let patterns = (self.filter[word] & bit != 0).then(|| self.by_start.get(start))??;
            let found = patterns.iter().find(|pattern| bytes[at..].starts_with(pattern))?;
            Some((at, &**found))
        })
    }
}

/// Where the filter has the first three bytes.
fn place(start: &[u8; 4]) -> (usize, u64) {
    let index = usize::from(start[0]) | usize::from(start[1]) << 8 | usize::from(start[2]) << 16;
    (index / 64, 1 << (index % 64))
}

fn differ(values: &[f32]) -> bool {
    values.windows(2).all(|pair| (pair[0] - pair[1]).abs() > 1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_at_any_offset_and_in_any_word_is_found_and_noise_is_not() {
        let secret = [0.257f32, -1.513, 3.017, 0.731];
        let patterns = SecretPatterns::of(&secret, 100);
        let mut message = vec![9];
        message.extend(secret[1].to_le_bytes());
        message.extend(secret[2].to_le_bytes());
        assert!(patterns.stand_in(&message));
        assert!(!patterns.stand_in(&message[..8]));
        for (width, fractional_bits) in [(2, 12), (3, 16), (4, 16), (5, 24), (6, 32), (7, 40), (8, 40)] {
            let word = |value: &f32| {
                let fixed = (f64::from(*value) * f64::from(fractional_bits).exp2()).round() as i64;
                fixed.to_le_bytes()[..width].to_vec()
            };
            let words: Vec<u8> = secret.iter().flat_map(word).collect();
            assert!(patterns.stand_in(&words), "words of {width} bytes");
        }
        let noise: Vec<u8> =
            (0..100_000u64).map(|at| (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        assert!(!patterns.stand_in(&noise));
        assert!(!patterns.stand_in(&[0; 1_000]));
    }

    #[test]
    fn a_secret_of_equal_values_has_no_pattern() {
        assert!(SecretPatterns::of(&[0.5; 100], 10).is_empty());
    }
}
