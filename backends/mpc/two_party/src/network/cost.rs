//! Bytes of all messages, from public numbers: what a plan predicts, and what tests hold transcripts to.

use veilbench_mpc::circuit::Gate;
use veilbench_ot::extension::Parameters;
use veilbench_ot::{Depth, Direction, Kind, Session, setup};

use super::Plan;
use super::plan::CIRCUIT_BYTES;
use crate::Error;
use crate::bits::packed_bytes;
use crate::quadratic::Sizes;
use crate::truncation::Truncation;

/// Bytes of the seed of a public key.
const SEED_BYTES: usize = 32;

/// Bytes of a portion of transfers.
fn portion(kind: Kind, depth: Depth, transfers: usize) -> usize {
    let (session, direction) = (Session::new([0; Session::BYTES]), Direction::Forward);
    Parameters { session, direction, kind, depth }.portion_bytes(transfers)
}

impl Plan {
    /// Bytes of a setup.
    pub fn setup_bytes(&self, depth: Depth) -> usize {
        let transfers = setup::message_bytes(depth).iter().sum::<usize>();
        transfers + CIRCUIT_BYTES + SEED_BYTES + self.primes().public_key_bytes()
    }

    /// Bytes of preparing so many images at once.
    ///
    /// # Errors
    /// As [`Plan::comparisons`].
    pub fn offline_bytes(&self, images: usize, depth: Depth) -> Result<usize, Error> {
        let of_layouts: usize =
            self.layouts().map(|layout| images * (layout.request_bytes() + layout.answer_bytes())).sum();
        let mut bytes = of_layouts;
        for (index, gate) in self.circuit().gates().iter().enumerate() {
            let early = |bytes| if self.is_settled(index) { bytes } else { 0 };
            if let Some(layout) = self.comparisons((index, gate), images)? {
                bytes += portion(Kind::Sixteen, depth, layout.lookups())
                    + portion(Kind::Pairs, depth, layout.offered())
                    + portion(Kind::Pairs, depth, layout.returned())
                    + early(layout.message_bytes(0));
            }
            let count = gate.inputs() * images;
            if let Gate::Truncate { .. } | Gate::Quadratic { .. } = gate {
                bytes += portion(Kind::Pairs, depth, count) + early(Truncation::choices_bytes(count));
            }
            if let Some(sizes) = self.squares(gate, images) {
                for sizes in sizes.portions() {
                    let extended = portion(Kind::Pairs, depth, sizes.transfers());
                    bytes += sizes.request_bytes(extended) + sizes.answer_bytes()?;
                }
                bytes += portion(Kind::Pairs, depth, gate.outputs() * images);
            }
            if let Some(guarding) = self.guarding((index, gate)) {
                bytes += portion(Kind::Sixteen, depth, guarding.layout(images)?.lookups());
            }
        }
        Ok(bytes)
    }

    /// Bytes of running so many images at once.
    ///
    /// # Errors
    /// As [`Plan::comparisons`].
    pub fn online_bytes(&self, images: usize) -> Result<usize, Error> {
        let mut bytes = 0;
        for (index, gate) in self.circuit().gates().iter().enumerate() {
            let (count, outputs) = (gate.inputs() * images, gate.outputs() * images);
            let late = |bytes| if self.is_settled(index) { 0 } else { bytes };
            bytes += match gate {
                Gate::Linear { .. } => packed_bytes(self.ring_bits(index), count),
                Gate::Truncate { shift, .. } => {
                    late(Truncation::choices_bytes(count))
                        + self.truncation(index, *shift).numbers_bytes(count)
                }
                Gate::Quadratic { shift, square_shift, .. } => {
                    let opened = packed_bytes(self.square_bits(), count);
                    late(Truncation::choices_bytes(count))
                        + self.squared(index, *shift).numbers_bytes(count)
                        + 2 * opened
                        + Truncation::choices_bytes(outputs)
                        + self.back(index, *square_shift).numbers_bytes(outputs)
                }
                Gate::Output { .. } => packed_bytes(self.logit_bits(), count),
                _ => 0,
            };
            if let Some(layout) = self.comparisons((index, gate), images)? {
                bytes += late(layout.message_bytes(0));
                bytes += (1..layout.messages()).map(|number| layout.message_bytes(number)).sum::<usize>();
            }
            if let Some(guarding) = self.guarding((index, gate)) {
                let layout = guarding.layout(images)?;
                bytes += layout.choices_bytes() + layout.sums_bytes();
            }
        }
        Ok(bytes)
    }

    /// Transfers of one image: of all gates, and those whose products polynomials are made of.
    ///
    /// # Errors
    /// As [`Plan::comparisons`].
    pub fn transfers(&self) -> Result<[usize; 2], Error> {
        let [mut all, mut multiplied] = [0; 2];
        for (index, gate) in self.circuit().gates().iter().enumerate() {
            if let Some(layout) = self.comparisons((index, gate), 1)? {
                all += layout.lookups() + layout.offered() + layout.returned();
            }
            if let Some(guarding) = self.guarding((index, gate)) {
                all += guarding.layout(1)?.lookups();
            }
            all += match gate {
                Gate::Truncate { units, .. } => *units,
                Gate::Quadratic { .. } => gate.inputs() + gate.outputs(),
                _ => 0,
            };
            multiplied += self.squares(gate, 1).map_or(0, Sizes::all_transfers);
        }
        Ok([all, multiplied])
    }

    /// Messages of preparing so many images at once, and of running them.
    ///
    /// # Errors
    /// As [`Plan::comparisons`].
    pub fn messages(&self, images: usize) -> Result<[usize; 2], Error> {
        let [mut offline, mut online] = [0; 2];
        for (index, gate) in self.circuit().gates().iter().enumerate() {
            // Choices of shares that are settled leave offline.
            let [early, late] = if self.is_settled(index) { [1, 0] } else { [0, 1] };
            match gate {
                Gate::Linear { .. } => (offline, online) = (offline + 2 * images, online + 1),
                Gate::Truncate { .. } => (offline, online) = (offline + 1 + early, online + 1 + late),
                Gate::Quadratic { .. } => {
                    let portions = self.squares(gate, images).map_or(0, |sizes| sizes.portions().count());
                    (offline, online) = (offline + 2 + early + 2 * portions, online + 3 + late);
                }
                Gate::Output { .. } => online += 1,
                _ => {}
            }
            if let Some(layout) = self.comparisons((index, gate), images)? {
                (offline, online) = (offline + 2 + early, online + layout.messages() - early);
            }
            offline += usize::from(self.guarding((index, gate)).is_some());
        }
        online += usize::from(self.guards().next().is_some());
        Ok([offline, online])
    }
}
