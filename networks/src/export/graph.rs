//! The graph of a network: its nodes, its weights and the names of its values.

use std::collections::HashSet;

use tract_onnx::pb::tensor_proto::DataType;
use tract_onnx::pb::tensor_shape_proto::{Dimension, dimension};
use tract_onnx::pb::{
    GraphProto, NodeProto, TensorProto, TensorShapeProto, TypeProto, ValueInfoProto, type_proto,
};

use crate::{Network, Shape, Source};

const INPUT: &str = "image";
const OUTPUT: &str = "logits";

/// A graph under construction. The node that ends a layer and its output carry the layer's name; all
/// other names are made different from those, since no two values of a graph may share one.
pub(super) struct Builder {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    names: HashSet<String>,
    /// Name of the value the next node reads.
    pub(super) value: String,
}

pub(super) fn graph(network: &Network) -> GraphProto {
    let architecture = &network.architecture;
    let layers = architecture.layers.iter().map(|layer| layer.name.clone());
    let mut builder = Builder {
        nodes: Vec::new(),
        initializers: Vec::new(),
        names: layers.chain([INPUT.to_owned(), OUTPUT.to_owned()]).collect(),
        value: INPUT.to_owned(),
    };
    let mut outputs: Vec<String> = Vec::with_capacity(architecture.layers.len());
    for ((input, layer), parameters) in architecture.steps().zip(&network.parameters) {
        let name = |source| match source {
            Source::Image => INPUT.to_owned(),
            Source::Layer(index) => outputs[index].clone(),
        };
        let mut sources = architecture.sources(outputs.len()).into_iter().map(name);
        builder.value = sources.next().unwrap_or_default();
        super::nodes::layer(&mut builder, input, layer, parameters, sources.collect());
        outputs.push(builder.value.clone());
    }
    builder.rename_last_output();
    GraphProto {
        name: architecture.name.clone(),
        node: builder.nodes,
        initializer: builder.initializers,
        input: vec![value_info(INPUT, architecture.input)],
        output: vec![value_info(OUTPUT, architecture.output())],
        ..Default::default()
    }
}

impl Builder {
    /// Appends the node that ends layer `name`. It reads the current value, then `others`, and its
    /// output becomes the current value.
    pub(super) fn layer(&mut self, name: &str, op_type: &str, others: Vec<String>) -> &mut NodeProto {
        let taken = name == INPUT || name == OUTPUT;
        let output = if taken { self.unique(name) } else { name.to_owned() };
        self.node(name.to_owned(), output, op_type, others)
    }

    /// Appends a node inside a layer.
    pub(super) fn step(&mut self, name: &str, op_type: &str, others: Vec<String>) -> &mut NodeProto {
        let name = self.unique(name);
        self.node(name.clone(), name, op_type, others)
    }

    fn node(&mut self, name: String, output: String, op_type: &str, others: Vec<String>) -> &mut NodeProto {
        let mut input = vec![std::mem::replace(&mut self.value, output.clone())];
        input.extend(others);
        let op_type = op_type.to_owned();
        self.nodes.push(NodeProto { input, output: vec![output], name, op_type, ..Default::default() });
        let last = self.nodes.len() - 1;
        &mut self.nodes[last]
    }

    /// Adds a constant and returns its name.
    pub(super) fn constant(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let name = self.unique(name);
        self.initializers.push(TensorProto {
            name: name.clone(),
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            data_type: DataType::Float as i32,
            raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            ..Default::default()
        });
        name
    }

    fn unique(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        let mut copy = 2;
        while !self.names.insert(name.clone()) {
            name = format!("{wanted}#{copy}");
            copy += 1;
        }
        name
    }

    fn rename_last_output(&mut self) {
        if let Some(node) = self.nodes.last_mut() {
            node.output = vec![OUTPUT.to_owned()];
        }
    }
}

fn value_info(name: &str, shape: Shape) -> ValueInfoProto {
    let batch = dimension::Value::DimParam("N".into());
    let dims = shape.dims().into_iter().map(|dim| dimension::Value::DimValue(dim as i64));
    let dim = std::iter::once(batch)
        .chain(dims)
        .map(|value| Dimension { value: Some(value), ..Default::default() })
        .collect();
    let tensor =
        type_proto::Tensor { elem_type: DataType::Float as i32, shape: Some(TensorShapeProto { dim }) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { value: Some(type_proto::Value::TensorType(tensor)), ..Default::default() }),
        ..Default::default()
    }
}
