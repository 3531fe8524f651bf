//! The operators, by subject.

mod activations;
mod dense;
mod elementwise;
mod folding;
mod joins;
mod normalisation;
mod padding;
mod shapes;
mod slices;
mod structure;
mod unsupported;
mod windowed;

use tract_onnx::pb::NodeProto;

use super::attributes::Attributes;
use super::error::{Reason, quote};
use super::layers::Layers;
use super::lower::Notes;
use super::values::Value;
use super::values::activation::Activation;
use super::values::constant::Constant;
use windowed::{convolution, pooling};

/// A node to lower: its inputs as symbolic values, and what it may change.
pub(super) struct Call<'c, 'm> {
    pub(super) layers: &'c mut Layers,
    pub(super) notes: &'c mut Notes,
    pub(super) node: &'m NodeProto,
    pub(super) attributes: Attributes<'m>,
    pub(super) operator_set: i64,
    /// Batch size the file declares, unless symbolic.
    pub(super) batch: Option<usize>,
    /// What to call a layer made of this node.
    pub(super) name: &'m str,
    /// `None` is an optional input that is left out.
    pub(super) inputs: Vec<Option<Value>>,
}

/// The values of a node's outputs, as far as they are of use.
pub(super) fn lower(mut call: Call<'_, '_>) -> Result<Vec<Value>, Reason> {
    let domain = call.node.domain.as_str();
    if !domain.is_empty() && domain != "ai.onnx" {
        return Err(format!("operators of domain {} are not supported", quote(domain)).into());
    }
    if call.node.op_type == "Split" {
        let values = slices::split(&mut call)?;
        call.attributes.finish()?;
        return Ok(values);
    }
    if let Some(folded) = folding::fold(&mut call) {
        let value = folded?;
        call.attributes.finish()?;
        return Ok(vec![value]);
    }
    let value = match call.node.op_type.as_str() {
        "Gemm" => dense::gemm(&mut call),
        "MatMul" => dense::mat_mul(&mut call),
        "Conv" => convolution::conv(&mut call),
        "BatchNormalization" => normalisation::batch_normalization(&mut call),
        "AveragePool" => pooling::average(&mut call),
        "MaxPool" => pooling::max(&mut call),
        "GlobalAveragePool" => pooling::global_average(&mut call),
        "GlobalMaxPool" => pooling::global_max(&mut call),
        "ReduceMean" => pooling::reduce_mean(&mut call),
        "Relu" => activations::relu(&mut call),
        "Clip" => activations::clip(&mut call),
        "Max" | "Min" => activations::bound(&mut call),
        "Softmax" | "LogSoftmax" => activations::softmax(&mut call),
        "Log" => activations::log(&mut call),
        "PRelu" => activations::prelu(&mut call),
        "LeakyRelu" | "Elu" | "Celu" | "Selu" | "HardSigmoid" | "HardSwish" | "Sigmoid" | "Tanh"
        | "Swish" | "Gelu" | "Mish" | "Softplus" | "Erf" => activations::function(&mut call),
        "Add" | "Sub" | "Mul" | "Div" => elementwise::binary(&mut call),
        "Sum" => elementwise::sum(&mut call),
        "Neg" => elementwise::negate(&mut call),
        "Pow" => elementwise::power(&mut call),
        "Sqrt" => elementwise::square_root(&mut call),
        "Identity" | "Dropout" => structure::pass(&mut call),
        "Cast" => structure::cast(&mut call),
        "CastLike" => structure::cast_like(&mut call),
        "Constant" => structure::constant(&mut call),
        "Flatten" => shapes::flatten(&mut call),
        "Reshape" => shapes::reshape(&mut call),
        "Squeeze" => shapes::squeeze(&mut call),
        "Unsqueeze" => shapes::unsqueeze(&mut call),
        "Pad" => padding::pad(&mut call),
        "Transpose" => shapes::transpose(&mut call),
        "Shape" => structure::shape(&mut call),
        "Gather" if call.reads_image() => slices::gather(&mut call),
        "Gather" => structure::gather(&mut call),
        "Slice" if call.reads_image() => slices::slice(&mut call),
        "Slice" => structure::slice(&mut call),
        "Concat" if call.reads_image() => joins::concat(&mut call),
        "Concat" => structure::concat(&mut call),
        other => Err(unsupported::reason(other).into()),
    }?;
    call.attributes.finish()?;
    Ok(vec![value.settled()])
}

impl Call<'_, '_> {
    /// Takes an input, which must be there.
    pub(super) fn value(&mut self, index: usize) -> Result<Value, Reason> {
        let value = self.inputs.get_mut(index).and_then(Option::take);
        value.ok_or_else(|| format!("its input {index} is missing").into())
    }

    /// Whether any of its inputs depends on the image.
    fn reads_image(&self) -> bool {
        self.inputs.iter().flatten().any(|input| matches!(input, Value::Activation(_)))
    }

    /// Takes an input, which must be there and not behind the end of the network.
    pub(super) fn operand(&mut self, index: usize) -> Result<Value, Reason> {
        match self.value(index)? {
            Value::Activation(Activation { end: Some(end), .. }) => {
                Err(format!("it comes after {end}, which must be the last operator").into())
            }
            value => Ok(value),
        }
    }

    /// Takes an input that must depend on the image.
    pub(super) fn activation(&mut self, index: usize) -> Result<Activation, Reason> {
        match self.operand(index)? {
            Value::Activation(activation) => Ok(activation),
            _ => Err(format!("its input {} does not depend on the image", self.input_name(index)).into()),
        }
    }

    /// Takes an input that must be in the file.
    pub(super) fn constant(&mut self, index: usize) -> Result<Constant, Reason> {
        match self.value(index)? {
            Value::Constant(constant) => Ok(constant),
            _ => Err(format!("its input {} must be a constant", self.input_name(index)).into()),
        }
    }

    pub(super) fn optional_constant(&mut self, index: usize) -> Result<Option<Constant>, Reason> {
        match self.inputs.get(index) {
            Some(Some(_)) => self.constant(index).map(Some),
            _ => Ok(None),
        }
    }

    pub(super) fn input_name(&self, index: usize) -> String {
        quote(self.node.input.get(index).map_or("", String::as_str))
    }

    /// Refuses a node of which more than the first output has a name.
    pub(super) fn one_output(&self, what: &str) -> Result<(), Reason> {
        if self.node.output.iter().skip(1).all(String::is_empty) {
            return Ok(());
        }
        Err(format!("its output {} ({what}) is not supported", quote(&self.node.output[1])).into())
    }
}
