//! Activations in their disguises, and the softmax at the end.

use super::Call;
use crate::import::error::Reason;
use crate::import::values::Value;
use crate::import::values::activation::Activation;
use crate::import::values::arithmetic;
use crate::{ActivationKind, Op, Parameters};

pub(super) fn relu(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let activation = call.activation(0)?;
    plain(call, activation, Op::Relu)
}

fn plain(call: &mut Call<'_, '_>, activation: Activation, op: Op) -> Result<Value, Reason> {
    Ok(call.layers.apply(activation, call.name, op, Parameters::None)?.into())
}

/// The activations that ONNX has an operator for, with its attributes and their defaults.
pub(super) fn function(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let attributes = &mut call.attributes;
    let kind = match call.node.op_type.as_str() {
        "LeakyRelu" => ActivationKind::LeakyRelu { slope: attributes.float_or("alpha", 0.01)? },
        "Elu" => ActivationKind::Elu { alpha: attributes.float_or("alpha", 1.0)? },
        "Celu" => match attributes.float_or("alpha", 1.0)? {
            1.0 => ActivationKind::Elu { alpha: 1.0 },
            _ => return Err("attribute alpha other than 1 is not supported: use Elu".into()),
        },
        "Selu" => ActivationKind::Selu {
            alpha: attributes.float_or("alpha", 1.673_263_2)?,
            gamma: attributes.float_or("gamma", 1.050_701)?,
        },
        "HardSigmoid" => ActivationKind::HardSigmoid {
            slope: attributes.float_or("alpha", 0.2)?,
            offset: attributes.float_or("beta", 0.5)?,
        },
        "HardSwish" => ActivationKind::HardSwish,
        "Tanh" => ActivationKind::Tanh,
        "Swish" => match attributes.float_or("alpha", 1.0)? {
            1.0 => ActivationKind::Silu,
            _ => return Err("attribute alpha other than 1 is not supported: use SiLU".into()),
        },
        "Gelu" => match attributes.text("approximate")?.unwrap_or("none") {
            "none" => ActivationKind::Gelu,
            "tanh" => ActivationKind::GeluTanh,
            _ => return Err("attribute approximate must be none or tanh".into()),
        },
        "Mish" => ActivationKind::Mish,
        "Softplus" => ActivationKind::Softplus,
        "Erf" => ActivationKind::Erf,
        _ => ActivationKind::Sigmoid,
    };
    let activation = call.activation(0)?;
    plain(call, activation, Op::Activation(kind))
}

/// Slopes broadcast over the input.
pub(super) fn prelu(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let activation = call.activation(0)?;
    let slopes = call.constant(1)?;
    let values: Vec<f64> = slopes.as_floats("its slope")?.iter().map(|&slope| f64::from(slope)).collect();
    call.layers.budget.spend(values.len())?;
    let dims = arithmetic::broadcast_dims(&slopes.dims, activation.layout.rank())?;
    let (activation, lanes) = call.layers.lanes(activation, &dims, &values)?;
    let channels = call.layers.shape(activation.base).channels();
    call.layers.budget.spend(channels)?;
    let slopes = lanes.iter().cycle().take(channels).map(|&slope| slope as f32).collect();
    let op = Op::Activation(ActivationKind::PRelu { channels });
    Ok(call.layers.apply(activation, call.name, op, Parameters::Slopes { slopes })?.into())
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
    between(call, activation, [low.unwrap_or(f32::MIN), high.unwrap_or(f32::MAX)])
}

fn between(call: &mut Call<'_, '_>, activation: Activation, [low, high]: [f32; 2]) -> Result<Value, Reason> {
    if low.is_nan() || high.is_nan() || low > high {
        return Err(format!("its bounds {low} and {high} are not in order").into());
    }
    match (low.max(f32::MIN), high.min(f32::MAX)) {
        (f32::MIN, f32::MAX) => Ok(activation.into()),
        (0.0, f32::MAX) => plain(call, activation, Op::Relu),
        (low, high) => plain(call, activation, Op::Activation(ActivationKind::Clip { low, high })),
    }
}

/// `max(x, c)` and `min(x, c)`, each a bound that joins one before it; `max(x, s x)` is a leaky ReLU.
pub(super) fn bound(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let is_lower = call.node.op_type == "Max";
    let refusal = "only the larger or smaller of an activation and one constant is supported";
    if call.inputs.len() != 2 {
        return Err(refusal.into());
    }
    let (activation, constant) = match (call.operand(0)?, call.operand(1)?) {
        (Value::Activation(x), Value::Constant(bound)) | (Value::Constant(bound), Value::Activation(x)) => {
            (x, bound)
        }
        (Value::Activation(a), Value::Activation(b)) if is_lower => {
            return leaky(call, &a, &b).or_else(|| leaky(call, &b, &a)).unwrap_or_else(|| {
                Err("of two activations only the larger of x and s x is supported".into())
            });
        }
        _ => return Err(refusal.into()),
    };
    let [bound] = constant.as_floats("its bound")?[..] else { return Err(refusal.into()) };
    if bound.is_nan() {
        return Err(refusal.into());
    }
    let [low, high] = if is_lower { [bound, f32::MAX] } else { [f32::MIN, bound] };
    match call.layers.clipped(&activation) {
        Some((argument, before)) => {
            let [low, high] = before.map(|own| own.max(low).min(high));
            between(call, argument, [low, high])
        }
        None => between(call, activation, [low, high]),
    }
}

/// The larger of `x` and `s x` for a slope `s` from 0 to 1.
fn leaky(call: &mut Call<'_, '_>, x: &Activation, scaled: &Activation) -> Option<Result<Value, Reason>> {
    let [zero, slope] = scaled.polynomial().affine()?;
    let fits = x.form.is_none() && x.base == scaled.base && x.layout == scaled.layout;
    if !fits || zero != 0.0 || !(0.0..=1.0).contains(&slope) {
        return None;
    }
    let op = Op::Activation(ActivationKind::LeakyRelu { slope: slope as f32 });
    Some(plain(call, x.clone(), op))
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
