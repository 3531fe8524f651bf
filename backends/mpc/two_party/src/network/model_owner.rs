//! The model owner: holds the weights, learns nothing.

use std::sync::Arc;

use veilbench_mpc::circuit::{Gate, Pool};
use veilbench_mpc::model::Model;
use veilbench_mpc::oracle;
use veilbench_ot::Depth;
use veilbench_ot::bits::Writer;
use veilbench_ot::correlated::Sender;
use veilbench_ot::relu::{self, Offerer};
use veilbench_ot::setup::{self, OffererExtensions};
use veilbench_ring::random::{Randomness, Seed};
use veilbench_ring::wiped::Wiped;

use super::material::OffererKeys;
use super::plan::{Constants, SQUARES, differences, local, maxima};
use super::{Channel, Plan, converse};
use crate::Error;
use crate::bits::{packed_bytes, unpack};
use crate::linear::{PUBLIC_KEY_BYTES, PublicKey, Rlwe, Weights};
use crate::truncation::Truncation;

/// The model owner's side of a session.
pub struct ModelOwner {
    plan: Arc<Plan>,
    key: PublicKey,
    extensions: OffererExtensions,
    /// Of linear gates, with their biases.
    weights: Vec<Option<(Weights, Vec<u64>)>>,
    random: Randomness,
    /// Preparing a batch failed.
    broken: bool,
}

/// What the model owner has for one batch. It serves once.
pub struct ModelOwnerMaterial {
    images: usize,
    gates: Vec<OffererKeys>,
}

impl ModelOwner {
    /// Proves that no image can drive values beyond the ring, and sets a session up.
    ///
    /// # Errors
    /// [`Error::Circuit`] if the model is of another circuit, or some image may overflow; [`Error::Weight`]; those of the channel, and of a peer that
    /// sends no messages of the protocol.
    pub fn set_up<C: Channel>(
        plan: Arc<Plan>,
        model: &Model,
        depth: Depth,
        channel: &mut C,
    ) -> Result<Self, C::Error> {
        oracle::analyse(plan.circuit(), model).map_err(Error::from)?;
        let rlwe = Arc::new(Rlwe::new()?);
        let weights = (0..plan.circuit().gates().len()).map(|gate| {
            let Some((weights, bias)) = model.linear(gate) else { return Ok(None) };
            Ok(Some((Weights::new(&rlwe, Arc::clone(plan.layout(gate)?), weights)?, bias.to_vec())))
        });
        let weights = weights.collect::<Result<_, Error>>()?;
        let mut random = Randomness::from_system().map_err(Error::from)?;
        let [first, _, third] = setup::message_bytes(depth);
        let first = channel.receive(first)?;
        let (offerer, mut second) = setup::Offerer::start(depth, &first).map_err(Error::from)?;
        let seed: Seed = random.array();
        second.extend(seed);
        channel.send(&second)?;
        let expected = third + PUBLIC_KEY_BYTES;
        let message = channel.receive(expected)?;
        let (what, actual) = ("third message of a set-up", message.len());
        let parts = message.split_at_checked(third);
        let (third, public) = parts.ok_or(Error::Length { what, expected, actual })?;
        let extensions = offerer.finish(third).map_err(Error::from)?;
        let key = PublicKey::read(rlwe, &seed, public)?;
        Ok(Self { plan, key, extensions, weights, random, broken: false })
    }

    /// Prepares a batch of so many images.
    ///
    /// # Errors
    /// As [`ModelOwner::set_up`], and after any of them [`Error::Over`].
    pub fn prepare<C: Channel>(
        &mut self,
        images: usize,
        channel: &mut C,
    ) -> Result<ModelOwnerMaterial, C::Error> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(Error::Over.into());
        }
        let plan = Arc::clone(&self.plan);
        let gates = plan.circuit().gates().iter().enumerate();
        let gates = gates.map(|(index, gate)| match gate {
            Gate::Linear { .. } => self.products(index, images, channel),
            Gate::Relu { .. } | Gate::Max { .. } => {
                let [values, guard] = plan.comparisons(gate, images)?;
                let [values, guard] = [self.comparison(values, channel)?, self.comparison(guard, channel)?];
                Ok(OffererKeys::Compare { values, guard })
            }
            Gate::Truncate { units, .. } => {
                let count = units * images;
                let message = channel.receive(self.extensions.sent.parameters().portion_bytes(count))?;
                let sent = self.extensions.sent.extend(count, &message).map_err(Error::from)?;
                Ok(OffererKeys::Truncate(Sender::new(sent).map_err(Error::from)?))
            }
            Gate::Sum(_)
            | Gate::Spread { .. }
            | Gate::Keep { .. }
            | Gate::Recall { .. }
            | Gate::Add { .. }
            | Gate::Concat { .. }
            | Gate::Output { .. } => Ok(OffererKeys::Nothing),
            Gate::Quadratic { .. } => Err(Error::Unsupported { gate: index, reason: SQUARES }.into()),
        });
        let gates = gates.collect::<Result<_, C::Error>>()?;
        self.broken = false;
        Ok(ModelOwnerMaterial { images, gates })
    }

    fn products<C: Channel>(
        &mut self,
        gate: usize,
        images: usize,
        channel: &mut C,
    ) -> Result<OffererKeys, C::Error> {
        let Some(Some((weights, _))) = self.weights.get(gate) else {
            return Err(Error::Unsupported { gate, reason: "it has no weights" }.into());
        };
        let mut shares = Vec::with_capacity(images);
        for _ in 0..images {
            let request = channel.receive(self.plan.layout(gate)?.request_bytes())?;
            let (of_image, answer) =
                weights.answer(&self.key, self.plan.ring_bits(), &request, &mut self.random)?;
            channel.send(&answer)?;
            shares.push(of_image);
        }
        Ok(OffererKeys::Linear(shares))
    }

    fn comparison<C: Channel>(
        &mut self,
        layout: Option<relu::Layout>,
        channel: &mut C,
    ) -> Result<Option<Offerer>, C::Error> {
        let Some(layout) = layout else { return Ok(None) };
        let of_lookups = self.extensions.lookups.parameters().portion_bytes(layout.lookups());
        let of_pairs = self.extensions.sent.parameters().portion_bytes(layout.offered());
        let request = channel.receive(of_lookups + of_pairs)?;
        let (keys, answer) = relu::answer(&mut self.extensions, layout, &request).map_err(Error::from)?;
        channel.send(&answer)?;
        Ok(Some(keys))
    }

    /// Runs a batch.
    ///
    /// # Errors
    /// As [`ModelOwner::set_up`].
    pub fn run<C: Channel>(&self, material: ModelOwnerMaterial, channel: &mut C) -> Result<(), C::Error> {
        let circuit = self.plan.circuit();
        let wire = vec![0; material.images * circuit.inputs()];
        let mut online = Online { owner: self, channel, wire, kept: Vec::new(), guards: Vec::new() };
        for ((index, gate), keys) in circuit.gates().iter().enumerate().zip(material.gates) {
            online.gate(index, gate, keys)?;
        }
        online.logits()
    }
}

/// A batch on its way.
struct Online<'a, C> {
    owner: &'a ModelOwner,
    channel: &'a mut C,
    wire: Vec<u64>,
    kept: Vec<Vec<u64>>,
    /// Keys of guards, and the sums of groups that they compare.
    guards: Vec<(Offerer, Wiped<u64>)>,
}

impl<C: Channel> Online<'_, C> {
    fn gate(&mut self, index: usize, gate: &Gate, keys: OffererKeys) -> Result<(), C::Error> {
        let plan = &self.owner.plan;
        match (gate, keys) {
            (Gate::Linear { shape }, OffererKeys::Linear(shares)) => {
                let Some(Some((weights, bias))) = self.owner.weights.get(index) else {
                    return Err(Error::Unsupported { gate: index, reason: "it has no weights" }.into());
                };
                let (bits, count) = (plan.ring_bits(), self.wire.len());
                let message = self.channel.receive(packed_bytes(bits, count))?;
                let mut inputs = unpack("masked inputs", bits, count, &message)?;
                for (input, share) in inputs.iter_mut().zip(&self.wire) {
                    *input = input.wrapping_add(*share);
                }
                let mut wire = Vec::with_capacity(shares.len() * shape.outputs());
                for (inputs, shares) in inputs.chunks_exact(shape.inputs()).zip(&shares) {
                    wire.extend(weights.apply(inputs, shares, bias)?);
                }
                self.wire = wire;
            }
            (
                Gate::Relu { shift, pools, guard, .. },
                OffererKeys::Compare { values: Some(keys), guard: of_guard },
            ) => {
                let values = self.compare(keys, &plan.truncated(*shift, true, &self.wire))?;
                self.wire = pools.iter().fold(values.to_vec(), |values, pool: &Pool| pool.sum(&values));
                if let (Some(guard), Some(keys)) = (guard, of_guard) {
                    self.guards.push((keys, plan.guarded(guard, false, &self.wire).into()));
                }
            }
            (Gate::Max { inputs, slots }, OffererKeys::Compare { values, .. }) => {
                let positive = match values {
                    Some(keys) => self.compare(keys, &differences(*inputs, slots, &self.wire))?,
                    None => relu::Shares::default(),
                };
                self.wire = maxima(*inputs, slots, &self.wire, &positive);
            }
            (Gate::Truncate { shift, .. }, OffererKeys::Truncate(sent)) => {
                let truncation: Truncation = plan.truncation(*shift);
                let choices = self.channel.receive(Truncation::choices_bytes(self.wire.len()))?;
                let (wire, message) = truncation.send(sent, &choices, &self.wire)?;
                self.channel.send(&message)?;
                self.wire = wire;
            }
            (gate, _) => local((index, gate), Constants::Themselves, &mut self.wire, &mut self.kept)?,
        }
        Ok(())
    }

    fn compare(&mut self, keys: Offerer, shares: &[u64]) -> Result<relu::Shares, C::Error> {
        let shares = converse(vec![keys.start(shares).map_err(Error::from)?], self.channel)?;
        Ok(shares.into_iter().next().unwrap_or_default())
    }

    /// This party's bits of all guards, and how many.
    fn guards(&mut self) -> Result<Vec<(usize, relu::Shares)>, C::Error> {
        let guards = std::mem::take(&mut self.guards);
        let counts: Vec<usize> = guards.iter().map(|(_, sums)| sums.len()).collect();
        let parties = guards.into_iter().map(|(keys, sums)| keys.start(&sums));
        let parties = parties.collect::<Result<Vec<_>, _>>().map_err(Error::from)?;
        Ok(counts.into_iter().zip(converse(parties, self.channel)?).collect())
    }

    /// The last message: shares of logits and of guards.
    fn logits(mut self) -> Result<(), C::Error> {
        let guards = self.guards()?;
        let plan = &self.owner.plan;
        let bits = plan.logit_bits();
        let groups: usize = guards.iter().map(|(count, _)| count).sum();
        let mut message = Writer::new(bits as usize * self.wire.len() + groups);
        for share in plan.truncated(plan.circuit().output_shift(), true, &self.wire) {
            message.push(share, bits);
        }
        for (count, bits) in &guards {
            message.plane(bits, *count);
        }
        self.channel.send(&message.finish())
    }
}
