//! Operators that only change the axes.

use super::Call;
use super::structure::sizes;
use crate::Shape;
use crate::import::error::Reason;
use crate::import::layers::{Layers, Settle};
use crate::import::values::Value;
use crate::import::values::activation::Activation;
use crate::import::values::constant::{Constant, MAX_RANK, Values};
use crate::import::values::integers::{Size, Sizes, axis};
use crate::import::values::layout::Layout;

impl Call<'_, '_> {
    /// An activation as an image of `[channels, height, width]` whose axes are in that order.
    /// Channels in another order are put in it.
    pub(super) fn image(&mut self, activation: Activation) -> Result<(Activation, [usize; 3]), Reason> {
        let dims = activation.layout.dims();
        let &[channels, height, width] = &dims[..] else {
            return Err(
                format!("its input has axes {dims:?} besides the batch, not those of an image").into()
            );
        };
        if activation.layout.is(self.layers.shape(activation.base)) && dims.len() == 3 {
            return Ok((activation, [channels, height, width]));
        }
        if let Some(order) = activation.layout.channel_order(self.layers.shape(activation.base)) {
            let settled = self.layers.settle(activation, Settle::Fold)?;
            let base = self.layers.select(settled.base, self.name, order.into_iter().map(Some).collect())?;
            return Ok((self.layers.output_of(base), [channels, height, width]));
        }
        if self.layers.is_pointwise(activation.base) {
            return Err(Reason::InputIsImage([channels, height, width]));
        }
        Err(format!("its input of {dims:?} is not laid out as channels, rows and columns of an image").into())
    }
}

pub(super) fn flatten(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let activation = call.activation(0)?;
    let dims = activation.layout.dims();
    let first = call.attributes.int_or("axis", 1)?;
    let first = if first == i64::try_from(dims.len() + 1).unwrap_or(0) {
        dims.len() + 1
    } else {
        axis(first, dims.len() + 1)?
    };
    match first.checked_sub(1) {
        Some(kept) if dims[..kept].iter().all(|&dim| dim == 1) => {
            let features = activation.layout.len();
            relaid(call, activation, &[features])
        }
        _ => Err("attribute axis: only the batch may be kept apart from the features".into()),
    }
}

pub(super) fn reshape(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let zero_is_zero = call.attributes.flag("allowzero")?;
    let target = sizes(call, 1)?;
    if zero_is_zero && target.values.contains(&Size::Known(0)) {
        return Err("attribute allowzero asks for an empty tensor".into());
    }
    match call.value(0)? {
        Value::Activation(activation) => {
            let dims = reshaped(&activation.layout, call.batch, &target.values)?;
            relaid(call, activation, &dims)
        }
        Value::Constant(constant) => {
            let dims = resolve(&constant.dims, constant.len(), &target.known()?)?;
            Ok(Constant { dims, ..constant }.into())
        }
        Value::Sizes(sizes) if sizes.values.len() == 1 && matches!(target.known()?[..], [1 | -1]) => {
            Ok(Sizes { is_scalar: false, ..sizes }.into())
        }
        Value::Sizes(_) => Err("a reshape of a shape is not supported".into()),
    }
}

/// The dimensions besides the batch. The first of the target must be the batch, in any of the ways
/// to write that.
fn reshaped(layout: &Layout, batch: Option<usize>, target: &[Size]) -> Result<Vec<usize>, Reason> {
    let [first, rest @ ..] = target else { return Err("its target shape is a scalar".into()) };
    let rest = Sizes::list(rest.to_vec())?.known()?;
    let rest_is_known = !rest.contains(&-1);
    let keeps_batch = match *first {
        Size::Batch | Size::Known(0) => true,
        Size::Known(-1) => rest_is_known,
        Size::Known(size) => batch.is_some_and(|batch| usize::try_from(size) == Ok(batch)),
    };
    if !keeps_batch {
        return Err("the first dimension of its target shape is not the batch".into());
    }
    // A zero copies the dimension of the input at the same place, where the batch is the first.
    let mut dims = vec![1];
    dims.extend(layout.dims());
    let mut with_batch = vec![1];
    with_batch.extend(rest);
    Ok(resolve(&dims, layout.len(), &with_batch)?.split_off(1))
}

/// Dimensions in which a zero is copied from `dims` and one -1 is what remains of `length`.
fn resolve(dims: &[usize], length: usize, target: &[i64]) -> Result<Vec<usize>, Reason> {
    let unusable = || Reason::Text(format!("its target shape {target:?} does not fit an input of {dims:?}"));
    if target.len() > MAX_RANK {
        return Err(unusable());
    }
    let mut known = 1_usize;
    let mut resolved = Vec::with_capacity(target.len());
    for (index, &size) in target.iter().enumerate() {
        let size = match size {
            0 => Some(*dims.get(index).ok_or_else(unusable)?),
            -1 => None,
            size => Some(usize::try_from(size).map_err(|_| unusable())?),
        };
        known = known.checked_mul(size.unwrap_or(1)).ok_or_else(unusable)?;
        resolved.push(size);
    }
    let unknown = resolved.iter().filter(|size| size.is_none()).count();
    let rest = length.checked_div(known).filter(|rest| rest * known == length).ok_or_else(unusable)?;
    if unknown > 1 || (unknown == 0 && rest != 1) {
        return Err(unusable());
    }
    Ok(resolved.into_iter().map(|size| size.unwrap_or(rest)).collect())
}

pub(super) fn squeeze(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let axes = axes(call)?;
    match call.value(0)? {
        Value::Activation(activation) => {
            let mut dims = vec![usize::MAX];
            dims.extend(activation.layout.dims());
            let dims = squeezed(&dims, axes)?;
            relaid(call, activation, &dims[1..])
        }
        Value::Constant(constant) => {
            let dims = squeezed(&constant.dims, axes)?;
            Ok(Constant { dims, ..constant }.into())
        }
        Value::Sizes(sizes) if sizes.values.len() == 1 => Ok(Sizes { is_scalar: true, ..sizes }.into()),
        Value::Sizes(_) => Err("it squeezes a list of sizes".into()),
    }
}

fn squeezed(dims: &[usize], axes: Option<Vec<i64>>) -> Result<Vec<usize>, Reason> {
    let Some(axes) = axes else { return Ok(dims.iter().copied().filter(|&dim| dim != 1).collect()) };
    let axes = axes.iter().map(|&number| axis(number, dims.len())).collect::<Result<Vec<_>, _>>()?;
    if let Some(&axis) = axes.iter().find(|&&axis| dims[axis] != 1) {
        return Err(format!("axes: axis {axis} is not of size 1, or is the batch").into());
    }
    Ok(dims.iter().enumerate().filter(|(index, _)| !axes.contains(index)).map(|(_, &dim)| dim).collect())
}

pub(super) fn unsqueeze(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let axes = axes(call)?.ok_or("axes are missing")?;
    match call.value(0)? {
        Value::Activation(activation) => {
            let mut dims = vec![usize::MAX];
            dims.extend(activation.layout.dims());
            let dims = unsqueezed(&dims, &axes)?;
            if dims[0] == 1 {
                return Err("axes: an axis before the batch is not supported".into());
            }
            relaid(call, activation, &dims[1..])
        }
        Value::Constant(constant) => {
            let dims = unsqueezed(&constant.dims, &axes)?;
            Ok(Constant { dims, ..constant }.into())
        }
        Value::Sizes(sizes) if sizes.is_scalar && axes.len() == 1 => {
            Ok(Sizes { is_scalar: false, ..sizes }.into())
        }
        Value::Sizes(_) => Err("it unsqueezes a list of sizes".into()),
    }
}

fn unsqueezed(dims: &[usize], axes: &[i64]) -> Result<Vec<usize>, Reason> {
    let rank = dims.len() + axes.len();
    if rank > MAX_RANK {
        return Err("axes: the tensor would have too many".into());
    }
    let axes = axes.iter().map(|&number| axis(number, rank)).collect::<Result<Vec<_>, _>>()?;
    let mut old = dims.iter();
    let dims = (0..rank).map(|index| if axes.contains(&index) { Some(1) } else { old.next().copied() });
    let dims = dims.collect::<Option<Vec<_>>>();
    dims.filter(|_| old.next().is_none()).ok_or_else(|| "axes are given twice".into())
}

/// An attribute up to operator set 12, an input afterwards.
fn axes(call: &mut Call<'_, '_>) -> Result<Option<Vec<i64>>, Reason> {
    if let Some(axes) = call.attributes.ints("axes")? {
        return Ok(Some(axes.to_vec()));
    }
    match call.optional_constant(1)? {
        None => Ok(None),
        Some(constant) => Ok(Some(Sizes::from_constant(&constant)?.known()?)),
    }
}

pub(super) fn transpose(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let order = call.attributes.ints("perm")?.map(<[i64]>::to_vec);
    match call.value(0)? {
        Value::Activation(activation) => {
            let order = permutation(order, activation.layout.rank() + 1)?;
            let [0, rest @ ..] = &order[..] else {
                return Err("attribute perm moves the batch, which must stay first".into());
            };
            let rest: Vec<usize> = rest.iter().map(|axis| axis - 1).collect();
            let layout = activation.layout.transpose(&rest);
            Ok(Activation { layout, ..activation }.into())
        }
        Value::Constant(constant) => {
            let order = permutation(order, constant.dims.len())?;
            Ok(transposed(call.layers, &constant, &order)?.into())
        }
        Value::Sizes(_) => Err("a transpose of a shape is not supported".into()),
    }
}

/// `perm`, or the reverse order if it is missing.
fn permutation(order: Option<Vec<i64>>, rank: usize) -> Result<Vec<usize>, Reason> {
    let Some(order) = order else { return Ok((0..rank).rev().collect()) };
    let axes = order.iter().map(|&axis| usize::try_from(axis).unwrap_or(usize::MAX)).collect::<Vec<_>>();
    let mut sorted = axes.clone();
    sorted.sort_unstable();
    if sorted.iter().copied().eq(0..rank) {
        return Ok(axes);
    }
    Err(format!("attribute perm is no permutation of {rank} axes").into())
}

fn transposed(layers: &mut Layers, constant: &Constant, order: &[usize]) -> Result<Constant, Reason> {
    let dims: Vec<usize> = order.iter().map(|&axis| constant.dims[axis]).collect();
    if constant.len() == 0 {
        return Ok(Constant { dims, ..constant.clone() });
    }
    layers.budget.spend(3 * constant.len())?;
    let positions = Layout::in_order(&constant.dims).transpose(order).positions();
    Ok(match &constant.values {
        Values::Floats(values) => {
            Constant::floats(dims, positions.iter().map(|&position| values[position]).collect())
        }
        Values::Integers(values) => {
            Constant::integers(dims, positions.iter().map(|&position| values[position]).collect())
        }
    })
}

/// The same values under other axes, remembering which node made a vector of an image.
fn relaid(call: &mut Call<'_, '_>, activation: Activation, dims: &[usize]) -> Result<Value, Reason> {
    let layout = activation.layout.reshape(dims);
    let layout =
        layout.ok_or_else(|| format!("its target shape {dims:?} splits an axis of a transposed image"))?;
    let mut activation = Activation { layout, ..activation };
    if dims.len() == 1 && matches!(call.layers.shape(activation.base), Shape::Image { .. }) {
        activation.flatten = Some(call.name.to_owned());
    }
    Ok(activation.into())
}
