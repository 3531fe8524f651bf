//! The data owner of a protocol with a dealer.

use std::ops::Range;
use std::sync::Arc;

use veilbench_mpc::circuit::Circuit;
use veilbench_mpc::session::{self, DataOwnerBatch, Online, Peer, Protocol, Reservation, SetupSeed};
use veilbench_networks::Tensor;

use super::dealer_link::DealerLink;
use super::exchange::{End, Refill, TimedExchange, Window};
use super::gates::Gates;
use crate::lowering::Lowered;
use crate::planning::batches::{BatchSplit, map};
use crate::roles::{DataOwnerSide, Refused};
use crate::{DEALER, MODEL_OWNER, announcement, exactly, from_peer};
use veilbench_api::{Error, Link, Recorder, RoleContext};

pub(crate) struct DataOwner<P: Protocol> {
    core: session::DataOwner<P>,
    circuit: Arc<Circuit>,
    source: Source<P>,
    server: Link,
    cut: BatchSplit,
    threads: usize,
    pixels: usize,
    classes: usize,
    layers: Vec<String>,
    /// Randomness of the window that comes next, of its first gates where they are cut.
    ready: Vec<DataOwnerBatch<P>>,
    recorder: Recorder,
}

/// Where randomness comes from: the data owner's seed, and the dealer.
struct Source<P: Protocol> {
    dealer: DealerLink,
    cut: BatchSplit,
    threads: usize,
    gates: Gates,
    /// The window of images under way, and what its randomness is expanded from.
    images: Range<usize>,
    reserved: Vec<Reservation<P>>,
    recorder: Recorder,
}

impl<P: Protocol> Source<P> {
    /// Expands the randomness of some gates of the window under way and helps the model owner to its part.
    fn take_in(&mut self, gates: &Range<usize>, server: &mut Link) -> Result<Vec<DataOwnerBatch<P>>, Error> {
        let recorder = self.recorder.clone();
        let announced = self.dealer.receive(&recorder)?;
        if announced != announcement(self.cut, &self.images, gates) {
            let images = &self.images;
            let reason = format!(
                "link to {DEALER}: it deals for another window than gates {gates:?} of images {images:?}"
            );
            return Err(Error::Protocol(reason));
        }
        let mut ready = Vec::with_capacity(self.reserved.len());
        let mut reserved = std::mem::take(&mut self.reserved).into_iter();
        loop {
            let group: Vec<_> = reserved.by_ref().take(self.threads).collect();
            if group.is_empty() {
                return Ok(ready);
            }
            let expand = |mut reservation: Reservation<P>| {
                let expanded = reservation.expand_until(gates.end);
                (reservation, expanded)
            };
            for (reservation, (mut batch, ahead)) in recorder.span("expand", || map(group, expand)) {
                while let Some(peer) = batch.awaits() {
                    let (from, message) = match peer {
                        Peer::Dealer => (DEALER, self.dealer.receive(&recorder)?),
                        Peer::DataOwner | Peer::ModelOwner => {
                            (MODEL_OWNER, recorder.span("wait", || server.receive())?)
                        }
                    };
                    recorder.span("expand", || batch.receive(peer, &message)).map_err(from_peer(from))?;
                }
                for message in ahead {
                    recorder.span("send", || server.send(&message))?;
                }
                ready.push(batch);
                if !self.gates.is_over() {
                    self.reserved.push(reservation);
                }
            }
        }
    }
}

impl<P: Protocol> Refill<P> for Source<P> {
    fn before_sending(
        &mut self,
        link: &mut Link,
        online: &mut Online<P>,
        message: usize,
    ) -> Result<(), Error> {
        let Some(gates) = self.gates.advance_to(message) else { return Ok(()) };
        for batch in self.take_in(&gates, link)? {
            batch.follow(online).map_err(Error::engine("going on with more gates"))?;
        }
        Ok(())
    }
}

impl<P: Protocol> DataOwner<P> {
    pub(crate) fn join(
        role: &mut RoleContext,
        protocol: &str,
        lowered: &Lowered,
        circuit: Arc<Circuit>,
        cut: BatchSplit,
    ) -> Result<Self, Error> {
        let (mut dealer, mut server) = (DealerLink::of_owner(role, protocol)?, role.links.take(MODEL_OWNER)?);
        let recorder = role.recorder.clone();
        let setup_seed = dealer.receive(&recorder)?;
        let setup_seed = SetupSeed::from_bytes(&exactly(DEALER, &setup_seed)?);
        let parameters = recorder.span("wait", || server.receive())?;
        let core = recorder
            .span("prepare-weights", || {
                session::DataOwner::new(Arc::clone(&circuit), setup_seed, &parameters)
            })
            .map_err(from_peer(MODEL_OWNER))?;
        let threads = role.job.threads.max(1);
        let source = Source {
            dealer,
            cut,
            threads,
            gates: Gates::new::<P>(&circuit, cut),
            images: 0..0,
            reserved: Vec::new(),
            recorder: recorder.clone(),
        };
        Ok(Self {
            core,
            circuit,
            source,
            server,
            cut,
            threads,
            pixels: role.architecture.input.len(),
            classes: role.architecture.classes(),
            layers: lowered.names(),
            ready: Vec::new(),
            recorder,
        })
    }
}

impl<P: Protocol> DataOwnerSide for DataOwner<P> {
    fn input_magnitude(&self) -> f64 {
        self.circuit.format().input_magnitude
    }

    /// Expands the randomness of a window, of its first gates where they are cut.
    fn prepare(&mut self, window: Range<usize>) -> Result<(), Error> {
        self.ready.clear();
        let messages = self.cut.messages(window.clone());
        self.source.reserved = messages.map(|images| self.core.reserve(images.len())).collect();
        self.source.images = window;
        self.source.gates.restart();
        if let Some(gates) = self.source.gates.advance() {
            self.ready = self.source.take_in(&gates, &mut self.server)?;
        }
        Ok(())
    }

    /// Values beyond the magnitude that the format is for, and what is no number, are refused before anything is sent.
    fn check(&self, images: &Tensor) -> Result<(), Error> {
        let most = self.input_magnitude();
        let fits = |image: &[f32]| image.iter().all(|value| f64::from(value.abs()) <= most);
        let pictures = images.data().chunks_exact(self.pixels).enumerate();
        let pixels = pictures.filter(|(_, image)| !fits(image)).map(|(at, _)| at).collect();
        Refused { pixels, ..Refused::default() }.into_result(most)
    }

    fn run(
        &mut self,
        pixels: &[f32],
        window: Range<usize>,
        refused: &mut Refused,
    ) -> Result<Vec<f32>, Error> {
        let (recorder, first) = (self.recorder.clone(), window.start);
        let of_images =
            |at: Range<usize>| &pixels[(at.start - first) * self.pixels..(at.end - first) * self.pixels];
        let mut exchange = Window {
            link: &mut self.server,
            peer: MODEL_OWNER,
            threads: self.threads,
            layers: &self.layers,
            recorder: &recorder,
        };
        let mut batches = self.cut.messages(window.clone()).zip(std::mem::take(&mut self.ready));
        let mut parts = Vec::new();
        loop {
            let group: Vec<_> = batches.by_ref().take(self.threads).collect();
            if group.is_empty() {
                break;
            }
            let started =
                recorder.span("mask", || map(group, |(images, batch)| batch.start(of_images(images))));
            for start in started {
                let (online, message) = start.map_err(|error| Error::Input(error.to_string()))?;
                let part = TimedExchange::<P>::new(online, self.layers.len());
                exchange.send(&message)?;
                part.pause();
                parts.push(part);
            }
        }
        let mut logits = Vec::with_capacity(window.len() * self.classes);
        let ends = exchange.run(parts, &mut self.source)?;
        for (message, end) in self.cut.messages(window).zip(ends) {
            match end {
                End::Logits(values) => {
                    logits.extend(values.iter().map(|&logit| self.circuit.decode(logit) as f32));
                }
                End::Refused(images) => {
                    refused.activations.extend(images.iter().map(|image| message.start + image));
                }
                End::Sent => {
                    return Err(Error::protocol("the data owner's part ended before the logits"));
                }
            }
        }
        Ok(logits)
    }
}
