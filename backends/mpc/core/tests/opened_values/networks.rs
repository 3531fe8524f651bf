//! Networks with every gate, and sessions on them in which a part of what is drawn stays the same.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::session::uniform::DRAWS;
use crate::session::{Inference, SessionOf, bent, by_bits, by_function, format, parameters};
use veilbench_mpc::beaver::Beaver;
use veilbench_mpc::circuit::{Circuit, Format};
use veilbench_mpc::masked::Masked;
use veilbench_mpc::model::Model;
use veilbench_mpc::program::{Operation, Program};
use veilbench_mpc::random::Seed;
use veilbench_mpc::session::{Dealer, Dealing};
use veilbench_networks::{Conv2d, Shape, Window};

/// Fractional bits.
pub(crate) const BITS: u32 = 10;

/// Every gate of chains, with guards: a convolution, maxima, a rectifier, a mean, a polynomial, products without an activation
/// between them.
fn chain(format: Format) -> (Arc<Circuit>, Model) {
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [0; 4] };
    let (layers, magnitudes): (Vec<Operation>, Vec<Option<f64>>) = [
        (Operation::Conv2d(Conv2d { inputs: 1, outputs: 2, groups: 1, dilation: [1; 2], window }), Some(4.0)),
        (Operation::MaxPool(Window::tiles(2)), Some(4.0)),
        (Operation::Relu, Some(4.0)),
        (Operation::AveragePool(Window { kernel: [1, 2], stride: [1, 2], padding: [0; 4] }), Some(4.0)),
        (Operation::Flatten, Some(4.0)),
        (Operation::Dense { outputs: 3 }, Some(0.5)),
        (Operation::Quadratic, Some(0.5)),
        (Operation::Dense { outputs: 4 }, None),
        (Operation::Dense { outputs: 2 }, None),
    ]
    .into_iter()
    .unzip();
    let program = Program { input: Shape::image(1, 6, 6), operations: layers, magnitudes };
    let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
    let model = Model::encode(&circuit, &parameters(&program, 5)).unwrap();
    assert_eq!(circuit.gates().iter().filter(|gate| gate.guard().is_some()).count(), 2);
    (circuit, model)
}

/// Every gate of graphs, with guards: an open wire that a rectifier, a sum and a function of lines read, a held one that a sum and a
/// concatenation read, and sums of either kind.
fn graph(format: Format) -> (Arc<Circuit>, Model) {
    let conv = |inputs, outputs, kernel, padding| {
        let window = Window { kernel: [kernel; 2], stride: [1; 2], padding: [padding; 4] };
        Operation::Conv2d(Conv2d { inputs, outputs, groups: 1, dilation: [1; 2], window })
    };
    let layers = [
        &[conv(1, 2, 3, 0), Operation::Keep, Operation::Relu, Operation::Keep][..],
        &[
            conv(2, 2, 3, 1),
            Operation::Add(0),
            Operation::Relu,
            Operation::Concat(1),
            conv(4, 2, 1, 0),
            Operation::Add(1),
            Operation::Relu,
        ],
        &[Operation::Flatten, Operation::Dense { outputs: 3 }, Operation::Keep, Operation::Recall(0)],
        &bent(2, false),
        &[Operation::Flatten, Operation::Dense { outputs: 3 }, Operation::Add(2)],
    ]
    .concat();
    // Logits of which nothing is known come whole.
    let magnitudes = (1..=layers.len()).map(|count| (count < layers.len()).then_some(4.0)).collect();
    let program = Program { input: Shape::image(1, 4, 3), operations: layers, magnitudes };
    let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
    let model = Model::encode(&circuit, &parameters(&program, 5)).unwrap();
    assert_eq!(circuit.gates().iter().filter(|gate| gate.guard().is_some()).count(), 4);
    (circuit, model)
}

pub(crate) fn image(circuit: &Circuit) -> Vec<f32> {
    (0..circuit.inputs()).map(|at| 1.0 + (at % 7) as f32 / 8.0).collect()
}

/// A protocol, as a network runs in it.
pub(crate) struct Setting<P: Dealing> {
    pub(crate) format: Format,
    protocol: PhantomData<P>,
    network: fn(Format) -> (Arc<Circuit>, Model),
}

impl<P: Dealing> Setting<P> {
    pub(crate) fn of_graph(self) -> Self {
        Self { network: graph, ..self }
    }
}

pub(crate) fn tree() -> Setting<Masked> {
    Setting { format: format(8, BITS), protocol: PhantomData, network: chain }
}

pub(crate) fn function() -> Setting<Masked> {
    Setting { format: by_function(format(8, BITS)), ..tree() }
}

pub(crate) fn tree_by_bits() -> Setting<Masked> {
    Setting { format: by_bits(format(8, BITS)), ..tree() }
}

pub(crate) fn function_by_bits() -> Setting<Masked> {
    Setting { format: by_bits(by_function(format(8, BITS))), ..tree() }
}

pub(crate) fn textbook() -> Setting<Beaver> {
    Setting { format: format(8, BITS), protocol: PhantomData, network: chain }
}

/// What stays the same while all else is drawn anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fixed {
    DataOwner,
    ModelOwner,
    /// All but the number of the batch.
    Session,
}

/// Calls `see` with what was sent in every session or batch.
pub(crate) fn repeat<P: Dealing>(
    setting: &Setting<P>,
    fixed: Fixed,
    mut see: impl FnMut(&Circuit, &[u8], &Inference),
) {
    let (circuit, model) = (setting.network)(setting.format);
    let image = image(&circuit);
    let mut session = None;
    for _ in 0..DRAWS {
        if fixed != Fixed::Session || session.is_none() {
            let constant = |byte| Seed::from_bytes([byte; 16]);
            let fresh = || Seed::generate().unwrap();
            let data_owner = if fixed == Fixed::DataOwner { constant(1) } else { fresh() };
            let model_owner = if fixed == Fixed::ModelOwner { constant(2) } else { fresh() };
            let seeds = [constant(0), data_owner, model_owner, fresh()];
            let dealt = Dealer::with_insecure_seeds(Arc::clone(&circuit), seeds);
            session = Some(SessionOf::<P>::new(&circuit, &model, dealt));
        }
        let session = session.as_mut().unwrap();
        let (inference, _) = session.prepare(1).attempt(&image);
        see(&circuit, &session.masked_parameters, &inference);
    }
}
