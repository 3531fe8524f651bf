//! The nodes of activations besides ReLU and polynomials.

use super::graph::Builder;
use super::nodes::{float, per_channel};
use crate::architecture::activation::{GELU_TANH_CUBE, GELU_TANH_SCALE};
use crate::{ActivationKind, Parameters, Shape};

pub(super) fn activation(
    builder: &mut Builder,
    name: &str,
    kind: ActivationKind,
    input: Shape,
    parameters: &Parameters,
) {
    let x = builder.value.clone();
    match kind {
        ActivationKind::Clip { low, high } => {
            let low = builder.constant(&format!("{name}.low"), &[], &[low]);
            let high = builder.constant(&format!("{name}.high"), &[], &[high]);
            builder.layer(name, "Clip", vec![low, high]);
        }
        ActivationKind::PRelu { .. } => {
            let slopes = if let Parameters::Slopes { slopes } = parameters { slopes.as_slice() } else { &[] };
            let slopes = builder.constant(&format!("{name}.slope"), &per_channel(input), slopes);
            builder.layer(name, "PRelu", vec![slopes]);
        }
        ActivationKind::LeakyRelu { slope } => {
            builder.layer(name, "LeakyRelu", Vec::new()).attribute.push(float("alpha", slope));
        }
        ActivationKind::Elu { alpha } => {
            builder.layer(name, "Elu", Vec::new()).attribute.push(float("alpha", alpha));
        }
        ActivationKind::Selu { alpha, gamma } => {
            let node = builder.layer(name, "Selu", Vec::new());
            node.attribute.extend([float("alpha", alpha), float("gamma", gamma)]);
        }
        ActivationKind::HardSigmoid { slope, offset } => {
            let node = builder.layer(name, "HardSigmoid", Vec::new());
            node.attribute.extend([float("alpha", slope), float("beta", offset)]);
        }
        ActivationKind::HardSwish => {
            let node = builder.step(&format!("{name}/gate"), "HardSigmoid", Vec::new());
            node.attribute.extend([float("alpha", 1.0 / 6.0), float("beta", 0.5)]);
            builder.layer(name, "Mul", vec![x]);
        }
        ActivationKind::Sigmoid => plain(builder, name, "Sigmoid"),
        ActivationKind::Tanh => plain(builder, name, "Tanh"),
        ActivationKind::Softplus => plain(builder, name, "Softplus"),
        ActivationKind::Erf => plain(builder, name, "Erf"),
        ActivationKind::Silu => {
            builder.step(&format!("{name}/gate"), "Sigmoid", Vec::new());
            builder.layer(name, "Mul", vec![x]);
        }
        ActivationKind::Mish => {
            builder.step(&format!("{name}/softplus"), "Softplus", Vec::new());
            builder.step(&format!("{name}/gate"), "Tanh", Vec::new());
            builder.layer(name, "Mul", vec![x]);
        }
        ActivationKind::Gelu => {
            with_scalar(builder, name, "scale", "Div", std::f32::consts::SQRT_2);
            builder.step(&format!("{name}/erf"), "Erf", Vec::new());
            halved_gate(builder, name, x);
        }
        ActivationKind::GeluTanh => {
            builder.step(&format!("{name}/square"), "Mul", vec![x.clone()]);
            builder.step(&format!("{name}/cube"), "Mul", vec![x.clone()]);
            with_scalar(builder, name, "weigh", "Mul", GELU_TANH_CUBE as f32);
            builder.step(&format!("{name}/sum"), "Add", vec![x.clone()]);
            with_scalar(builder, name, "scale", "Mul", GELU_TANH_SCALE as f32);
            builder.step(&format!("{name}/tanh"), "Tanh", Vec::new());
            halved_gate(builder, name, x);
        }
    }
}

fn plain(builder: &mut Builder, name: &str, op_type: &str) {
    builder.layer(name, op_type, Vec::new());
}

/// `x (1 + value) / 2`.
fn halved_gate(builder: &mut Builder, name: &str, x: String) {
    with_scalar(builder, name, "one", "Add", 1.0);
    builder.step(&format!("{name}/gate"), "Mul", vec![x]);
    let half = builder.constant(&format!("{name}.half"), &[], &[0.5]);
    builder.layer(name, "Mul", vec![half]);
}

fn with_scalar(builder: &mut Builder, name: &str, step: &str, op_type: &str, scalar: f32) {
    let constant = builder.constant(&format!("{name}.{step}"), &[], &[scalar]);
    builder.step(&format!("{name}/{step}"), op_type, vec![constant]);
}
