//! The data owner's keys at the model owner: whether those that came are those the work needs and no others, before any
//! of them is expanded.

use std::sync::Arc;

use veilbench_ckks::{
    Context, Evaluator, HalvingKey, KeyId, KeyLevels, KeyRequest, LongDigits, PairSquares, PublicKey,
    SeededEvaluationKeys, SeededHalvingKey,
};

use crate::circuits::circuit::Circuit;
use crate::circuits::program::PackedCircuit;
use crate::planning::memory::key_bytes;
use crate::planning::scheme::{RotationKeys, Scheme};
use veilbench_api::{Error, Link, Recorder};

/// Receives a public key and evaluation keys of the same secret, for these rotations by the highest level of each; `check`
/// says whether they serve every layer.
///
/// # Errors
/// [`Error::Protocol`] if they are of different secrets, those of `check`, link errors for other lengths, and
/// [`Error::Engine`] for what are no keys or others than asked for.
pub(crate) fn receive(
    client: &mut Link,
    scheme: &Scheme,
    context: &Context,
    rotations: &RotationKeys,
    recorder: &Recorder,
    check: impl FnOnce(&SeededEvaluationKeys) -> Result<(), Error>,
) -> Result<(PublicKey, Evaluator), Error> {
    let public = recorder.span("wait", || client.receive_exactly(scheme.public_key_bytes()))?;
    let public = PublicKey::from_bytes(context, &public)
        .map_err(Error::engine("reading the data owner's public key"))?;
    let keys = recorder.span("wait", || client.receive_exactly(key_bytes(scheme, rotations)))?;
    let reading = "reading the evaluation keys";
    let keys = SeededEvaluationKeys::from_bytes(context, &keys).map_err(Error::engine(reading))?;
    check(&keys)?;
    if keys.key() != public.key() {
        let (key, other) = (public.key(), keys.key());
        return Err(Error::protocol(format!(
            "evaluation keys of key {other} came after the public key of {key}"
        )));
    }
    let evaluator = keys
        .check_no_more(context, &scheme.key_request(rotations))
        .and_then(|()| recorder.span("expand keys", || keys.expand(context)))
        .and_then(|keys| Evaluator::new(context, Arc::new(keys)))
        .map_err(Error::engine(reading))?;
    Ok((public, evaluator))
}

/// Receives the key to a secret of half the degree, from the secret of a public key.
///
/// # Errors
/// [`Error::Protocol`] if it is from another secret, link errors for another length, and [`Error::Engine`] for what is no such key.
pub(crate) fn receive_halving(
    client: &mut Link,
    scheme: &Scheme,
    context: &Context,
    public: KeyId,
    recorder: &Recorder,
) -> Result<HalvingKey, Error> {
    let reading = "reading the key for results";
    let key = recorder.span("wait", || client.receive_exactly(scheme.halving_key_bytes()))?;
    let key = SeededHalvingKey::from_bytes(context, &key).map_err(Error::engine(reading))?;
    if key.from() != public {
        let other = key.from();
        return Err(Error::protocol(format!(
            "a key for results of key {other} came after the public key of {public}"
        )));
    }
    recorder.span("expand keys", || key.expand(context)).map_err(Error::engine(reading))
}

/// The keys of every rotation and square of a program, at their levels.
///
/// # Errors
/// [`Error::Protocol`] naming the layer that a key is missing for, or one that serves lower levels only.
pub(crate) fn check_program(
    keys: &SeededEvaluationKeys,
    context: &Context,
    program: &PackedCircuit,
    scheme: &Scheme,
) -> Result<(), Error> {
    for (index, layer) in program.layers.iter().enumerate() {
        let level = scheme.depth().saturating_sub(2 * index);
        for (steps, of_values) in layer.rotations() {
            let request = rotation(steps, level, scheme.long_digits && !of_values);
            check(keys, context, &layer.name, &request)?;
        }
        if layer.square {
            let request = products(level.saturating_sub(1), scheme.long_digits);
            check(keys, context, &layer.name, &request)?;
        }
    }
    Ok(())
}

/// The key of every square of a circuit, at its level, and those that squares of pairs take if slots hold such.
///
/// # Errors
/// As [`check_program`].
pub(crate) fn check_circuit(
    keys: &SeededEvaluationKeys,
    context: &Context,
    circuit: &Circuit,
    scheme: &Scheme,
) -> Result<(), Error> {
    for (index, stage) in circuit.stages.iter().enumerate() {
        if let Some(activation) = &stage.activation {
            let level = circuit.depth().saturating_sub(2 * index + 1);
            let pair_squares = scheme.pairs.map(|_| PairSquares { level, sums: activation.terms > 1 });
            let request = KeyRequest { pair_squares, ..products(level, scheme.long_digits) };
            check(keys, context, &activation.name, &request)?;
        }
    }
    Ok(())
}

fn rotation(steps: i64, level: usize, is_long: bool) -> KeyRequest {
    if is_long {
        let long = LongDigits { rotations: [(steps, level)].into(), ..LongDigits::default() };
        return KeyRequest { long, ..KeyRequest::default() };
    }
    let levels = KeyLevels { rotations: [(steps, level)].into(), ..KeyLevels::default() };
    KeyRequest { rotations: [steps].into(), levels, ..KeyRequest::default() }
}

fn products(level: usize, is_long: bool) -> KeyRequest {
    let levels = KeyLevels { relinearisation: Some(level), ..KeyLevels::default() };
    let long = LongDigits { relinearisation: is_long, ..LongDigits::default() };
    KeyRequest { relinearisation: true, levels, long, ..KeyRequest::default() }
}

fn check(
    keys: &SeededEvaluationKeys,
    context: &Context,
    layer: &str,
    request: &KeyRequest,
) -> Result<(), Error> {
    keys.check_covers(context, request).map_err(|error| {
        Error::Protocol(format!("the data owner's evaluation keys do not serve layer {layer}: {error}"))
    })
}

#[cfg(test)]
mod tests;
