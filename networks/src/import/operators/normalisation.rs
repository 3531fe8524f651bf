//! Batch normalisation, which is an affine polynomial of every channel.

use super::Call;
use crate::import::error::Reason;
use crate::import::values::Value;
use crate::import::values::activation::Polynomial;

pub(super) fn batch_normalization(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    call.one_output("statistics of a batch, which training computes: export the model for inference")?;
    if call.attributes.flag("training_mode")? {
        return Err("attribute training_mode is set: export the model for inference".into());
    }
    call.attributes.float("momentum")?;
    let epsilon = f64::from(call.attributes.float_or("epsilon", 1e-5)?);
    let activation = call.activation(0)?;
    let dims = activation.layout.dims();
    let channels = *dims.first().ok_or("its input has no channels")?;
    // Operator sets 7 and 8; a vector has one position, so that both meanings agree.
    let is_per_channel = call.attributes.int_or("spatial", 1)? != 0;
    if !is_per_channel && dims.len() > 1 {
        return Err("attribute spatial is 0, which normalises every position by itself: \
             export the model with spatial 1, statistics per channel"
            .into());
    }
    let mut statistic = |index: usize| {
        let constant = call.constant(index)?;
        if constant.len() != channels {
            let name = call.input_name(index);
            return Err(Reason::Text(format!("its input {name} is not for {channels} channels")));
        }
        Ok(constant.as_floats("a statistic")?.iter().map(|&value| f64::from(value)).collect::<Vec<_>>())
    };
    let (scale, offset) = (statistic(1)?, statistic(2)?);
    let (mean, variance) = (statistic(3)?, statistic(4)?);
    let slope: Vec<f64> =
        scale.iter().zip(&variance).map(|(scale, v)| scale / (v + epsilon).sqrt()).collect();
    let shift: Vec<f64> =
        offset.iter().zip(&mean).zip(&slope).map(|((offset, mean), slope)| offset - mean * slope).collect();

    let mut dims = vec![1; dims.len()];
    dims[0] = channels;
    let (activation, slope) = call.layers.lanes(activation, &dims, &slope)?;
    let (activation, shift) = call.layers.lanes(activation, &dims, &shift)?;
    let scaled = activation.polynomial().multiply(&Polynomial::constant(slope))?;
    let polynomial = scaled.add(&Polynomial::constant(shift));
    call.layers.budget.spend(polynomial.values())?;
    Ok(activation.with_form(call.name, polynomial).into())
}
