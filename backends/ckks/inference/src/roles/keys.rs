//! Whether the evaluation keys that came are those the work needs and no others, before any of them is expanded.

use veilbench_ckks::{Context, KeyLevels, KeyRequest, SeededEvaluationKeys};

use crate::circuits::circuit::Circuit;
use crate::circuits::program::PackedCircuit;
use veilbench_api::Error;

/// The keys of every rotation and square of a program, at their levels.
///
/// # Errors
/// [`Error::Protocol`] naming the layer that a key is missing for, or one that serves lower levels only.
pub(crate) fn check_program(
    keys: &SeededEvaluationKeys,
    context: &Context,
    program: &PackedCircuit,
    depth: usize,
) -> Result<(), Error> {
    for (index, layer) in program.layers.iter().enumerate() {
        let level = depth.saturating_sub(2 * index);
        let around = layer.pre_rotations.iter().chain(&layer.post_rotations).copied();
        for steps in layer.outline.rotations().into_iter().chain(around) {
            check(keys, context, &layer.name, &rotation(steps, level))?;
        }
        if layer.square {
            check(keys, context, &layer.name, &products(level.saturating_sub(1)))?;
        }
    }
    Ok(())
}

/// The key of every square of a circuit, at its level.
///
/// # Errors
/// As [`check_program`].
pub(crate) fn check_circuit(
    keys: &SeededEvaluationKeys,
    context: &Context,
    circuit: &Circuit,
) -> Result<(), Error> {
    for (index, stage) in circuit.stages.iter().enumerate() {
        if let Some(activation) = &stage.activation {
            check(keys, context, &activation.name, &products(circuit.depth().saturating_sub(2 * index + 1)))?;
        }
    }
    Ok(())
}

fn rotation(steps: i64, level: usize) -> KeyRequest {
    let levels = KeyLevels { relinearisation: None, rotations: [(steps, level)].into() };
    KeyRequest { rotations: [steps].into(), levels, ..KeyRequest::default() }
}

fn products(level: usize) -> KeyRequest {
    let levels = KeyLevels { relinearisation: Some(level), ..KeyLevels::default() };
    KeyRequest { relinearisation: true, levels, ..KeyRequest::default() }
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
