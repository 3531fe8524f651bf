//! From the graph of a file to the layers of a network.

use std::collections::{BTreeMap, HashMap};

use tract_onnx::pb::NodeProto;

use super::attributes::Attributes;
use super::binary;
use super::error::{Reason, Refusal, quote};
use super::file::budget::Budget;
use super::file::graph::{Graph, label};
use super::layers::{Layers, Settle};
use super::operators;
use super::values::Value;
use super::values::activation::Activation;
use super::values::constant::Constant;
use super::values::layout::Layout;
use crate::export::properties::Properties;
use crate::{ActivationKind, Network, Op, Parameters, Range, Shape};

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
    let mut layers = Layers::new(declaration.shape, Budget::new(file_bytes));
    let mut notes = BTreeMap::new();
    let mut values: HashMap<&str, Value> = HashMap::new();
    values.insert(graph.input, Activation::of(0, declaration.layout.clone()).into());
    for node in &graph.nodes {
        let computed = lower(graph, &mut layers, &mut values, &mut notes, node)
            .and_then(|computed| {
                if !properties.names_layer(&node.name) {
                    return Ok(computed);
                }
                computed.into_iter().map(|value| keep(&mut layers, node, value)).collect()
            })
            .map_err(|reason| in_node(node, reason))?;
        values.extend(node.output.iter().map(String::as_str).zip(computed));
    }

    let Some(Value::Activation(output)) = values.remove(graph.output) else {
        return Err(Refusal::model(format!(
            "its output {} does not depend on the image",
            quote(graph.output)
        )));
    };
    let (last, doubled) = logits(&mut layers, &mut notes, output, properties).map_err(|reason| {
        match (reason, graph.nodes.last()) {
            (reason, Some(node)) => in_node(node, reason),
            (Reason::Text(text), None) => Refusal::Model(text),
            (Reason::InputIsImage(_), None) => Refusal::model("its output is its input"),
        }
    })?;

    let stem = std::path::Path::new(file).file_stem().and_then(|stem| stem.to_str()).unwrap_or("network");
    let name = if graph.name.is_empty() { stem } else { graph.name };
    let (architecture, parameters) = layers.network(name, last)?;
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
    let architecture = &network.architecture;
    for (index, (layer, parameters)) in architecture.layers.iter().zip(&network.parameters).enumerate() {
        let is_point = |range: Option<Range>| range.is_some_and(|range| range.low == range.high);
        let varies = match parameters {
            Parameters::Affine { weights, .. } => weights.iter().any(|&weight| weight != 0.0),
            _ => false,
        };
        let mut sources = architecture.sources(index).into_iter();
        if varies && is_point(layer.range) && !sources.all(|source| is_point(architecture.range_of(source))) {
            let name = quote(&layer.name);
            return Err(Refusal::model(format!(
                "its metadata states a range of one value for layer {name}, which is not constant: state its \
                 lowest and highest value over training images, or remove the ranges to have them measured"
            )));
        }
    }
    Ok(())
}

/// The layer that computes the logits, flattened if the file does so, and how many layers were doubled to
/// make two logits of one. Our own export writes a network of one output as it is.
fn logits(
    layers: &mut Layers,
    notes: &mut Notes,
    output: Activation,
    properties: &Properties,
) -> Result<(usize, usize), Reason> {
    let output = without_sigmoid(layers, notes, output, properties);
    let is_binary = output.layout.len() == 1 && (output.end.is_some() || !properties.is_ours());
    let output = layers.settle(output, Settle::Fold)?;
    if !output.layout.is_in_order() {
        return Err("the network's output is a transposed image".into());
    }
    let flattens = is_binary || output.layout.rank() <= 1;
    let last = if flattens { layers.flatten(output)?.base } else { output.base };
    if is_binary { binary::split(layers, last) } else { Ok((last, 0)) }
}

/// The argument of a sigmoid at the end, which is dropped: it changes no choice among the logits.
fn without_sigmoid(
    layers: &Layers,
    notes: &mut Notes,
    output: Activation,
    properties: &Properties,
) -> Activation {
    match layers.layer(output.base) {
        Some((base, layer, _))
            if layer.op == Op::Activation(ActivationKind::Sigmoid)
                && output.form.is_none()
                && !properties.names_layer(&layer.name) =>
        {
            notes.insert("import.dropped", "Sigmoid at the end: the outputs are logits".into());
            Activation { base, end: Some("Sigmoid".into()), ..output }
        }
        _ => output,
    }
}

/// Settles what veilbench's own export wrote as a layer of its own.
fn keep(layers: &mut Layers, node: &NodeProto, value: Value) -> Result<Value, Reason> {
    let Value::Activation(activation) = value else { return Ok(value) };
    let activation = layers.settle(activation, Settle::Keep)?;
    layers.composed.remove(&activation.base);
    let flattens =
        activation.flatten.as_deref() == Some(node.name.as_str()) && activation.layout.is_in_order();
    Ok(if flattens { layers.flatten(activation)? } else { activation }.into())
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
    layers: &mut Layers,
    values: &mut HashMap<&'m str, Value>,
    notes: &mut Notes,
    node: &'m NodeProto,
) -> Result<Vec<Value>, Reason> {
    let mut inputs = Vec::with_capacity(node.input.len());
    for name in &node.input {
        inputs.push(match name.as_str() {
            "" => None,
            name => Some(operand(graph, layers, values, name)?),
        });
    }
    operators::lower(operators::Call {
        layers,
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
    layers: &mut Layers,
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
    let constant = Constant::decode(tensor, &mut layers.budget).map_err(|reason| match reason {
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
