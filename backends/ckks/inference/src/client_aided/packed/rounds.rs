//! A round at the data owner: spreads what the model owner's map reads over slots, and reads what comes of it.

use rayon::prelude::*;
use veilbench_networks::{Shape, Tensor};
use zeroize::Zeroizing;

use super::super::exchange::Exchange;
use crate::circuits::program::PackedCircuit;
use crate::planning::packing::spread;
use crate::planning::schedule::MESSAGE_CIPHERTEXTS;
use crate::roles::findings::Findings;
use crate::roles::latency::{Places, decrypt_folded, encrypted};
use crate::roles::throughput::split;
use veilbench_api::Error;

/// A round as the data owner plays it.
pub(in super::super) struct ClientRound {
    name: String,
    shape: Shape,
    units: [f64; 2],
    places: Places,
}

impl ClientRound {
    /// Errors of results have such a deviation, in units.
    pub(super) fn new(
        name: String,
        shape: Shape,
        units: [f64; 2],
        program: PackedCircuit,
        deviation: f64,
    ) -> Self {
        Self { name, shape, units, places: Places::new(program, deviation) }
    }
}

/// What the model owner's map makes of these values, image after image; the first of them is image `first` of the
/// batch.
///
/// # Errors
/// [`Error::OutOfRange`] naming the images whose results cannot be what they were decoded to, or are beyond the limit.
pub(in super::super) fn run(
    exchange: &mut Exchange<'_>,
    round: &ClientRound,
    values: &Tensor,
    first: usize,
) -> Result<Vec<f32>, Error> {
    for image in 0..values.images() {
        send(exchange, round, values.image(image))?;
    }
    let mut findings = Findings::default();
    let mut data = Vec::with_capacity(values.images() * round.shape.len());
    for image in first..first + values.images() {
        match receive(exchange, round)? {
            None => findings.wrapped_alone(image),
            Some(units) => {
                findings.note(image, units.iter().copied());
                data.extend(units.iter().map(|unit| (unit * round.units[1]) as f32));
            }
        }
    }
    findings.into_result(&format!("results of layer {}", round.name), "")?;
    Ok(data)
}

fn send(exchange: &mut Exchange<'_>, round: &ClientRound, values: &[f32]) -> Result<(), Error> {
    let Exchange { server, secret, scheme, recorder } = exchange;
    let value = |input: usize| f64::from(values[input]) / round.units[0];
    for packing in round.places.input.chunks(MESSAGE_CIPHERTEXTS) {
        let message = recorder.span("encrypt", || {
            let one = |slots: Vec<f64>| encrypted(secret, scheme, &Zeroizing::new(slots));
            spread(packing, value).into_par_iter().map(one).collect::<Result<Vec<_>, _>>()
        })?;
        recorder.span("send", || server.send(&message.concat()))?;
    }
    Ok(())
}

/// The results of one image, in units; `None` if they cannot be what they were decoded to.
fn receive(exchange: &mut Exchange<'_>, round: &ClientRound) -> Result<Option<Vec<f64>>, Error> {
    let Exchange { server, secret, scheme, recorder } = exchange;
    let results = round.places.answers();
    let mut slots = Vec::with_capacity(results);
    for first in (0..results).step_by(MESSAGE_CIPHERTEXTS) {
        let count = MESSAGE_CIPHERTEXTS.min(results - first);
        let bytes = count * scheme.folded_bytes(round.places.period);
        let message = recorder.span("wait", || server.receive_exactly(bytes))?;
        slots.extend(recorder.span("decrypt", || {
            let one = |bytes: &[u8]| decrypt_folded(secret, scheme, round.places.period, bytes);
            split(&message, count)?.into_par_iter().map(one).collect::<Result<Vec<_>, Error>>()
        })?);
    }
    Ok(round.places.read(&slots))
}
