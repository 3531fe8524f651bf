//! Tensors whose values are in the file.

use std::rc::Rc;

use tract_onnx::pb::TensorProto;
use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::prelude::f16;

use crate::import::error::Reason;
use crate::import::file::budget::Budget;
use crate::import::file::external::is_elsewhere;

/// Most axes a tensor may have.
pub(crate) const MAX_RANK: usize = 8;

/// A constant tensor, row-major. Every floating-point type is read as `f32`.
#[derive(Clone, Debug)]
pub(crate) struct Constant {
    pub(crate) dims: Vec<usize>,
    pub(crate) values: Values,
}

#[derive(Clone, Debug)]
pub(crate) enum Values {
    Floats(Rc<Vec<f32>>),
    Integers(Rc<Vec<i64>>),
}

impl Constant {
    pub(crate) fn floats(dims: Vec<usize>, values: Vec<f32>) -> Self {
        Self { dims, values: Values::Floats(Rc::new(values)) }
    }

    pub(crate) fn integers(dims: Vec<usize>, values: Vec<i64>) -> Self {
        Self { dims, values: Values::Integers(Rc::new(values)) }
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        match &self.values {
            Values::Floats(values) => values.len(),
            Values::Integers(values) => values.len(),
        }
    }

    /// The values at the given places, under other dimensions.
    pub(crate) fn picked(&self, dims: Vec<usize>, places: impl Iterator<Item = usize>) -> Self {
        match &self.values {
            Values::Floats(values) => Self::floats(dims, places.map(|place| values[place]).collect()),
            Values::Integers(values) => Self::integers(dims, places.map(|place| values[place]).collect()),
        }
    }

    /// Floating-point values; `what` names the tensor in the refusal of integers.
    pub(crate) fn as_floats(&self, what: &str) -> Result<&Rc<Vec<f32>>, Reason> {
        match &self.values {
            Values::Floats(values) => Ok(values),
            Values::Integers(_) => Err(format!("{what} must be floating-point, not integers").into()),
        }
    }

    /// Reads a tensor of the file. Its dimensions must multiply to the number of values that are there.
    pub(crate) fn decode(tensor: &TensorProto, budget: &mut Budget) -> Result<Self, Reason> {
        if is_elsewhere(tensor) {
            return Err("its weights are in another file (external data): read the model from its folder, or save it \
                        as one file"
                .into());
        }
        if tensor.dims.len() > MAX_RANK {
            return Err(format!("a tensor has {} axes", tensor.dims.len()).into());
        }
        let dims = tensor.dims.iter().map(|&dim| usize::try_from(dim)).collect::<Result<Vec<_>, _>>();
        let dims = dims.map_err(|_| "a tensor has a negative dimension")?;
        // Dimensions of zero must not hide ones whose product overflows.
        let positive = dims.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim.max(1)));
        let expected = positive.map(|positive| if dims.contains(&0) { 0 } else { positive });
        let kind = DataType::try_from(tensor.data_type).unwrap_or(DataType::Undefined);
        budget.spend(Source::of(tensor).len(kind))?;
        let constant = match kind {
            DataType::Int64 | DataType::Int32 | DataType::Bool => {
                Self::integers(dims, integers(tensor, kind)?)
            }
            _ => Self::floats(dims, floats(tensor, kind)?),
        };
        if Some(constant.len()) != expected {
            let dims = &constant.dims;
            return Err(format!("a tensor of dimensions {dims:?} holds {} values", constant.len()).into());
        }
        Ok(constant)
    }
}

/// Where a tensor keeps its values.
enum Source<'t> {
    Raw(&'t [u8]),
    Fields(&'t TensorProto),
}

impl<'t> Source<'t> {
    fn of(tensor: &'t TensorProto) -> Self {
        if tensor.raw_data.is_empty() { Source::Fields(tensor) } else { Source::Raw(&tensor.raw_data) }
    }

    fn len(&self, kind: DataType) -> usize {
        match self {
            Source::Raw(bytes) => match kind {
                DataType::Bool => bytes.len(),
                DataType::Float16 | DataType::Bfloat16 => bytes.len() / 2,
                DataType::Double | DataType::Int64 => bytes.len() / 8,
                _ => bytes.len() / 4,
            },
            Source::Fields(tensor) => {
                let integers = tensor.int32_data.len().max(tensor.int64_data.len());
                integers.max(tensor.float_data.len()).max(tensor.double_data.len())
            }
        }
    }
}

fn floats(tensor: &TensorProto, kind: DataType) -> Result<Vec<f32>, Reason> {
    Ok(match (kind, Source::of(tensor)) {
        (DataType::Float, Source::Raw(bytes)) => raw(bytes, f32::from_le_bytes)?,
        (DataType::Float, Source::Fields(tensor)) => tensor.float_data.clone(),
        (DataType::Double, Source::Raw(bytes)) => raw(bytes, |value| f64::from_le_bytes(value) as f32)?,
        (DataType::Double, Source::Fields(tensor)) => {
            tensor.double_data.iter().map(|&value| value as f32).collect()
        }
        (DataType::Float16, Source::Raw(bytes)) => raw(bytes, |value| f16::from_le_bytes(value).to_f32())?,
        (DataType::Float16, Source::Fields(tensor)) => halves(tensor, |bits| f16::from_bits(bits).to_f32())?,
        (DataType::Bfloat16, Source::Raw(bytes)) => raw(bytes, |value| bfloat(u16::from_le_bytes(value)))?,
        (DataType::Bfloat16, Source::Fields(tensor)) => halves(tensor, bfloat)?,
        _ => return Err(format!("tensors of type {} are not read", kind.as_str_name()).into()),
    })
}

fn integers(tensor: &TensorProto, kind: DataType) -> Result<Vec<i64>, Reason> {
    Ok(match (kind, Source::of(tensor)) {
        (DataType::Int64, Source::Raw(bytes)) => raw(bytes, i64::from_le_bytes)?,
        (DataType::Int64, Source::Fields(tensor)) => tensor.int64_data.clone(),
        (DataType::Bool, Source::Raw(bytes)) => bytes.iter().map(|&byte| byte.into()).collect(),
        (_, Source::Raw(bytes)) => raw(bytes, |value| i32::from_le_bytes(value).into())?,
        (_, Source::Fields(tensor)) => tensor.int32_data.iter().map(|&value| value.into()).collect(),
    })
}

fn raw<const BYTES: usize, T>(bytes: &[u8], value: impl Fn([u8; BYTES]) -> T) -> Result<Vec<T>, Reason> {
    let (values, rest) = bytes.as_chunks::<BYTES>();
    if !rest.is_empty() {
        return Err(format!("the raw data of a tensor is no whole number of {BYTES}-byte values").into());
    }
    Ok(values.iter().map(|&bytes| value(bytes)).collect())
}

fn halves(tensor: &TensorProto, value: impl Fn(u16) -> f32) -> Result<Vec<f32>, Reason> {
    let half = |&bits: &i32| u16::try_from(bits).map(&value);
    let halves = tensor.int32_data.iter().map(half).collect::<Result<Vec<_>, _>>();
    halves.map_err(|_| "a 16-bit float has more than 16 bits".into())
}

fn bfloat(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}
