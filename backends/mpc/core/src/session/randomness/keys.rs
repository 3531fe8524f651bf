//! Comparison keys on their way: in portions, so that making, sending and receiving them overlap and none of them leaves the
//! processor's caches meanwhile.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::setup_seed::{HEADER_BYTES, Header};
use crate::Error;
use crate::circuit::{Circuit, Width};
use crate::dcf::{self, BitComparison, Comparison, Corrections};
use crate::ring::{Ring, packed};
use crate::session::message::{Reader, Writer};

/// Keys of one message: whole groups, and little over half a megabyte in any form.
pub(crate) const PORTION: usize = 16 * dcf::GROUP;

/// What the keys of a gate compare and give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyForm {
    /// All bits but the sign, and payloads in the ring.
    Words(Ring),
    /// So many bits, and one.
    Bit(u32),
}

impl KeyForm {
    /// Of the gate of an index.
    pub(crate) fn new(circuit: &Circuit, gate: usize) -> Self {
        match circuit.format.width {
            Width::Bytes => Self::Words(circuit.ring_of(gate)),
            Width::Bits => Self::Bit(circuit.compared_bits(gate) - 1),
        }
    }

    /// Words of a key's corrections of seeds, words of its other corrections, and the bits of such a word.
    fn lengths(self) -> (usize, usize, u32) {
        match self {
            Self::Words(ring) => {
                let comparison = comparison(ring, 0);
                (comparison.seed_words(), comparison.value_words(), ring.bits())
            }
            Self::Bit(bits) => {
                let comparison = BitComparison::new(bits, 0);
                (comparison.seed_words(), comparison.value_words(), comparison.levels() as u32)
            }
        }
    }

    /// Words of one key in memory, root included.
    pub(crate) fn words(self) -> usize {
        let (seeds, values, _) = self.lengths();
        2 + seeds + values
    }

    /// Bytes of the corrections of so many keys.
    pub(crate) fn bytes(self, count: usize) -> usize {
        let (seeds, values, bits) = self.lengths();
        8 * count * seeds + packed(bits, count * values)
    }
}

/// The function for a set of keys of [`KeyForm::Words`].
pub(crate) fn comparison(ring: Ring, salt: u128) -> Comparison {
    Comparison::new(ring.bits() - 1, ring.bits(), salt)
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
    pub(crate) fn write(self, header: &Header, gate: usize, form: KeyForm, keys: &Corrections) -> Vec<u8> {
        let mut writer = Writer::with_capacity(Ring::FULL, HEADER_BYTES + form.bytes(self.keys));
        header.of_part(FIRST_PART + self.here).write(gate, &mut writer);
        let (_, _, bits) = form.lengths();
        writer.words(&keys.seeds);
        writer.numbers(bits, keys.values.iter().copied());
        writer.take()
    }

    /// What that message carries, in place of what `keys` holds.
    pub(crate) fn read(
        self,
        message: &[u8],
        header: &Header,
        gate: usize,
        form: KeyForm,
        keys: &mut Corrections,
    ) -> Result<(), Error> {
        let mut reader = Reader::new("dealer", Ring::FULL, message);
        reader.expect(HEADER_BYTES + form.bytes(self.keys), "comparison keys")?;
        header.of_part(FIRST_PART + self.here).check(gate, &mut reader)?;
        let (seeds, values, bits) = form.lengths();
        reader.words_into(self.keys * seeds, "comparison keys", &mut keys.seeds)?;
        reader.numbers_into(bits, self.keys * values, "comparison keys", &mut keys.values)?;
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
    use crate::circuit::{Format, SignProtocol};
    use crate::program::{Operation, Program};
    use crate::random::Seed;
    use crate::session::randomness::setup_seed::SessionId;
    use veilbench_networks::Shape;

    fn header() -> Header {
        let layers = vec![Operation::Dense { outputs: 1 }];
        let program = Program { input: Shape::Flat(1), operations: layers, magnitudes: vec![] };
        let signs = SignProtocol::Function;
        let format = Format {
            activation_bits: 8,
            weight_bits: 8,
            ring: Ring::FULL,
            width: Width::Bytes,
            signs,
            input_magnitude: 1.0,
        };
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
        let form = KeyForm::Words(ring);
        let message = first.write(&header, 7, form, &sent);
        let mut portion = pool.take();
        first.read(&message, &header, 7, form, &mut portion).unwrap();
        assert_eq!(portion, sent);
    }

    #[test]
    fn keys_of_one_bit_are_read_as_they_were_written() {
        let (header, count, mut stream) = (header(), 37, Seed::from_bytes([3; 16]).stream(0));
        for bits in [1, 7, 8, 26, 63] {
            let (form, comparison) = (KeyForm::Bit(bits), BitComparison::new(bits, 0));
            let sides = [0; 2].map(|_| dcf::roots(&mut stream, count));
            let thresholds: Vec<u64> = stream.words(count).iter().map(|word| word >> (64 - bits)).collect();
            let mut sent = Corrections::default();
            comparison.generate_into(&mut sent, &thresholds, [&sides[0], &sides[1]]);
            let portion = Portion::after(0, count).unwrap();
            let message = portion.write(&header, 7, form, &sent);
            assert_eq!(message.len(), HEADER_BYTES + form.bytes(count));
            let mut read = Corrections::default();
            portion.read(&message, &header, 7, form, &mut read).unwrap();
            assert_eq!(read, sent);
            let other = KeyForm::Bit(bits + 1);
            let refused = portion.read(&message, &header, 7, other, &mut read);
            assert_eq!(refused.is_err(), bits >= 7, "{bits} bits");
        }
    }

    #[test]
    fn a_portion_of_another_place_or_length_is_refused() {
        let (ring, header) = (Ring::FULL, header());
        let form = KeyForm::Words(ring);
        let portion = |here| Portion::after(here, 3 * PORTION).unwrap();
        let comparison = comparison(ring, 0);
        let keys = Corrections {
            seeds: vec![1; PORTION * comparison.seed_words()],
            values: vec![2; PORTION * comparison.value_words()],
        };
        let message = portion(1).write(&header, 7, form, &keys);
        let read = |portion: Portion, message: &[u8], gate| {
            portion.read(message, &header, gate, form, &mut Corrections::default())
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
