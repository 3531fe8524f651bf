//! Small integer tensors computed from shapes, in which the batch size is a symbol.

use super::constant::{Constant, Values};
use crate::import::error::Reason;

/// More than any shape arithmetic needs.
const MAX_LEN: usize = 64;

/// One integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// This value.
    Known(i64),
    /// Whatever the batch is.
    Batch,
}

/// A scalar or a list of integers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) values: Vec<Size>,
    pub(crate) is_scalar: bool,
}

impl Sizes {
    pub(crate) fn list(values: Vec<Size>) -> Result<Self, Reason> {
        if values.len() > MAX_LEN {
            return Err("a list of sizes is longer than any shape".into());
        }
        Ok(Self { values, is_scalar: false })
    }

    /// The values of a constant list, however long.
    pub(crate) fn from_list(constant: &Constant) -> Result<Vec<i64>, Reason> {
        match &constant.values {
            Values::Integers(values) if constant.dims.len() == 1 => Ok(values.to_vec()),
            _ => Err("its indices must be a list of integers".into()),
        }
    }

    pub(crate) fn from_constant(constant: &Constant) -> Result<Self, Reason> {
        let Values::Integers(values) = &constant.values else {
            return Err("a shape must be of integers".into());
        };
        if constant.dims.len() > 1 {
            return Err("a shape must be a list of integers".into());
        }
        if values.len() > MAX_LEN {
            return Err("a list of sizes is longer than any shape".into());
        }
        let values = values.iter().map(|&value| Size::Known(value)).collect();
        Ok(Self { values, is_scalar: constant.dims.is_empty() })
    }

    /// The integers, if none depends on the batch.
    pub(crate) fn known(&self) -> Result<Vec<i64>, Reason> {
        let known = |&size: &Size| match size {
            Size::Known(value) => Ok(value),
            Size::Batch => Err("the batch size is used as a number".into()),
        };
        self.values.iter().map(known).collect()
    }
}

/// The axis `axis` of `rank`, where negative ones count from the end.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, Reason> {
    let rank_signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let positive = if axis < 0 { axis.checked_add(rank_signed) } else { Some(axis) };
    let found = positive.and_then(|axis| usize::try_from(axis).ok()).filter(|&axis| axis < rank);
    found.ok_or_else(|| format!("axis {axis} does not exist in a tensor of {rank} axes").into())
}
