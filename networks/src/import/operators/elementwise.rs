//! Arithmetic value by value: constants change the polynomial an activation is seen through.

use super::Call;
use crate::import::activation::{Activation, Polynomial};
use crate::import::arithmetic;
use crate::import::constant::{Constant, Values};
use crate::import::error::Reason;
use crate::import::value::Value;

pub(super) fn binary(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    if call.inputs.len() != 2 {
        return Err(format!("it has {} inputs: only two are supported", call.inputs.len()).into());
    }
    match (&call.inputs[0], &call.inputs[1]) {
        (Some(Value::Activation(_)), Some(Value::Activation(_))) => {
            let (a, b) = (call.activation(0)?, call.activation(1)?);
            of_activations(call, a, &b)
        }
        (Some(Value::Activation(_)), Some(Value::Constant(_))) => {
            let (activation, constant) = (call.activation(0)?, call.constant(1)?);
            with_constant(call, activation, &constant, false)
        }
        (Some(Value::Constant(_)), Some(Value::Activation(_))) => {
            let (activation, constant) = (call.activation(1)?, call.constant(0)?);
            with_constant(call, activation, &constant, true)
        }
        (Some(Value::Constant(_)), Some(Value::Constant(_))) => {
            let (a, b) = (call.constant(0)?, call.constant(1)?);
            Ok(arithmetic::constants(&call.node.op_type, &a, &b, &mut call.tree.budget)?.into())
        }
        _ => Err("arithmetic on shapes is not supported".into()),
    }
}

fn of_activations(call: &mut Call<'_, '_>, a: Activation, b: &Activation) -> Result<Value, Reason> {
    let (first, second) = (call.input_name(0), call.input_name(1));
    if a.base != b.base {
        let verb = call.node.op_type.to_lowercase();
        return Err(format!(
            "{verb} of two different activations, {first} and {second}: residual connections and branches \
             are not supported, a network here is a chain of layers"
        )
        .into());
    }
    if a.layout != b.layout {
        return Err(format!("its inputs {first} and {second} are laid out differently").into());
    }
    let (p, q) = (a.polynomial(), b.polynomial());
    let polynomial = match call.node.op_type.as_str() {
        "Add" | "Sum" => p.add(&q),
        "Sub" => p.add(&q.map(|value| -value)),
        "Mul" => p.multiply(&q)?,
        _ => return Err("an activation as the divisor is not supported".into()),
    };
    finish(call, a, polynomial)
}

fn with_constant(
    call: &mut Call<'_, '_>,
    activation: Activation,
    constant: &Constant,
    constant_is_first: bool,
) -> Result<Value, Reason> {
    let values: Vec<f64> =
        constant.as_floats("its constant")?.iter().map(|&value| f64::from(value)).collect();
    call.tree.budget.spend(values.len())?;
    let dims = arithmetic::broadcast_dims(&constant.dims, activation.layout.rank())?;
    let (activation, lanes) = call.tree.lanes(activation, &dims, &values)?;
    let x = activation.polynomial();
    let constant = Polynomial::constant(lanes);
    let polynomial = match (call.node.op_type.as_str(), constant_is_first) {
        ("Add" | "Sum", _) => x.add(&constant),
        ("Mul", _) => x.multiply(&constant)?,
        ("Sub", false) => x.add(&constant.map(|value| -value)),
        ("Sub", true) => x.map(|value| -value).add(&constant),
        ("Div", false) => x.multiply(&constant.map(|value| 1.0 / value))?,
        _ => return Err("an activation as the divisor is not supported".into()),
    };
    finish(call, activation, polynomial)
}

pub(super) fn negate(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    if let Some(Some(Value::Constant(_))) = call.inputs.first() {
        let constant = call.constant(0)?;
        return map_floats(call, &constant, |value| -value);
    }
    let activation = call.activation(0)?;
    let polynomial = activation.polynomial().map(|value| -value);
    finish(call, activation, polynomial)
}

pub(super) fn power(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let activation = call.activation(0)?;
    let exponent = call.constant(1)?;
    let exponent = match &exponent.values {
        Values::Floats(values) => values.first().copied().filter(|_| values.len() == 1).map(f64::from),
        Values::Integers(values) => {
            values.first().copied().filter(|_| values.len() == 1).map(|value| value as f64)
        }
    };
    match exponent {
        Some(exponent) if (1.0..=64.0).contains(&exponent) && exponent.fract() == 0.0 => {
            let polynomial = activation.polynomial().power(exponent as usize)?;
            finish(call, activation, polynomial)
        }
        _ => Err("its exponent must be one whole number from 1 to 64".into()),
    }
}

/// Of constants: exporters leave the denominator of a batch normalisation so.
pub(super) fn square_root(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let constant = call.constant(0)?;
    map_floats(call, &constant, f32::sqrt)
}

fn map_floats(call: &mut Call<'_, '_>, constant: &Constant, value: fn(f32) -> f32) -> Result<Value, Reason> {
    let values = constant.as_floats("its input")?;
    call.tree.budget.spend(values.len())?;
    let mapped = values.iter().map(|&old| value(old)).collect();
    Ok(Constant::floats(constant.dims.clone(), mapped).into())
}

fn finish(call: &mut Call<'_, '_>, activation: Activation, polynomial: Polynomial) -> Result<Value, Reason> {
    call.tree.budget.spend(polynomial.values())?;
    Ok(activation.with_form(call.name, polynomial).into())
}
