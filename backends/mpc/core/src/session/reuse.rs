//! No party reads a block of any stream twice: over whole inferences, with batches that are prepared and never run.

use std::collections::HashSet;
use std::sync::Arc;

use crate::beaver::Beaver;
use crate::circuit::{Circuit, Format, SignProtocol, Width};
use crate::masked::Masked;
use crate::model::{LayerParameters, Model};
use crate::program::{Operation, Program};
use crate::random::Seed;
use crate::random::uses::{self, Use};
use crate::ring::Ring;
use crate::session::{DataOwner, Dealer, Dealing, ModelOwner, Peer, Step};
use veilbench_networks::{Conv2d, Shape, Window};

/// What one party has read.
#[derive(Default)]
struct Reader {
    seen: HashSet<([u8; 16], u64, u64)>,
    again: Option<Use>,
}

impl Reader {
    /// Lets the party do something.
    fn does<T>(&mut self, what: impl FnOnce() -> T) -> T {
        uses::take();
        let result = what();
        for (seed, stream, counters) in uses::take() {
            for counter in counters.clone() {
                if !self.seen.insert((seed, stream, counter)) {
                    self.again = Some((seed, stream, counters.clone()));
                }
            }
        }
        result
    }
}

/// Every gate there is: a convolution, maxima, a rectifier, a mean, a polynomial, a product without an activation behind it.
pub(super) fn network(signs: SignProtocol, width: Width) -> (Arc<Circuit>, Model) {
    let conv = |outputs| {
        let window = Window { kernel: [3; 2], stride: [1; 2], padding: [0; 4] };
        Operation::Conv2d(Conv2d { inputs: 1, outputs, groups: 1, dilation: [1; 2], window })
    };
    let pool = Window { kernel: [2; 2], stride: [2; 2], padding: [0; 4] };
    let layers = vec![
        conv(2),
        Operation::MaxPool(pool),
        Operation::Relu,
        Operation::AveragePool(pool),
        Operation::Flatten,
        Operation::Dense { outputs: 3 },
        Operation::Quadratic,
        Operation::Dense { outputs: 4 },
        Operation::Dense { outputs: 2 },
    ];
    let program = Program { input: Shape::image(1, 10, 10), operations: layers, magnitudes: vec![] };
    let ring = Ring::FULL;
    let format = Format { activation_bits: 10, weight_bits: 10, ring, width, signs, input_magnitude: 1.0 };
    let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
    let affine = |weights: usize, bias: usize| LayerParameters::Affine {
        weights: (0..weights).map(|at| at as f32 % 3.0 / 8.0 - 0.125).collect(),
        bias: vec![0.25; bias],
    };
    let square = LayerParameters::Quadratic { a: vec![0.5; 3], b: vec![0.25; 3], c: vec![0.0; 3] };
    let none = || LayerParameters::None;
    let layers =
        [affine(18, 2), none(), none(), none(), none(), affine(24, 3), square, affine(12, 4), affine(8, 2)];
    let model = Model::encode(&circuit, &layers).unwrap();
    (circuit, model)
}

fn no_block_is_read_twice<P: Dealing>(signs: SignProtocol, width: Width) {
    let (circuit, model) = network(signs, width);
    let [mut dealing, mut asking, mut serving] = [(); 3].map(|()| Reader::default());
    let (mut dealer, seeds) = dealing.does(|| Dealer::<P>::new(Arc::clone(&circuit)).unwrap());
    let (mut model_owner, weights) =
        serving.does(|| ModelOwner::<P>::new(Arc::clone(&circuit), seeds.model_owner, model).unwrap());
    let mut data_owner =
        asking.does(|| DataOwner::<P>::new(Arc::clone(&circuit), seeds.data_owner, &weights).unwrap());
    for (batch, images) in [1, 3, 2, 3].into_iter().enumerate() {
        let corrections: Vec<_> = dealing.does(|| dealer.batch(images).collect());
        let (mut client, differences) = asking.does(|| data_owner.prepare(images));
        let mut server = serving.does(|| model_owner.prepare(images));
        for corrections in &corrections {
            serving.does(|| server.receive(Peer::Dealer, corrections.to_model_owner()).unwrap());
            if let Some(keys) = corrections.to_data_owner() {
                asking.does(|| client.receive(Peer::Dealer, keys).unwrap());
            }
        }
        for differences in &differences {
            serving.does(|| server.receive(Peer::DataOwner, differences).unwrap());
        }
        if batch == 1 {
            continue;
        }
        let mut server = serving.does(|| server.start().unwrap());
        let pixels = vec![0.5; images * circuit.inputs()];
        let (mut client, mut message) = asking.does(|| client.start(&pixels).unwrap());
        loop {
            let (Step::Send(answer) | Step::Last(answer)) =
                serving.does(|| server.receive(&message).unwrap())
            else {
                panic!("the model owner learned the logits")
            };
            let mut step = asking.does(|| client.receive(&answer).unwrap());
            if let Some(follows) = serving.does(|| server.proceed()) {
                assert!(matches!(step, Step::Wait));
                step = asking.does(|| client.receive(&follows).unwrap());
            }
            match step {
                Step::Send(next) => message = next,
                _ => break,
            }
        }
    }
    all_read_once(dealing, asking, serving);
}

/// No party has read a block again.
fn all_read_once(dealing: Reader, asking: Reader, serving: Reader) {
    for (party, reader) in [("dealer", dealing), ("data owner", asking), ("model owner", serving)] {
        assert!(reader.again.is_none(), "the {party} read blocks {:?} again", reader.again);
        assert!(reader.seen.len() > 50, "the {party} read {} blocks only", reader.seen.len());
    }
}

/// Every gate is a window.
fn no_window_reads_what_another_does<P: Dealing>(signs: SignProtocol, width: Width) {
    let (circuit, model) = network(signs, width);
    let [mut dealing, mut asking, mut serving] = [(); 3].map(|()| Reader::default());
    let (mut dealer, seeds) = dealing.does(|| Dealer::<P>::new(Arc::clone(&circuit)).unwrap());
    let (mut model_owner, weights) =
        serving.does(|| ModelOwner::<P>::new(Arc::clone(&circuit), seeds.model_owner, model).unwrap());
    let mut data_owner =
        asking.does(|| DataOwner::<P>::new(Arc::clone(&circuit), seeds.data_owner, &weights).unwrap());
    for images in [1, 2] {
        let mut batch = dealing.does(|| dealer.batch(images));
        let mut of_data_owner = asking.does(|| data_owner.reserve(images));
        let mut of_model_owner = serving.does(|| model_owner.reserve(images));
        for end in 1..=circuit.gates().len() {
            let corrections: Vec<_> = dealing.does(|| batch.until(end).collect());
            let (mut client, differences) = asking.does(|| of_data_owner.expand_until(end));
            let mut server = serving.does(|| of_model_owner.prepare_until(end));
            for corrections in &corrections {
                serving.does(|| server.receive(Peer::Dealer, corrections.to_model_owner()).unwrap());
                if let Some(keys) = corrections.to_data_owner() {
                    asking.does(|| client.receive(Peer::Dealer, keys).unwrap());
                }
            }
            for differences in &differences {
                serving.does(|| server.receive(Peer::DataOwner, differences).unwrap());
            }
            assert_eq!([client.awaits(), server.awaits()], [None, None]);
        }
    }
    all_read_once(dealing, asking, serving);
}

#[test]
fn windows_of_gates_read_no_block_of_randomness_twice() {
    no_window_reads_what_another_does::<Masked>(SignProtocol::Tree, Width::Bits);
    no_window_reads_what_another_does::<Masked>(SignProtocol::Function, Width::Bytes);
    no_window_reads_what_another_does::<Beaver>(SignProtocol::Tree, Width::Bytes);
}

#[test]
fn masked_wires_read_no_block_of_randomness_twice() {
    for width in [Width::Bytes, Width::Bits] {
        no_block_is_read_twice::<Masked>(SignProtocol::Tree, width);
        no_block_is_read_twice::<Masked>(SignProtocol::Function, width);
    }
}

#[test]
fn beaver_reads_no_block_of_randomness_twice() {
    no_block_is_read_twice::<Beaver>(SignProtocol::Tree, Width::Bytes);
}

#[test]
fn a_block_that_is_read_twice_is_noticed() {
    let seed = Seed::from_bytes([1; 16]);
    let mut reader = Reader::default();
    reader.does(|| seed.stream(0).words(5));
    reader.does(|| (seed.stream(1).words(5), seed.derive(0).stream(0).words(5)));
    assert!(reader.again.is_none());
    reader.does(|| seed.stream(0).words(1));
    assert!(reader.again.is_some());
}
