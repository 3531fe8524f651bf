//! The graph of a file: which input is the image, which output the logits, and the nodes between
//! them in an order in which they can be evaluated.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::dimension;
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, TensorProto, TensorShapeProto, ValueInfoProto, type_proto,
};

use crate::architecture::limits;
use crate::import::error::{Refusal, quote};

/// Operator sets whose semantics are known here.
const OPERATOR_SETS: std::ops::RangeInclusive<i64> = 7..=26;

/// Graph outputs that are looked at.
const MAX_OUTPUTS: usize = 64;

/// The part of a file's graph that leads from the image to the logits.
pub(crate) struct Graph<'m> {
    pub(crate) name: &'m str,
    pub(crate) operator_set: i64,
    pub(crate) initializers: HashMap<&'m str, &'m TensorProto>,
    pub(crate) sparse: HashSet<&'m str>,
    pub(crate) input: &'m str,
    /// Declared batch size, unless symbolic.
    pub(crate) batch: Option<usize>,
    /// Declared dimensions of the image, batch excluded.
    pub(crate) dims: Vec<usize>,
    pub(crate) output: &'m str,
    /// Outputs that were passed over.
    pub(crate) ignored_outputs: Vec<&'m str>,
    /// The nodes the output depends on, each after those it depends on.
    pub(crate) nodes: Vec<&'m NodeProto>,
}

impl<'m> Graph<'m> {
    pub(crate) fn new(model: &'m ModelProto) -> Result<Self, Refusal> {
        let operator_set = operator_set(model)?;
        let graph = model.graph.as_ref().ok_or_else(|| Refusal::model("it has no graph"))?;
        let producers = producers(graph)?;
        let initializers: HashMap<_, _> =
            graph.initializer.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
        let sparse =
            graph.sparse_initializer.iter().filter_map(|tensor| Some(tensor.values.as_ref()?.name.as_str()));
        let inputs: Vec<_> =
            graph.input.iter().filter(|input| !initializers.contains_key(input.name.as_str())).collect();
        let input = image(&inputs)?;
        let (batch, dims) = dimensions(input)?;
        let (output, nodes) = output(graph, &producers, &inputs, input)?;
        let ignored_outputs =
            graph.output.iter().map(|other| other.name.as_str()).filter(|&other| other != output);
        Ok(Self {
            name: &graph.name,
            operator_set,
            sparse: sparse.collect(),
            initializers,
            input: &input.name,
            batch,
            dims,
            output,
            ignored_outputs: ignored_outputs.collect(),
            nodes,
        })
    }
}

/// How messages call a node: by its name, or by its first output.
pub(crate) fn label(node: &NodeProto) -> String {
    let unnamed = node.name.is_empty();
    quote(if unnamed { node.output.first().map_or("", String::as_str) } else { &node.name })
}

fn operator_set(model: &ModelProto) -> Result<i64, Refusal> {
    let mut sets = model.opset_import.iter().filter(|set| set.domain.is_empty() || set.domain == "ai.onnx");
    let version =
        sets.next().ok_or_else(|| Refusal::model("it does not say which operator set it uses"))?.version;
    if OPERATOR_SETS.contains(&version) {
        return Ok(version);
    }
    let (first, last) = (OPERATOR_SETS.start(), OPERATOR_SETS.end());
    Err(Refusal::model(format!("it uses operator set {version}: convert it to one of {first} to {last}")))
}

/// Which node computes each value.
fn producers(graph: &GraphProto) -> Result<HashMap<&str, usize>, Refusal> {
    let mut producers = HashMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            if producers.insert(output.as_str(), index).is_some() {
                return Err(Refusal::Node {
                    node: label(node),
                    operator: node.op_type.clone(),
                    reason: format!("its output {} is computed twice", quote(output)),
                });
            }
        }
    }
    Ok(producers)
}

fn tensor_type(value: &ValueInfoProto) -> (DataType, Option<&TensorShapeProto>) {
    match value.r#type.as_ref().and_then(|kind| kind.value.as_ref()) {
        Some(type_proto::Value::TensorType(tensor)) => {
            (DataType::try_from(tensor.elem_type).unwrap_or(DataType::Undefined), tensor.shape.as_ref())
        }
        None => (DataType::Undefined, None),
    }
}

fn may_be_float(value: &ValueInfoProto) -> bool {
    let floats =
        [DataType::Undefined, DataType::Float, DataType::Float16, DataType::Double, DataType::Bfloat16];
    floats.contains(&tensor_type(value).0)
}

/// The only floating-point input, or the only one with four axes.
fn image<'m>(inputs: &[&'m ValueInfoProto]) -> Result<&'m ValueInfoProto, Refusal> {
    let Some(first) = inputs.first() else { return Err(Refusal::model("it has no input")) };
    let floats: Vec<_> = inputs.iter().copied().filter(|input| may_be_float(input)).collect();
    let images =
        floats.iter().copied().filter(|input| tensor_type(input).1.is_some_and(|shape| shape.dim.len() == 4));
    match (&floats[..], &images.collect::<Vec<_>>()[..]) {
        ([], _) => Err(Refusal::model(format!(
            "its input {} is of type {}: only floating-point images are read",
            quote(&first.name),
            tensor_type(first).0.as_str_name()
        ))),
        ([only], _) | (_, [only]) => Ok(only),
        ([first, second, ..], _) => Err(Refusal::model(format!(
            "its inputs {} and {} could both be the image: remove the one that is not",
            quote(&first.name),
            quote(&second.name)
        ))),
    }
}

/// Batch size, if fixed, and the other dimensions of the image.
fn dimensions(input: &ValueInfoProto) -> Result<(Option<usize>, Vec<usize>), Refusal> {
    let name = quote(&input.name);
    let shape = tensor_type(input).1;
    let shape = shape.ok_or_else(|| Refusal::model(format!("its input {name} has no declared shape")))?;
    let fixed = |dim: &tract_onnx::pb::tensor_shape_proto::Dimension| match dim.value {
        Some(dimension::Value::DimValue(size)) => usize::try_from(size).ok().filter(|&size| size > 0),
        _ => None,
    };
    let [batch, dims @ ..] = &shape.dim[..] else {
        return Err(Refusal::model(format!("its input {name} is a scalar")));
    };
    if !(1..=3).contains(&dims.len()) {
        let axes = dims.len() + 1;
        let expected = "expected a batch of vectors or of images of two or three axes";
        return Err(Refusal::model(format!("its input {name} has {axes} axes: {expected}")));
    }
    let sizes = dims.iter().map(fixed).collect::<Option<Vec<_>>>().ok_or_else(|| {
        let advice = "export it with a fixed image size, only the batch may vary";
        Refusal::model(format!("its input {name} has a dimension that is not fixed: {advice}"))
    })?;
    let values = sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    if values.is_none_or(|values| values > limits::VALUES) {
        return Err(Refusal::model(format!("its input {name} of {sizes:?} is too large")));
    }
    Ok((fixed(batch), sizes))
}

/// The first floating-point output that depends on the image and on no other input, nor on a choice of
/// the largest, and the nodes it depends on.
fn output<'m>(
    graph: &'m GraphProto,
    producers: &HashMap<&str, usize>,
    inputs: &[&ValueInfoProto],
    image: &ValueInfoProto,
) -> Result<(&'m str, Vec<&'m NodeProto>), Refusal> {
    let others: HashSet<&str> =
        inputs.iter().map(|input| input.name.as_str()).filter(|&name| name != image.name).collect();
    let mut passed_over = None;
    for output in graph.output.iter().take(MAX_OUTPUTS) {
        let nodes = ancestors(graph, producers, &output.name)?;
        let reads = |name: &str| {
            output.name == name || nodes.iter().any(|node| node.input.iter().any(|input| input == name))
        };
        if !reads(&image.name) {
            continue;
        }
        let name = quote(&output.name);
        if let Some(other) = others.iter().find(|&&other| reads(other)) {
            passed_over = Some(format!("its output {name} depends on {} besides the image", quote(other)));
        } else if let Some(choice) =
            nodes.iter().find(|node| node.op_type == "ArgMax" || node.op_type == "TopK")
        {
            passed_over = Some(format!("its output {name} is a choice ({}), not logits", choice.op_type));
        } else if !may_be_float(output) {
            passed_over = Some(format!("its output {name} is not of floating-point type"));
        } else {
            return Ok((&output.name, nodes));
        }
    }
    Err(Refusal::model(passed_over.unwrap_or_else(|| "none of its outputs depends on the image".into())))
}

/// The nodes a value depends on, each after those it depends on itself: in the file's order, if that is one.
fn ancestors<'m>(
    graph: &'m GraphProto,
    producers: &HashMap<&str, usize>,
    value: &str,
) -> Result<Vec<&'m NodeProto>, Refusal> {
    let found = depth_first(graph, producers, value)?;
    let mut sorted = found.clone();
    sorted.sort_unstable();
    let reads_earlier = |&index: &usize| {
        let inputs = graph.node[index].input.iter();
        inputs.filter_map(|input| producers.get(input.as_str())).all(|&producer| producer < index)
    };
    let order = if sorted.iter().all(reads_earlier) { sorted } else { found };
    Ok(order.into_iter().map(|index| &graph.node[index]).collect())
}

/// Indices of the nodes a value depends on, each after those it depends on itself. An explicit stack: a chain
/// of a million nodes must not overflow ours.
fn depth_first(
    graph: &GraphProto,
    producers: &HashMap<&str, usize>,
    value: &str,
) -> Result<Vec<usize>, Refusal> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; graph.node.len()];
    let mut order = Vec::new();
    let mut stack: Vec<usize> = producers.get(value).copied().into_iter().collect();
    while let Some(&index) = stack.last() {
        let node = &graph.node[index];
        match states[index] {
            State::New => {
                states[index] = State::Open;
                for input in &node.input {
                    let Some(&producer) = producers.get(input.as_str()) else { continue };
                    match states[producer] {
                        State::New => stack.push(producer),
                        State::Open => {
                            return Err(Refusal::Node {
                                node: label(node),
                                operator: node.op_type.clone(),
                                reason: "it depends on its own output".into(),
                            });
                        }
                        State::Done => {}
                    }
                }
            }
            State::Open => {
                states[index] = State::Done;
                order.push(index);
                stack.pop();
            }
            State::Done => {
                stack.pop();
            }
        }
    }
    Ok(order)
}
