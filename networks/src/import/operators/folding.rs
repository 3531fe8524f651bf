//! Nodes whose inputs are all in the file, computed once and for all: exporters write shapes, paddings and biases
//! of zeros so.

use super::Call;
use super::slices::list;
use crate::import::error::Reason;
use crate::import::values::Value;
use crate::import::values::arithmetic::{common, constants, length, places};
use crate::import::values::constant::{Constant, MAX_RANK, Values};
use crate::import::values::integers::{Sizes, axis};

/// The node's value, or `None` if it is not one of those that are computed here.
pub(super) fn fold(call: &mut Call<'_, '_>) -> Option<Result<Value, Reason>> {
    let mut inputs = call.inputs.iter().flatten().peekable();
    let is_constant = inputs.peek().is_some() && inputs.all(|input| matches!(input, Value::Constant(_)));
    if !is_constant {
        return None;
    }
    let folded = match call.node.op_type.as_str() {
        "ConstantOfShape" => filled(call),
        "Expand" => expanded(call),
        "Slice" => sliced(call),
        "Gather" => gathered(call),
        "Concat" => joined(call),
        "Clip" => clipped(call),
        "Max" | "Min" if call.inputs.len() == 2 => bounded(call),
        "Ceil" => mapped(call, f32::ceil),
        "Floor" => mapped(call, f32::floor),
        "Abs" => mapped(call, f32::abs),
        "Exp" => mapped(call, f32::exp),
        "Reciprocal" => mapped(call, f32::recip),
        _ => return None,
    };
    Some(folded.map(Value::from))
}

/// A list of sizes, none negative.
fn dimensions(constant: &Constant) -> Result<Vec<usize>, Reason> {
    let dims = Sizes::from_list(constant)?;
    if dims.len() > MAX_RANK {
        return Err("its shape has too many axes".into());
    }
    let dims = dims.into_iter().map(usize::try_from).collect::<Result<Vec<_>, _>>();
    dims.map_err(|_| "its shape has a negative size".into())
}

fn filled(call: &mut Call<'_, '_>) -> Result<Constant, Reason> {
    let dims = dimensions(&call.constant(0)?)?;
    let value = match call.attributes.tensor("value")? {
        Some(tensor) => Constant::decode(tensor, &mut call.layers.budget)?,
        None => Constant::floats(vec![1], vec![0.0]),
    };
    if value.len() != 1 {
        return Err("attribute value is not one number".into());
    }
    let length = length(&dims)?;
    call.layers.budget.spend(length)?;
    Ok(value.picked(dims, std::iter::repeat_n(0, length)))
}

fn expanded(call: &mut Call<'_, '_>) -> Result<Constant, Reason> {
    let constant = call.constant(0)?;
    let target = dimensions(&call.constant(1)?)?;
    let dims = common(&constant.dims, &target);
    let dims = dims.ok_or_else(|| format!("{:?} does not expand to {target:?}", constant.dims))?;
    call.layers.budget.spend(length(&dims)?.saturating_mul(3))?;
    let places = places(&constant.dims, &dims);
    Ok(constant.picked(dims, places.into_iter()))
}

/// The values at the given places of each axis.
fn at(call: &mut Call<'_, '_>, constant: &Constant, axes: &[Vec<usize>]) -> Result<Constant, Reason> {
    let dims: Vec<usize> = axes.iter().map(Vec::len).collect();
    call.layers.budget.spend(length(&dims)?.saturating_mul(3))?;
    if dims.contains(&0) {
        return Ok(constant.picked(dims, std::iter::empty()));
    }
    let mut positions = vec![0];
    for (index, places) in axes.iter().enumerate() {
        let size = constant.dims[index];
        positions = positions
            .iter()
            .flat_map(|&before: &usize| places.iter().map(move |place| before * size + place))
            .collect();
    }
    Ok(constant.picked(dims, positions.into_iter()))
}

/// As numpy: bounds from the end if negative, and clamped; steps may go backwards.
fn sliced(call: &mut Call<'_, '_>) -> Result<Constant, Reason> {
    let starts = list(call, 1, "starts")?.ok_or("starts are missing")?;
    let ends = list(call, 2, "ends")?.ok_or("ends are missing")?;
    let axes = list(call, 3, "axes")?.unwrap_or_else(|| (0_i64..).take(starts.len()).collect());
    let steps = list(call, 4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err("starts, ends, axes and steps are not of one length".into());
    }
    let constant = call.constant(0)?;
    let mut places: Vec<Vec<usize>> = Vec::with_capacity(constant.dims.len());
    call.layers.budget.spend(constant.dims.iter().fold(0, |sum: usize, &dim| sum.saturating_add(dim)))?;
    places.extend(constant.dims.iter().map(|&dim| (0..dim).collect()));
    for (index, &number) in axes.iter().enumerate() {
        let axis = axis(number, constant.dims.len())?;
        places[axis] = taken(constant.dims[axis], starts[index], ends[index], steps[index])?;
    }
    at(call, &constant, &places)
}

fn taken(size: usize, start: i64, end: i64, step: i64) -> Result<Vec<usize>, Reason> {
    let size = i128::try_from(size).map_err(|_| "an axis is too long")?;
    let from_start = |bound: i64| if bound < 0 { i128::from(bound) + size } else { bound.into() };
    let (start, end, step) = (from_start(start), from_start(end), i128::from(step));
    let (first, beyond) = match step {
        0 => return Err("a step is 0".into()),
        1.. => (start.clamp(0, size), end.clamp(0, size)),
        _ => (start.clamp(-1, size - 1), end.clamp(-1, size - 1)),
    };
    let mut places = Vec::new();
    let mut place = first;
    while (step > 0 && place < beyond) || (step < 0 && place > beyond) {
        places.extend(usize::try_from(place).ok());
        place += step;
    }
    Ok(places)
}

fn gathered(call: &mut Call<'_, '_>) -> Result<Constant, Reason> {
    let (constant, indices) = (call.constant(0)?, call.constant(1)?);
    let along = axis(call.attributes.int_or("axis", 0)?, constant.dims.len())?;
    let Values::Integers(picked) = &indices.values else { return Err("its indices are no integers".into()) };
    let size = constant.dims[along];
    call.layers.budget.spend(constant.dims.iter().fold(picked.len(), |sum, &dim| sum.saturating_add(dim)))?;
    let picked = picked.iter().map(|&index| axis(index, size)).collect::<Result<Vec<_>, _>>();
    let picked = picked.map_err(|_| format!("an index is beyond the {size} values of its axis"))?;
    let mut places: Vec<Vec<usize>> = constant.dims.iter().map(|&dim| (0..dim).collect()).collect();
    places[along] = picked;
    let found = at(call, &constant, &places)?;
    let mut dims = constant.dims.clone();
    drop(dims.splice(along..=along, indices.dims.iter().copied()));
    if dims.len() > MAX_RANK {
        return Err("its output has too many axes".into());
    }
    Ok(Constant { dims, ..found })
}

fn joined(call: &mut Call<'_, '_>) -> Result<Constant, Reason> {
    let number = call.attributes.int("axis")?.ok_or("attribute axis is missing")?;
    let parts = (0..call.inputs.len()).map(|index| call.constant(index)).collect::<Result<Vec<_>, _>>()?;
    let mut dims = parts[0].dims.clone();
    let along = axis(number, dims.len())?;
    let elsewhere = |dims: &[usize]| -> Vec<usize> { [&dims[..along], &dims[along + 1..]].concat() };
    let mut total = 0_usize;
    for part in &parts {
        if part.dims.len() != dims.len() || elsewhere(&part.dims) != elsewhere(&dims) {
            return Err(format!("constants of {dims:?} and {:?} are not concatenated", part.dims).into());
        }
        total = total.saturating_add(part.dims[along]);
    }
    dims[along] = total;
    call.layers.budget.spend(length(&dims)?)?;
    let rows = length(&dims[..along])?;
    let floats: Option<Vec<_>> = parts.iter().map(|part| part.as_floats("").ok()).collect();
    if let Some(floats) = floats {
        return Ok(Constant::floats(
            dims,
            interleaved(&floats.iter().map(|own| &own[..]).collect::<Vec<_>>(), rows),
        ));
    }
    let integers = |part: &Constant| match &part.values {
        Values::Integers(values) => Some(values.clone()),
        Values::Floats(_) => None,
    };
    let integers: Option<Vec<_>> = parts.iter().map(integers).collect();
    let integers = integers.ok_or("integers and floating-point numbers are mixed")?;
    Ok(Constant::integers(dims, interleaved(&integers.iter().map(|own| &own[..]).collect::<Vec<_>>(), rows)))
}

/// The first of `rows` equal parts of each list after the other, then the second of each, and so on.
fn interleaved<T: Copy>(parts: &[&[T]], rows: usize) -> Vec<T> {
    let row = |index: usize| {
        parts.iter().flat_map(move |part| {
            let length = part.len() / rows;
            part[index * length..(index + 1) * length].iter().copied()
        })
    };
    (0..rows).flat_map(row).collect()
}

/// Bounds are attributes up to operator set 10, inputs afterwards.
fn clipped(call: &mut Call<'_, '_>) -> Result<Constant, Reason> {
    let mut clipped = call.constant(0)?;
    let stated = [call.attributes.float("min")?, call.attributes.float("max")?];
    for (index, operator) in [(1, "Max"), (2, "Min")] {
        let bound = match (call.optional_constant(index)?, stated[index - 1]) {
            (Some(bound), _) => bound,
            (None, Some(bound)) => Constant::floats(Vec::new(), vec![bound]),
            (None, None) => continue,
        };
        clipped = constants(operator, &clipped, &bound, &mut call.layers.budget)?;
    }
    Ok(clipped)
}

fn bounded(call: &mut Call<'_, '_>) -> Result<Constant, Reason> {
    let (a, b) = (call.constant(0)?, call.constant(1)?);
    constants(&call.node.op_type, &a, &b, &mut call.layers.budget)
}

fn mapped(call: &mut Call<'_, '_>, value: fn(f32) -> f32) -> Result<Constant, Reason> {
    let constant = call.constant(0)?;
    call.layers.budget.spend(constant.len())?;
    let values = constant.as_floats("its input")?.iter().map(|&old| value(old)).collect();
    Ok(Constant::floats(constant.dims, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_those_of_numpy() {
        let cases: [(usize, [i64; 3], &[usize]); 7] = [
            (5, [1, 4, 1], &[1, 2, 3]),
            (5, [-2, i64::MAX, 1], &[3, 4]),
            (5, [-1, i64::MIN + 1, -1], &[4, 3, 2, 1, 0]),
            (5, [3, 0, -2], &[3, 1]),
            (5, [4, 1, 1], &[]),
            (0, [-1, i64::MIN, -1], &[]),
            (5, [0, 5, i64::MAX], &[0]),
        ];
        for (size, [start, end, step], expected) in cases {
            assert_eq!(taken(size, start, end, step).unwrap(), expected, "{size} {start}:{end}:{step}");
        }
        assert!(taken(5, 0, 5, 0).is_err());
    }
}
