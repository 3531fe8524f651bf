//! The data owner: images in, logits out.

mod online;

use std::sync::Arc;

use veilbench_mpc::circuit::Gate;
use veilbench_ot::correlated::Receiver;
use veilbench_ot::relu;
use veilbench_ot::setup::{self, ChooserExtensions};
use veilbench_ot::{Depth, equality};
use veilbench_ring::random::{Randomness, Seed};
use veilbench_ring::wiped::Wiped;

use super::material::{Batches, ChooserKeys, Comparing, Label, Lifts};
use super::plan::differences;
use super::settled::Shares;
use super::{Channel, Plan};
use crate::Error;
use crate::error::expect_count;
use crate::linear::{Requested, Rlwe, SecretKey};
use crate::quadratic::{self, Keys, Sizes};
use crate::truncation::Truncation;
use online::Online;

/// The data owner's side of a session.
pub struct DataOwner {
    plan: Arc<Plan>,
    key: SecretKey,
    extensions: ChooserExtensions,
    random: Randomness,
    batches: Batches,
    /// A batch failed.
    broken: bool,
}

/// What the data owner has for one batch. It serves once.
pub struct DataOwnerMaterial {
    label: Label,
    images: usize,
    gates: Vec<ChooserKeys>,
}

impl DataOwner {
    /// Sets a session up, in three messages: base transfers and the circuit's fingerprint, extensions, and a public key for answers.
    ///
    /// # Errors
    /// Those of the channel, and of a peer that sends no messages of the protocol.
    pub fn set_up<C: Channel>(plan: Arc<Plan>, depth: Depth, channel: &mut C) -> Result<Self, C::Error> {
        let (chooser, mut first) = setup::Chooser::start(depth).map_err(Error::from)?;
        first.extend(plan.circuit().digest().to_le_bytes());
        channel.send(&first)?;
        let mut random = Randomness::from_system().map_err(Error::from)?;
        let key = SecretKey::generate(Arc::new(Rlwe::new(plan.primes())?), &mut random);
        let bytes = setup::message_bytes(depth)[1];
        let expected = bytes + size_of::<Seed>();
        let second = channel.receive(expected)?;
        let (what, actual) = ("second message of a setup", second.len());
        let parts = second
            .split_at_checked(bytes)
            .and_then(|(second, seed)| Some((second, Seed::try_from(seed).ok()?)));
        let (second, seed) = parts.ok_or(Error::Length { what, expected, actual })?;
        let (extensions, mut third) = chooser.finish(second).map_err(Error::from)?;
        third.extend(key.public_key(&seed, &mut random));
        channel.send(&third)?;
        let batches = Batches::of_a_new_session();
        Ok(Self { plan, key, extensions, random, batches, broken: false })
    }

    /// What both parties run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Prepares a batch of so many images.
    ///
    /// # Errors
    /// As [`DataOwner::set_up`], and after any of them [`Error::Over`].
    pub fn prepare<C: Channel>(
        &mut self,
        images: usize,
        channel: &mut C,
    ) -> Result<DataOwnerMaterial, C::Error> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(Error::Over.into());
        }
        let plan = Arc::clone(&self.plan);
        let (mut gates, mut shares) = (Vec::new(), Shares::default());
        for (index, gate) in plan.circuit().gates().iter().enumerate() {
            let keys = self.keys((index, gate), images, shares.wire(), channel)?;
            if let ChooserKeys::Linear(masks) = &keys {
                let mut wire = Wiped::with_capacity(gate.outputs() * images);
                masks.iter().for_each(|masks| wire.extend_from_slice(masks.shares()));
                shares.set(wire);
            } else {
                shares.pass(index, gate)?;
            }
            gates.push(keys);
        }
        self.broken = false;
        Ok(DataOwnerMaterial { label: self.batches.prepare(), images, gates })
    }

    /// What one gate takes; `wire` is what it reads, if that is settled.
    fn keys<C: Channel>(
        &mut self,
        (index, gate): (usize, &Gate),
        images: usize,
        wire: Option<&[u64]>,
        channel: &mut C,
    ) -> Result<ChooserKeys, C::Error> {
        let plan = Arc::clone(&self.plan);
        Ok(match gate {
            Gate::Linear { .. } => self.masks(index, images, channel)?,
            Gate::Relu { shift, .. } => {
                let wire = wire.map(|wire| plan.truncated(index, *shift, false, wire));
                let values = self.comparison(plan.comparisons((index, gate), images)?, wire, channel)?;
                ChooserKeys::Compare { values, guard: self.guard((index, gate), images, channel)? }
            }
            Gate::Max { inputs, slots } => {
                let wire = wire.map(|wire| differences(*inputs, slots, wire));
                let values = self.comparison(plan.comparisons((index, gate), images)?, wire, channel)?;
                ChooserKeys::Compare { values, guard: None }
            }
            Gate::Truncate { units, shift } => ChooserKeys::Truncate(self.lifts(
                plan.truncation(index, *shift),
                units * images,
                wire,
                channel,
            )?),
            Gate::Quadratic { shift, .. } => {
                let lifts = self.lifts(plan.squared(index, *shift), gate.inputs() * images, wire, channel)?;
                let keys = match plan.squares(gate, images) {
                    Some(sizes) => self.products(sizes, channel)?,
                    None => return Ok(ChooserKeys::Nothing),
                };
                let back = self.received(gate.outputs() * images, channel)?;
                ChooserKeys::Square { lifts, keys, back, guard: self.guard((index, gate), images, channel)? }
            }
            Gate::Sum(_)
            | Gate::Spread { .. }
            | Gate::Keep { .. }
            | Gate::Recall { .. }
            | Gate::Add { .. }
            | Gate::Concat { .. }
            | Gate::Output { .. } => ChooserKeys::Nothing,
        })
    }

    fn masks<C: Channel>(
        &mut self,
        gate: usize,
        images: usize,
        channel: &mut C,
    ) -> Result<ChooserKeys, C::Error> {
        let layout = self.plan.layout(gate)?;
        let mut masks = Vec::with_capacity(images);
        let mut finish = |requested: Requested, channel: &mut C| {
            masks.push(requested.finish(&self.key, &channel.receive(layout.answer_bytes())?)?);
            Ok::<_, C::Error>(())
        };
        // The next request is made while the last one is answered.
        let mut waiting = None;
        for _ in 0..images {
            let (requested, request) = self.key.request(layout, &mut self.random)?;
            channel.send(&request)?;
            if let Some(before) = waiting.replace(requested) {
                finish(before, channel)?;
            }
        }
        if let Some(last) = waiting {
            finish(last, channel)?;
        }
        Ok(ChooserKeys::Linear(masks))
    }

    fn comparison<C: Channel>(
        &mut self,
        layout: Option<relu::Layout>,
        shares: Option<Wiped<u64>>,
        channel: &mut C,
    ) -> Result<Option<Comparing>, C::Error> {
        let Some(layout) = layout else { return Ok(None) };
        let (requested, request) = relu::request(&mut self.extensions, layout);
        channel.send(&request)?;
        let answer = channel.receive(self.extensions.sent.parameters().portion_bytes(layout.returned()))?;
        let keys = requested.finish(&mut self.extensions, &answer).map_err(Error::from)?;
        let Some(shares) = shares else { return Ok(Some(Comparing::Waits(keys))) };
        let (party, choices) = keys.start(&shares).map_err(Error::from)?;
        channel.send(&choices)?;
        Ok(Some(Comparing::Chose(party)))
    }

    fn received<C: Channel>(&mut self, transfers: usize, channel: &mut C) -> Result<Receiver, C::Error> {
        let (received, message) = self.extensions.received.extend(transfers);
        channel.send(&message)?;
        Ok(Receiver::new(received).map_err(Error::from)?)
    }

    fn lifts<C: Channel>(
        &mut self,
        truncation: Truncation,
        count: usize,
        shares: Option<&[u64]>,
        channel: &mut C,
    ) -> Result<Lifts, C::Error> {
        let received = self.received(count, channel)?;
        let Some(shares) = shares else { return Ok(Lifts::Waits(received)) };
        let (lifting, choices) = truncation.choose(received, shares)?;
        channel.send(&choices)?;
        Ok(Lifts::Chose(lifting))
    }

    fn products<C: Channel>(&mut self, sizes: Sizes, channel: &mut C) -> Result<Keys, C::Error> {
        let mut keys = Keys::with_room(sizes);
        for portion in sizes.portions() {
            let (requested, message) =
                quadratic::request(portion, &mut self.extensions.received, &mut self.random)?;
            channel.send(&message)?;
            requested.finish(&channel.receive(portion.answer_bytes()?)?, &mut keys)?;
        }
        Ok(keys)
    }

    fn guard<C: Channel>(
        &mut self,
        gate: (usize, &Gate),
        images: usize,
        channel: &mut C,
    ) -> Result<Option<equality::Chooser>, C::Error> {
        let Some(guarding) = self.plan.guarding(gate) else { return Ok(None) };
        let layout = guarding.layout(images)?;
        let (lookups, message) = self.extensions.lookups.extend(layout.lookups());
        channel.send(&message)?;
        Ok(Some(equality::Chooser::new(layout, lookups).map_err(Error::from)?))
    }

    /// Runs a batch of encoded images. Returns the logits, as elements of the circuit's ring.
    ///
    /// # Errors
    /// As [`DataOwner::set_up`]; [`Error::OtherSession`] and [`Error::OtherBatch`] for material that is not of the batch whose turn it is; [`Error::Count`] for another number of values; after any of them [`Error::Over`]. [`Error::OutOfRange`] with the images that guards
    /// refuse, after which the session goes on.
    pub fn run<C: Channel>(
        &mut self,
        material: DataOwnerMaterial,
        images: &[u64],
        channel: &mut C,
    ) -> Result<Vec<u64>, C::Error> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(Error::Over.into());
        }
        self.batches.run(material.label)?;
        let (plan, circuit) = (&self.plan, self.plan.circuit());
        expect_count("values of images", material.images * circuit.inputs(), images.len())?;
        let mut online = Online::new(plan, channel, images.to_vec().into());
        for ((index, gate), keys) in circuit.gates().iter().enumerate().zip(material.gates) {
            online.gate(index, gate, keys)?;
        }
        let (logits, refused) = online.logits()?;
        self.broken = false;
        if refused.is_empty() { Ok(logits) } else { Err(Error::OutOfRange { images: refused }.into()) }
    }
}
