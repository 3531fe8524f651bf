//! The public half of a network as the protocol spells it: a form of its own, so that a change of the representation
//! inside veilbench changes nothing for parties.

use serde_json::{Value, json};
use veilbench_networks::{Architecture, Op, Range, Shape, Source, Window};

/// Operators by their names in `backend.toml` and in briefings.
pub const OPERATORS: [&str; 9] =
    ["dense", "conv2d", "average-pool", "max-pool", "relu", "polynomial", "flatten", "add", "concat"];

/// Returns the name of an operator, or `None` for one the protocol does not know.
pub(crate) fn operator(op: &Op) -> Option<&'static str> {
    Some(match op {
        Op::Dense(_) => "dense",
        Op::Conv2d(_) => "conv2d",
        Op::AveragePool(_) => "average-pool",
        Op::MaxPool(_) => "max-pool",
        Op::Relu => "relu",
        Op::Polynomial(_) => "polynomial",
        Op::Flatten => "flatten",
        Op::Add => "add",
        Op::Concat => "concat",
        _ => return None,
    })
}

/// Returns the architecture as a briefing holds it. Ranges are there only if the role may know them.
pub(crate) fn describe(architecture: &Architecture) -> Value {
    let layers: Vec<Value> = architecture
        .layers
        .iter()
        .map(|layer| {
            let mut described = parameters(&layer.op);
            described["name"] = json!(layer.name);
            described["op"] = json!(operator(&layer.op));
            described["output"] = shape(layer.output);
            if !layer.inputs.is_empty() {
                described["reads"] = layer.inputs.iter().copied().map(source).collect();
            }
            if let Some(range) = layer.range {
                described["range"] = pair(range);
            }
            described
        })
        .collect();
    let mut described = json!({
        "name": architecture.name,
        "input": shape(architecture.input),
        "classes": architecture.classes(),
        "layers": layers,
    });
    if let Some(range) = architecture.input_range {
        described["input_range"] = pair(range);
    }
    described
}

/// The image, or the index of a layer.
fn source(source: Source) -> Value {
    match source {
        Source::Image => json!("image"),
        Source::Layer(index) => json!(index),
    }
}

fn parameters(op: &Op) -> Value {
    match op {
        Op::Dense(dense) => json!({ "inputs": dense.inputs, "outputs": dense.outputs }),
        Op::Conv2d(conv) => {
            let mut described = window(&conv.window);
            described["inputs"] = json!(conv.inputs);
            described["outputs"] = json!(conv.outputs);
            described["groups"] = json!(conv.groups);
            described["dilation"] = json!(conv.dilation);
            described
        }
        Op::AveragePool(pooled) | Op::MaxPool(pooled) => window(pooled),
        Op::Polynomial(polynomial) => json!({ "channels": polynomial.channels, "degree": polynomial.degree }),
        _ => json!({}),
    }
}

fn window(window: &Window) -> Value {
    json!({ "kernel": window.kernel, "stride": window.stride, "padding": window.padding })
}

fn shape(shape: Shape) -> Value {
    json!(shape.dims())
}

fn pair(range: Range) -> Value {
    json!([range.low, range.high])
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilbench_api::conformance::test_networks;

    #[test]
    fn every_operator_of_the_test_networks_has_a_name_and_its_numbers() {
        for network in test_networks::all() {
            let described = describe(&network.architecture);
            let layers = described["layers"].as_array().unwrap();
            assert_eq!(layers.len(), network.architecture.layers.len());
            for (layer, op) in layers.iter().zip(&network.architecture.layers) {
                let name = layer["op"].as_str();
                assert_eq!(operator(&op.op), name);
                // The plan refuses what has no name.
                assert!(name.map_or(matches!(op.op, Op::Activation(_)), |name| OPERATORS.contains(&name)));
            }
        }
        let conv = &describe(&test_networks::all()[2].architecture)["layers"][0];
        let expected = json!({
            "kernel": [3, 3], "stride": [1, 1], "padding": [0, 0, 0, 0], "inputs": 2, "outputs": 3, "groups": 1,
            "dilation": [1, 1], "name": "layer0", "op": "conv2d", "output": [3, 7, 7], "range": [-8.0, 8.0],
        });
        assert_eq!(*conv, expected);
    }

    #[test]
    fn a_join_says_what_it_reads_and_a_chain_does_not() {
        let networks = test_networks::all();
        let joined = networks.iter().find(|network| network.architecture.first_branch().is_some()).unwrap();
        let described = describe(&joined.architecture);
        let sum = described["layers"].as_array().unwrap().iter().find(|layer| layer["op"] == "add").unwrap();
        assert_eq!(sum["reads"], json!([0, 1]));
        assert!(describe(&networks[0].architecture)["layers"][1].get("reads").is_none());
    }

    #[test]
    fn a_role_that_must_not_know_ranges_is_told_none() {
        let network = test_networks::all().remove(0);
        let told = describe(&network.architecture.without_ranges()).to_string();
        assert!(!told.contains("range"), "{told}");
    }
}
