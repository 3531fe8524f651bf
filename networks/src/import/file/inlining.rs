//! Functions of the model (`ModelProto.functions`), put in the place of the nodes that call them.
//!
//! Source: ONNX, "Open Neural Network Exchange Intermediate Representation", section "Functions".

use std::collections::HashMap;

use prost::Message;
use tract_onnx::pb::{AttributeProto, FunctionProto, ModelProto, NodeProto};

use super::graph::label;
use crate::import::error::{Refusal, quote};

/// Functions that call each other, at most so deep.
const DEPTH: usize = 16;

/// Bytes of all nodes that come of functions, encoded: a function that calls another twice, which calls another
/// twice, would grow without end.
const INLINED: usize = 64 << 20;
/// Bytes that a node counts for beside its own, about what it takes decoded.
const NODE: usize = 256;
/// Likewise of a name.
const STRING: usize = 24;

/// Replaces every call of a function of the model by the function's nodes.
pub(crate) fn inline(model: &mut ModelProto) -> Result<(), Refusal> {
    let functions = std::mem::take(&mut model.functions);
    let Some(graph) = model.graph.as_mut().filter(|_| !functions.is_empty()) else { return Ok(()) };
    let known = functions.iter().map(|function| (key(function), function)).collect();
    let mut inliner = Inliner { functions: known, left: INLINED, calls: 0, nodes: Vec::new() };
    for node in std::mem::take(&mut graph.node) {
        inliner.place(node, 0)?;
    }
    graph.node = inliner.nodes;
    Ok(())
}

/// Domain and name.
fn key(function: &FunctionProto) -> (&str, &str) {
    (function.domain.as_deref().unwrap_or_default(), function.name.as_deref().unwrap_or_default())
}

struct Inliner<'f> {
    functions: HashMap<(&'f str, &'f str), &'f FunctionProto>,
    left: usize,
    calls: usize,
    nodes: Vec<NodeProto>,
}

impl Inliner<'_> {
    /// Appends a node, or what it calls.
    fn place(&mut self, node: NodeProto, depth: usize) -> Result<(), Refusal> {
        let Some(&function) = self.functions.get(&(node.domain.as_str(), node.op_type.as_str())) else {
            self.nodes.push(node);
            return Ok(());
        };
        let refuse = |reason: String| {
            let operator = quote(&node.op_type).trim_matches('"').to_owned();
            Err(Refusal::Node { node: label(&node), operator, reason })
        };
        if depth == DEPTH {
            return refuse(format!("it calls functions more than {DEPTH} deep, or itself"));
        }
        if node.input.len() > function.input.len() || node.output.len() > function.output.len() {
            return refuse("it has more inputs or outputs than the function it calls".into());
        }
        self.calls += 1;
        let names = Names::of(&node, function, self.calls);
        for inner in &function.node {
            let Some(left) = self.left.checked_sub(names.cost(inner, &node)) else {
                return refuse(format!(
                    "functions in the place of their calls take more than {INLINED} bytes"
                ));
            };
            self.left = left;
            match names.translated(inner, &node, function) {
                Ok(inner) => self.place(inner, depth + 1)?,
                Err(reason) => return refuse(reason),
            }
        }
        self.nodes.extend(names.passed_through);
        Ok(())
    }
}

/// What the names in a function stand for in one call of it.
struct Names<'f> {
    prefix: String,
    known: HashMap<&'f str, String>,
    /// Nodes that give outputs which are inputs their name.
    passed_through: Vec<NodeProto>,
}

impl<'f> Names<'f> {
    fn of(call: &NodeProto, function: &'f FunctionProto, number: usize) -> Self {
        let given = |own: &[String], index: usize| own.get(index).cloned().unwrap_or_default();
        let inputs = function.input.iter().enumerate();
        let mut known: HashMap<&str, String> =
            inputs.map(|(index, name)| (name.as_str(), given(&call.input, index))).collect();
        let mut passed_through = Vec::new();
        for (index, name) in function.output.iter().enumerate() {
            let outside = given(&call.output, index);
            match known.get(name.as_str()) {
                _ if outside.is_empty() => {}
                Some(inside) => passed_through.push(NodeProto {
                    input: vec![inside.clone()],
                    output: vec![outside],
                    op_type: "Identity".into(),
                    ..NodeProto::default()
                }),
                None => {
                    known.insert(name, outside);
                }
            }
        }
        let shown: String = name_of(call).chars().take(100).collect();
        Self { prefix: format!("{shown}#{number}"), known, passed_through }
    }

    fn value(&self, name: &str) -> String {
        let unused = || if name.is_empty() { String::new() } else { format!("{}/{name}", self.prefix) };
        self.known.get(name).cloned().unwrap_or_else(unused)
    }

    /// Bytes that a node takes once its names are those of the caller.
    fn cost(&self, inner: &NodeProto, call: &NodeProto) -> usize {
        let value =
            |name: &String| self.known.get(name.as_str()).map_or(self.prefix.len() + name.len(), String::len);
        let values: usize = inner.input.iter().chain(&inner.output).map(|name| value(name) + STRING).sum();
        let attribute = |own: &AttributeProto| stated(own, call).unwrap_or(own).encoded_len() + NODE;
        let attributes: usize = inner.attribute.iter().map(attribute).sum();
        NODE + values + attributes + inner.name.len() + name_of(call).len()
    }

    /// A node of the function as one of the caller: with the names and attributes of the call.
    fn translated(
        &self,
        inner: &NodeProto,
        call: &NodeProto,
        function: &FunctionProto,
    ) -> Result<NodeProto, String> {
        let own_name = if inner.name.is_empty() { inner.output.first() } else { Some(&inner.name) };
        let values = |own: &[String]| own.iter().map(|name| self.value(name)).collect();
        let mut attribute = Vec::with_capacity(inner.attribute.len());
        for own in &inner.attribute {
            match stated(own, call) {
                _ if own.ref_attr_name.is_empty() => attribute.push(own.clone()),
                Some(stated) => attribute.push(AttributeProto { name: own.name.clone(), ..stated.clone() }),
                // One with a default is not in this list; one without is left to the operator's.
                None if function.attribute.contains(&own.ref_attr_name) => {}
                None => {
                    let name = quote(&own.ref_attr_name);
                    return Err(format!(
                        "attribute {name} must be stated: defaults of functions are not read"
                    ));
                }
            }
        }
        Ok(NodeProto {
            name: format!("{}/{}", name_of(call), own_name.map_or("", String::as_str)),
            input: values(&inner.input),
            output: values(&inner.output),
            attribute,
            op_type: inner.op_type.clone(),
            domain: inner.domain.clone(),
            doc_string: String::new(),
        })
    }
}

fn name_of(node: &NodeProto) -> &str {
    if node.name.is_empty() { node.output.first().map_or("", String::as_str) } else { &node.name }
}

/// The attribute of the call that one of the function refers to.
fn stated<'c>(own: &AttributeProto, call: &'c NodeProto) -> Option<&'c AttributeProto> {
    call.attribute.iter().find(|stated| stated.name == own.ref_attr_name)
}
