//! What a party has of a batch before the online phase, and how it comes.

use std::ops::Range;
use std::sync::Arc;

use super::model_owner::ModelOwnerBatch;
use super::randomness::Randomness;
use super::randomness::keys::{BufferPool, KeyForm, Portion};
use super::randomness::setup_seed::Header;
use super::sizes::Sizes;
use super::{Protocol, Reservation};
use crate::Error;
use crate::circuit::parameters::GateParameters;
use crate::circuit::{Circuit, Gate, Width};
use crate::linear::LinearMap;
use veilbench_ring::wiped::Wiped;

/// What the owners prepare by themselves and with each other before the images are there. What a dealer adds to it is
/// [`Dealing`](super::Dealing).
pub trait Preparation: Sized + Send + Sync + 'static {
    /// What the model owner has of a gate's parameters, ready for use.
    type Own: Send + Sync;

    /// Whether layers can have rings of their own.
    const RINGS_BY_LAYER: bool;

    /// Bytes of each message that the data owner sends ahead of the images of a batch for a window of gates, first to last.
    fn ahead(_: &Circuit, _gates: Range<usize>, _images: usize) -> Vec<usize> {
        Vec::new()
    }

    /// A gate's parameters at the model owner: secret, and as the data owner is sent them.
    fn own(gate: &Gate, secret: GateParameters, masked: Vec<u64>) -> Self::Own;

    /// Completes the data owner's randomness of a window of gates; the messages, of the lengths that [`ahead`](Self::ahead) says, go to
    /// the model owner. Masks are those where the window before ended. The first window has none of them, but the mask of the input.
    fn complete(
        _: &Reservation<Self>,
        _: &mut HeldMasks,
        _input: &Wiped<u64>,
        _gates: Range<usize>,
        _: &mut [Randomness],
    ) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// Completes the model owner's randomness for a gate, as it comes from the dealer.
    fn corrected(_: &Gate, _: &Self::Own, _: &mut Randomness, _images: usize) {}

    /// Takes the message of a number among those that the data owner sends ahead.
    ///
    /// # Errors
    /// If it is not what is due.
    fn take_ahead(_: &mut ModelOwnerBatch<Self>, _number: usize, _: &[u8]) -> Result<(), Error> {
        Err(Error::OutOfOrder { call: "receive", expected: "nothing of the data owner" })
    }
}

/// The data owner's masks of the wires that the model owner holds, where a window of gates ends.
#[derive(Default)]
pub struct HeldMasks {
    /// Of the wire that the next gate reads.
    pub(crate) wire: Wiped<u64>,
    /// Of those that were kept.
    pub(crate) kept: Vec<Wiped<u64>>,
}

/// Some protocols alone have a ring for each layer.
///
/// # Errors
/// [`Error::Unsupported`] if the circuit has them and the protocol has not.
pub(crate) fn ensure_width<P: Preparation>(circuit: &Circuit) -> Result<(), Error> {
    if circuit.format.width == Width::Bytes || P::RINGS_BY_LAYER {
        return Ok(());
    }
    let reason = "rings of as many bits as each layer needs are for masked wires; compile it in whole bytes"
        .to_owned();
    Err(Error::Unsupported { layer: 0, reason })
}

/// A gate's masked parameters, ready for products.
pub(crate) enum MaskedParameters {
    None,
    Linear(Box<LinearMap>),
    Quadratic { a: Vec<u64>, b: Vec<u64> },
}

impl MaskedParameters {
    /// Those of a gate whose masked parameters are in one piece.
    pub(crate) fn new(gate: &Gate, mut masked: Vec<u64>) -> Self {
        match gate {
            Gate::Linear { shape } => Self::Linear(Box::new(LinearMap::new(*shape, masked))),
            Gate::Quadratic { channels, .. } => {
                let b = masked.split_off(*channels);
                Self::Quadratic { a: masked, b }
            }
            _ => Self::None,
        }
    }
}

/// A party's randomness for one batch, or for a window of its gates, as far as it has come.
pub(crate) struct Supply {
    pub(crate) circuit: Arc<Circuit>,
    pub(crate) header: Header,
    /// The first gate of the window.
    pub(crate) first: usize,
    pub(crate) gates: Vec<Randomness>,
    /// Gates of which all has come.
    pub(crate) dealt: usize,
    pub(crate) pool: BufferPool,
    /// A message was: what is here is incomplete for good.
    refused: bool,
}

impl Supply {
    pub(crate) fn new(
        circuit: Arc<Circuit>,
        header: Header,
        first: usize,
        gates: Vec<Randomness>,
        pool: BufferPool,
    ) -> Self {
        Self { circuit, header, first, gates, dealt: first, pool, refused: false }
    }

    /// The gates of the window.
    pub(crate) fn window(&self) -> Range<usize> {
        self.first..self.first + self.gates.len()
    }

    /// The gate the dealer's next message is for, if one is to come, of those of which `is_due` says so.
    pub(crate) fn next_dealt<P: Protocol>(&self, is_due: impl Fn(Sizes) -> bool) -> Option<(usize, Sizes)> {
        (self.dealt..self.window().end)
            .map(|index| (index, P::sizes(index, &self.circuit, self.header.images)))
            .find(|(_, sizes)| is_due(*sizes))
    }

    /// Until [`accepted`](Self::accepted), a message is refused, and a message that is refused is the last one.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] after one that was.
    pub(crate) fn doubt(&mut self) -> Result<(), Error> {
        self.unless_refused("receive")?;
        self.refused = true;
        Ok(())
    }

    /// What came was what was due.
    pub(crate) fn accepted(&mut self) {
        self.refused = false;
    }

    fn unless_refused(&self, call: &'static str) -> Result<(), Error> {
        if self.refused {
            let expected = "another batch: this one refused a message";
            return Err(Error::OutOfOrder { call, expected });
        }
        Ok(())
    }

    /// What is here for an online phase whose next gate is `first`.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] if something is missing, or it is for other gates.
    pub(crate) fn whole(self, call: &'static str, first: usize, awaits_more: bool) -> Result<Self, Error> {
        self.unless_refused(call)?;
        if awaits_more {
            return Err(Error::OutOfOrder { call, expected: "messages of the offline phase" });
        }
        if self.first != first || self.gates.is_empty() {
            return Err(Error::OutOfOrder { call, expected: "the randomness of the gate that comes next" });
        }
        Ok(self)
    }

    /// Takes a portion of a gate's comparison keys. Says whether more are to come.
    pub(crate) fn take_keys(&mut self, gate: usize, sizes: Sizes, message: &[u8]) -> Result<bool, Error> {
        let here = &mut self.gates[gate - self.first].keys;
        if let Some(portion) = Portion::after(here.len(), sizes.keys) {
            let mut keys = self.pool.take();
            let form = KeyForm::new(&self.circuit, gate);
            portion.read(message, &self.header, gate, form, &mut keys)?;
            here.push(keys);
        }
        Ok(self.await_keys(gate, sizes))
    }

    /// Goes on to the next portion of the gate's keys, or to the next gate. Says whether there is such a portion.
    pub(crate) fn await_keys(&mut self, gate: usize, sizes: Sizes) -> bool {
        let more = Portion::after(self.gates[gate - self.first].keys.len(), sizes.keys).is_some();
        self.dealt = if more { gate } else { gate + 1 };
        more
    }
}
