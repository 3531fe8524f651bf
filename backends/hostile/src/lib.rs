//! Bytes that a peer, a host or a file might hold, for tests of what reads them: mutations of what is right, seeded, so that a
//! finding comes again.
//!
//! `VEILBENCH_FUZZ_SECONDS=600` goes on for ten minutes instead of the seconds of the test; `VEILBENCH_FUZZ_SEED` chooses other
//! mutations.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use std::{env, fs};

/// Rounds at least, however slow the machine is.
const LEAST: u64 = 100;
/// For one round: far more than any reader takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes at the beginning that half of the mutations are kept to: headers and counts.
const HEAD: usize = 128;
/// Values at which lengths and counts overflow, wrap or end.
const EDGES: [u64; 12] = [
    0,
    1,
    2,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// Draws of one round, by SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
#[derive(Debug)]
pub struct Draw(u64);

impl Draw {
    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Draws a number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.word() % end as u64) as usize
    }

    /// Draws one of these, of which there is one at least.
    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// One of `seeds` with one to eight changes, the more the rarer; `words` are those of a format.
    pub fn mutated(&mut self, seeds: &[impl AsRef<[u8]>], words: &[&[u8]]) -> Vec<u8> {
        let mut bytes = self.one(seeds).as_ref().to_vec();
        for _ in 0..=self.word().trailing_ones().min(7) {
            let reach = bytes.len().min(*self.one(&[HEAD, usize::MAX]));
            let at = self.below(reach + 1);
            let end = (at + 1 + self.below(16)).min(bytes.len());
            match self.below(10) {
                0 if at < end => bytes[at] ^= 1 << self.below(8),
                1 if at < end => bytes[at] = self.word() as u8,
                2 => {
                    let width = *self.one(&[1, 2, 4, 8]);
                    let mut edge = self.one(&EDGES).to_le_bytes()[..width].to_vec();
                    if self.below(2) == 0 {
                        edge.reverse();
                    }
                    let room = width.min(bytes.len() - at);
                    bytes[at..at + room].copy_from_slice(&edge[..room]);
                }
                3 if at < end => drop(bytes.drain(at..end)),
                4 if at < end => {
                    let again = bytes[at..end].to_vec();
                    let place = self.below(bytes.len() + 1);
                    drop(bytes.splice(place..place, again));
                }
                5 => bytes.truncate(at),
                6 => {
                    let other = self.one(seeds).as_ref();
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(64)).min(other.len());
                    drop(bytes.splice(at..at, other[from..to].to_vec()));
                }
                7 if !words.is_empty() => {
                    let word = self.one(words).to_vec();
                    let over = (at + word.len() * self.below(2)).min(bytes.len());
                    drop(bytes.splice(at..over, word));
                }
                8 => bytes[at..reach].fill(*self.one(&[0x00, 0xff])),
                _ => bytes.insert(at, self.word() as u8),
            }
        }
        bytes
    }
}

/// Runs rounds for this many seconds. A round draws bytes, puts them where it is told to and reads them; it says what is wrong with
/// what came of that. Each has a seed of its own, so that the one of a finding is enough.
///
/// # Panics
/// At the first finding, whose bytes are kept in a file: a reader that panics or takes longer than ten seconds, or what the round
/// calls wrong.
pub fn fuzz(name: &str, seconds: u64, round: impl FnMut(&mut Draw, &mut Vec<u8>) -> Result<(), String>) {
    let number = |name: &str, default: u64| {
        env::var(name).map_or(default, |value| value.parse().expect("VEILBENCH_FUZZ_* are numbers"))
    };
    let first = number("VEILBENCH_FUZZ_SEED", 0).wrapping_mul(1 << 40);
    let time = Duration::from_secs(number("VEILBENCH_FUZZ_SECONDS", seconds));
    match search(first, time, round) {
        Ok(rounds) => println!("{name}: {rounds} rounds"),
        Err(Finding { seed, bytes, wrong }) => {
            let path = env::temp_dir().join(format!("veilbench-fuzz-{name}-{seed}"));
            let kept =
                fs::write(&path, bytes).map_or_else(|e| e.to_string(), |()| path.display().to_string());
            panic!("{name}, round {seed}: {wrong}; the bytes: {kept}");
        }
    }
}

#[derive(Debug, PartialEq)]
struct Finding {
    seed: u64,
    bytes: Vec<u8>,
    wrong: String,
}

/// The number of rounds without a finding, or the first finding.
fn search(
    first: u64,
    time: Duration,
    mut round: impl FnMut(&mut Draw, &mut Vec<u8>) -> Result<(), String>,
) -> Result<u64, Finding> {
    let end = Instant::now() + time;
    let mut rounds = 0;
    while rounds < LEAST || Instant::now() < end {
        let seed = first.wrapping_add(rounds);
        let (mut bytes, begun) = (Vec::new(), Instant::now());
        let wrong = match catch_unwind(AssertUnwindSafe(|| round(&mut Draw(seed), &mut bytes))) {
            Err(_) => "it panicked".to_owned(),
            Ok(Err(reason)) => reason,
            Ok(Ok(())) if begun.elapsed() > PATIENCE => format!("it took {:?}", begun.elapsed()),
            Ok(Ok(())) => {
                rounds += 1;
                continue;
            }
        };
        return Err(Finding { seed, bytes, wrong });
    }
    Ok(rounds)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads anything but a byte of ones.
    fn read(draw: &mut Draw, bytes: &mut Vec<u8>) -> Result<(), String> {
        *bytes = draw.mutated(&[[7; 40]], &[]);
        assert!(!bytes.contains(&0xff), "a byte of ones");
        Ok(())
    }

    #[test]
    fn a_reader_that_panics_is_found_with_its_bytes_and_the_seed_alone_finds_them_again() {
        let found = search(5, Duration::ZERO, read).unwrap_err();
        assert!(found.wrong == "it panicked" && found.bytes.contains(&0xff), "{found:?}");
        assert_eq!(search(found.seed, Duration::ZERO, read), Err(found));
    }

    #[test]
    fn what_a_round_calls_wrong_is_a_finding_and_the_least_of_rounds_is_run_without_one() {
        let found = search(0, Duration::ZERO, |_, _| Err("too long".to_owned()));
        assert_eq!(found.unwrap_err().wrong, "too long");
        assert_eq!(search(0, Duration::ZERO, |_, _| Ok(())), Ok(LEAST));
    }
}
