//! Arithmetic value by value: constants change the polynomial an activation is seen through, sums of different
//! activations join them.

use super::{Call, joins};
use crate::import::error::Reason;
use crate::import::values::Value;
use crate::import::values::activation::{Activation, Polynomial};
use crate::import::values::arithmetic;
use crate::import::values::constant::{Constant, Values};

pub(super) fn binary(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    if call.inputs.len() != 2 {
        return Err(format!("it has {} inputs: only two are supported", call.inputs.len()).into());
    }
    let (a, b) = (call.operand(0)?, call.operand(1)?);
    combine(call, a, b)
}

/// Sum of any number of inputs.
pub(super) fn sum(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let mut total = call.operand(0)?;
    for index in 1..call.inputs.len() {
        let next = call.operand(index)?;
        total = combine(call, total, next)?;
    }
    Ok(total)
}

fn combine(call: &mut Call<'_, '_>, a: Value, b: Value) -> Result<Value, Reason> {
    match (a, b) {
        (Value::Activation(a), Value::Activation(b)) => of_activations(call, a, b),
        (Value::Activation(activation), Value::Constant(constant)) => {
            with_constant(call, activation, &constant, false)
        }
        (Value::Constant(constant), Value::Activation(activation)) => {
            with_constant(call, activation, &constant, true)
        }
        (Value::Constant(a), Value::Constant(b)) => {
            Ok(arithmetic::constants(&call.node.op_type, &a, &b, &mut call.layers.budget)?.into())
        }
        _ => Err("arithmetic on shapes is not supported".into()),
    }
}

fn of_activations(call: &mut Call<'_, '_>, a: Activation, b: Activation) -> Result<Value, Reason> {
    let (p, q) = (a.polynomial(), b.polynomial());
    let is_same = a.base == b.base && a.layout == b.layout;
    let polynomial = match call.node.op_type.as_str() {
        "Add" | "Sum" if is_same => p.add(&q),
        "Sub" if is_same => p.add(&q.map(|value| -value)),
        "Mul" if is_same => p.multiply(&q)?,
        "Add" | "Sum" => return Ok(joins::add(call, a, b)?.into()),
        "Sub" => {
            let negated = b.with_form(call.name, q.map(|value| -value));
            return Ok(joins::add(call, a, negated)?.into());
        }
        "Mul" => return product(call, &a, &b),
        _ => return Err("an activation as the divisor is not supported".into()),
    };
    finish(call, a, polynomial)
}

/// Multiplies different activations, one of which may be the gate of the other.
fn product(call: &mut Call<'_, '_>, a: &Activation, b: &Activation) -> Result<Value, Reason> {
    for (x, gate) in [(a, b), (b, a)] {
        if let Some(found) = call.layers.product(call.name, x, gate)? {
            return Ok(found.into());
        }
    }
    let (first, second) = (call.input_name(0), call.input_name(1));
    Err(format!(
        "mul of two different activations, {first} and {second}: of such products SiLU, hard swish, GELU and Mish are \
         read; train without gates (squeeze-and-excitation, attention) instead"
    )
    .into())
}

fn with_constant(
    call: &mut Call<'_, '_>,
    activation: Activation,
    constant: &Constant,
    constant_is_first: bool,
) -> Result<Value, Reason> {
    let values: Vec<f64> =
        constant.as_floats("its constant")?.iter().map(|&value| f64::from(value)).collect();
    call.layers.budget.spend(values.len())?;
    let dims = arithmetic::broadcast_dims(&constant.dims, activation.layout.rank())?;
    let (activation, lanes) = call.layers.lanes(activation, &dims, &values)?;
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

/// Takes the roots of constants: exporters leave the denominator of a batch normalisation so.
pub(super) fn square_root(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let constant = call.constant(0)?;
    map_floats(call, &constant, f32::sqrt)
}

fn map_floats(call: &mut Call<'_, '_>, constant: &Constant, value: fn(f32) -> f32) -> Result<Value, Reason> {
    let values = constant.as_floats("its input")?;
    call.layers.budget.spend(values.len())?;
    let mapped = values.iter().map(|&old| value(old)).collect();
    Ok(Constant::floats(constant.dims.clone(), mapped).into())
}

fn finish(call: &mut Call<'_, '_>, activation: Activation, polynomial: Polynomial) -> Result<Value, Reason> {
    call.layers.budget.spend(polynomial.values())?;
    Ok(call.layers.finish(activation, call.name, polynomial).into())
}
