//! The nodes of each kind of layer. The node that ends a layer carries its name.

use tract_onnx::pb::AttributeProto;
use tract_onnx::pb::attribute_proto::AttributeType;

use super::graph::Builder;
use crate::{Conv2d, Dense, Layer, Op, Parameters, Shape, Window};

/// `others` names what the layer reads besides the builder's current value, whose shape is `input`.
pub(super) fn layer(
    builder: &mut Builder,
    input: Shape,
    layer: &Layer,
    parameters: &Parameters,
    others: Vec<String>,
) {
    let name = layer.name.as_str();
    match (&layer.op, parameters) {
        (Op::Dense(op), Parameters::Affine { weights, bias }) => dense(builder, name, op, weights, bias),
        (Op::Conv2d(op), Parameters::Affine { weights, bias }) => conv(builder, name, op, weights, bias),
        (Op::Polynomial(_), Parameters::Polynomial { coefficients }) => {
            polynomial(builder, name, input, coefficients);
        }
        (Op::AveragePool(window), _) => {
            let node = builder.layer(name, "AveragePool", Vec::new());
            node.attribute.push(int("count_include_pad", 1));
            node.attribute.extend(window_attributes(window));
        }
        (Op::MaxPool(window), _) => {
            let node = builder.layer(name, "MaxPool", Vec::new());
            node.attribute.extend(window_attributes(window));
        }
        (Op::Flatten, _) => {
            let node = builder.layer(name, "Flatten", Vec::new());
            node.attribute.push(int("axis", 1));
        }
        (Op::Relu, _) => {
            builder.layer(name, "Relu", Vec::new());
        }
        (Op::Activation(kind), own) => super::activations::activation(builder, name, *kind, input, own),
        (Op::Add, _) => {
            builder.layer(name, "Add", others);
        }
        (Op::Concat, _) => {
            let node = builder.layer(name, "Concat", others);
            node.attribute.push(int("axis", 1));
        }
        (Op::Dense(_) | Op::Conv2d(_) | Op::Polynomial(_), _) => {
            unreachable!("a checked network has the parameters of its operators")
        }
    }
}

fn dense(builder: &mut Builder, name: &str, op: &Dense, weights: &[f32], bias: &[f32]) {
    let weights = builder.constant(&format!("{name}.weight"), &[op.outputs, op.inputs], weights);
    let bias = builder.constant(&format!("{name}.bias"), &[op.outputs], bias);
    let node = builder.layer(name, "Gemm", vec![weights, bias]);
    node.attribute.push(int("transB", 1));
}

fn conv(builder: &mut Builder, name: &str, op: &Conv2d, weights: &[f32], bias: &[f32]) {
    let [rows, columns] = op.window.kernel;
    let dims = [op.outputs, op.inputs / op.groups, rows, columns];
    let weights = builder.constant(&format!("{name}.weight"), &dims, weights);
    let bias = builder.constant(&format!("{name}.bias"), &[op.outputs], bias);
    let node = builder.layer(name, "Conv", vec![weights, bias]);
    node.attribute.push(ints("dilations", &op.dilation));
    node.attribute.push(int("group", op.groups));
    node.attribute.extend(window_attributes(&op.window));
}

/// Horner's rule: `(c_n x + c_(n-1)) x + ...`, with one constant of `channels` values a power.
fn polynomial(builder: &mut Builder, name: &str, input: Shape, coefficients: &[f32]) {
    let dims = per_channel(input);
    let powers = coefficients.len() / input.channels();
    let x = builder.value.clone();
    for power in (0..powers).rev() {
        let values: Vec<f32> = coefficients.iter().skip(power).step_by(powers).copied().collect();
        let constant = builder.constant(&format!("{name}.c{power}"), &dims, &values);
        if power == powers - 1 {
            builder.step(&format!("{name}/scale"), "Mul", vec![constant]);
        } else if power > 0 {
            builder.step(&format!("{name}/add{power}"), "Add", vec![constant]);
            builder.step(&format!("{name}/mul{power}"), "Mul", vec![x.clone()]);
        } else {
            builder.layer(name, "Add", vec![constant]);
        }
    }
}

/// Dimensions of a constant of one value for each channel.
pub(super) fn per_channel(input: Shape) -> Vec<usize> {
    match input {
        Shape::Image { channels, .. } => vec![channels, 1, 1],
        Shape::Flat(features) => vec![features],
    }
}

fn window_attributes(window: &Window) -> [AttributeProto; 3] {
    [ints("kernel_shape", &window.kernel), ints("pads", &window.padding), ints("strides", &window.stride)]
}

fn int(name: &str, value: usize) -> AttributeProto {
    let (name, kind) = (name.to_owned(), AttributeType::Int as i32);
    AttributeProto { name, r#type: kind, i: value as i64, ..Default::default() }
}

pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    let (name, kind) = (name.to_owned(), AttributeType::Float as i32);
    AttributeProto { name, r#type: kind, f: value, ..Default::default() }
}

fn ints(name: &str, values: &[usize]) -> AttributeProto {
    let (name, kind) = (name.to_owned(), AttributeType::Ints as i32);
    let ints = values.iter().map(|&value| value as i64).collect();
    AttributeProto { name, r#type: kind, ints, ..Default::default() }
}
