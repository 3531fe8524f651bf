//! Where branches meet: sums and concatenations.

use super::Call;
use crate::architecture::limits;
use crate::import::error::Reason;
use crate::import::layers::Settle;
use crate::import::values::Value;
use crate::import::values::activation::{Activation, LayerId, Polynomial};
use crate::import::values::integers::axis;
use crate::import::values::layout::Layout;
use crate::{Op, Parameters, Shape};

/// Sum of two activations.
pub(super) fn add(call: &mut Call<'_, '_>, a: Activation, b: Activation) -> Result<Activation, Reason> {
    let (mut a, mut b) = (call.layers.settle(a, Settle::Fold)?, call.layers.settle(b, Settle::Fold)?);
    if a.layout != b.layout || call.layers.shape(a.base) != call.layers.shape(b.base) {
        let dims = [&a, &b].map(|own| own.layout.dims());
        if dims[0] != dims[1] {
            return Err(format!(
                "its inputs are of {:?} and {:?}: only activations of equal shape are added",
                dims[0], dims[1]
            )
            .into());
        }
        (a, b) = (in_order(call, a)?, in_order(call, b)?);
    }
    if a.base == b.base {
        let twice = Polynomial::identity().map(|one| 2.0 * one);
        return Ok(a.with_form(call.name, twice));
    }
    let base = call.layers.push(&[a.base, b.base], call.name, Op::Add, Parameters::None)?;
    Ok(Activation { base, flatten: a.flatten.or(b.flatten), ..a })
}

/// The activation with its values in the order of its axes: as an image, or as a vector.
fn in_order(call: &mut Call<'_, '_>, activation: Activation) -> Result<Activation, Reason> {
    match activation.layout.rank() {
        3 => Ok(call.image(activation)?.0),
        _ => vector(call, activation),
    }
}

/// The activation as a vector in the order of its only axis.
pub(super) fn vector(call: &mut Call<'_, '_>, activation: Activation) -> Result<Activation, Reason> {
    let activation = call.layers.settle(activation, Settle::Fold)?;
    if activation.layout.rank() != 1 {
        let dims = activation.layout.dims();
        return Err(format!(
            "its input has axes {dims:?} besides the batch, not those of an image or vector"
        )
        .into());
    }
    let positions = (!activation.layout.is_in_order()).then(|| activation.layout.positions());
    let flat = call.layers.flatten(activation)?;
    let base = match positions {
        None => flat.base,
        Some(order) => call.layers.select(flat.base, call.name, order.into_iter().map(Some).collect())?,
    };
    Ok(Activation { base, layout: Layout::of(call.layers.shape(base)), ..flat })
}

/// Channels of images after each other, or features of vectors.
pub(super) fn concat(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let count = call.inputs.len();
    if count > limits::INPUTS {
        return Err(format!("it joins {count} activations, at most {} are read", limits::INPUTS).into());
    }
    let number = call.attributes.int("axis")?.ok_or("attribute axis is missing")?;
    let mut inputs = Vec::with_capacity(count);
    for index in 0..count {
        inputs.push(call.activation(index)?);
    }
    let rank = inputs[0].layout.rank() + 1;
    let along = axis(number, rank)?;
    if inputs.iter().any(|input| input.layout.rank() + 1 != rank) {
        return Err("its inputs have different numbers of axes".into());
    }
    if rank == 2 && along == 1 {
        let mut parents = Vec::with_capacity(count);
        for input in inputs {
            parents.push(vector(call, input)?.base);
        }
        return Ok(joined(call, &parents)?.into());
    }
    let mut parents = Vec::with_capacity(count);
    let mut axes = None;
    for input in inputs {
        let (input, places) = call.oriented(input)?;
        if *axes.get_or_insert(places) != places {
            return Err("the axes of its inputs are in different orders".into());
        }
        parents.push(call.layers.settle(input, Settle::Fold)?.base);
    }
    let axes = axes.unwrap_or_default();
    if along != axes[0] + 1 {
        return Err("attribute axis: only the channels of images are concatenated".into());
    }
    let activation = joined(call, &parents)?;
    Ok(call.turned_back(activation, axes).into())
}

fn joined(call: &mut Call<'_, '_>, parents: &[LayerId]) -> Result<Activation, Reason> {
    match parents {
        [only] => Ok(call.layers.output_of(*only)),
        _ => call.layers.push_plain(parents, call.name, Op::Concat),
    }
}

impl Call<'_, '_> {
    /// An activation as an image of channels, rows and columns, and the places its axes had: those of each of these
    /// three, batch excluded.
    pub(super) fn oriented(&mut self, activation: Activation) -> Result<(Activation, [usize; 3]), Reason> {
        let shape = self.layers.shape(activation.base);
        let is_image = matches!(shape, Shape::Image { .. }) && activation.layout.rank() == 3;
        if is_image && !activation.layout.is(shape) {
            let turned = activation.layout.transpose(&CHANNELS_LAST);
            if turned.is(shape) {
                return Ok((Activation { layout: turned, ..activation }, CHANNELS_LAST));
            }
        }
        Ok((self.image(activation)?.0, [0, 1, 2]))
    }

    /// Undoes [`Call::oriented`].
    pub(super) fn turned_back(&self, activation: Activation, axes: [usize; 3]) -> Activation {
        if axes != CHANNELS_LAST {
            return activation;
        }
        Activation { layout: activation.layout.transpose(&[1, 2, 0]), ..activation }
    }
}

/// The place of channels, rows and columns where channels come last.
const CHANNELS_LAST: [usize; 3] = [2, 0, 1];
