//! The data owner before the online phase.

use std::marker::PhantomData;
use std::sync::Arc;

use super::online::{Known, Online};
use super::preparation::{HeldMasks, MaskedParameters, Supply, ensure_width};
use super::randomness::keys::BufferPool;
use super::randomness::masks::{Role, input_mask};
use super::randomness::setup_seed::{ALL_GATES, HEADER_BYTES, Header, SetupSeed};
use super::randomness::{Randomness, parameter_bytes, parameter_counts};
use super::{Peer, Protocol};
use crate::circuit::Circuit;
use crate::random::Seed;
use crate::session::message::Reader;
use crate::{Error, ring};
use veilbench_ring::wiped::Wiped;

/// The data owner of one session.
pub struct DataOwner<P> {
    circuit: Arc<Circuit>,
    seed: Seed,
    parameters: Arc<Vec<MaskedParameters>>,
    header: Header,
    batches: u64,
    pool: BufferPool,
    protocol: PhantomData<P>,
}

/// The model owner's message of the setup phase.
fn masked_parameters(
    circuit: &Circuit,
    header: &Header,
    message: &[u8],
) -> Result<Vec<MaskedParameters>, Error> {
    let mut reader = Reader::new(Role::DataOwner.peer(), circuit.ring(), message);
    let counts = parameter_counts(circuit);
    reader.expect(HEADER_BYTES + parameter_bytes(circuit), "masked parameters")?;
    header.check(ALL_GATES, &mut reader)?;
    let mut parameters = Vec::with_capacity(circuit.gates.len());
    for ((index, gate), count) in circuit.gates.iter().enumerate().zip(counts) {
        let bits = circuit.ring_of_parameters(index).bits();
        parameters.push(MaskedParameters::new(gate, reader.numbers(bits, count, "masked parameters")?));
    }
    reader.finish()?;
    Ok(parameters)
}

/// A batch of images in fixed point.
fn encode_images(circuit: &Circuit, count: usize, images: &[f32]) -> Result<Vec<u64>, Error> {
    let expected = count * circuit.inputs;
    if images.len() != expected {
        return Err(Error::Shape { what: "the images", expected, actual: images.len() });
    }
    let format = circuit.format();
    let fraction_bits = format.activation_bits;
    let encode = |(index, &value): (usize, &f32)| {
        Some(f64::from(value))
            .filter(|value| value.abs() <= format.input_magnitude)
            .and_then(|value| ring::encode(value, fraction_bits))
            .ok_or(Error::NotRepresentable { what: "input value", index, fraction_bits })
    };
    images.iter().enumerate().map(encode).collect()
}

impl<P: Protocol> DataOwner<P> {
    /// Joins with the dealer's setup seed and the model owner's masked parameters.
    ///
    /// # Errors
    /// [`Error::Length`] if the latter do not fit the circuit, [`Error::WrongRandomness`] if they are of another session or
    /// circuit.
    pub fn new(circuit: Arc<Circuit>, setup_seed: SetupSeed, masked: &[u8]) -> Result<Self, Error> {
        let SetupSeed { session, seed } = setup_seed;
        let header = Header::of_setup(session, &circuit);
        ensure_width::<P>(&circuit)?;
        let parameters = Arc::new(masked_parameters(&circuit, &header, masked)?);
        let pool = BufferPool::default();
        Ok(Self { circuit, seed, parameters, header, batches: 0, pool, protocol: PhantomData })
    }

    /// Expands the randomness of the next batch; the messages, if there are any, go to the model owner, the first one first.
    pub fn prepare(&mut self, images: usize) -> (DataOwnerBatch<P>, Vec<Vec<u8>>) {
        self.reserve(images).expand()
    }

    /// Takes the next batch's place in the order of batches. [`Reservation::expand`] does the work, on any thread.
    pub fn reserve(&mut self, images: usize) -> Reservation<P> {
        let header = self.header.of_batch(self.batches, images);
        self.batches += 1;
        Reservation {
            circuit: Arc::clone(&self.circuit),
            parameters: Arc::clone(&self.parameters),
            seed: self.seed.derive(header.batch),
            header,
            pool: self.pool.clone(),
            expanded: 0,
            masks: HeldMasks::default(),
            protocol: PhantomData,
        }
    }
}

/// The place of one batch, whose randomness is yet to be expanded, all at once or a window of gates after the other.
pub struct Reservation<P> {
    pub(crate) circuit: Arc<Circuit>,
    pub(crate) parameters: Arc<Vec<MaskedParameters>>,
    pub(crate) seed: Seed,
    pub(crate) header: Header,
    pool: BufferPool,
    /// Gates of which the randomness was expanded.
    expanded: usize,
    masks: HeldMasks,
    protocol: PhantomData<P>,
}

impl<P: Protocol> Reservation<P> {
    /// The batch's randomness; the messages, if there are any, go to the model owner, the first one first.
    pub fn expand(mut self) -> (DataOwnerBatch<P>, Vec<Vec<u8>>) {
        self.expand_until(usize::MAX)
    }

    /// The same of the gates before that of an index, without those that were expanded before. The first window starts the online
    /// phase, later ones [follow](DataOwnerBatch::follow).
    pub fn expand_until(&mut self, end: usize) -> (DataOwnerBatch<P>, Vec<Vec<u8>>) {
        let (circuit, images) = (Arc::clone(&self.circuit), self.header.images);
        let window = self.expanded..end.clamp(self.expanded, circuit.gates.len());
        self.expanded = window.end;
        let input = match window.start {
            0 if !window.is_empty() => Wiped::from(input_mask(&circuit, &self.seed, images)),
            _ => Wiped::default(),
        };
        let expand = |index| Randomness::of_data_owner(P::sizes(index, &circuit, images), index, &self.seed);
        let mut gates: Vec<Randomness> = window.clone().map(expand).collect();
        let mut masks = std::mem::take(&mut self.masks);
        let ahead = P::complete(self, &mut masks, &input, window.clone(), &mut gates);
        self.masks = masks;
        let supply = Supply::new(circuit, self.header, window.start, gates, self.pool.clone());
        let parameters = Arc::clone(&self.parameters);
        (DataOwnerBatch { supply, parameters, input, protocol: PhantomData }, ahead)
    }
}

/// The data owner's randomness for one batch, or for a window of its gates. Starting the online phase consumes it.
///
/// ```compile_fail,E0382
/// # use veilbench_mpc::{masked::Masked, session::DataOwnerBatch};
/// fn twice(batch: DataOwnerBatch<Masked>) {
///     let _ = batch.start(&[0.0]);
///     let _ = batch.start(&[1.0]);
/// }
/// ```
pub struct DataOwnerBatch<P> {
    supply: Supply,
    parameters: Arc<Vec<MaskedParameters>>,
    input: Wiped<u64>,
    protocol: PhantomData<P>,
}

impl<P: Protocol> DataOwnerBatch<P> {
    /// Who has more to send before the online phase, or before the online phase comes to these gates.
    pub fn awaits(&self) -> Option<Peer> {
        self.supply.next_dealt::<P>(|sizes| sizes.keys > 0).map(|_| Peer::Dealer)
    }

    /// Takes the next message of a peer.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::WrongRandomness`], or [`Error::OutOfOrder`] if none was due or one was refused before.
    pub fn receive(&mut self, from: Peer, message: &[u8]) -> Result<(), Error> {
        self.supply.doubt()?;
        let due = self.supply.next_dealt::<P>(|sizes| sizes.keys > 0).filter(|_| from == Peer::Dealer);
        let Some((gate, sizes)) = due else {
            return Err(Error::OutOfOrder { call: "receive", expected: "no more corrections" });
        };
        self.supply.take_keys(gate, sizes, message)?;
        self.supply.accepted();
        Ok(())
    }

    /// Masks the images, one after the other; the message goes to the model owner.
    ///
    /// # Errors
    /// [`Error::Shape`] if the batch has another size, [`Error::NotRepresentable`] if a value exceeds
    /// the magnitude the circuit was compiled for, [`Error::OutOfOrder`] if a message of the dealer is missing.
    pub fn start(self, images: &[f32]) -> Result<(Online<P>, Vec<u8>), Error> {
        let awaits_more = self.awaits().is_some();
        let Self { supply, parameters, input, .. } = self;
        let supply = supply.whole("start", 0, awaits_more)?;
        let encoded = encode_images(&supply.circuit, supply.header.images, images)?;
        let mut online = Online::new(supply, Known::DataOwner(parameters));
        let message = P::start(&mut online, encoded, &input)?;
        Ok((online, message))
    }

    /// Hands the randomness of a later window of gates to the online phase that the first one started.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if a message of the dealer is missing, if it is for another batch, or for other gates than those that follow what
    /// the online phase has.
    pub fn follow(self, online: &mut Online<P>) -> Result<(), Error> {
        let awaits_more = self.awaits().is_some();
        online.extend(Role::DataOwner, self.supply, awaits_more)
    }
}
