//! Guards online: the data owner learns of each group whether its sum stayed in range, and nobody anything else.
//!
//! Both hold shares of a sum `S`. The data owner sends its share under its half of a mask `R` along with its next message; the
//! model owner adds its own and has `u = S + R`, which is uniform to it. With the logits it sends `(u >> k) + D` for its share `D`
//! of `-(R >> k)`, modulo `2^(L-k)`, which the other share completes to `floor(S / 2^k)`, or one more where the low bits carry. The data
//! owner sees neither `u` nor `R`, so the carry is a coin it does not know: it learns `S / 2^k`, rounded by that coin.

use super::randomness::masks::Role;
use crate::Error;
use crate::circuit::{Guard, Width};
use crate::ring::{Ring, add_assign};
use crate::session::message::{Reader, Writer};
use veilbench_ring::wiped::Wiped;

/// The guards of one batch at one party.
#[derive(Default)]
pub(crate) struct Checks {
    /// This party's share of masked sums that are about to be sent or received, and of what completes them.
    waiting: Option<Group>,
    /// Words for the last message, or to complete it with.
    done: Vec<Group>,
}

struct Group {
    guard: Guard,
    ring: Ring,
    sums: Vec<u64>,
    offsets: Wiped<u64>,
}

/// What the dealer shares of a guard: `-(R >> k)` for every mask `R`.
pub(crate) fn deal_guard(guard: Guard, ring: Ring, masks: &[u64]) -> Vec<u64> {
    masks.iter().map(|mask| (ring.reduce(*mask) >> guard.shift).wrapping_neg()).collect()
}

impl Group {
    /// Bits of a sum that are opened.
    fn opened_bits(&self) -> u32 {
        self.ring.bits() - self.guard.shift
    }
}

impl Checks {
    /// Masks this party's shares of guarded values, in the ring of their sums. The masks and the dealt offsets may be followed by others.
    pub(crate) fn begin(&mut self, guard: Guard, ring: Ring, values: &[u64], masks: &[u64], offsets: &[u64]) {
        let mut sums = guard.sums(values);
        let count = sums.len();
        add_assign(&mut sums, &masks[..count]);
        self.waiting = Some(Group { guard, ring, sums, offsets: offsets[..count].to_vec().into() });
    }

    /// At the data owner: sends what was masked last.
    pub(crate) fn send(&mut self, writer: &mut Writer) {
        if let Some(group) = self.waiting.take() {
            writer.numbers(group.ring.bits(), group.sums.iter().copied());
            self.done.push(Group { sums: Vec::new(), ..group });
        }
    }

    /// At the model owner: adds what the data owner sent to what was masked last.
    pub(crate) fn receive(&mut self, role: Role, reader: &mut Reader<'_>) -> Result<(), Error> {
        if role == Role::DataOwner {
            return Ok(());
        }
        if let Some(mut group) = self.waiting.take() {
            let theirs = reader.numbers(group.ring.bits(), group.sums.len(), "masked sums")?;
            for ((sum, their), offset) in group.sums.iter_mut().zip(theirs).zip(group.offsets.iter()) {
                *sum =
                    (group.ring.reduce(sum.wrapping_add(their)) >> group.guard.shift).wrapping_add(*offset);
            }
            self.done.push(group);
        }
        Ok(())
    }

    /// The model owner's last words.
    pub(crate) fn write(&mut self, width: Width, writer: &mut Writer) {
        for group in std::mem::take(&mut self.done) {
            writer.narrow(width, group.opened_bits(), group.sums.into_iter());
        }
    }

    /// At the data owner, from the model owner's last words.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] with the images of which a group is not accepted.
    pub(crate) fn read(&mut self, width: Width, reader: &mut Reader<'_>) -> Result<(), Error> {
        let mut images = Vec::new();
        for group in std::mem::take(&mut self.done) {
            let bits = group.opened_bits();
            let sums = reader.narrow(width, bits, group.offsets.len(), "checks of ranges")?;
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
    fn checked(guard: Guard, ring: Ring, width: Width, sums: &[u64]) -> Result<(), Error> {
        let mut stream = Seed::from_bytes([3; 16]).stream(0);
        let mut random = || stream.words(sums.len());
        let [of_data_owner, mask, other_mask, offset] = [random(), random(), random(), random()];
        let less =
            |a: &[u64], b: &[u64]| a.iter().zip(b).map(|(a, b)| a.wrapping_sub(*b)).collect::<Vec<_>>();
        let of_model_owner = less(sums, &of_data_owner);
        let both: Vec<u64> = mask.iter().zip(&other_mask).map(|(a, b)| a.wrapping_add(*b)).collect();
        let other_offset = less(&deal_guard(guard, ring, &both), &offset);
        let (mut client, mut server) = (Checks::default(), Checks::default());
        client.begin(guard, ring, &of_data_owner, &mask, &offset);
        server.begin(guard, ring, &of_model_owner, &other_mask, &other_offset);
        let mut writer = Writer::new(ring);
        client.send(&mut writer);
        let message = writer.take();
        server.receive(Role::ModelOwner, &mut Reader::new("data owner", ring, &message))?;
        server.write(width, &mut writer);
        let message = writer.take();
        let mut reader = Reader::new("model owner", ring, &message);
        client.read(width, &mut reader)?;
        reader.finish()
    }

    #[test]
    fn sums_up_to_the_shift_are_accepted_and_those_of_twice_that_are_refused() {
        for (bits, width, shift) in
            [(24, Width::Bytes, 10), (48, Width::Bytes, 25), (64, Width::Bytes, 40), (45, Width::Bits, 24)]
        {
            let (ring, guard) = (Ring::of_bits(bits).unwrap(), Guard { units: 1, group: 1, shift });
            let most = 1u64 << shift;
            let accepted: Vec<u64> = (0..400).map(|at| most / 400 * at).chain([most - 1, most]).collect();
            assert_eq!(checked(guard, ring, width, &accepted), Ok(()));
            let wide = ring.reduce(u64::MAX) - most;
            for refused in [2 * most, 2 * most + 1, 3 * most, 100 * most, wide / 2, wide] {
                let sums = [0, refused, most, refused];
                assert_eq!(checked(guard, ring, width, &sums), Err(Error::OutOfRange { images: vec![1, 3] }));
            }
        }
    }
}
