//! The attributes of a node, taken one by one so that what an operator does not know is noticed.

use std::collections::BTreeMap;

use tract_onnx::pb::attribute_proto::AttributeType;
use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto};

use super::error::{Reason, quote};

/// Attributes not taken yet.
pub(super) struct Attributes<'m> {
    left: BTreeMap<&'m str, &'m AttributeProto>,
}

impl<'m> Attributes<'m> {
    pub(super) fn of(node: &'m NodeProto) -> Result<Self, Reason> {
        let mut left = BTreeMap::new();
        for attribute in &node.attribute {
            if !attribute.ref_attr_name.is_empty() {
                return Err(format!("attribute {} refers to a function's", quote(&attribute.name)).into());
            }
            if left.insert(attribute.name.as_str(), attribute).is_some() {
                return Err(format!("attribute {} is given twice", quote(&attribute.name)).into());
            }
        }
        Ok(Self { left })
    }

    /// An attribute of one of the given types; files before IR version 2 do not say the type.
    fn take(&mut self, name: &str, kind: AttributeType) -> Result<Option<&'m AttributeProto>, Reason> {
        let Some(attribute) = self.left.remove(name) else { return Ok(None) };
        if attribute.r#type == kind as i32 || attribute.r#type == AttributeType::Undefined as i32 {
            return Ok(Some(attribute));
        }
        Err(format!("attribute {name} must be of type {}", kind.as_str_name()).into())
    }

    pub(super) fn int(&mut self, name: &str) -> Result<Option<i64>, Reason> {
        Ok(self.take(name, AttributeType::Int)?.map(|attribute| attribute.i))
    }

    pub(super) fn int_or(&mut self, name: &str, default: i64) -> Result<i64, Reason> {
        Ok(self.int(name)?.unwrap_or(default))
    }

    /// True if the attribute is there and not zero.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Reason> {
        Ok(self.int_or(name, 0)? != 0)
    }

    pub(super) fn ints(&mut self, name: &str) -> Result<Option<&'m [i64]>, Reason> {
        Ok(self.take(name, AttributeType::Ints)?.map(|attribute| attribute.ints.as_slice()))
    }

    /// Non-negative integers, exactly `N` of them.
    pub(super) fn sizes<const N: usize>(&mut self, name: &str) -> Result<Option<[usize; N]>, Reason> {
        let Some(ints) = self.ints(name)? else { return Ok(None) };
        let sizes: Option<Vec<usize>> = ints.iter().map(|&int| usize::try_from(int).ok()).collect();
        let sizes = sizes.ok_or_else(|| format!("attribute {name} has negative values"))?;
        let found = sizes.len();
        let sizes = sizes.try_into().map_err(|_| format!("attribute {name} has {found} values, not {N}"))?;
        Ok(Some(sizes))
    }

    pub(super) fn float(&mut self, name: &str) -> Result<Option<f32>, Reason> {
        Ok(self.take(name, AttributeType::Float)?.map(|attribute| attribute.f))
    }

    pub(super) fn float_or(&mut self, name: &str, default: f32) -> Result<f32, Reason> {
        Ok(self.float(name)?.unwrap_or(default))
    }

    pub(super) fn floats(&mut self, name: &str) -> Result<Option<&'m [f32]>, Reason> {
        Ok(self.take(name, AttributeType::Floats)?.map(|attribute| attribute.floats.as_slice()))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<&'m str>, Reason> {
        let Some(attribute) = self.take(name, AttributeType::String)? else { return Ok(None) };
        let text = std::str::from_utf8(&attribute.s);
        Ok(Some(text.map_err(|_| format!("attribute {name} is not text"))?))
    }

    pub(super) fn tensor(&mut self, name: &str) -> Result<Option<&'m TensorProto>, Reason> {
        Ok(self.take(name, AttributeType::Tensor)?.and_then(|attribute| attribute.t.as_ref()))
    }

    /// Refuses what the operator did not take.
    pub(super) fn finish(self) -> Result<(), Reason> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("attribute {} is not supported", quote(name)).into()),
        }
    }
}
