//! Two-dimensional convolutions.

use super::sum;
use crate::import::error::Reason;
use crate::import::layers::{Settle, fold_before};
use crate::import::operators::Call;
use crate::import::values::Value;
use crate::{Conv2d, Op, Parameters};

pub(crate) fn conv(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let weights = call.constant(1)?;
    let values = weights.as_floats("its weights")?;
    let [outputs, group_inputs, rows, columns] = weights.dims[..] else {
        let axes = weights.dims.len().saturating_sub(2);
        return Err(
            format!("it is a {axes}-dimensional convolution: only two dimensions are supported").into()
        );
    };
    let kernel = [rows, columns];
    if call.attributes.sizes::<2>("kernel_shape")?.is_some_and(|stated| stated != kernel) {
        return Err("attribute kernel_shape is not that of its weights".into());
    }
    let groups = call.attributes.int_or("group", 1)?;
    let groups = usize::try_from(groups).map_err(|_| "attribute group is negative")?;
    let dilation = call.attributes.sizes::<2>("dilations")?.unwrap_or([1, 1]);
    let mut bias = match call.optional_constant(2)? {
        None => vec![0.0; outputs],
        Some(bias) if bias.len() == outputs => bias.as_floats("its bias")?.to_vec(),
        Some(bias) => return Err(format!("its bias of {:?} is not for {outputs} outputs", bias.dims).into()),
    };
    if values.is_empty() {
        return Err("its weights are empty".into());
    }
    call.layers.budget.spend(values.len() + outputs)?;
    let mut weights = values.to_vec();

    let activation = call.activation(0)?;
    let (mut activation, [_, height, width]) = call.image(activation)?;
    let mut window = super::take(&mut call.attributes, kernel, [height, width], dilation)?;
    let (unpadded, padding) = call.layers.without_padding(activation);
    activation = unpadded;
    window.padding = sum(window.padding, padding).ok_or("its padding is too large")?;
    let inputs = group_inputs.checked_mul(groups).ok_or("attribute group is too large")?;
    if call.layers.shape(activation.base).channels() != inputs {
        let channels = call.layers.shape(activation.base).channels();
        return Err(format!(
            "its weights are for {inputs} channels (attribute group included), it gets {channels}"
        )
        .into());
    }
    if !outputs.is_multiple_of(groups) {
        return Err("attribute group does not divide its outputs".into());
    }

    // Padded values are zeros after the polynomial, so an offset cannot move past padding.
    if window.padding == [0; 4] {
        activation = call.layers.settle_unless_foldable(activation)?;
    } else {
        activation = call.layers.settle(activation, Settle::Fold)?;
    }
    if let Some(form) = &activation.form {
        let taps = rows * columns;
        let (row, group_outputs) = (group_inputs * taps, outputs / groups);
        let of_groups =
            weights.chunks_exact_mut(row * group_outputs).zip(bias.chunks_exact_mut(group_outputs));
        for (group, (weights, bias)) in of_groups.enumerate() {
            fold_before(&form.polynomial, weights, bias, |place| group * group_inputs + place / taps);
        }
    }
    let op = Op::Conv2d(Conv2d { inputs, outputs, groups, dilation, window });
    let id = call.layers.push(&[activation.base], call.name, op, Parameters::Affine { weights, bias })?;
    Ok(call.layers.output_of(id).into())
}
