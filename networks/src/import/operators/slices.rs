//! Parts of activations: slices, splits, and channels picked one by one.

use super::Call;
use super::joins::vector;
use super::structure::{clamp, sizes};
use crate::import::error::Reason;
use crate::import::layers::Settle;
use crate::import::values::Value;
use crate::import::values::activation::Activation;
use crate::import::values::integers::{Sizes, axis};
use crate::import::views::Space;

/// Positions along one axis: the first, the distance between them, and how many.
#[derive(Clone, Copy)]
struct Part {
    start: usize,
    step: usize,
    count: usize,
}

impl Part {
    fn places(self) -> impl Iterator<Item = usize> {
        (0..self.count).map(move |index| self.start + index * self.step)
    }
}

/// Bounds are attributes up to operator set 9, inputs afterwards.
pub(super) fn slice(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let starts = list(call, 1, "starts")?.ok_or("starts are missing")?;
    let ends = list(call, 2, "ends")?.ok_or("ends are missing")?;
    let axes = list(call, 3, "axes")?;
    let steps = list(call, 4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    let axes = axes.unwrap_or_else(|| (0_i64..).take(starts.len()).collect());
    let count = starts.len();
    if [ends.len(), axes.len(), steps.len()] != [count; 3] {
        return Err("starts, ends, axes and steps are not of one length".into());
    }
    let activation = call.activation(0)?;
    let mut dims = vec![usize::MAX];
    dims.extend(activation.layout.dims());
    let mut parts: Vec<Part> = dims.iter().map(|&count| Part { start: 0, step: 1, count }).collect();
    for index in 0..count {
        let axis = axis(axes[index], dims.len())?;
        let step = usize::try_from(steps[index]).ok().filter(|&step| step > 0);
        let step = step.ok_or("steps must be positive")?;
        if axis == 0 {
            if starts[index] != 0 || step != 1 || ends[index] < i64::from(i32::MAX) {
                return Err("it takes some images of a batch and leaves others".into());
            }
            continue;
        }
        let (start, end) = (clamp(starts[index], dims[axis]), clamp(ends[index], dims[axis]));
        let count = end.saturating_sub(start).div_ceil(step);
        if count == 0 {
            return Err("it leaves nothing of an axis".into());
        }
        parts[axis] = Part { start, step, count };
    }
    let name = call.name;
    part(call, activation, name, &parts[1..])
}

/// What is at the given places of each axis.
fn part(
    call: &mut Call<'_, '_>,
    activation: Activation,
    name: &str,
    parts: &[Part],
) -> Result<Value, Reason> {
    if let &[features] = parts {
        let flat = vector(call, activation)?;
        let base = call.layers.select(flat.base, name, features.places().map(Some).collect())?;
        return Ok(call.layers.output_of(base).into());
    }
    let (activation, axes) = call.oriented(activation)?;
    let activation = call.layers.settle(activation, Settle::Fold)?;
    let [channels, rows, columns] = axes.map(|axis| parts[axis]);
    let mut base = call.layers.select(activation.base, name, channels.places().map(Some).collect())?;
    let size = [activation.layout.dims()[1], activation.layout.dims()[2]];
    let is_whole = |part: Part, size| part.start == 0 && part.step == 1 && part.count == size;
    if !is_whole(rows, size[0]) || !is_whole(columns, size[1]) {
        let both = [rows, columns];
        let space = Space::cut(
            size,
            both.map(|part| part.start),
            both.map(|part| part.step),
            both.map(|part| part.count),
        );
        base = call.layers.relocate(base, name, space)?;
    }
    let output = call.layers.output_of(base);
    Ok(call.turned_back(output, axes).into())
}

/// Sizes are an attribute up to operator set 12, an input afterwards, and equal if not given.
pub(super) fn split(call: &mut Call<'_, '_>) -> Result<Vec<Value>, Reason> {
    let number = call.attributes.int_or("axis", 0)?;
    let stated = list(call, 1, "split")?;
    let outputs = call.node.output.len();
    let wanted = call.attributes.int_or("num_outputs", i64::try_from(outputs).unwrap_or(i64::MAX))?;
    if usize::try_from(wanted) != Ok(outputs) || outputs == 0 {
        return Err("attribute num_outputs is not the number of its outputs".into());
    }
    let activation = call.activation(0)?;
    let dims = activation.layout.dims();
    let Some(along) = axis(number, dims.len() + 1)?.checked_sub(1) else {
        return Err("attribute axis is that of the batch, whose images stay together".into());
    };
    let counts: Vec<usize> = match stated {
        Some(counts) => counts.iter().map(|&count| usize::try_from(count).unwrap_or(0)).collect(),
        None => {
            let each = dims[along].div_ceil(outputs);
            (0..outputs).map(|index| each.min(dims[along].saturating_sub(index * each))).collect()
        }
    };
    let total = counts.iter().try_fold(0_usize, |sum, &count| sum.checked_add(count));
    if counts.len() != outputs || total != Some(dims[along]) || counts.contains(&0) {
        return Err(format!("its parts {counts:?} do not make up an axis of {}", dims[along]).into());
    }
    let mut start = 0;
    let mut values = Vec::with_capacity(outputs);
    for (index, count) in counts.into_iter().enumerate() {
        let mut parts: Vec<Part> = dims.iter().map(|&count| Part { start: 0, step: 1, count }).collect();
        parts[along] = Part { start, step: 1, count };
        start += count;
        let name = call.node.output[index].clone();
        values.push(part(call, activation.clone(), &name, &parts)?);
    }
    Ok(values)
}

/// Channels of an image, or features of a vector, by a constant list of indices.
pub(super) fn gather(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let number = call.attributes.int_or("axis", 0)?;
    let activation = call.activation(0)?;
    let indices = Sizes::from_list(&call.constant(1)?)?;
    let dims = activation.layout.dims();
    let Some(along) = axis(number, dims.len() + 1)?.checked_sub(1) else {
        return Err("attribute axis is that of the batch, whose images stay together".into());
    };
    let pick = |&index: &i64| axis(index, dims[along]).map(Some);
    let channels: Vec<Option<usize>> = indices.iter().map(pick).collect::<Result<_, _>>()?;
    if channels.is_empty() {
        return Err("its list of indices is empty".into());
    }
    if dims.len() == 1 {
        let flat = vector(call, activation)?;
        let base = call.layers.select(flat.base, call.name, channels)?;
        return Ok(call.layers.output_of(base).into());
    }
    let (activation, axes) = call.oriented(activation)?;
    if along != axes[0] {
        return Err("attribute axis: only channels are picked one by one".into());
    }
    let activation = call.layers.settle(activation, Settle::Fold)?;
    let base = call.layers.select(activation.base, call.name, channels)?;
    let output = call.layers.output_of(base);
    Ok(call.turned_back(output, axes).into())
}

/// A list from an attribute or an input.
pub(super) fn list(call: &mut Call<'_, '_>, index: usize, name: &str) -> Result<Option<Vec<i64>>, Reason> {
    if let Some(list) = call.attributes.ints(name)? {
        return Ok(Some(list.to_vec()));
    }
    match call.inputs.get(index) {
        Some(Some(_)) => Ok(Some(sizes(call, index)?.known()?)),
        _ => Ok(None),
    }
}
