//! The data owner: images in, logits out.

use std::sync::Arc;

use veilbench_mpc::circuit::{Gate, Pool};
use veilbench_ot::Depth;
use veilbench_ot::bits::Reader;
use veilbench_ot::correlated::Receiver;
use veilbench_ot::relu::{self, Chooser};
use veilbench_ot::setup::{self, ChooserExtensions};
use veilbench_ring::random::{Randomness, Seed};
use veilbench_ring::wiped::Wiped;

use super::material::ChooserKeys;
use super::plan::{Constants, SQUARES, differences, local, maxima};
use super::{Channel, Plan, converse};
use crate::Error;
use crate::bits::{low, pack, packed_bytes};
use crate::error::expect_count;
use crate::linear::{Rlwe, SecretKey};
use crate::truncation::Truncation;

/// The data owner's side of a session.
pub struct DataOwner {
    plan: Arc<Plan>,
    key: SecretKey,
    extensions: ChooserExtensions,
    random: Randomness,
    /// Preparing a batch failed.
    broken: bool,
}

/// What the data owner has for one batch. It serves once.
pub struct DataOwnerMaterial {
    images: usize,
    gates: Vec<ChooserKeys>,
}

impl DataOwner {
    /// Sets a session up, in three messages: base transfers, extensions, and a public key for answers.
    ///
    /// # Errors
    /// Those of the channel, and of a peer that sends no messages of the protocol.
    pub fn set_up<C: Channel>(plan: Arc<Plan>, depth: Depth, channel: &mut C) -> Result<Self, C::Error> {
        let (chooser, first) = setup::Chooser::start(depth).map_err(Error::from)?;
        channel.send(&first)?;
        let mut random = Randomness::from_system().map_err(Error::from)?;
        let key = SecretKey::generate(Arc::new(Rlwe::new()?), &mut random);
        let bytes = setup::message_bytes(depth)[1];
        let expected = bytes + size_of::<Seed>();
        let second = channel.receive(expected)?;
        let (what, actual) = ("second message of a set-up", second.len());
        let parts = second
            .split_at_checked(bytes)
            .and_then(|(second, seed)| Some((second, Seed::try_from(seed).ok()?)));
        let (second, seed) = parts.ok_or(Error::Length { what, expected, actual })?;
        let (extensions, mut third) = chooser.finish(second).map_err(Error::from)?;
        third.extend(key.public_key(&seed, &mut random));
        channel.send(&third)?;
        Ok(Self { plan, key, extensions, random, broken: false })
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
        let gates = plan.circuit().gates().iter().enumerate();
        let gates = gates.map(|(index, gate)| match gate {
            Gate::Linear { .. } => self.masks(index, images, channel),
            Gate::Relu { .. } | Gate::Max { .. } => {
                let [values, guard] = plan.comparisons(gate, images)?;
                let [values, guard] = [self.comparison(values, channel)?, self.comparison(guard, channel)?];
                Ok(ChooserKeys::Compare { values, guard })
            }
            Gate::Truncate { units, .. } => {
                let (received, message) = self.extensions.received.extend(units * images);
                channel.send(&message)?;
                Ok(ChooserKeys::Truncate(Receiver::new(received).map_err(Error::from)?))
            }
            Gate::Sum(_)
            | Gate::Spread { .. }
            | Gate::Keep { .. }
            | Gate::Recall { .. }
            | Gate::Add { .. }
            | Gate::Concat { .. }
            | Gate::Output { .. } => Ok(ChooserKeys::Nothing),
            Gate::Quadratic { .. } => Err(Error::Unsupported { gate: index, reason: SQUARES }.into()),
        });
        let gates = gates.collect::<Result<_, C::Error>>()?;
        self.broken = false;
        Ok(DataOwnerMaterial { images, gates })
    }

    fn masks<C: Channel>(
        &mut self,
        gate: usize,
        images: usize,
        channel: &mut C,
    ) -> Result<ChooserKeys, C::Error> {
        let layout = self.plan.layout(gate)?;
        let mut masks = Vec::with_capacity(images);
        for _ in 0..images {
            let (requested, request) = self.key.request(layout, self.plan.ring_bits(), &mut self.random)?;
            channel.send(&request)?;
            let answer = channel.receive(layout.answer_bytes())?;
            masks.push(requested.finish(&self.key, &answer)?);
        }
        Ok(ChooserKeys::Linear(masks))
    }

    fn comparison<C: Channel>(
        &mut self,
        layout: Option<relu::Layout>,
        channel: &mut C,
    ) -> Result<Option<Chooser>, C::Error> {
        let Some(layout) = layout else { return Ok(None) };
        let (requested, request) = relu::request(&mut self.extensions, layout);
        channel.send(&request)?;
        let answer = channel.receive(self.extensions.sent.parameters().portion_bytes(layout.returned()))?;
        Ok(Some(requested.finish(&mut self.extensions, &answer).map_err(Error::from)?))
    }

    /// Runs a batch of encoded images. Returns the logits, as elements of the circuit's ring.
    ///
    /// # Errors
    /// As [`DataOwner::set_up`]; [`Error::Count`] for another number of values; [`Error::OutOfRange`] with the images that guards refuse.
    pub fn run<C: Channel>(
        &self,
        material: DataOwnerMaterial,
        images: &[u64],
        channel: &mut C,
    ) -> Result<Vec<u64>, C::Error> {
        let (plan, circuit) = (&self.plan, self.plan.circuit());
        expect_count("values of images", material.images * circuit.inputs(), images.len())?;
        let mut online =
            Online { plan, channel, wire: images.to_vec(), kept: Vec::new(), guards: Vec::new() };
        for ((index, gate), keys) in circuit.gates().iter().enumerate().zip(material.gates) {
            online.gate(index, gate, keys)?;
        }
        online.logits(material.images)
    }
}

/// A batch on its way.
struct Online<'a, C> {
    plan: &'a Plan,
    channel: &'a mut C,
    wire: Vec<u64>,
    kept: Vec<Vec<u64>>,
    /// Keys of guards, and what they compare.
    guards: Vec<Guarded>,
}

/// Sums of groups that are to be accepted.
struct Guarded {
    /// Groups of an image.
    of_image: usize,
    keys: Chooser,
    sums: Wiped<u64>,
}

impl<C: Channel> Online<'_, C> {
    fn gate(&mut self, index: usize, gate: &Gate, keys: ChooserKeys) -> Result<(), C::Error> {
        match (gate, keys) {
            (Gate::Linear { shape }, ChooserKeys::Linear(masks)) => {
                let (mut masked, mut wire) = (Vec::with_capacity(self.wire.len()), Vec::new());
                for (masks, image) in masks.into_iter().zip(self.wire.chunks_exact(shape.inputs())) {
                    let (of_image, shares) = masks.open(image)?;
                    masked.extend(of_image);
                    wire.extend_from_slice(&shares);
                }
                self.channel.send(&pack(self.plan.ring_bits(), &masked))?;
                self.wire = wire;
            }
            (
                Gate::Relu { shift, pools, guard, .. },
                ChooserKeys::Compare { values: Some(keys), guard: of_guard },
            ) => {
                let values = self.compare(keys, &self.plan.truncated(*shift, false, &self.wire))?;
                self.wire = pools.iter().fold(values.to_vec(), |values, pool: &Pool| pool.sum(&values));
                if let (Some(guard), Some(keys)) = (guard, of_guard) {
                    let sums = self.plan.guarded(guard, true, &self.wire).into();
                    self.guards.push(Guarded { of_image: guard.groups(), keys, sums });
                }
            }
            (Gate::Max { inputs, slots }, ChooserKeys::Compare { values, .. }) => {
                let positive = match values {
                    Some(keys) => self.compare(keys, &differences(*inputs, slots, &self.wire))?,
                    None => relu::Shares::default(),
                };
                self.wire = maxima(*inputs, slots, &self.wire, &positive);
            }
            (Gate::Truncate { shift, .. }, ChooserKeys::Truncate(received)) => {
                let truncation: Truncation = self.plan.truncation(*shift);
                let (lifting, message) = truncation.choose(received, &self.wire)?;
                self.channel.send(&message)?;
                let message = self.channel.receive(truncation.numbers_bytes(self.wire.len()))?;
                self.wire = lifting.receive(&message)?;
            }
            (gate, _) => local((index, gate), Constants::Zeros, &mut self.wire, &mut self.kept)?,
        }
        Ok(())
    }

    fn compare(&mut self, keys: Chooser, shares: &[u64]) -> Result<relu::Shares, C::Error> {
        let (party, message) = keys.start(shares).map_err(Error::from)?;
        self.channel.send(&message)?;
        let shares = converse(vec![party], self.channel)?;
        Ok(shares.into_iter().next().unwrap_or_default())
    }

    /// This party's bits of all guards, with the groups of an image and of the batch.
    fn guards(&mut self) -> Result<Vec<(usize, usize, relu::Shares)>, C::Error> {
        let (mut parties, mut message, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        for Guarded { of_image, keys, sums } in std::mem::take(&mut self.guards) {
            let (party, of_guard) = keys.start(&sums).map_err(Error::from)?;
            message.extend(of_guard);
            parties.push(party);
            sizes.push((of_image, sums.len()));
        }
        if parties.is_empty() {
            return Ok(Vec::new());
        }
        self.channel.send(&message)?;
        let bits = converse(parties, self.channel)?;
        Ok(sizes.into_iter().zip(bits).map(|((of_image, count), bits)| (of_image, count, bits)).collect())
    }

    /// Opens logits and guards.
    fn logits(mut self, images: usize) -> Result<Vec<u64>, C::Error> {
        const WHAT: &str = "shares of logits";
        let (shift, bits) = (self.plan.circuit().output_shift(), self.plan.logit_bits());
        let (guards, groups) = (self.guards()?, self.plan.guards(images));
        let total = bits as usize * self.wire.len() + groups;
        let message = self.channel.receive(packed_bytes(1, total))?;
        let mut reader = Reader::new(WHAT, total, &message).map_err(Error::from)?;
        let unused = u64::BITS - bits;
        let truncated = self.plan.truncated(shift, false, &self.wire);
        let logits = truncated.into_iter().map(|share| {
            let logit = share.wrapping_add(reader.pop(bits)) & low(bits);
            (((logit << unused) as i64) >> unused) as u64
        });
        let logits = logits.collect();
        let mut refused = Vec::new();
        for (of_image, count, bits) in guards {
            let theirs = reader.plane(count);
            for group in 0..count {
                let accepted = (bits[group / 64] ^ theirs[group / 64]) >> (group % 64) & 1;
                if accepted == 0 {
                    refused.push(group / of_image);
                }
            }
        }
        refused.sort_unstable();
        refused.dedup();
        if refused.is_empty() { Ok(logits) } else { Err(Error::OutOfRange { images: refused }.into()) }
    }
}
