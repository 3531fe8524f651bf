//! Bytes of all messages, from public numbers: what a plan predicts, and what tests hold transcripts to.

use veilbench_mpc::circuit::Gate;
use veilbench_ot::extension::Parameters;
use veilbench_ot::{Depth, Direction, Kind, Session, relu, setup};

use super::Plan;
use crate::Error;
use crate::bits::packed_bytes;
use crate::linear::PUBLIC_KEY_BYTES;
use crate::truncation::Truncation;

/// Bytes of the seed of a public key.
const SEED_BYTES: usize = 32;

/// Bytes of a set-up.
pub fn setup_bytes(depth: Depth) -> usize {
    setup::message_bytes(depth).iter().sum::<usize>() + SEED_BYTES + PUBLIC_KEY_BYTES
}

/// Bytes of a portion of transfers.
fn portion(kind: Kind, depth: Depth, transfers: usize) -> usize {
    let (session, direction) = (Session::new([0; Session::BYTES]), Direction::Forward);
    Parameters { session, direction, kind, depth }.portion_bytes(transfers)
}

impl Plan {
    /// Bytes of preparing so many images at once.
    ///
    /// # Errors
    /// As [`Plan::comparisons`].
    pub fn offline_bytes(&self, images: usize, depth: Depth) -> Result<usize, Error> {
        let of_layouts: usize =
            self.layouts().map(|layout| images * (layout.request_bytes() + layout.answer_bytes())).sum();
        let mut bytes = of_layouts;
        for gate in self.circuit().gates() {
            for layout in self.comparisons(gate, images)?.into_iter().flatten() {
                bytes += portion(Kind::Sixteen, depth, layout.lookups())
                    + portion(Kind::Pairs, depth, layout.offered())
                    + portion(Kind::Pairs, depth, layout.returned());
            }
            if let Gate::Truncate { units, .. } = gate {
                bytes += portion(Kind::Pairs, depth, units * images);
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
        for gate in self.circuit().gates() {
            bytes += match gate {
                Gate::Linear { shape } => packed_bytes(self.ring_bits(), shape.inputs() * images),
                Gate::Truncate { units, shift } => {
                    let count = units * images;
                    Truncation::choices_bytes(count) + self.truncation(*shift).numbers_bytes(count)
                }
                Gate::Output { units, .. } => {
                    packed_bytes(1, self.logit_bits() as usize * units * images + self.guards(images))
                }
                _ => 0,
            };
            let layouts = self.comparisons(gate, images)?.into_iter().flatten();
            let messages = |layout: relu::Layout| {
                (0..layout.messages()).map(|number| layout.message_bytes(number)).sum::<usize>()
            };
            bytes += layouts.map(messages).sum::<usize>();
        }
        Ok(bytes)
    }

    /// Transfers of one image: of all gates together, and of the one with most.
    ///
    /// # Errors
    /// As [`Plan::comparisons`].
    pub fn transfers(&self) -> Result<[usize; 2], Error> {
        let (mut all, mut most) = (0, 0);
        for gate in self.circuit().gates() {
            for layout in self.comparisons(gate, 1)?.into_iter().flatten() {
                let transfers = layout.lookups() + layout.offered() + layout.returned();
                (all, most) = (all + transfers, most.max(transfers));
            }
            if let Gate::Truncate { units, .. } = gate {
                (all, most) = (all + units, most.max(*units));
            }
        }
        Ok([all, most])
    }

    /// Numbers of 64 bits that a party holds of one image, but for transfers: masks and shares of linear layers, what is kept, and the wires of the gate
    /// with most, twice.
    pub fn numbers(&self) -> usize {
        let gates = self.circuit().gates().iter();
        let held = |gate: &Gate| match gate {
            Gate::Linear { shape } => shape.inputs() + shape.outputs(),
            Gate::Keep { units, .. } => *units,
            _ => 0,
        };
        let wires = gates.clone().map(|gate| 2 * (gate.inputs() + gate.outputs())).max();
        gates.map(held).sum::<usize>() + wires.unwrap_or_default()
    }
}
