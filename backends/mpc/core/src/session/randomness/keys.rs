//! Comparison keys on their way: in portions, so that making, sending and receiving them overlap and none of them leaves the
//! processor's caches meanwhile.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::setup_seed::{HEADER_BYTES, Header};
use crate::Error;
use crate::dcf::{self, Comparison, Corrections};
use crate::message::{Reader, Writer};
use crate::ring::Ring;

/// Keys of one message: whole groups, and little over half a megabyte in any ring.
pub(crate) const PORTION: usize = 16 * dcf::GROUP;

/// The function for a set of keys.
pub(crate) fn comparison(ring: Ring, salt: u128) -> Comparison {
    Comparison::new(ring.bits() - 1, ring.bits(), salt)
}

/// Words of one key in memory, root included.
pub(crate) fn key_words(ring: Ring) -> usize {
    let comparison = comparison(ring, 0);
    2 + comparison.seed_words() + comparison.value_words()
}

/// Bytes of the corrections of so many keys.
pub(crate) fn key_bytes(ring: Ring, count: usize) -> usize {
    let comparison = comparison(ring, 0);
    count * (8 * comparison.seed_words() + ring.bytes() * comparison.value_words())
}

/// The keys of each message for a gate of so many.
pub(crate) fn portions(keys: usize) -> impl Iterator<Item = Range<usize>> {
    (0..keys).step_by(PORTION).map(move |start| start..keys.min(start + PORTION))
}

/// Which of the messages for a gate carries its first portion: the one before has the model owner's shares.
const FIRST_PART: usize = 1;

/// The portion that follows once so many are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Portion {
    here: usize,
    keys: usize,
}

impl Portion {
    /// The portion of a gate of this many keys, if there is one left.
    pub(crate) fn after(here: usize, keys: usize) -> Option<Portion> {
        let rest = keys.checked_sub(here * PORTION).filter(|rest| *rest > 0)?;
        Some(Portion { here, keys: rest.min(PORTION) })
    }

    /// The numbers of its keys.
    pub(crate) fn range(self) -> Range<usize> {
        self.here * PORTION..self.here * PORTION + self.keys
    }

    /// The message that carries it.
    pub(crate) fn write(self, header: &Header, gate: usize, ring: Ring, keys: &Corrections) -> Vec<u8> {
        let mut writer = Writer::with_capacity(ring, HEADER_BYTES + key_bytes(ring, self.keys));
        header.of_part(FIRST_PART + self.here).write(gate, &mut writer);
        writer.words(&keys.seeds);
        writer.elements(keys.values.iter().copied());
        writer.take()
    }

    /// What that message carries, in place of what `keys` holds.
    pub(crate) fn read(
        self,
        message: &[u8],
        header: &Header,
        gate: usize,
        ring: Ring,
        keys: &mut Corrections,
    ) -> Result<(), Error> {
        let mut reader = Reader::new("dealer", ring, message);
        reader.expect(HEADER_BYTES + key_bytes(ring, self.keys), "comparison keys")?;
        header.of_part(FIRST_PART + self.here).check(gate, &mut reader)?;
        let comparison = comparison(ring, 0);
        reader.words_into(self.keys * comparison.seed_words(), "comparison keys", &mut keys.seeds)?;
        reader.elements_into(self.keys * comparison.value_words(), "comparison keys", &mut keys.values)?;
        reader.finish()
    }
}

/// Memory of portions that were used, for those to come: to return it to the system and to be given it anew, page by page and
/// filled with zeros, takes as long as to receive the keys. What is there is public to both parties and overwritten.
#[derive(Clone, Default)]
pub(crate) struct BufferPool(Arc<Mutex<Vec<Corrections>>>);

impl BufferPool {
    /// A place for a portion.
    pub(crate) fn take(&self) -> Corrections {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Takes back what is no longer needed.
    pub(crate) fn put(&self, portions: Vec<Corrections>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(portions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Circuit, Format, SignProtocol};
    use crate::program::{Operation, Program};
    use crate::random::Seed;
    use crate::session::randomness::setup_seed::SessionId;
    use veilbench_networks::Shape;

    fn header() -> Header {
        let layers = vec![Operation::Dense { outputs: 1 }];
        let program = Program { input: Shape::Flat(1), operations: layers, magnitudes: vec![] };
        let signs = SignProtocol::Function;
        let format =
            Format { activation_bits: 8, weight_bits: 8, ring: Ring::FULL, signs, input_magnitude: 1.0 };
        let circuit = Circuit::compile(&program, format).unwrap();
        Header::of_setup(SessionId::new(&Seed::from_bytes([1; 16])), &circuit).of_batch(0, 1)
    }

    #[test]
    fn portions_are_whole_groups_and_cover_all_keys() {
        for keys in [0, 1, PORTION - 1, PORTION, PORTION + 1, 5 * PORTION + 7] {
            let all: Vec<Range<usize>> = portions(keys).collect();
            assert!(
                all.iter().all(|portion| portion.start.is_multiple_of(dcf::GROUP) && !portion.is_empty())
            );
            assert_eq!(all.iter().cloned().flatten().collect::<Vec<_>>(), (0..keys).collect::<Vec<_>>());
            for (here, portion) in all.iter().enumerate() {
                assert_eq!(Portion::after(here, keys).map(Portion::range).as_ref(), Some(portion));
            }
            assert_eq!(Portion::after(all.len(), keys), None);
        }
    }

    #[test]
    fn a_used_portion_is_overwritten_whatever_it_held() {
        let ring = Ring::new(5).unwrap();
        let pool = BufferPool::default();
        pool.put(vec![Corrections { seeds: vec![u64::MAX; 9_000], values: vec![u64::MAX; 3] }]);
        let mut stream = Seed::from_bytes([2; 16]).stream(0);
        let comparison = comparison(ring, 0);
        let (count, mut words) = (3, |words| stream.words(words));
        let sent = Corrections {
            seeds: words(count * comparison.seed_words()),
            values: words(count * comparison.value_words())
                .into_iter()
                .map(|word| ring.reduce(word))
                .collect(),
        };
        let (header, first) = (header(), Portion::after(0, count).unwrap());
        let message = first.write(&header, 7, ring, &sent);
        let mut portion = pool.take();
        first.read(&message, &header, 7, ring, &mut portion).unwrap();
        assert_eq!(portion, sent);
    }

    #[test]
    fn a_portion_of_another_place_or_length_is_refused() {
        let (ring, header) = (Ring::FULL, header());
        let portion = |here| Portion::after(here, 3 * PORTION).unwrap();
        let comparison = comparison(ring, 0);
        let keys = Corrections {
            seeds: vec![1; PORTION * comparison.seed_words()],
            values: vec![2; PORTION * comparison.value_words()],
        };
        let message = portion(1).write(&header, 7, ring, &keys);
        let read = |portion: Portion, message: &[u8], gate| {
            portion.read(message, &header, gate, ring, &mut Corrections::default())
        };
        assert_eq!(read(portion(1), &message, 7), Ok(()));
        for (result, place) in [
            (read(portion(0), &message, 7), "part of a gate"),
            (read(portion(2), &message, 7), "part of a gate"),
            (read(portion(1), &message, 6), "gate"),
        ] {
            assert!(
                matches!(result, Err(Error::WrongRandomness { what, .. }) if what == place),
                "{result:?}"
            );
        }
        for wrong in [&message[..message.len() - 1], &[message.as_slice(), &[0]].concat(), &[]] {
            assert!(matches!(read(portion(1), wrong, 7), Err(Error::Length { .. })));
        }
    }
}
