//! Fully connected layers.

use super::Call;
use crate::import::error::Reason;
use crate::import::values::Value;
use crate::import::values::constant::Constant;

pub(super) fn gemm(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let alpha = call.attributes.float_or("alpha", 1.0)?;
    let beta = call.attributes.float_or("beta", 1.0)?;
    if call.attributes.flag("transA")? {
        return Err("attribute transA would transpose the batch".into());
    }
    let is_transposed = call.attributes.flag("transB")?;
    let activation = call.activation(0)?;
    let weights = call.constant(1)?;
    let (outputs, mut weights) = rows(call, &weights, is_transposed)?;
    let mut bias = match call.optional_constant(2)? {
        None => vec![0.0; outputs],
        Some(bias) => broadcast(&bias, outputs)?,
    };
    weights.iter_mut().for_each(|weight| *weight *= alpha);
    bias.iter_mut().for_each(|bias| *bias *= beta);
    Ok(call.layers.dense(activation, call.name, weights, bias)?.into())
}

pub(super) fn mat_mul(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    if matches!(call.inputs.first(), Some(Some(Value::Constant(_)))) {
        return Err("a constant times an activation would mix the images of a batch".into());
    }
    let activation = call.activation(0)?;
    let weights = call.constant(1)?;
    let (outputs, weights) = rows(call, &weights, false)?;
    Ok(call.layers.dense(activation, call.name, weights, vec![0.0; outputs])?.into())
}

/// Number of outputs, and the weights with a row for each.
fn rows(
    call: &mut Call<'_, '_>,
    weights: &Constant,
    is_transposed: bool,
) -> Result<(usize, Vec<f32>), Reason> {
    let values = weights.as_floats("its weights")?;
    let [first, second] = weights.dims[..] else {
        return Err(format!("its weights have {} axes, not 2", weights.dims.len()).into());
    };
    if values.is_empty() {
        return Err("its weights are empty".into());
    }
    call.layers.budget.spend(values.len())?;
    if is_transposed {
        return Ok((first, values.to_vec()));
    }
    let row = |output: usize| values.iter().skip(output).step_by(second).copied();
    debug_assert_eq!(values.len(), first * second);
    Ok((second, (0..second).flat_map(row).collect()))
}

/// One value for each output from a scalar, a vector or a row.
fn broadcast(bias: &Constant, outputs: usize) -> Result<Vec<f32>, Reason> {
    let values = bias.as_floats("its bias")?;
    match (values.len(), &bias.dims[..]) {
        (1, _) => Ok(vec![values[0]; outputs]),
        (length, [_] | [1, _]) if length == outputs => Ok(values.to_vec()),
        _ => Err(format!("its bias of {:?} is not for {outputs} outputs", bias.dims).into()),
    }
}
