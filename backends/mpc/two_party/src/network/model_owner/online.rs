//! The model owner's side of a batch that runs.

use veilbench_mpc::circuit::Gate;
use veilbench_ot::correlated::Sender;
use veilbench_ot::equality;
use veilbench_ot::relu::{Offerer, Shares};
use veilbench_ring::wiped::Wiped;

use super::ModelOwner;
use crate::Error;
use crate::bits::{pack, packed_bytes, unpack};
use crate::network::guards::Guarding;
use crate::network::material::{Offered, OffererKeys};
use crate::network::plan::{Constants, differences, local, maxima, summed};
use crate::network::{Channel, converse, listen, part};
use crate::quadratic;
use crate::truncation::Truncation;

/// A batch on its way.
pub(super) struct Online<'a, C> {
    owner: &'a ModelOwner,
    channel: &'a mut C,
    wire: Wiped<u64>,
    kept: Vec<Wiped<u64>>,
    /// Keys of guards, and the sums of groups that they are about.
    guards: Vec<(equality::Offerer, Wiped<u64>)>,
}

impl<'a, C: Channel> Online<'a, C> {
    pub(super) fn new(owner: &'a ModelOwner, channel: &'a mut C, wire: Wiped<u64>) -> Self {
        Self { owner, channel, wire, kept: Vec::new(), guards: Vec::new() }
    }

    pub(super) fn gate(&mut self, index: usize, gate: &Gate, keys: OffererKeys) -> Result<(), C::Error> {
        let plan = &self.owner.plan;
        match (gate, keys) {
            (Gate::Linear { shape }, OffererKeys::Linear(shares)) => {
                let Some(Some((weights, bias))) = self.owner.weights.get(index) else {
                    return Err(Error::Unsupported { gate: index, reason: "it has no weights" }.into());
                };
                let (bits, count) = (plan.ring_bits(index), self.wire.len());
                let message = self.channel.receive(packed_bytes(bits, count))?;
                let mut inputs = unpack("masked inputs", bits, count, &message)?;
                for (input, share) in inputs.iter_mut().zip(self.wire.iter()) {
                    *input = input.wrapping_add(*share);
                }
                let mut wire = Wiped::with_capacity(shares.len() * shape.outputs());
                for (inputs, shares) in inputs.chunks_exact(shape.inputs()).zip(&shares) {
                    wire.extend_from_slice(&weights.apply(inputs, shares, bias)?);
                }
                self.wire = wire;
            }
            (Gate::Relu { shift, pools, .. }, OffererKeys::Compare { values: Some(keys), guard }) => {
                let mut values = self.compare(keys, &plan.truncated(index, *shift, true, &self.wire))?;
                self.wire = summed(pools, std::mem::take(&mut *values).into());
                self.guard(plan.guarding((index, gate)), guard, None);
            }
            (Gate::Max { inputs, slots }, OffererKeys::Compare { values, .. }) => {
                let positive = match values {
                    Some(keys) => self.compare(keys, &differences(*inputs, slots, &self.wire))?,
                    None => Shares::default(),
                };
                self.wire = maxima(*inputs, slots, &self.wire, &positive);
            }
            (Gate::Truncate { shift, .. }, OffererKeys::Truncate(lifts)) => {
                let (wire, message) = self.lift(plan.truncation(index, *shift), lifts)?;
                self.channel.send(&message)?;
                self.wire = wire;
            }
            (
                Gate::Quadratic { shift, square_shift, pools, .. },
                OffererKeys::Square { lifts, keys, back, guard },
            ) => {
                let images = self.wire.len() / gate.inputs();
                let Some(sizes) = plan.squares(gate, images) else { return Ok(()) };
                let coefficients = self.owner.coefficients(index, gate, images)?;
                let (shares, mut message) = self.lift(plan.squared(index, *shift), lifts)?;
                message.extend(quadratic::mask(sizes, &keys, &shares)?);
                self.channel.send(&message)?;
                let back_again = plan.back(index, *square_shift);
                let of_choices = Truncation::choices_bytes(gate.outputs() * images);
                let message = self.channel.receive(sizes.opened_bytes() + of_choices)?;
                let mut choices = &message[..];
                let opened = part("numbers under masks", &mut choices, sizes.opened_bytes())?;
                let results = quadratic::close(sizes, &keys, &coefficients, opened)?;
                let (wire, message) = back_again.send(back, choices, &summed(pools, results.values))?;
                self.channel.send(&message)?;
                self.wire = wire;
                self.guard(plan.guarding((index, gate)), guard, Some(&results.squares));
            }
            (gate, _) => local((index, gate), Constants::Themselves, &mut self.wire, &mut self.kept)?,
        }
        Ok(())
    }

    fn compare(&mut self, offered: Offered<Offerer>, shares: &[u64]) -> Result<Shares, C::Error> {
        let party = offered.keys.start(shares).map_err(Error::from)?;
        match offered.choices {
            Some(choices) => converse(party.receive(&choices).map_err(Error::from)?, self.channel),
            None => listen(party, self.channel),
        }
    }

    /// This party's shares of the truncated wire, and the message to the data owner.
    fn lift(
        &mut self,
        truncation: Truncation,
        offered: Offered<Sender>,
    ) -> Result<(Wiped<u64>, Vec<u8>), C::Error> {
        let choices = match offered.choices {
            Some(choices) => choices,
            None => self.channel.receive(Truncation::choices_bytes(self.wire.len()))?,
        };
        Ok(truncation.send(offered.keys, &choices, &self.wire)?)
    }

    /// Keeps for the end what a guard is about: the wire, or squares.
    fn guard(
        &mut self,
        guarding: Option<Guarding>,
        keys: Option<equality::Offerer>,
        squares: Option<&[u64]>,
    ) {
        if let (Some(guarding), Some(keys)) = (guarding, keys) {
            self.guards.push((keys, guarding.of_model_owner(squares.unwrap_or(&self.wire))));
        }
    }

    /// The last message: shares of logits, and what tells the data owner of guards.
    pub(super) fn logits(self) -> Result<(), C::Error> {
        let plan = &self.owner.plan;
        let mut layouts = Vec::new();
        for ((_, sums), guarding) in self.guards.iter().zip(plan.guards()) {
            layouts.push(guarding.layout(sums.len() / guarding.groups())?);
        }
        let of_choices: usize = layouts.iter().map(equality::Layout::choices_bytes).sum();
        let choices = if of_choices > 0 { self.channel.receive(of_choices)? } else { Vec::new() };
        let mut rest = &choices[..];
        let shares = plan.truncated(plan.last(), plan.circuit().output_shift(), true, &self.wire);
        let mut message = pack(plan.logit_bits(), &shares);
        for ((keys, sums), layout) in self.guards.into_iter().zip(layouts) {
            let choices = part("choices of guards", &mut rest, layout.choices_bytes())?;
            message.extend(keys.answer(choices, &sums).map_err(Error::from)?);
        }
        self.channel.send(&message)
    }
}
