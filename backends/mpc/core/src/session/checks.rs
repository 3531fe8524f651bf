//! Guards online: the data owner learns of each group whether its sum stayed in range, and nobody anything else.
//!
//! Both hold shares of a sum `S`. The data owner sends its share under its half of a mask `R` along with its next message; the
//! model owner adds its own and has `u = S + R`, which is uniform to it. With the logits it sends `(u >> k) + D` for its share `D`
//! of `-(R >> k)`, modulo `2^(L-k)`, which the other share completes to `floor(S / 2^k)`, or one more where the low bits carry. The data
//! owner sees neither `u` nor `R`, so the carry is a coin it does not know: it learns `S / 2^k`, rounded by that coin.

use super::randomness::masks::Role;
use crate::Error;
use crate::circuit::Guard;
use crate::message::{Reader, Writer};
use crate::ring::{Ring, add_assign};
use veilbench_ring::wiped::Wiped;

/// The guards of one batch at one party.
pub(crate) struct Checks {
    ring: Ring,
    /// This party's share of masked sums that are about to be sent or received, and of what completes them.
    waiting: Option<Group>,
    /// Words for the last message, or to complete it with.
    done: Vec<Group>,
}

struct Group {
    guard: Guard,
    sums: Vec<u64>,
    offsets: Wiped<u64>,
}

/// What the dealer shares of a guard: `-(R >> k)` for every mask `R`.
pub(crate) fn deal_guard(guard: Guard, ring: Ring, masks: &[u64]) -> Vec<u64> {
    masks.iter().map(|mask| (ring.reduce(*mask) >> guard.shift).wrapping_neg()).collect()
}

impl Checks {
    pub(crate) fn new(ring: Ring) -> Self {
        Self { ring, waiting: None, done: Vec::new() }
    }

    /// Bits of a sum that are opened.
    fn opened_bits(&self, guard: Guard) -> u32 {
        self.ring.bits() - guard.shift
    }

    /// Masks this party's shares of guarded values. The masks and the dealt offsets may be followed by others.
    pub(crate) fn begin(&mut self, guard: Guard, values: &[u64], masks: &[u64], offsets: &[u64]) {
        let mut sums = guard.sums(values);
        let count = sums.len();
        add_assign(&mut sums, &masks[..count]);
        self.waiting = Some(Group { guard, sums, offsets: offsets[..count].to_vec().into() });
    }

    /// At the data owner: sends what was masked last.
    pub(crate) fn send(&mut self, writer: &mut Writer) {
        if let Some(group) = self.waiting.take() {
            writer.elements(group.sums.iter().copied());
            self.done.push(Group { sums: Vec::new(), ..group });
        }
    }

    /// At the model owner: adds what the data owner sent to what was masked last.
    pub(crate) fn receive(&mut self, role: Role, reader: &mut Reader<'_>) -> Result<(), Error> {
        if role == Role::DataOwner {
            return Ok(());
        }
        if let Some(mut group) = self.waiting.take() {
            let theirs = reader.elements(group.sums.len(), "masked sums")?;
            for ((sum, their), offset) in group.sums.iter_mut().zip(theirs).zip(group.offsets.iter()) {
                *sum = (self.ring.reduce(sum.wrapping_add(their)) >> group.guard.shift).wrapping_add(*offset);
            }
            self.done.push(group);
        }
        Ok(())
    }

    /// The model owner's last words.
    pub(crate) fn write(&mut self, writer: &mut Writer) {
        for group in std::mem::take(&mut self.done) {
            writer.narrow(self.opened_bits(group.guard), group.sums.into_iter());
        }
    }

    /// At the data owner, from the model owner's last words.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] with the images of which a group is not accepted.
    pub(crate) fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        let mut images = Vec::new();
        for group in std::mem::take(&mut self.done) {
            let bits = self.opened_bits(group.guard);
            let sums = reader.narrow(bits, group.offsets.len(), "checks of ranges")?;
            let groups = group.guard.groups();
            for (at, (sum, offset)) in sums.iter().zip(group.offsets.iter()).enumerate() {
                if sum.wrapping_add(*offset) & (u64::MAX >> (64 - bits)) > 1 {
                    images.push(at / groups);
                }
            }
        }
        images.sort_unstable();
        images.dedup();
        if images.is_empty() { Ok(()) } else { Err(Error::OutOfRange { images }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Seed;

    /// What the data owner says of sums shared at random.
    fn checked(guard: Guard, ring: Ring, sums: &[u64]) -> Result<(), Error> {
        let mut stream = Seed::from_bytes([3; 16]).stream(0);
        let mut random = || stream.words(sums.len());
        let [of_data_owner, mask, other_mask, offset] = [random(), random(), random(), random()];
        let less =
            |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| a.wrapping_sub(*b)).collect::<Vec<_>>();
        let of_model_owner = less(sums, &of_data_owner);
        let both: Vec<u64> = mask.iter().zip(&other_mask).map(|(a, b)| a.wrapping_add(*b)).collect();
        let other_offset = less(&deal_guard(guard, ring, &both), &offset);
        let (mut client, mut server) = (Checks::new(ring), Checks::new(ring));
        client.begin(guard, &of_data_owner, &mask, &offset);
        server.begin(guard, &of_model_owner, &other_mask, &other_offset);
        let mut writer = Writer::new(ring);
        client.send(&mut writer);
        let message = writer.take();
        server.receive(Role::ModelOwner, &mut Reader::new("data owner", ring, &message))?;
        server.write(&mut writer);
        let message = writer.take();
        let mut reader = Reader::new("model owner", ring, &message);
        client.read(&mut reader)?;
        reader.finish()
    }

    #[test]
    fn sums_up_to_the_shift_are_accepted_and_those_of_twice_that_are_refused() {
        for (bytes, shift) in [(3, 10), (6, 25), (8, 40)] {
            let (ring, guard) = (Ring::new(bytes).unwrap(), Guard { units: 1, group: 1, shift });
            let most = 1u64 << shift;
            let accepted: Vec<u64> = (0..400).map(|at| most / 400 * at).chain([most - 1, most]).collect();
            assert_eq!(checked(guard, ring, &accepted), Ok(()));
            let wide = ring.reduce(u64::MAX) - most;
            for refused in [2 * most, 2 * most + 1, 3 * most, 100 * most, wide / 2, wide] {
                let sums = [0, refused, most, refused];
                assert_eq!(checked(guard, ring, &sums), Err(Error::OutOfRange { images: vec![1, 3] }));
            }
        }
    }
}
