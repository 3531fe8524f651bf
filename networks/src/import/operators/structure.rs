//! Operators that compute nothing of the image: constants, pass-throughs and shape arithmetic.

use tract_onnx::pb::tensor_proto::DataType;

use super::Call;
use crate::import::error::Reason;
use crate::import::values::Value;
use crate::import::values::constant::{Constant, Values};
use crate::import::values::integers::{Size, Sizes, axis};

/// Identity, and dropout at inference.
pub(super) fn pass(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    call.attributes.float("ratio")?;
    call.attributes.int("seed")?;
    if let Some(Some(training)) = call.inputs.get(2) {
        let is_off = |values: &Values| matches!(values, Values::Integers(values) if values[..] == [0]);
        if !matches!(training, Value::Constant(constant) if is_off(&constant.values)) {
            return Err("its input training_mode must be false: export the model for inference".into());
        }
    }
    call.value(0)
}

pub(super) fn cast(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let to = call.attributes.int("to")?.ok_or("attribute to is missing")?;
    call.attributes.int("saturate")?;
    call.attributes.text("round_mode")?;
    let to = i32::try_from(to).ok().and_then(|to| DataType::try_from(to).ok()).unwrap_or(DataType::Undefined);
    match (call.value(0)?, to) {
        (Value::Activation(activation), DataType::Float | DataType::Double) => Ok(activation.into()),
        (Value::Sizes(sizes), DataType::Int64 | DataType::Int32) => Ok(sizes.into()),
        (Value::Constant(constant), DataType::Float | DataType::Double) => floats(call, constant),
        (Value::Constant(constant), DataType::Int64 | DataType::Int32) => integers(call, constant),
        _ => Err(format!("attribute to: a cast to {} is not supported", to.as_str_name()).into()),
    }
}

/// A cast to the type of another value, of which only that of constants changes anything here.
pub(super) fn cast_like(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    call.attributes.int("saturate")?;
    let is_integer = match call.value(1)? {
        Value::Activation(_) => false,
        Value::Sizes(_) => true,
        Value::Constant(constant) => matches!(constant.values, Values::Integers(_)),
    };
    match (call.value(0)?, is_integer) {
        (Value::Constant(constant), true) => integers(call, constant),
        (Value::Constant(constant), false) => floats(call, constant),
        (value @ Value::Activation(_), false) | (value @ Value::Sizes(_), true) => Ok(value),
        _ => Err("it casts between integers and values that depend on the image or the batch".into()),
    }
}

fn floats(call: &mut Call<'_, '_>, constant: Constant) -> Result<Value, Reason> {
    let Values::Integers(values) = &constant.values else { return Ok(constant.into()) };
    call.layers.budget.spend(values.len())?;
    let values = values.iter().map(|&value| value as f32).collect();
    Ok(Constant::floats(constant.dims, values).into())
}

/// Towards zero.
fn integers(call: &mut Call<'_, '_>, constant: Constant) -> Result<Value, Reason> {
    let Values::Floats(values) = &constant.values else { return Ok(constant.into()) };
    call.layers.budget.spend(values.len())?;
    let values = values.iter().map(|&value| value as i64).collect();
    Ok(Constant::integers(constant.dims, values).into())
}

pub(super) fn constant(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let attributes = &mut call.attributes;
    let constant = if let Some(tensor) = attributes.tensor("value")? {
        Constant::decode(tensor, &mut call.layers.budget)?
    } else if let Some(value) = attributes.float("value_float")? {
        Constant::floats(Vec::new(), vec![value])
    } else if let Some(values) = attributes.floats("value_floats")? {
        Constant::floats(vec![values.len()], values.to_vec())
    } else if let Some(value) = attributes.int("value_int")? {
        Constant::integers(Vec::new(), vec![value])
    } else if let Some(values) = attributes.ints("value_ints")? {
        Constant::integers(vec![values.len()], values.to_vec())
    } else {
        return Err("attribute value is missing, or of a kind that is not supported".into());
    };
    Ok(constant.into())
}

/// The sizes of an activation's axes; the first is the batch.
pub(super) fn shape(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let dims = match call.value(0)? {
        Value::Activation(activation) => {
            let dims = activation.layout.dims();
            std::iter::once(Size::Batch).chain(dims.iter().map(|&dim| known(dim))).collect()
        }
        Value::Constant(constant) => constant.dims.iter().map(|&dim| known(dim)).collect(),
        Value::Sizes(sizes) => vec![known(sizes.values.len())],
    };
    let dims: Vec<Size> = dims;
    let start = call.attributes.int_or("start", 0)?;
    let end = call.attributes.int_or("end", i64::MAX)?;
    let (start, end) = (clamp(start, dims.len()), clamp(end, dims.len()));
    Ok(Sizes::list(dims.get(start..end).unwrap_or_default().to_vec())?.into())
}

pub(super) fn gather(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let sizes = sizes(call, 0)?;
    axis(call.attributes.int_or("axis", 0)?, 1)?;
    let indices = Sizes::from_constant(&call.constant(1)?)?;
    let pick = |index| Ok(sizes.values[axis(index, sizes.values.len())?]);
    let values = indices.known()?.into_iter().map(pick).collect::<Result<Vec<_>, Reason>>()?;
    Ok(Sizes { values, is_scalar: indices.is_scalar }.into())
}

/// Bounds are attributes up to operator set 9, inputs afterwards.
pub(super) fn slice(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let sizes = sizes(call, 0)?;
    let mut bound = |index: usize, name: &str, default: Option<i64>| -> Result<i64, Reason> {
        let list = match (call.attributes.ints(name)?, call.optional_constant(index)?) {
            (Some(list), _) => list.to_vec(),
            (None, Some(constant)) => Sizes::from_constant(&constant)?.known()?,
            (None, None) => default.into_iter().collect(),
        };
        match list[..] {
            [only] => Ok(only),
            _ => Err(format!("{name} must be one number").into()),
        }
    };
    let (start, end) = (bound(1, "starts", None)?, bound(2, "ends", None)?);
    axis(bound(3, "axes", Some(0))?, 1)?;
    if bound(4, "steps", Some(1))? != 1 {
        return Err("steps must be 1".into());
    }
    let (start, end) = (clamp(start, sizes.values.len()), clamp(end, sizes.values.len()));
    Ok(Sizes::list(sizes.values.get(start..end).unwrap_or_default().to_vec())?.into())
}

pub(super) fn concat(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    axis(call.attributes.int_or("axis", 0)?, 1)?;
    let mut values = Vec::new();
    for index in 0..call.inputs.len() {
        values.extend(sizes(call, index)?.values);
        values = Sizes::list(values)?.values;
    }
    Ok(Sizes::list(values)?.into())
}

/// A list of sizes, computed or constant.
pub(super) fn sizes(call: &mut Call<'_, '_>, index: usize) -> Result<Sizes, Reason> {
    match call.value(index)? {
        Value::Sizes(sizes) => Ok(sizes),
        Value::Constant(constant) => Sizes::from_constant(&constant),
        Value::Activation(_) => {
            Err(format!("its input {} depends on the image", call.input_name(index)).into())
        }
    }
}

fn known(size: usize) -> Size {
    Size::Known(i64::try_from(size).unwrap_or(i64::MAX))
}

/// A slice bound: negative ones count from the end, all are clamped.
pub(super) fn clamp(bound: i64, length: usize) -> usize {
    let from_end = usize::try_from(bound.unsigned_abs()).unwrap_or(usize::MAX);
    if bound < 0 { length.saturating_sub(from_end) } else { from_end.min(length) }
}
