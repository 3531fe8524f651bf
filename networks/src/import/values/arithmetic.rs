//! Broadcasting of constants, over each other and over activations.

use super::activation::{Activation, Lanes};
use super::constant::{Constant, Values};
use crate::Shape;
use crate::import::error::Reason;
use crate::import::file::budget::Budget;
use crate::import::layers::Layers;

/// The dimensions of a constant over the axes of an activation of `rank` axes besides the batch.
pub(crate) fn broadcast_dims(dims: &[usize], rank: usize) -> Result<Vec<usize>, Reason> {
    let missing = (rank + 1).checked_sub(dims.len());
    let missing =
        missing.ok_or_else(|| format!("its constant of {dims:?} has more axes than the activation"))?;
    let mut padded = vec![1; missing];
    padded.extend(dims);
    if padded[0] != 1 {
        return Err("its constant differs from image to image of a batch".into());
    }
    Ok(padded.split_off(1))
}

/// Number of values of a tensor.
pub(crate) fn length(dims: &[usize]) -> Result<usize, Reason> {
    if dims.contains(&0) {
        return Ok(0);
    }
    let length = dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
    length.ok_or_else(|| "a tensor is too large".into())
}

/// Dimensions of two tensors that are broadcast over each other, or `None` if they do not fit.
pub(crate) fn common(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size = |dims: &[usize], axis: usize| (axis + dims.len()).checked_sub(rank).map_or(1, |own| dims[own]);
    let wider = |axis| match (size(a, axis), size(b, axis)) {
        (a, b) if a == b || b == 1 => Some(a),
        (1, b) => Some(b),
        _ => None,
    };
    (0..rank).map(wider).collect()
}

/// For every value of a tensor of `wide`, its place in one of `dims` that is broadcast over it.
pub(crate) fn places(dims: &[usize], wide: &[usize]) -> Vec<usize> {
    if wide.contains(&0) {
        return Vec::new();
    }
    let mut places = vec![0];
    for (axis, &size) in wide.iter().enumerate() {
        let own = (axis + dims.len()).checked_sub(wide.len()).map_or(1, |own| dims[own]);
        let step = usize::from(own != 1);
        places = places
            .iter()
            .flat_map(|&before: &usize| (0..size).map(move |place| before * own + place * step))
            .collect();
    }
    places
}

/// `a operator b` of two constants, broadcast over each other.
pub(crate) fn constants(
    operator: &str,
    a: &Constant,
    b: &Constant,
    budget: &mut Budget,
) -> Result<Constant, Reason> {
    let dims = common(&a.dims, &b.dims);
    let dims = dims.ok_or_else(|| format!("constants of {:?} and {:?} are not combined", a.dims, b.dims))?;
    budget.spend(length(&dims)?.saturating_mul(5))?;
    let pairs = places(&a.dims, &dims).into_iter().zip(places(&b.dims, &dims));
    match (&a.values, &b.values) {
        (Values::Floats(x), Values::Floats(y)) => {
            let combine: fn(f32, f32) -> f32 = match operator {
                "Add" | "Sum" => |x, y| x + y,
                "Sub" => |x, y| x - y,
                "Mul" => |x, y| x * y,
                "Max" => f32::max,
                "Min" => f32::min,
                _ => |x, y| x / y,
            };
            Ok(Constant::floats(dims, pairs.map(|(a, b)| combine(x[a], y[b])).collect()))
        }
        (Values::Integers(x), Values::Integers(y)) => {
            let combine: fn(i64, i64) -> Option<i64> = match operator {
                "Add" | "Sum" => i64::checked_add,
                "Sub" => i64::checked_sub,
                "Mul" => i64::checked_mul,
                "Max" => |x: i64, y: i64| Some(x.max(y)),
                "Min" => |x: i64, y: i64| Some(x.min(y)),
                _ => i64::checked_div,
            };
            let values = pairs.map(|(a, b)| combine(x[a], y[b])).collect::<Option<Vec<_>>>();
            Ok(Constant::integers(dims, values.ok_or("its integers overflow, or are divided by 0")?))
        }
        _ => Err("integers and floating-point numbers are mixed".into()),
    }
}

impl Layers {
    /// A constant of `dims` broadcast over an activation's axes, as one value for each of its channels (or
    /// one for all). Flattens an image whose values have constants of their own.
    pub(crate) fn lanes(
        &mut self,
        activation: Activation,
        dims: &[usize],
        values: &[f64],
    ) -> Result<(Activation, Lanes), Reason> {
        if let [only] = values {
            return Ok((activation, vec![*only]));
        }
        let own = activation.layout.dims();
        let stretches = dims.iter().zip(&own).all(|(&constant, &own)| constant == 1 || constant == own);
        if !stretches || dims.len() != own.len() || values.is_empty() {
            return Err(
                format!("its constant of {dims:?} does not broadcast to an activation of {own:?}").into()
            );
        }
        if let Some(lanes) = self.channel_lanes(&activation, dims, values)? {
            return Ok((activation, lanes));
        }
        let is_vector = own.iter().filter(|&&dim| dim != 1).count() <= 1;
        if !is_vector {
            return Err("its constant varies within a channel of an image".into());
        }
        let flat = self.flatten(activation)?;
        let lanes = self.channel_lanes(&flat, dims, values)?.ok_or("its constant varies within a channel")?;
        Ok((flat, lanes))
    }

    /// The constant as a function of the channel, or `None` if it is not one.
    fn channel_lanes(
        &mut self,
        activation: &Activation,
        dims: &[usize],
        values: &[f64],
    ) -> Result<Option<Lanes>, Reason> {
        let shape: Shape = self.shape(activation.base);
        let per_channel = shape.values_per_channel();
        // Of each factor across channels: its size, its stride in channels, its stride in the constant.
        let mut across = Vec::new();
        let mut constant_stride = 1;
        for (axis, &dim) in activation.layout.axes().iter().zip(dims).rev() {
            let mut stride = if dim == 1 { 0 } else { constant_stride };
            for factor in axis.iter().rev() {
                if factor.stride % per_channel == 0 {
                    across.push((factor.size, factor.stride / per_channel, stride));
                } else if stride != 0 {
                    return Ok(None);
                }
                stride *= factor.size;
            }
            constant_stride *= dim;
        }
        let channels = shape.channels();
        if across.iter().map(|&(size, ..)| size).product::<usize>() != channels {
            return Ok(None);
        }
        self.budget.spend(3 * channels)?;
        let mut pairs = vec![(0, 0)];
        for (size, channel_stride, stride) in across {
            let step = |&(channel, place): &(usize, usize)| {
                (0..size).map(move |index| (channel + index * channel_stride, place + index * stride))
            };
            pairs = pairs.iter().flat_map(step).collect();
        }
        let mut lanes = vec![0.0; channels];
        for (channel, place) in pairs {
            lanes[channel] = values[place];
        }
        Ok(Some(lanes))
    }
}
