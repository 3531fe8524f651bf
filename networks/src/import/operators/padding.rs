//! Zeros around images, and channels of zeros.

use super::Call;
use crate::import::error::Reason;
use crate::import::layers::Settle;
use crate::import::values::Value;
use crate::import::values::integers::{Sizes, axis};
use crate::import::views::Space;

/// Sizes are an attribute up to operator set 10, an input afterwards. Zeros around an image become padding of the
/// convolution or pool that reads them, or a layer of their own.
pub(super) fn pad(call: &mut Call<'_, '_>) -> Result<Value, Reason> {
    let mode = call.attributes.text("mode")?.unwrap_or("constant");
    let mut value = call.attributes.float_or("value", 0.0)?;
    let stated = match (call.attributes.ints("pads")?, call.optional_constant(1)?) {
        (Some(pads), _) => pads.to_vec(),
        (None, Some(pads)) => Sizes::from_constant(&pads)?.known()?,
        (None, None) => return Err("pads are missing".into()),
    };
    if let Some(constant) = call.optional_constant(2)? {
        value = constant.as_floats("its value")?.first().copied().unwrap_or(0.0);
    }
    let axes = call.optional_constant(3)?.map(|axes| Sizes::from_constant(&axes)?.known()).transpose()?;
    if stated.iter().all(|&pad| pad == 0) {
        return call.value(0);
    }
    if mode != "constant" || value != 0.0 {
        return Err(
            "only padding with zeros is supported: attribute mode must be constant, its value 0".into()
        );
    }
    let activation = call.activation(0)?;
    let rank = activation.layout.rank() + 1;
    let axes = match axes {
        None => (0..rank).collect(),
        Some(axes) => axes.iter().map(|&number| axis(number, rank)).collect::<Result<Vec<_>, _>>()?,
    };
    if stated.len() != 2 * axes.len() {
        return Err(format!("its pads {stated:?} are not two for each axis").into());
    }
    let mut pads = vec![[0_usize; 2]; rank];
    for (index, &axis) in axes.iter().enumerate() {
        let side =
            |place: usize| usize::try_from(stated[place]).map_err(|_| "pads are negative: use a slice");
        pads[axis] = [side(index)?, side(index + axes.len())?];
    }
    if pads[0] != [0, 0] {
        return Err("pads would add images to a batch".into());
    }
    if rank != 4 {
        return Err("only images are padded".into());
    }
    let (activation, places) = call.oriented(activation)?;
    let activation = call.layers.settle(activation, Settle::Fold)?;
    let [channels, rows, columns] = places.map(|place| pads[place + 1]);
    let mut base = activation.base;
    if channels != [0, 0] {
        let own = call.layers.shape(base).channels();
        call.layers.budget.spend(channels[0].saturating_add(own).saturating_add(channels[1]))?;
        let zeros = |count| std::iter::repeat_n(None, count);
        let shown = zeros(channels[0]).chain((0..own).map(Some)).chain(zeros(channels[1]));
        base = call.layers.select(base, call.name, shown.collect())?;
    }
    if [rows, columns] != [[0, 0]; 2] {
        let around = [rows[0], columns[0], rows[1], columns[1]];
        base = call.layers.relocate(base, call.name, Space::padded(around))?;
    }
    let output = call.layers.output_of(base);
    Ok(call.turned_back(output, places).into())
}
