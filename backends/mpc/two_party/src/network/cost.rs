//! Bytes of all messages, from public numbers: what a plan predicts, and what tests hold transcripts to.

use veilbench_mpc::circuit::Gate;
use veilbench_ot::extension::Parameters;
use veilbench_ot::{Depth, Direction, Kind, Session, setup};

use super::Plan;
use crate::Error;
use crate::bits::packed_bytes;
use crate::linear::PUBLIC_KEY_BYTES;
use crate::quadratic::Sizes;
use crate::truncation::Truncation;

/// Bytes of the seed of a public key.
const SEED_BYTES: usize = 32;

/// Numbers that a party keeps of a polynomial: a mask, three shares of products, and three coefficients while it runs.
const NUMBERS_OF_SQUARES: usize = 7;

/// Bytes of a set-up.
pub fn setup_bytes(depth: Depth) -> usize {
    setup::message_bytes(depth).iter().sum::<usize>() + SEED_BYTES + PUBLIC_KEY_BYTES
}

/// Bytes of a portion of transfers.
fn portion(kind: Kind, depth: Depth, transfers: usize) -> usize {
    let (session, direction) = (Session::new([0; Session::BYTES]), Direction::Forward);
    Parameters { session, direction, kind, depth }.portion_bytes(transfers)
}

/// Transfers of a gate, 1-of-16 and 1-of-2.
#[derive(Clone, Copy, Default)]
struct Transfers {
    lookups: usize,
    pairs: usize,
    /// The most that are under way at once, of both kinds.
    most: usize,
}

impl Transfers {
    fn all(self) -> usize {
        self.lookups + self.pairs
    }
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
        for (index, gate) in self.circuit().gates().iter().enumerate() {
            let early = |bytes| if self.is_settled(index) { bytes } else { 0 };
            if let Some(layout) = self.comparisons(gate, images)? {
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
            if let Some(guarding) = self.guarding(gate) {
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
                Gate::Linear { .. } => packed_bytes(self.ring_bits(), count),
                Gate::Truncate { shift, .. } => {
                    late(Truncation::choices_bytes(count)) + self.truncation(*shift).numbers_bytes(count)
                }
                Gate::Quadratic { shift, square_shift, .. } => {
                    let opened = packed_bytes(self.square_bits(), count);
                    late(Truncation::choices_bytes(count))
                        + self.squared(*shift).numbers_bytes(count)
                        + 2 * opened
                        + Truncation::choices_bytes(outputs)
                        + self.back(*square_shift).numbers_bytes(outputs)
                }
                Gate::Output { .. } => packed_bytes(self.logit_bits(), count),
                _ => 0,
            };
            if let Some(layout) = self.comparisons(gate, images)? {
                bytes += late(layout.message_bytes(0));
                bytes += (1..layout.messages()).map(|number| layout.message_bytes(number)).sum::<usize>();
            }
            if let Some(guarding) = self.guarding(gate) {
                let layout = guarding.layout(images)?;
                bytes += layout.choices_bytes() + layout.sums_bytes();
            }
        }
        Ok(bytes)
    }

    /// Transfers of one image: of all gates together, and of the portion with most. Not among them are those of polynomials that are used up offline.
    ///
    /// # Errors
    /// As [`Plan::comparisons`].
    pub fn transfers(&self) -> Result<[usize; 2], Error> {
        let (mut all, mut most) = (0, 0);
        for gate in self.circuit().gates() {
            let of_gate = self.transfers_of(gate)?;
            (all, most) = (all + of_gate.all(), most.max(of_gate.most));
        }
        Ok([all, most])
    }

    /// Transfers of one image whose products polynomials are made of.
    pub fn multiplied(&self) -> usize {
        let sizes = self.circuit().gates().iter().filter_map(|gate| self.squares(gate, 1));
        sizes.map(Sizes::all_transfers).sum()
    }

    fn transfers_of(&self, gate: &Gate) -> Result<Transfers, Error> {
        let mut of_gate = Transfers::default();
        if let Some(layout) = self.comparisons(gate, 1)? {
            of_gate.lookups = layout.lookups();
            of_gate.pairs = layout.offered() + layout.returned();
        }
        if let Some(guarding) = self.guarding(gate) {
            of_gate.lookups += guarding.layout(1)?.lookups();
        }
        of_gate.pairs += match gate {
            Gate::Truncate { units, .. } => *units,
            Gate::Quadratic { .. } => gate.inputs() + gate.outputs(),
            _ => 0,
        };
        let portion = self.squares(gate, 1).and_then(|sizes| sizes.portions().next());
        of_gate.most = of_gate.all().max(portion.map_or(0, Sizes::all_transfers));
        Ok(of_gate)
    }

    /// Numbers of 64 bits that a party holds of one image, but for transfers: masks and shares of linear layers, what is kept, and the wires of the gate
    /// with most, twice.
    pub fn numbers(&self) -> usize {
        let gates = self.circuit().gates().iter();
        let held = |gate: &Gate| match gate {
            Gate::Linear { shape } => shape.inputs() + shape.outputs(),
            Gate::Keep { units, .. } => *units,
            Gate::Quadratic { .. } => NUMBERS_OF_SQUARES * gate.inputs(),
            _ => 0,
        };
        let wires = gates.clone().map(|gate| 2 * (gate.inputs() + gate.outputs())).max();
        gates.map(held).sum::<usize>() + wires.unwrap_or_default()
    }
}
