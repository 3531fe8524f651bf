//! From the graph to a chain of layers.

use std::collections::{BTreeMap, HashMap};

use tract_onnx::pb::NodeProto;

use super::activation::Activation;
use super::attributes::Attributes;
use super::binary;
use super::budget::Budget;
use super::constant::Constant;
use super::error::{Reason, Refusal, quote};
use super::graph::{Graph, label};
use super::layout::Layout;
use super::operators;
use super::tree::{Settle, Tree};
use super::value::Value;
use crate::export::properties::Properties;
use crate::{Network, Parameters, Range, Shape};

/// How the file's input tensor is understood.
#[derive(Clone, Debug, PartialEq)]
struct Declaration {
    shape: Shape,
    layout: Layout,
}

impl Declaration {
    fn vector(features: usize) -> Self {
        Self { shape: Shape::Flat(features), layout: Layout::in_order(&[features]) }
    }

    /// The file's axes `dims` go through an image in storage order.
    fn in_order([channels, height, width]: [usize; 3], dims: &[usize]) -> Self {
        Self { shape: Shape::Image { channels, height, width }, layout: Layout::in_order(dims) }
    }

    /// The file's axes are rows, columns, channels.
    fn channels_last([height, width, channels]: [usize; 3]) -> Self {
        let shape = Shape::Image { channels, height, width };
        Self { shape, layout: Layout::of(shape).transpose(&[1, 2, 0]) }
    }

    /// Channels first as in veilbench's own files and ONNX's custom, unless only the last axis can be
    /// the channels of a picture.
    fn guess(dims: &[usize], is_ours: bool) -> Self {
        let is_picture = |channels: usize| channels == 1 || channels == 3;
        match *dims {
            [height, width] => Self::in_order([1, height, width], dims),
            [a, b, c] if !is_ours && is_picture(c) && !is_picture(a) => Self::channels_last([a, b, c]),
            [a, b, c] => Self::in_order([a, b, c], dims),
            _ => Self::vector(dims.iter().product()),
        }
    }
}

/// Lowers the graph. The shape of the input is a guess at first; an operator that uses it as another
/// image corrects that.
pub(super) fn network(
    graph: &Graph<'_>,
    properties: &Properties,
    file_bytes: usize,
    file: &str,
) -> Result<Network, Refusal> {
    let mut tried = vec![Declaration::guess(&graph.dims, properties.is_ours())];
    let refusal = match attempt(graph, properties, file_bytes, file, &tried[0]) {
        Err(Refusal::InputIsImage { size, otherwise }) => (size, otherwise),
        done => return done,
    };
    let (size, otherwise) = refusal;
    let mut others = Vec::new();
    if let [height, width, channels] = graph.dims[..]
        && size == [channels, height, width]
    {
        others.push(Declaration::channels_last([height, width, channels]));
    }
    if size.iter().product::<usize>() == graph.dims.iter().product::<usize>() {
        others.push(Declaration::in_order(size, &graph.dims));
    }
    for declaration in others {
        if !tried.contains(&declaration) {
            match attempt(graph, properties, file_bytes, file, &declaration) {
                Err(Refusal::InputIsImage { .. }) => tried.push(declaration),
                done => return done,
            }
        }
    }
    Err(*otherwise)
}

fn attempt(
    graph: &Graph<'_>,
    properties: &Properties,
    file_bytes: usize,
    file: &str,
    declaration: &Declaration,
) -> Result<Network, Refusal> {
    let mut tree = Tree::new(declaration.shape, Budget::new(file_bytes));
    let mut notes = BTreeMap::new();
    let mut values: HashMap<&str, Value> = HashMap::new();
    values.insert(graph.input, Activation::of(0, declaration.layout.clone()).into());
    for node in &graph.nodes {
        let value = lower(graph, &mut tree, &mut values, &mut notes, node)
            .and_then(|value| {
                if properties.names_layer(&node.name) { keep(&mut tree, node, value) } else { Ok(value) }
            })
            .map_err(|reason| in_node(node, reason))?;
        if let Some(output) = node.output.first() {
            values.insert(output, value);
        }
    }

    let Some(Value::Activation(output)) = values.remove(graph.output) else {
        return Err(Refusal::model(format!(
            "its output {} does not depend on the image",
            quote(graph.output)
        )));
    };
    let (last, doubled) =
        logits(&mut tree, output, properties).map_err(|reason| match (reason, graph.nodes.last()) {
            (reason, Some(node)) => in_node(node, reason),
            (Reason::Text(text), None) => Refusal::Model(text),
            (Reason::InputIsImage(_), None) => Refusal::model("its output is its input"),
        })?;

    let stem = std::path::Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or("network");
    let name = if graph.name.is_empty() { stem } else { graph.name };
    let (architecture, parameters) = tree.chain(name, last)?;
    let mut network = Network { architecture, parameters, metadata: properties.metadata.clone() };
    properties.fill_ranges(&mut network.architecture);
    check_points(&network)?;
    if doubled > 0 {
        let layers = &mut network.architecture.layers;
        let unchanged = layers.len() - doubled;
        binary::halve_ranges(&mut layers[unchanged..]);
        binary::name_classes(&mut network.metadata);
        notes.insert("import.binary", binary::NOTE.into());
    }
    if declaration.layout != Layout::in_order(&graph.dims) {
        notes.insert("import.input", "channels last in the file, channels first here".into());
    }
    if !graph.ignored_outputs.is_empty() {
        let names: Vec<String> = graph.ignored_outputs.iter().map(|name| quote(name)).collect();
        notes.insert("import.ignored_outputs", names.join(", "));
    }
    network.metadata.notes.extend(notes.into_iter().map(|(key, note)| (key.to_owned(), note)));
    Ok(network)
}

/// Refuses a stated range of one value for a layer whose weights and inputs make it vary.
fn check_points(network: &Network) -> Result<(), Refusal> {
    let mut input = network.architecture.input_range;
    for (layer, parameters) in network.architecture.layers.iter().zip(&network.parameters) {
        let is_point = |range: Option<Range>| range.is_some_and(|range| range.low == range.high);
        let varies = match parameters {
            Parameters::Affine { weights, .. } => weights.iter().any(|&weight| weight != 0.0),
            _ => false,
        };
        if varies && is_point(layer.range) && !is_point(input) {
            let name = quote(&layer.name);
            return Err(Refusal::model(format!(
                "its metadata states a range of one value for layer {name}, which is not constant: state its \
                 lowest and highest value over training images, or remove the ranges to have them measured"
            )));
        }
        input = layer.range;
    }
    Ok(())
}

/// The layer that computes the logits, flattened if the file does so, and how many layers were doubled to
/// make two logits of one. Our own export writes a network of one output as it is.
fn logits(tree: &mut Tree, output: Activation, properties: &Properties) -> Result<(usize, usize), Reason> {
    let is_binary = output.layout.len() == 1 && (output.end.is_some() || !properties.is_ours());
    let output = tree.settle(output, Settle::Fold)?;
    if !output.layout.is_in_order() {
        return Err("the network's output is a transposed image".into());
    }
    let flattens = is_binary || output.layout.rank() <= 1;
    let last = if flattens { tree.flatten(output)?.base } else { output.base };
    if is_binary { binary::split(tree, last) } else { Ok((last, 0)) }
}

/// Settles what veilbench's own export wrote as a layer of its own.
fn keep(tree: &mut Tree, node: &NodeProto, value: Value) -> Result<Value, Reason> {
    let Value::Activation(activation) = value else { return Ok(value) };
    let activation = tree.settle(activation, Settle::Keep)?;
    let flattens =
        activation.flatten.as_deref() == Some(node.name.as_str()) && activation.layout.is_in_order();
    Ok(if flattens { tree.flatten(activation)? } else { activation }.into())
}

fn in_node(node: &NodeProto, reason: Reason) -> Refusal {
    let refusal = |reason: String| Refusal::Node {
        node: label(node),
        operator: quote(&node.op_type).trim_matches('"').to_owned(),
        reason,
    };
    match reason {
        Reason::Text(text) => refusal(text),
        Reason::InputIsImage(size) => {
            let [channels, height, width] = size;
            let text = format!(
                "it reads the input as an image of {channels}x{height}x{width}, \
                 which is neither its order in the file nor channels last"
            );
            Refusal::InputIsImage { size, otherwise: Box::new(refusal(text)) }
        }
    }
}

/// Notes about what was left out.
pub(super) type Notes = BTreeMap<&'static str, String>;

fn lower<'m>(
    graph: &Graph<'m>,
    tree: &mut Tree,
    values: &mut HashMap<&'m str, Value>,
    notes: &mut Notes,
    node: &'m NodeProto,
) -> Result<Value, Reason> {
    let mut inputs = Vec::with_capacity(node.input.len());
    for name in &node.input {
        inputs.push(match name.as_str() {
            "" => None,
            name => Some(operand(graph, tree, values, name)?),
        });
    }
    operators::lower(operators::Call {
        tree,
        notes,
        node,
        attributes: Attributes::of(node)?,
        operator_set: graph.operator_set,
        batch: graph.batch,
        name: layer_name(node),
        inputs,
    })
}

/// The value of a name; constants are decoded when first used.
fn operand<'m>(
    graph: &Graph<'m>,
    tree: &mut Tree,
    values: &mut HashMap<&'m str, Value>,
    name: &'m str,
) -> Result<Value, Reason> {
    if let Some(value) = values.get(name) {
        return Ok(value.clone());
    }
    if graph.sparse.contains(name) {
        return Err(format!("its input {} is a sparse tensor: save it as a dense one", quote(name)).into());
    }
    let tensor = graph.initializers.get(name);
    let tensor = tensor.ok_or_else(|| format!("its input {} is not defined", quote(name)))?;
    let constant = Constant::decode(tensor, &mut tree.budget).map_err(|reason| match reason {
        Reason::Text(text) => Reason::Text(format!("its input {}: {text}", quote(name))),
        other => other,
    })?;
    values.insert(name, constant.clone().into());
    Ok(constant.into())
}

/// The node's name; without one, that of its output, which every graph has.
fn layer_name(node: &NodeProto) -> &str {
    if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name }
}
