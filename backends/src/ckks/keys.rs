//! Whether the evaluation keys that came are those the work needs, before any of it begins.

use veilbench_ckks::{Context, EvaluationKeys};

use super::circuit::Circuit;
use super::program::Program;
use crate::Error;

/// The keys of every rotation and square of a program, at their levels.
///
/// # Errors
/// [`Error::Protocol`] naming the layer that a key is missing for, or one that serves lower levels only.
pub(super) fn check_program(
    keys: &EvaluationKeys,
    context: &Context,
    program: &Program,
    depth: usize,
) -> Result<(), Error> {
    for (index, layer) in program.layers.iter().enumerate() {
        let level = depth.saturating_sub(2 * index);
        let around = layer.gather.iter().chain(&layer.folds).copied();
        for steps in layer.outline.rotations().into_iter().chain(around) {
            keys.check_rotation(context, steps, level).map_err(|error| refusal(&layer.name, &error))?;
        }
        if layer.square {
            let level = level.saturating_sub(1);
            keys.check_products(level).map_err(|error| refusal(&layer.name, &error))?;
        }
    }
    Ok(())
}

/// The key of every square of a circuit, at its level.
///
/// # Errors
/// As [`check_program`].
pub(super) fn check_circuit(keys: &EvaluationKeys, circuit: &Circuit) -> Result<(), Error> {
    for (index, stage) in circuit.stages.iter().enumerate() {
        if let Some(activation) = &stage.activation {
            let level = circuit.depth() - 2 * index - 1;
            keys.check_products(level).map_err(|error| refusal(&activation.name, &error))?;
        }
    }
    Ok(())
}

fn refusal(layer: &str, error: &veilbench_ckks::Error) -> Error {
    Error::Protocol(format!("the data owner's evaluation keys do not serve layer {layer}: {error}"))
}
