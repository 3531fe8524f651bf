//! The model owner: holds the weights, learns nothing.

mod online;

use std::sync::Arc;

use veilbench_mpc::circuit::Gate;
use veilbench_mpc::model::Model;
use veilbench_ot::correlated::Sender;
use veilbench_ot::relu::{self, Offerer};
use veilbench_ot::setup::{self, OffererExtensions};
use veilbench_ot::{Depth, equality};
use veilbench_ring::random::{Randomness, Seed};
use veilbench_ring::wiped::Wiped;
use zeroize::Zeroizing;

use super::material::{Batches, Label, Offered, OffererKeys};
use super::plan::CIRCUIT_BYTES;
use super::{Channel, Plan};
use crate::Error;
use crate::linear::{PublicKey, Rlwe, Weights};
use crate::quadratic::{self, Coefficients, Keys};
use crate::truncation::Truncation;
use online::Online;

/// The model owner's side of a session.
pub struct ModelOwner {
    plan: Arc<Plan>,
    key: PublicKey,
    extensions: OffererExtensions,
    /// Weights of linear gates, with their biases.
    weights: Vec<Option<(Weights, Vec<u64>)>>,
    /// Coefficients of polynomials, per channel: of the square, of the number, and the constant.
    coefficients: Vec<Option<[Zeroizing<Vec<u64>>; 3]>>,
    random: Randomness,
    batches: Batches,
    /// A batch failed.
    broken: bool,
}

/// What the model owner has for one batch. It serves once.
pub struct ModelOwnerMaterial {
    label: Label,
    images: usize,
    gates: Vec<OffererKeys>,
}

impl ModelOwner {
    /// Proves that no image can drive values beyond the ring, and sets a session up.
    ///
    /// # Errors
    /// [`Error::Circuit`] if the model is of another circuit, or some image may overflow; [`Error::Weights`]; [`Error::OtherCircuit`] if the data owner
    /// has another one; those of the channel, and of a peer that sends no messages of the protocol.
    pub fn set_up<C: Channel>(
        plan: Arc<Plan>,
        model: &Model,
        depth: Depth,
        channel: &mut C,
    ) -> Result<Self, C::Error> {
        plan.analyse(model)?;
        let rlwe = Arc::new(Rlwe::new(plan.primes())?);
        let prepare = |gate: usize| {
            let Some((weights, bias)) = model.linear(gate) else { return Ok(None) };
            Ok(Some((Weights::new(&rlwe, Arc::clone(plan.layout(gate)?), weights)?, bias.to_vec())))
        };
        // Up to half of them while the data owner makes its first message, the others while it makes its last; what is refused is before any.
        let gates = plan.circuit().gates().len();
        let middle = plan.middle_of_weights();
        for gate in middle..gates {
            if let Some((weights, _)) = model.linear(gate) {
                Weights::check(plan.layout(gate)?, weights)?;
            }
        }
        let mut weights = (0..middle).map(prepare).collect::<Result<Vec<_>, Error>>()?;
        let coefficients = (0..gates)
            .map(|gate| Some(model.quadratic(gate)?.map(|of_channels| Zeroizing::new(of_channels.to_vec()))));
        let coefficients = coefficients.collect();
        let mut random = Randomness::from_system().map_err(Error::from)?;
        let [first, _, third] = setup::message_bytes(depth);
        let expected = first + CIRCUIT_BYTES;
        let message = channel.receive(expected)?;
        let (what, actual) = ("first message of a setup", message.len());
        let parts = message.split_last_chunk::<CIRCUIT_BYTES>().filter(|_| actual == expected);
        let (first, circuit) = parts.ok_or(Error::Length { what, expected, actual })?;
        let (expected, found) = (plan.circuit().digest(), u64::from_le_bytes(*circuit));
        if expected != found {
            return Err(Error::OtherCircuit { expected, found }.into());
        }
        let (offerer, mut second) = setup::Offerer::start(depth, first).map_err(Error::from)?;
        let seed: Seed = random.array();
        second.extend(seed);
        channel.send(&second)?;
        for gate in middle..gates {
            weights.push(prepare(gate)?);
        }
        let expected = third + plan.primes().public_key_bytes();
        let message = channel.receive(expected)?;
        let (what, actual) = ("third message of a setup", message.len());
        let parts = message.split_at_checked(third);
        let (third, public) = parts.ok_or(Error::Length { what, expected, actual })?;
        let extensions = offerer.finish(third).map_err(Error::from)?;
        let key = PublicKey::read(rlwe, &seed, public)?;
        let batches = Batches::of_a_new_session();
        Ok(Self { plan, key, extensions, weights, coefficients, random, batches, broken: false })
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
        let gates = gates.map(|gate| self.keys(gate, images, channel)).collect::<Result<_, C::Error>>()?;
        self.broken = false;
        Ok(ModelOwnerMaterial { label: self.batches.prepare(), images, gates })
    }

    /// What one gate takes.
    fn keys<C: Channel>(
        &mut self,
        (index, gate): (usize, &Gate),
        images: usize,
        channel: &mut C,
    ) -> Result<OffererKeys, C::Error> {
        let is_settled = self.plan.is_settled(index);
        Ok(match gate {
            Gate::Linear { .. } => self.products(index, images, channel)?,
            Gate::Relu { .. } | Gate::Max { .. } => {
                let layout = self.plan.comparisons((index, gate), images)?;
                let values = self.comparison(layout, is_settled, channel)?;
                OffererKeys::Compare { values, guard: self.guard((index, gate), images, channel)? }
            }
            Gate::Truncate { units, .. } => {
                OffererKeys::Truncate(self.lifts(units * images, is_settled, channel)?)
            }
            Gate::Quadratic { .. } => {
                let lifts = self.lifts(gate.inputs() * images, is_settled, channel)?;
                let keys = self.squares((index, gate), images, channel)?;
                let back = self.sent(gate.outputs() * images, channel)?;
                OffererKeys::Square { lifts, keys, back, guard: self.guard((index, gate), images, channel)? }
            }
            Gate::Sum(_)
            | Gate::Spread { .. }
            | Gate::Keep { .. }
            | Gate::Recall { .. }
            | Gate::Add { .. }
            | Gate::Concat { .. }
            | Gate::Output { .. } => OffererKeys::Nothing,
        })
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
            let (of_image, answer) = weights.answer(&self.key, &request, &mut self.random)?;
            channel.send(&answer)?;
            shares.push(of_image);
        }
        Ok(OffererKeys::Linear(shares))
    }

    fn comparison<C: Channel>(
        &mut self,
        layout: Option<relu::Layout>,
        is_settled: bool,
        channel: &mut C,
    ) -> Result<Option<Offered<Offerer>>, C::Error> {
        let Some(layout) = layout else { return Ok(None) };
        let of_lookups = self.extensions.lookups.parameters().portion_bytes(layout.lookups());
        let of_pairs = self.extensions.sent.parameters().portion_bytes(layout.offered());
        let request = channel.receive(of_lookups + of_pairs)?;
        let (keys, answer) = relu::answer(&mut self.extensions, layout, &request).map_err(Error::from)?;
        channel.send(&answer)?;
        let choices = if is_settled { Some(channel.receive(layout.message_bytes(0))?) } else { None };
        Ok(Some(Offered { keys, choices }))
    }

    fn sent<C: Channel>(&mut self, transfers: usize, channel: &mut C) -> Result<Sender, C::Error> {
        let message = channel.receive(self.extensions.sent.parameters().portion_bytes(transfers))?;
        let sent = self.extensions.sent.extend(transfers, &message).map_err(Error::from)?;
        Ok(Sender::new(sent).map_err(Error::from)?)
    }

    fn lifts<C: Channel>(
        &mut self,
        count: usize,
        is_settled: bool,
        channel: &mut C,
    ) -> Result<Offered<Sender>, C::Error> {
        let keys = self.sent(count, channel)?;
        let bytes = Truncation::choices_bytes(count);
        let choices = if is_settled { Some(channel.receive(bytes)?) } else { None };
        Ok(Offered { keys, choices })
    }

    /// The coefficients of a polynomial, for each of its values.
    fn coefficients(&self, index: usize, gate: &Gate, images: usize) -> Result<Coefficients, Error> {
        let (Gate::Quadratic { positions, .. }, Some(Some(of_channels))) =
            (gate, self.coefficients.get(index))
        else {
            return Err(Error::Unsupported { gate: index, reason: "it has no coefficients" });
        };
        let [square, linear, constant] = of_channels.each_ref().map(|of_channels| {
            let mut of_values = Wiped::with_capacity(gate.inputs() * images);
            for _ in 0..images {
                of_values
                    .extend(of_channels.iter().flat_map(|value| std::iter::repeat_n(*value, *positions)));
            }
            of_values
        });
        Ok(Coefficients { square, linear, constant })
    }

    fn squares<C: Channel>(
        &mut self,
        (index, gate): (usize, &Gate),
        images: usize,
        channel: &mut C,
    ) -> Result<Keys, C::Error> {
        let coefficients = self.coefficients(index, gate, images)?;
        let sizes = self.plan.squares(gate, images);
        let sizes = sizes.ok_or(Error::Unsupported { gate: index, reason: "it is no polynomial" })?;
        let mut keys = Keys::with_room(sizes);
        for portion in sizes.portions() {
            let extended = self.extensions.sent.parameters().portion_bytes(portion.transfers());
            let message = channel.receive(portion.request_bytes(extended))?;
            let extension = &mut self.extensions.sent;
            let answer =
                quadratic::answer(portion, extension, &mut self.random, &coefficients, &message, &mut keys)?;
            channel.send(&answer)?;
        }
        Ok(keys)
    }

    fn guard<C: Channel>(
        &mut self,
        gate: (usize, &Gate),
        images: usize,
        channel: &mut C,
    ) -> Result<Option<equality::Offerer>, C::Error> {
        let Some(guarding) = self.plan.guarding(gate) else { return Ok(None) };
        let layout = guarding.layout(images)?;
        let message =
            channel.receive(self.extensions.lookups.parameters().portion_bytes(layout.lookups()))?;
        let lookups = self.extensions.lookups.extend(layout.lookups(), &message).map_err(Error::from)?;
        Ok(Some(equality::Offerer::new(layout, lookups).map_err(Error::from)?))
    }

    /// Runs a batch.
    ///
    /// # Errors
    /// As [`ModelOwner::set_up`]; [`Error::OtherSession`] and [`Error::OtherBatch`] for material that is not of the batch whose turn it is;
    /// after any of them [`Error::Over`].
    pub fn run<C: Channel>(&mut self, material: ModelOwnerMaterial, channel: &mut C) -> Result<(), C::Error> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(Error::Over.into());
        }
        self.batches.run(material.label)?;
        let circuit = self.plan.circuit();
        let mut online = Online::new(self, channel, Wiped::new(material.images * circuit.inputs()));
        for ((index, gate), keys) in circuit.gates().iter().enumerate().zip(material.gates) {
            online.gate(index, gate, keys)?;
        }
        online.logits()?;
        self.broken = false;
        Ok(())
    }
}
