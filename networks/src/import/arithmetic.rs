//! Broadcasting of constants, over each other and over activations.

use super::activation::{Activation, Lanes};
use super::budget::Budget;
use super::constant::{Constant, Values};
use super::error::Reason;
use super::layers::Layers;
use crate::Shape;

/// The dimensions of a constant over the axes of an activation of `rank` axes besides the batch.
pub(super) fn broadcast_dims(dims: &[usize], rank: usize) -> Result<Vec<usize>, Reason> {
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

/// `a operator b` of two constants of the same dimensions, or of which one has a single value.
pub(super) fn constants(
    operator: &str,
    a: &Constant,
    b: &Constant,
    budget: &mut Budget,
) -> Result<Constant, Reason> {
    let dims = if a.len() >= b.len() && a.dims.len() >= b.dims.len() { &a.dims } else { &b.dims };
    let length = dims.iter().product::<usize>();
    let alike = (a.dims == b.dims || a.len() == 1 || b.len() == 1) && length == a.len().max(b.len());
    if !alike || length == 0 {
        return Err(format!("constants of {:?} and {:?} are not combined", a.dims, b.dims).into());
    }
    budget.spend(length)?;
    let at = |length: usize, index: usize| if length == 1 { 0 } else { index };
    match (&a.values, &b.values) {
        (Values::Floats(x), Values::Floats(y)) => {
            let combine: fn(f32, f32) -> f32 = match operator {
                "Add" | "Sum" => |x, y| x + y,
                "Sub" => |x, y| x - y,
                "Mul" => |x, y| x * y,
                _ => |x, y| x / y,
            };
            let value = |index| combine(x[at(x.len(), index)], y[at(y.len(), index)]);
            Ok(Constant::floats(dims.clone(), (0..length).map(value).collect()))
        }
        (Values::Integers(x), Values::Integers(y)) => {
            let combine: fn(i64, i64) -> Option<i64> = match operator {
                "Add" | "Sum" => i64::checked_add,
                "Sub" => i64::checked_sub,
                "Mul" => i64::checked_mul,
                _ => i64::checked_div,
            };
            let value = |index| combine(x[at(x.len(), index)], y[at(y.len(), index)]);
            let values = (0..length).map(value).collect::<Option<Vec<_>>>();
            Ok(Constant::integers(dims.clone(), values.ok_or("its integers overflow")?))
        }
        _ => Err("integers and floating-point numbers are mixed".into()),
    }
}

impl Layers {
    /// A constant of `dims` broadcast over an activation's axes, as one value for each of its channels (or
    /// one for all). Flattens an image whose values have constants of their own.
    pub(super) fn lanes(
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
