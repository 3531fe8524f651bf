//! The data owner's side of a batch that runs.

use veilbench_mpc::circuit::Gate;
use veilbench_ot::bits::Reader;
use veilbench_ot::equality;
use veilbench_ot::relu::{Shares, Turn};
use veilbench_ring::wiped::Wiped;

use crate::Error;
use crate::bits::{low, pack, packed_bytes};
use crate::linear::Masks;
use crate::network::guards::Guarding;
use crate::network::material::{ChooserKeys, Comparing, Lifts};
use crate::network::plan::{Constants, differences, local, maxima, summed};
use crate::network::{Channel, Plan, converse, listen, part};
use crate::quadratic;
use crate::truncation::Truncation;

/// A batch on its way.
pub(super) struct Online<'a, C> {
    plan: &'a Plan,
    channel: &'a mut C,
    wire: Wiped<u64>,
    kept: Vec<Wiped<u64>>,
    /// Keys of guards, and what they are about.
    guards: Vec<Guarded>,
}

/// Sums of groups that are to be accepted.
struct Guarded {
    /// Groups of an image.
    of_image: usize,
    keys: equality::Chooser,
    sums: Wiped<u64>,
}

impl<'a, C: Channel> Online<'a, C> {
    pub(super) fn new(plan: &'a Plan, channel: &'a mut C, images: Wiped<u64>) -> Self {
        Self { plan, channel, wire: images, kept: Vec::new(), guards: Vec::new() }
    }

    pub(super) fn gate(&mut self, index: usize, gate: &Gate, keys: ChooserKeys) -> Result<(), C::Error> {
        match (gate, keys) {
            (Gate::Linear { shape }, ChooserKeys::Linear(masks)) => {
                self.linear(index, shape.inputs(), masks)?;
            }
            (Gate::Relu { shift, pools, .. }, ChooserKeys::Compare { values: Some(keys), guard }) => {
                let plan = self.plan;
                let mut values = self.compare(keys, |wire| plan.truncated(index, *shift, false, wire))?;
                self.wire = summed(pools, std::mem::take(&mut *values).into());
                self.guard(plan.guarding((index, gate)), guard, None);
            }
            (Gate::Max { inputs, slots }, ChooserKeys::Compare { values, .. }) => {
                let positive = match values {
                    Some(keys) => self.compare(keys, |wire| differences(*inputs, slots, wire))?,
                    None => Shares::default(),
                };
                self.wire = maxima(*inputs, slots, &self.wire, &positive);
            }
            (Gate::Truncate { shift, .. }, ChooserKeys::Truncate(lifts)) => {
                self.wire = self.lift(self.plan.truncation(index, *shift), lifts, 0)?.0;
            }
            (
                Gate::Quadratic { shift, square_shift, pools, .. },
                ChooserKeys::Square { lifts, keys, back, guard },
            ) => {
                let plan = self.plan;
                let Some(sizes) = plan.squares(gate, self.wire.len() / gate.inputs()) else { return Ok(()) };
                let (shares, opened) = self.lift(plan.squared(index, *shift), lifts, sizes.opened_bytes())?;
                let (results, mut message) = quadratic::open(sizes, &keys, &shares, &opened)?;
                let values = summed(pools, results.values);
                let back_again = plan.back(index, *square_shift);
                let (lifting, choices) = back_again.choose(back, &values)?;
                message.extend(choices);
                self.channel.send(&message)?;
                let numbers = self.channel.receive(back_again.numbers_bytes(values.len()))?;
                self.wire = lifting.receive(&numbers)?;
                self.guard(plan.guarding((index, gate)), guard, Some(&results.squares));
            }
            (gate, _) => local((index, gate), Constants::Zeros, &mut self.wire, &mut self.kept)?,
        }
        Ok(())
    }

    fn linear(&mut self, gate: usize, inputs: usize, masks: Vec<Masks>) -> Result<(), C::Error> {
        let outputs = masks.iter().map(|masks| masks.shares().len()).sum();
        let (mut masked, mut wire) = (Vec::with_capacity(self.wire.len()), Wiped::with_capacity(outputs));
        for (masks, image) in masks.into_iter().zip(self.wire.chunks_exact(inputs)) {
            let (of_image, shares) = masks.open(image)?;
            masked.extend(of_image);
            wire.extend_from_slice(&shares);
        }
        self.channel.send(&pack(self.plan.ring_bits(gate), &masked))?;
        self.wire = wire;
        Ok(())
    }

    fn compare(
        &mut self,
        keys: Comparing,
        shares: impl Fn(&[u64]) -> Wiped<u64>,
    ) -> Result<Shares, C::Error> {
        match keys {
            Comparing::Chose(party) => listen(party, self.channel),
            Comparing::Waits(keys) => {
                let (party, message) = keys.start(&shares(&self.wire)).map_err(Error::from)?;
                converse(Turn::Send(party, message), self.channel)
            }
        }
    }

    /// This party's shares of the truncated wire, and so many bytes that follow.
    fn lift(
        &mut self,
        truncation: Truncation,
        lifts: Lifts,
        following: usize,
    ) -> Result<(Wiped<u64>, Vec<u8>), C::Error> {
        let lifting = match lifts {
            Lifts::Chose(lifting) => lifting,
            Lifts::Waits(received) => {
                let (lifting, choices) = truncation.choose(received, &self.wire)?;
                self.channel.send(&choices)?;
                lifting
            }
        };
        let bytes = truncation.numbers_bytes(self.wire.len());
        let message = self.channel.receive(bytes + following)?;
        let mut rest = &message[..];
        let numbers = part("numbers of a lift", &mut rest, bytes)?;
        Ok((lifting.receive(numbers)?, rest.to_vec()))
    }

    /// Keeps for the end what a guard is about: the wire, or squares.
    fn guard(
        &mut self,
        guarding: Option<Guarding>,
        keys: Option<equality::Chooser>,
        squares: Option<&[u64]>,
    ) {
        if let (Some(guarding), Some(keys)) = (guarding, keys) {
            let sums = guarding.of_data_owner(squares.unwrap_or(&self.wire));
            self.guards.push(Guarded { of_image: guarding.groups(), keys, sums });
        }
    }

    /// Opens logits and guards. Returns logits, and the images that guards refuse.
    pub(super) fn logits(mut self) -> Result<(Vec<u64>, Vec<usize>), C::Error> {
        const WHAT: &str = "shares of logits, and what answers guards";
        let (mut waiting, mut message) = (Vec::new(), Vec::new());
        let mut of_guards = 0;
        for (Guarded { of_image, keys, sums }, guarding) in
            std::mem::take(&mut self.guards).into_iter().zip(self.plan.guards())
        {
            let bytes = guarding.layout(sums.len() / of_image)?.sums_bytes();
            let (party, choices) = keys.start(&sums).map_err(Error::from)?;
            message.extend(choices);
            of_guards += bytes;
            waiting.push((of_image, bytes, party));
        }
        if !message.is_empty() {
            self.channel.send(&message)?;
        }
        let (shift, bits) = (self.plan.circuit().output_shift(), self.plan.logit_bits());
        let of_logits = packed_bytes(bits, self.wire.len());
        let message = self.channel.receive(of_logits + of_guards)?;
        let mut rest = &message[..];
        let shares = part(WHAT, &mut rest, of_logits)?;
        let mut reader = Reader::new(WHAT, bits as usize * self.wire.len(), shares).map_err(Error::from)?;
        let unused = u64::BITS - bits;
        let truncated = self.plan.truncated(self.plan.last(), shift, false, &self.wire);
        let logits = truncated.iter().map(|share| {
            let logit = share.wrapping_add(reader.pop(bits)) & low(bits);
            (((logit << unused) as i64) >> unused) as u64
        });
        let logits = logits.collect();
        let mut refused = Vec::new();
        for (of_image, bytes, party) in waiting {
            let accepted = party.finish(part(WHAT, &mut rest, bytes)?).map_err(Error::from)?;
            let groups = accepted.into_iter().enumerate().filter(|(_, accepted)| !accepted);
            refused.extend(groups.map(|(group, _)| group / of_image));
        }
        refused.sort_unstable();
        refused.dedup();
        Ok((logits, refused))
    }
}
