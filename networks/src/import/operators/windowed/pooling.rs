//! Pools, and the means that are pools.

use crate::import::error::Reason;
use crate::import::layers::Settle;
use crate::import::operators::Call;
use crate::import::values::Value;
use crate::import::values::activation::Activation;
use crate::import::values::constant::Constant;
use crate::import::values::integers::{Sizes, axis};
use crate::{Op, Window};

pub(crate) fn average(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let counts_padding = call.attributes.flag("count_include_pad")?;
    pool(call, |window, rounded| {
        if rounded != window {
            return Err("attribute ceil_mode makes windows of different sizes: use floor".into());
        }
        if window.padding != [0; 4] && !counts_padding {
            return Err(
                "padding is left out of the mean: set attribute count_include_pad, or use no padding".into(),
            );
        }
        Ok(Op::AveragePool(window))
    })
}

pub(crate) fn max(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    call.one_output("indices")?;
    call.attributes.int("storage_order")?;
    pool(call, |_, rounded| Ok(Op::MaxPool(rounded)))
}

/// `op` gets the window as written, and with the padding that `ceil_mode` amounts to.
fn pool(
    call: &mut Call<'_, '_>,
    op: impl FnOnce(Window, Window) -> Result<Op, Reason>,
) -> Result<Value, Reason> {
    let kernel = match call.attributes.ints("kernel_shape")? {
        None => return Err("attribute kernel_shape is missing".into()),
        Some(&[rows, columns]) => [rows, columns].map(|size| usize::try_from(size).unwrap_or(0)),
        Some(other) => {
            let axes = other.len();
            return Err(
                format!("attribute kernel_shape has {axes} dimensions: only two are supported").into()
            );
        }
    };
    if call.attributes.sizes::<2>("dilations")?.is_some_and(|dilation| dilation != [1, 1]) {
        return Err("attribute dilations of a pool must be 1".into());
    }
    let ceil_mode = call.attributes.flag("ceil_mode")?;
    let activation = call.activation(0)?;
    let (activation, [_, height, width]) = call.image(activation)?;
    let window = super::take(&mut call.attributes, kernel, [height, width], [1, 1])?;
    let rounded = if ceil_mode { super::round_up(&window, [height, width]) } else { Some(window) };
    let op = op(window, rounded.ok_or("the window does not fit")?)?;
    let activation = call.layers.settle(activation, Settle::Fold)?;
    let (activation, op) = with_padding(call, activation, op);
    Ok(call.layers.push_plain(&[activation.base], call.name, op)?.into())
}

/// The pool with the zeros around its input as padding of its own, where that computes the same: padding never wins a
/// maximum, so that there zeros must not either.
fn with_padding(call: &Call<'_, '_>, activation: Activation, op: Op) -> (Activation, Op) {
    let (unpadded, padding) = call.layers.without_padding(activation.clone());
    let is_never_negative = matches!(call.layers.op(unpadded.base), Some(Op::Relu));
    let padded = |window: Window| {
        let sum = super::sum(window.padding, padding)?;
        let fits = sum.iter().enumerate().all(|(side, &padding)| padding < window.kernel[side % 2]);
        fits.then_some(Window { padding: sum, ..window })
    };
    let merged = match op {
        Op::AveragePool(window) => padded(window).map(Op::AveragePool),
        Op::MaxPool(window) if is_never_negative => padded(window).map(Op::MaxPool),
        _ => None,
    };
    merged.map_or((activation, op), |op| (unpadded, op))
}

pub(crate) fn global_average(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    global(call, Op::AveragePool)
}

pub(crate) fn global_max(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    global(call, Op::MaxPool)
}

fn global(call: &mut Call<'_, '_>, op: fn(Window) -> Op) -> Result<Value, Reason> {
    let activation = call.activation(0)?;
    let (activation, [_, height, width]) = call.image(activation)?;
    let activation = call.layers.settle(activation, Settle::Fold)?;
    let op = op(Window { kernel: [height, width], stride: [1, 1], padding: [0; 4] });
    Ok(call.layers.push_plain(&[activation.base], call.name, op)?.into())
}

/// A mean over rows, columns or both, wherever their axes are.
pub(crate) fn reduce_mean(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let keep_axes = call.attributes.int_or("keepdims", 1)? != 0;
    call.attributes.int("noop_with_empty_axes")?;
    let mut activation = call.activation(0)?;
    let axes = match (call.attributes.ints("axes")?, call.optional_constant(1)?) {
        (Some(axes), None) => axes.to_vec(),
        (None, Some(constant)) => known(&constant)?,
        _ => return Err("attribute axes is missing: only a mean over rows and columns is supported".into()),
    };
    let mut dims = activation.layout.dims();
    let rank = dims.len() + 1;
    let mut axes = axes.iter().map(|&number| axis(number, rank)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    // The rows are left of an image whose columns went before.
    if rank == 3 && axes == [2] {
        dims.push(1);
        activation.layout =
            activation.layout.reshape(&dims).ok_or("its input is not laid out as an image")?;
    }
    let (order, back) = match (dims.len(), &axes[..]) {
        (3, [2, 3] | [2] | [3]) => ([0, 1, 2], [0, 1, 2]),
        (3, [1, 2] | [1]) => ([2, 0, 1], [1, 2, 0]),
        _ => return Err("attribute axes: only a mean over rows and columns is supported".into()),
    };
    let is_mean = |place: usize| axes.contains(&(order[place] + 1));
    let layout = activation.layout.transpose(&order);
    let (activation, [_, height, width]) = call.image(Activation { layout, ..activation })?;
    let activation = call.layers.settle(activation, Settle::Fold)?;
    let kernel = [if is_mean(1) { height } else { 1 }, if is_mean(2) { width } else { 1 }];
    let op = Op::AveragePool(Window { kernel, stride: [1, 1], padding: [0; 4] });
    let mut mean = call.layers.push_plain(&[activation.base], call.name, op)?;
    mean.layout = mean.layout.transpose(&back);
    let left = |index: usize| index < rank && (keep_axes || !axes.contains(&index));
    let dims: Vec<usize> =
        (1..).zip(mean.layout.dims()).filter(|&(index, _)| left(index)).map(|(_, dim)| dim).collect();
    mean.layout = mean.layout.reshape(&dims).ok_or("its output cannot be laid out")?;
    Ok(mean.into())
}

fn known(constant: &Constant) -> Result<Vec<i64>, Reason> {
    Sizes::from_constant(constant)?.known()
}
