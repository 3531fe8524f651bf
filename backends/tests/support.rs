//! Which backend runs which operator: the table in `networks/README.md`, from what the planners say of a small network
//! around each operator.
//!
//! `UPDATE_SUPPORT_TABLE=1 cargo test -p veilbench-backends --test support` writes it anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::path::Path;

use veilbench_api::Backend;
use veilbench_api::local_session::LocalSession;
use veilbench_backends::all;
use veilbench_networks::evaluate::ranges;
use veilbench_networks::zoo::untrained;
use veilbench_networks::{
    ActivationKind, Architecture, Conv2d, Dense, Layer, Network, Op, Polynomial, Shape, Source, Tensor,
    Window,
};

const BEGIN: &str =
    "<!-- support: written by `UPDATE_SUPPORT_TABLE=1 cargo test -p veilbench-backends --test support` -->\n";
const END: &str = "<!-- /support -->\n";

const INPUT: Shape = Shape::Image { channels: 2, height: 8, width: 8 };
const CHANNELS: usize = 4;

/// The image values of `networks/tests/fixtures/make.py`.
fn images(count: usize) -> Tensor {
    let value = |index: usize| ((index * 7919 + 13) % 1009) as f64 / 504.5 - 1.0;
    let values = (0..count * INPUT.len()).map(|index| value(index) as f32).collect();
    Tensor::new(count, INPUT, values).unwrap()
}

fn window(kernel: usize, stride: usize, padding: usize) -> Window {
    Window { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 4] }
}

fn convolution(inputs: usize, groups: usize, dilation: usize, window: Window) -> Op {
    Op::Conv2d(Conv2d { inputs, outputs: CHANNELS, groups, dilation: [dilation; 2], window })
}

fn operators() -> Vec<(&'static str, Op)> {
    let of_channels = |degree| Op::Polynomial(Polynomial { channels: CHANNELS, degree });
    let kind = Op::Activation;
    vec![
        ("convolution", convolution(CHANNELS, 1, 1, window(3, 1, 0))),
        ("convolution, padded, stride 2", convolution(CHANNELS, 1, 1, window(3, 2, 1))),
        ("convolution in groups", convolution(CHANNELS, 2, 1, window(3, 1, 1))),
        ("convolution, depthwise", convolution(CHANNELS, CHANNELS, 1, window(3, 1, 1))),
        ("convolution, dilated", convolution(CHANNELS, 1, 2, window(2, 1, 0))),
        ("average pool", Op::AveragePool(window(2, 2, 0))),
        ("average pool, padded", Op::AveragePool(window(3, 2, 1))),
        ("average pool, global", Op::AveragePool(window(6, 1, 0))),
        ("max pool", Op::MaxPool(window(2, 2, 0))),
        ("max pool, padded", Op::MaxPool(window(3, 2, 1))),
        ("polynomial of degree 1 (normalisation)", of_channels(1)),
        ("polynomial of degree 2", of_channels(2)),
        ("polynomial of degree 4", of_channels(4)),
        ("ReLU", Op::Relu),
        ("clip (ReLU6)", kind(ActivationKind::Clip { low: 0.0, high: 6.0 })),
        ("leaky ReLU", kind(ActivationKind::LeakyRelu { slope: 0.1 })),
        ("PReLU", kind(ActivationKind::PRelu { channels: CHANNELS })),
        ("ELU", kind(ActivationKind::Elu { alpha: 1.0 })),
        ("SELU", kind(ActivationKind::Selu { alpha: 1.673_263_2, gamma: 1.050_701 })),
        ("hard sigmoid", kind(ActivationKind::HardSigmoid { slope: 0.2, offset: 0.5 })),
        ("hard swish", kind(ActivationKind::HardSwish)),
        ("sigmoid", kind(ActivationKind::Sigmoid)),
        ("tanh", kind(ActivationKind::Tanh)),
        ("SiLU", kind(ActivationKind::Silu)),
        ("GELU", kind(ActivationKind::Gelu)),
        ("GELU by tanh", kind(ActivationKind::GeluTanh)),
        ("Mish", kind(ActivationKind::Mish)),
        ("softplus", kind(ActivationKind::Softplus)),
        ("error function", kind(ActivationKind::Erf)),
        ("add", Op::Add),
        ("concatenate", Op::Concat),
    ]
}

/// A convolution, the operator, and a dense layer; for a join also a convolution of an activation beside the first one.
fn around(op: Op, activation: Op) -> Network {
    let image = |channels, size| Shape::Image { channels, height: size, width: size };
    let mut layers = vec![Layer::new("before", convolution(2, 1, 1, window(3, 1, 0)), image(CHANNELS, 6))];
    let output = match op {
        Op::Conv2d(Conv2d { window, dilation, .. }) => {
            image(CHANNELS, window.output(6, 6, dilation).unwrap()[0])
        }
        Op::AveragePool(window) | Op::MaxPool(window) => {
            image(CHANNELS, window.output(6, 6, [1, 1]).unwrap()[0])
        }
        Op::Concat => image(2 * CHANNELS, 6),
        _ => image(CHANNELS, 6),
    };
    if matches!(op, Op::Add | Op::Concat) {
        layers.push(Layer::new("activation", activation, image(CHANNELS, 6)));
        layers.push(Layer::new("branch", convolution(CHANNELS, 1, 1, window(3, 1, 1)), image(CHANNELS, 6)));
        layers.push(Layer::new("operator", op, output).reading([Source::Layer(2), Source::Layer(0)]));
    } else {
        layers.push(Layer::new("operator", op, output));
    }
    let inputs = output.len();
    layers.push(Layer::new("flatten", Op::Flatten, Shape::Flat(inputs)));
    layers.push(Layer::new("dense", Op::Dense(Dense { inputs, outputs: 3 }), Shape::Flat(3)));
    let architecture = Architecture { name: "one-operator".into(), input: INPUT, input_range: None, layers };
    let mut network = untrained(architecture, 1);
    ranges(&mut network, &images(20)).unwrap();
    network
}

/// What a planner says of an operator: yes, approximated, or why not. Joins are asked for behind each of two activations.
fn support(backend: &dyn Backend, op: Op) -> Result<bool, String> {
    let square = Op::Polynomial(Polynomial { channels: CHANNELS, degree: 2 });
    let among_relus = of_network(backend, &around(op, Op::Relu));
    if among_relus.is_ok() || !matches!(op, Op::Add | Op::Concat) {
        return among_relus;
    }
    of_network(backend, &around(op, square))
}

fn of_network(backend: &dyn Backend, network: &Network) -> Result<bool, String> {
    let job = LocalSession::new(backend, network, 1).job;
    match backend.plan(&network.architecture, &job) {
        Ok(plan) => Ok(plan.notes.iter().all(|note| !note.contains("approximat"))),
        Err(refused) if refused.layer.as_deref() == Some("operator") => Err(refused.reason),
        Err(refused) => Err(refused.to_string()),
    }
}

fn table() -> String {
    let backends = all();
    let names: Vec<String> = backends.iter().map(|backend| backend.profile().name.into_owned()).collect();
    let mut text = format!("| operator | {} |\n|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    // Why not, and by whom: one line for each reason.
    let mut reasons: Vec<(String, Vec<String>)> = Vec::new();
    for (operator, op) in operators() {
        write!(text, "| {operator} |").unwrap();
        for (backend, name) in backends.iter().zip(&names) {
            match support(backend.as_ref(), op) {
                Ok(true) => text.push_str(" yes |"),
                Ok(false) => text.push_str(" approximated |"),
                Err(reason) => {
                    // One reason for all operators that are refused alike.
                    let reason = reason.replacen(&format!("run {op};"), "run it;", 1);
                    let known = reasons.iter().position(|(known, _)| *known == reason).unwrap_or_else(|| {
                        reasons.push((reason, Vec::new()));
                        reasons.len() - 1
                    });
                    if !reasons[known].1.contains(name) {
                        reasons[known].1.push(name.clone());
                    }
                    write!(text, " no ({}) |", known + 1).unwrap();
                }
            }
        }
        text.push('\n');
    }
    text.push('\n');
    for (number, (reason, by)) in reasons.iter().enumerate() {
        writeln!(text, "{}. {}: {}", number + 1, by.join(", "), reason).unwrap();
    }
    text
}

#[test]
fn the_table_of_operators_in_the_readme_is_what_the_planners_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../networks/README.md");
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let due = format!("\n{}\n", table());
    if found == due {
        return;
    }
    if std::env::var_os("UPDATE_SUPPORT_TABLE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{due}{END}{after}")).unwrap();
        return;
    }
    panic!(
        "{} has another table: run this test with UPDATE_SUPPORT_TABLE=1 and look at what changes:\n{due}",
        path.display()
    );
}

#[test]
fn what_runs_with_ranges_is_planned_without_or_refused_with_the_remedy() {
    let mut refusals = 0;
    for op in [Op::Relu, Op::Polynomial(Polynomial { channels: CHANNELS, degree: 2 })] {
        let network = around(op, Op::Relu);
        let without = network.architecture.without_ranges();
        for backend in all() {
            let job = LocalSession::new(backend.as_ref(), &network, 1).job;
            if backend.plan(&network.architecture, &job).is_err() {
                continue;
            }
            if let Err(refused) = backend.plan(&without, &job) {
                let names = ["range", "calibrate"];
                assert!(names.iter().all(|name| refused.reason.contains(name)), "{refused}");
                refusals += 1;
            }
        }
    }
    assert!(refusals > 0, "no backend chooses scales from ranges");
}
