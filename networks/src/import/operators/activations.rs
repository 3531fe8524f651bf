//! ReLU in its disguises, and the softmax at the end.

use super::{Call, UNSUPPORTED};
use crate::Op;
use crate::import::activation::Activation;
use crate::import::error::Reason;
use crate::import::tree::Settle;
use crate::import::value::Value;

pub(super) fn relu(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let activation = call.activation(0)?;
    rectify(call, activation)
}

fn rectify(call: &mut Call<'_, '_>, activation: Activation) -> Result<Value, Reason> {
    let activation = call.tree.settle(activation, Settle::Fold)?;
    let rectified = call.tree.push_plain(activation.base, call.name, Op::Relu)?;
    Ok(Activation { base: rectified.base, ..activation }.into())
}

/// Bounds are attributes up to operator set 10, inputs afterwards.
pub(super) fn clip(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let activation = call.activation(0)?;
    let (mut low, mut high) = (call.attributes.float("min")?, call.attributes.float("max")?);
    if let Some(bound) = call.optional_constant(1)? {
        low = bound.as_floats("its lower bound")?.first().copied();
    }
    if let Some(bound) = call.optional_constant(2)? {
        high = bound.as_floats("its upper bound")?.first().copied();
    }
    if high.is_some_and(|high| high < f32::MAX) {
        return Err(
            "it has an upper bound (max), which only an activation clipped at infinity may have".into()
        );
    }
    match low {
        Some(0.0) => rectify(call, activation),
        _ => Err("its lower bound (min) must be 0".into()),
    }
}

/// `max(x, 0)`.
pub(super) fn max(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let [Some(first), Some(second)] = &call.inputs[..] else {
        return Err("only a maximum with zero is supported".into());
    };
    let (image, zero) = match (first, second) {
        (Value::Activation(_), Value::Constant(zero)) => (0, zero),
        (Value::Constant(zero), Value::Activation(_)) => (1, zero),
        _ => return Err("only a maximum with zero is supported".into()),
    };
    if zero.as_floats("its bound")?[..] != [0.0] {
        return Err("only a maximum with zero is supported".into());
    }
    let activation = call.activation(image)?;
    rectify(call, activation)
}

/// Dropped: the network ends at the logits.
pub(super) fn softmax(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let activation = call.activation(0)?;
    let operator = call.node.op_type.clone();
    let default = if call.operator_set < 13 { 1 } else { -1 };
    let axis = call.attributes.int_or("axis", default)?;
    if activation.layout.rank() != 1 || !(axis == 1 || axis == -1) {
        return Err("attribute axis must be that of the classes, of an output with no other axis".into());
    }
    if activation.layout.len() == 1 {
        return Err(format!(
            "the {operator} of one output is the same for every image: end the network with one logit \
             and a Sigmoid, or with two logits"
        )
        .into());
    }
    call.notes.insert("import.dropped", format!("{operator} at the end: the outputs are logits"));
    Ok(Activation { end: Some(operator), ..activation }.into())
}

/// Logarithm of a softmax, dropped as the log-softmax that the two make.
pub(super) fn log(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    match call.value(0)? {
        Value::Activation(activation) if activation.end.as_deref() == Some("Softmax") => {
            let note = "Softmax and Log at the end: the outputs are logits";
            call.notes.insert("import.dropped", note.into());
            Ok(Activation { end: Some("LogSoftmax".into()), ..activation }.into())
        }
        _ => Err("a logarithm is only supported straight after the softmax at the end: \
                  leave it out of the exported graph"
            .into()),
    }
}

/// Dropped after the only logit of a binary classifier, which [`binary`](crate::import::binary) makes two.
pub(super) fn sigmoid(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    if !matches!(&call.inputs[..], [Some(Value::Activation(activation))] if activation.layout.len() == 1) {
        return Err(UNSUPPORTED.into());
    }
    let activation = call.activation(0)?;
    call.notes.insert("import.dropped", "Sigmoid at the end: the outputs are logits".into());
    Ok(Activation { end: Some("Sigmoid".into()), ..activation }.into())
}
