//! The dealer: seeds for both parties, corrections for the model owner. It sees no message of either.

use std::marker::PhantomData;
use std::sync::Arc;

use super::Protocol;
use super::preparation::{MaskedParameters, ensure_width};
use super::randomness::secrets::SessionSecrets;
use super::randomness::setup_seed::{HEADER_BYTES, Header, SetupSeeds};
use super::randomness::{corrections, opening_masks, parameter_masks};
use super::sizes::Sizes;
use crate::circuit::Circuit;
use crate::random::Seed;
use crate::session::message::Writer;
use crate::{Error, ring};

/// A protocol whose randomness comes from a dealer, and what that deals. Both owners' state machines know of it no more than what
/// [`Protocol::sizes`] says they await.
pub trait Dealing: Protocol {
    /// What the dealer knows of the wires before a gate.
    type Wires: Send;

    /// The wires of the image.
    fn wires(batch: &Secrets) -> Self::Wires;

    /// Bits and values to be shared for the gate of an index; moves the wires to its output.
    fn deal(batch: &Secrets, wires: &mut Self::Wires, index: usize, sizes: Sizes) -> Dealt;

    /// The next message with keys for the gate that was dealt last, if one is due.
    fn next_keys(_: &Secrets, _: &mut Self::Wires) -> Option<Vec<u8>> {
        None
    }
}

/// What is shared of a gate: bits and values.
#[derive(Default)]
pub struct Dealt {
    pub(crate) bits: Vec<u64>,
    pub(crate) values: Vec<u64>,
}

impl Dealt {
    pub(crate) fn of_values(values: Vec<u64>) -> Self {
        Self { values, ..Self::default() }
    }
}

/// What a dealer deals a batch from.
pub struct Secrets {
    pub(crate) circuit: Arc<Circuit>,
    /// Masks of each gate's parameters, ready for products.
    pub(crate) parameters: Arc<Vec<MaskedParameters>>,
    pub(crate) data_owner: Seed,
    pub(crate) model_owner: Seed,
    pub(crate) secret: Seed,
    pub(crate) header: Header,
}

impl Secrets {
    /// Masks of what a gate opens.
    pub(crate) fn opening(&self, index: usize, sizes: Sizes) -> Vec<u64> {
        let mut opening = opening_masks(sizes, index, &self.data_owner);
        ring::add_assign(&mut opening, &opening_masks(sizes, index, &self.model_owner));
        opening
    }
}

/// The dealer of one session.
pub struct Dealer<P> {
    circuit: Arc<Circuit>,
    data_owner: Seed,
    model_owner: Seed,
    secret: Seed,
    parameters: Arc<Vec<MaskedParameters>>,
    header: Header,
    batches: u64,
    protocol: PhantomData<P>,
}

impl<P: Dealing> Dealer<P> {
    /// A session with fresh seeds, and a setup seed for each party.
    ///
    /// # Errors
    /// [`Error::Entropy`]; [`Error::Unsupported`] if the protocol cannot run a circuit of this width.
    pub fn new(circuit: Arc<Circuit>) -> Result<(Self, SetupSeeds), Error> {
        ensure_width::<P>(&circuit)?;
        Ok(Self::with_insecure_seeds(circuit, SessionSecrets::draw()?))
    }

    /// A session whose name and randomness are fixed: for the name, the data owner, the model owner and the dealer's secrets.
    /// Whoever knows them knows everything, and two sessions with the same ones mask with the same masks: for tests.
    pub fn with_insecure_seeds(circuit: Arc<Circuit>, seeds: [Seed; 4]) -> (Self, SetupSeeds) {
        let SessionSecrets { session, data_owner, model_owner, secret } = SessionSecrets::new(seeds);
        let seeds = SetupSeeds::new(session, &data_owner, &model_owner);
        let masks = circuit.gates.iter().zip(parameter_masks(&circuit, &model_owner));
        let parameters = Arc::new(masks.map(|(gate, masks)| MaskedParameters::new(gate, masks)).collect());
        let header = Header::of_setup(session, &circuit);
        let protocol = PhantomData;
        (Self { circuit, data_owner, model_owner, secret, parameters, header, batches: 0, protocol }, seeds)
    }

    /// Deals for the next batch. The parties must prepare their batches in the same order.
    pub fn batch(&mut self, images: usize) -> DealerBatch<P> {
        let header = self.header.of_batch(self.batches, images);
        self.batches += 1;
        let batch = Secrets {
            circuit: Arc::clone(&self.circuit),
            parameters: Arc::clone(&self.parameters),
            data_owner: self.data_owner.derive(header.batch),
            model_owner: self.model_owner.derive(header.batch),
            secret: self.secret.derive(header.batch),
            header,
        };
        DealerBatch { wires: Some(P::wires(&batch)), batch, gate: 0 }
    }
}

/// A message of the dealer. Of each gate the shares come first, and then portions of comparison keys, none with
/// [`SignProtocol::Tree`](crate::circuit::SignProtocol).
pub enum Corrections {
    /// Shares, to the model owner alone.
    Shares(Vec<u8>),
    /// Comparison keys, the same to both.
    Keys(Vec<u8>),
}

impl Corrections {
    /// To the model owner.
    pub fn to_model_owner(&self) -> &[u8] {
        match self {
            Corrections::Shares(message) | Corrections::Keys(message) => message,
        }
    }

    /// To the data owner.
    pub fn to_data_owner(&self) -> Option<&[u8]> {
        match self {
            Corrections::Shares(_) => None,
            Corrections::Keys(message) => Some(message),
        }
    }
}

/// The dealer's messages of one batch, gate by gate and portion by portion: stream them, or a window of gates after the other.
pub struct DealerBatch<P: Dealing> {
    batch: Secrets,
    /// None once all is dealt.
    wires: Option<P::Wires>,
    gate: usize,
}

impl<P: Dealing> DealerBatch<P> {
    /// The messages that are left for gates before that of an index.
    pub fn until(&mut self, end: usize) -> impl Iterator<Item = Corrections> {
        std::iter::from_fn(move || self.next_before(end))
    }

    /// The next message, unless it is for the gate of an index or one behind.
    fn next_before(&mut self, end: usize) -> Option<Corrections> {
        let wires = self.wires.as_mut()?;
        if let Some(keys) = P::next_keys(&self.batch, wires) {
            return Some(Corrections::Keys(keys));
        }
        let Secrets { circuit, header, data_owner, .. } = &self.batch;
        while self.gate < end.min(circuit.gates.len()) {
            let (index, sizes) = (self.gate, P::sizes(self.gate, circuit, header.images));
            self.gate += 1;
            let Dealt { bits, values } = P::deal(&self.batch, wires, index, sizes);
            if sizes.corrected() {
                let (bits, values) = corrections(sizes, index, data_owner, bits, values);
                let ring = circuit.ring_of_shares(index);
                let bytes = 8 * bits.len() + ring.packed(values.len());
                let mut writer = Writer::with_capacity(ring, HEADER_BYTES + bytes);
                header.write(index, &mut writer);
                writer.words(&bits);
                writer.elements(values.into_iter());
                return Some(Corrections::Shares(writer.take()));
            }
        }
        if self.gate == circuit.gates.len() {
            self.wires = None;
        }
        None
    }
}

impl<P: Dealing> Iterator for DealerBatch<P> {
    type Item = Corrections;

    fn next(&mut self) -> Option<Corrections> {
        self.next_before(usize::MAX)
    }
}
