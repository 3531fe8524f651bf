//! Whole networks between two threads: logits as close to the clear fixed-point network as the protocol promises, guards that refuse, and
//! messages of a length that no image changes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../core/tests/session/geometry.rs"]
mod geometry;
mod refusals;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use geometry::{parameters, program, uniform};
use veilbench_2pc::Error;
use veilbench_2pc::network::{Channel, DataOwner, ModelOwner, Plan};
use veilbench_mpc::circuit::{Circuit, Format, Gate, SignProtocol, Width};
use veilbench_mpc::model::{LayerParameters, Model};
use veilbench_mpc::oracle::{analyse, evaluate};
use veilbench_mpc::program::{Operation, Program};
use veilbench_mpc::ring::{self, Ring};
use veilbench_networks::{Conv2d, Shape, Window};
use veilbench_ot::Depth;

/// A channel between threads that keeps what it sends.
struct Queue {
    to: Sender<Vec<u8>>,
    from: Receiver<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Queue {
    fn pair() -> [Self; 2] {
        let ((to_first, from_second), (to_second, from_first)) = (channel(), channel());
        let queue = |to, from| Self { to, from, sent: Vec::new() };
        [queue(to_second, from_second), queue(to_first, from_first)]
    }
}

impl Channel for Queue {
    type Error = Error;

    fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        self.sent.push(message.to_vec());
        self.to.send(message.to_vec()).unwrap();
        Ok(())
    }

    fn receive(&mut self, bytes: usize) -> Result<Vec<u8>, Error> {
        let message = self.from.recv().unwrap();
        assert_eq!(message.len(), bytes, "a length that was not foreseen");
        Ok(message)
    }
}

fn compile(name: &str, ring_bytes: u32, bits: u32) -> (Arc<Circuit>, Model) {
    compile_program(&program(name), ring_bytes, bits)
}

fn compile_program(program: &Program, ring_bytes: u32, bits: u32) -> (Arc<Circuit>, Model) {
    let format = Format {
        activation_bits: bits,
        weight_bits: bits,
        ring: Ring::new(ring_bytes).unwrap(),
        width: Width::Bytes,
        signs: SignProtocol::Tree,
        input_magnitude: 1.0,
    };
    let circuit = Circuit::compile(program, format).unwrap();
    let model = Model::encode(&circuit, &parameters(program, 1)).unwrap();
    (Arc::new(circuit), model)
}

fn encoded(values: &[f32], bits: u32) -> Vec<u64> {
    values.iter().map(|&value| ring::encode(f64::from(value), bits).unwrap()).collect()
}

/// Logits, or why there are none.
type Answer = Result<Vec<u64>, Error>;
type Messages = Vec<Vec<u8>>;

/// What comes of batches in one session, and all that either party sent.
fn infer(circuit: &Arc<Circuit>, model: &Model, batches: &[Vec<u64>]) -> (Vec<Answer>, [Messages; 2]) {
    let plan = Arc::new(Plan::new(Arc::clone(circuit)).unwrap());
    let [mut client, mut server] = Queue::pair();
    let counts: Vec<usize> = batches.iter().map(|batch| batch.len() / circuit.inputs()).collect();
    std::thread::scope(|scope| {
        let of_server = Arc::clone(&plan);
        let owner = scope.spawn(move || {
            let mut owner = ModelOwner::set_up(of_server, model, Depth::FOUR, &mut server).unwrap();
            for images in counts {
                let material = owner.prepare(images, &mut server).unwrap();
                owner.run(material, &mut server).unwrap();
            }
            server.sent
        });
        let mut data_owner = DataOwner::set_up(plan, Depth::FOUR, &mut client).unwrap();
        let answers = batches.iter().map(|batch| {
            let material = data_owner.prepare(batch.len() / circuit.inputs(), &mut client).unwrap();
            data_owner.run(material, batch, &mut client)
        });
        let answers = answers.collect();
        (answers, [client.sent, owner.join().unwrap()])
    })
}

#[test]
fn logits_are_as_close_to_the_clear_network_as_is_promised() {
    for (name, ring_bytes, bits) in [
        ("mnist-mlp", 6, 13),
        ("mnist-cnn", 5, 12),
        ("max-pools", 6, 14),
        ("no-activation", 6, 14),
        ("ends-in-a-pool", 6, 14),
        ("residual", 6, 13),
        ("smooth", 6, 13),
        ("mnist-cnn", 7, 14),
        ("max-pools", 8, 16),
        ("mnist-mlp-poly", 8, 12),
        ("mnist-cnn-poly", 7, 12),
        ("max-pools-poly", 7, 12),
        ("residual-poly", 7, 12),
        ("ends-in-a-pool-poly", 7, 12),
    ] {
        let (circuit, model) = compile(name, ring_bytes, bits);
        let plan = Plan::new(Arc::clone(&circuit)).unwrap();
        let promise = plan.logit_error(plan.analyse(&model).unwrap().logit_error);
        let batches = [1, 3].map(|count| encoded(&uniform(count * circuit.inputs(), 7 + count as u8), bits));
        for (batch, answer) in batches.iter().zip(infer(&circuit, &model, &batches).0) {
            let (expected, logits) = (evaluate(&circuit, &model, batch), answer.unwrap());
            assert_eq!(logits.len(), expected.len());
            for (logit, expected) in logits.iter().zip(&expected) {
                let error = circuit.ring().signed(logit.wrapping_sub(*expected));
                assert!(u128::from(error.unsigned_abs()) <= promise, "{name}: off by {error}");
                let error = circuit.decode(*logit) - circuit.decode(*expected);
                assert!(error.abs() < 2f64.powi(6 - bits as i32), "{name}: off by {error}");
            }
            let largest = expected.iter().map(|&logit| circuit.decode(logit).abs()).fold(0.0, f64::max);
            assert!(largest > 0.01, "{name}: the logits say nothing");
        }
    }
}

#[test]
fn lengths_and_numbers_of_messages_depend_on_no_image() {
    let (circuit, model) = compile("mnist-cnn", 5, 12);
    let batch = |value: f32| vec![encoded(&vec![value; circuit.inputs()], 12)];
    let lengths = |value| {
        infer(&circuit, &model, &batch(value)).1.map(|sent| sent.iter().map(Vec::len).collect::<Vec<_>>())
    };
    assert_eq!(lengths(-1.0), lengths(0.75));
}

#[test]
fn all_bytes_are_counted_beforehand() {
    for (name, ring_bytes, bits) in [
        ("max-pools", 6, 14),
        ("no-activation", 6, 14),
        ("residual", 6, 13),
        ("smooth", 6, 13),
        ("mnist-cnn", 7, 14),
        ("mnist-cnn-poly", 7, 12),
        ("residual-poly", 7, 12),
    ] {
        let (circuit, model) = compile(name, ring_bytes, bits);
        let plan = Plan::new(Arc::clone(&circuit)).unwrap();
        let batch = encoded(&uniform(2 * circuit.inputs(), 4), bits);
        let (_, sent) = infer(&circuit, &model, &[batch]);
        let messages = plan.messages(2).unwrap().iter().sum::<usize>();
        assert_eq!(sent.iter().map(Vec::len).sum::<usize>(), 3 + messages, "{name}: messages");
        let counted = plan.setup_bytes(Depth::FOUR)
            + plan.offline_bytes(2, Depth::FOUR).unwrap()
            + plan.online_bytes(2).unwrap();
        assert_eq!(sent.iter().flatten().map(Vec::len).sum::<usize>(), counted, "{name}");
    }
}

/// A network in rings by layer, whose layers stay below these magnitudes, as far as calibration tells.
fn compile_by_layer(
    name: &str,
    [bits, weight_bits]: [u32; 2],
    magnitude: impl Fn(usize, &Operation) -> f64,
) -> (Arc<Circuit>, Model) {
    let mut program = program(name);
    let layers = program.operations.iter().enumerate();
    program.magnitudes = layers.map(|(layer, operation)| Some(magnitude(layer, operation))).collect();
    let format = |ring| Format {
        activation_bits: bits,
        weight_bits,
        ring,
        width: Width::Bits,
        signs: SignProtocol::Tree,
        input_magnitude: 1.0,
    };
    let ring = Circuit::compile(&program, format(Ring::FULL)).unwrap().calibrated_ring().unwrap();
    let circuit = Circuit::compile(&program, format(ring)).unwrap();
    let model = Model::encode(&circuit, &parameters(&program, 1)).unwrap();
    (Arc::new(circuit), model)
}

#[test]
fn layers_have_rings_of_their_own_where_none_join() {
    for (name, bits) in [
        ("mnist-mlp", 15),
        ("mnist-cnn", 14),
        ("max-pools", 14),
        ("no-activation", 14),
        ("mnist-mlp-poly", 12),
        ("mnist-cnn-poly", 12),
    ] {
        let (circuit, model) = compile_by_layer(name, [bits, bits + 2], |_, operation| match operation {
            Operation::Dense { .. } | Operation::Conv2d(_) if !name.ends_with("-poly") => 64.0,
            Operation::Quadratic => 64.0,
            _ => 8.0,
        });
        let plan = Plan::new(Arc::clone(&circuit)).unwrap();
        let mut rings: Vec<u32> = plan.layouts().map(|layout| layout.ring_bits()).collect();
        rings.dedup();
        assert!(rings.len() > 1, "{name}: {rings:?}");
        let analysis = plan.analyse(&model).unwrap_or_else(|error| panic!("{name}: {error}"));
        let promise = plan.logit_error(analysis.logit_error);
        let batch = encoded(&uniform(3 * circuit.inputs(), 9), bits);
        let expected = evaluate(&circuit, &model, &batch);
        let (answers, sent) = infer(&circuit, &model, &[batch]);
        for (logit, expected) in answers[0].as_ref().unwrap().iter().zip(&expected) {
            let error = circuit.ring().signed(logit.wrapping_sub(*expected));
            assert!(u128::from(error.unsigned_abs()) <= promise, "{name}: off by {error}");
            let error = circuit.decode(*logit) - circuit.decode(*expected);
            assert!(error.abs() < 2f64.powi(6 - bits as i32), "{name}: off by {error}");
        }
        let counted = plan.setup_bytes(Depth::FOUR)
            + plan.offline_bytes(3, Depth::FOUR).unwrap()
            + plan.online_bytes(3).unwrap();
        assert_eq!(sent.iter().flatten().map(Vec::len).sum::<usize>(), counted, "{name}");
    }
}

#[test]
fn shares_have_more_bits_than_a_truncation_leaves() {
    let (circuit, _) =
        compile_by_layer("no-activation", [12, 6], |layer, _| if layer < 2 { 1000.0 } else { 0.5 });
    let plan = Plan::new(Arc::clone(&circuit)).unwrap();
    let truncates = |gate: &Gate| matches!(gate, Gate::Truncate { .. });
    let at = circuit.gates().iter().position(truncates).unwrap();
    let Gate::Truncate { shift, .. } = circuit.gates()[at] else { unreachable!() };
    assert_eq!(plan.ring_bits_behind(at), plan.ring_bits(at) - shift + 1);
    assert!(plan.ring_bits_behind(at) > circuit.ring_behind(at).bits() + 1);
}

/// A network whose ranges ordinary images keep, and those of large pixels exceed, and one image of either kind.
fn guarded(name: &str, ring_bytes: u32, magnitude: f64) -> (Arc<Circuit>, Model, [Vec<u64>; 2]) {
    let mut program = program(name);
    let ranged = |operation: &Operation| {
        matches!(operation, Operation::Relu | Operation::Quadratic | Operation::Dense { .. })
    };
    program.magnitudes =
        program.operations.iter().map(|operation| ranged(operation).then_some(magnitude)).collect();
    let format = Format {
        activation_bits: 12,
        weight_bits: 14,
        ring: Ring::new(ring_bytes).unwrap(),
        width: Width::Bytes,
        signs: SignProtocol::Tree,
        input_magnitude: 8.0,
    };
    let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
    let model = Model::encode(&circuit, &parameters(&program, 1)).unwrap();
    let quiet = encoded(&vec![0.0; circuit.inputs()], 12);
    let loud = encoded(&uniform(circuit.inputs(), 3).iter().map(|pixel| 8.0 * pixel).collect::<Vec<_>>(), 12);
    (circuit, model, [quiet, loud])
}

#[test]
fn activations_beyond_a_guard_are_refused_by_the_data_owner_alone() {
    for (name, ring_bytes, magnitude) in [("mnist-mlp", 6, 0.5), ("mnist-mlp-poly", 8, 2.0)] {
        let (circuit, model, [quiet, loud]) = guarded(name, ring_bytes, magnitude);
        assert!(circuit.gates().iter().filter_map(Gate::guard).count() > 1, "{name}");
        let batches = [quiet.clone(), [&quiet[..], &loud, &quiet].concat()];
        let (answers, sent) = infer(&circuit, &model, &batches);
        let expected = evaluate(&circuit, &model, &quiet);
        let close = |a: &u64, b: &u64| (circuit.decode(*a) - circuit.decode(*b)).abs() < 0.01;
        assert!(answers[0].as_ref().unwrap().iter().zip(&expected).all(|(a, b)| close(a, b)), "{name}");
        assert_eq!(answers[1], Err(Error::OutOfRange { images: vec![1] }), "{name}");
        // The last message is the model owner's: nothing follows a refusal.
        assert_eq!(sent[1].last().map(Vec::len), Some(last_bytes(&circuit, 3)), "{name}");
    }
}

/// Bytes of the last message: logits, and two sums of keys for each group of a guard.
fn last_bytes(circuit: &Circuit, images: usize) -> usize {
    let bits = (circuit.ring().bits() + 1).min(64) - circuit.output_shift();
    let groups: usize = circuit.gates().iter().filter_map(Gate::guard).map(|guard| guard.groups()).sum();
    (bits as usize * circuit.outputs() * images).div_ceil(8) + 16 * groups * images
}

#[test]
fn masked_inputs_differ_each_time_and_are_uniform() {
    let (circuit, model) = compile("no-activation", 6, 14);
    let image = encoded(&vec![0.5; circuit.inputs()], 14);
    let (_, [sent, _]) = infer(&circuit, &model, &[image.clone(), image]);
    let first = 49 * circuit.inputs();
    let masked: Vec<&Vec<u8>> = sent.iter().filter(|message| message.len() == first.div_ceil(8)).collect();
    assert_eq!(masked.len(), 2);
    assert_ne!(masked[0], masked[1]);
    let ones: u32 = masked.iter().flat_map(|message| message.iter()).map(|byte| byte.count_ones()).sum();
    let (bits, ones) = (2.0 * first as f64, f64::from(ones));
    assert!((ones - bits / 2.0).abs() < 5.0 * bits.sqrt() / 2.0, "{ones} of {bits}");
}

#[test]
fn sessions_have_uniform_halves_of_public_keys_of_their_own() {
    let (circuit, model) = compile("no-activation", 6, 14);
    // The end of the model owner's first message.
    let seed =
        || infer(&circuit, &model, &[]).1[1][0].split_last_chunk::<32>().map(|(_, seed)| *seed).unwrap();
    assert_ne!(seed(), seed());
}

#[test]
fn ciphertexts_are_as_long_as_what_truncations_leave_asks_for() {
    let primes = |ring_bytes, bits| {
        let primes = Plan::new(compile("mnist-cnn", ring_bytes, bits).0).unwrap().primes();
        [0, 1].map(|prime| primes.bits(prime))
    };
    assert_eq!(primes(5, 12), [41 - 12 + 15, 26]);
    assert_eq!(primes(5, 16), [41 - 16 + 15, 26]);
    assert_eq!(primes(6, 12), [50, 26]);
    // Both primes of an answer.
    assert_eq!(primes(7, 12), [(57 - 12 + 45) / 2; 2]);
}

#[test]
fn primes_are_longer_where_pools_add_noise_up() {
    let conv = Conv2d { inputs: 1, outputs: 2, groups: 1, dilation: [1; 2], window: Window::tiles(1) };
    let pool = Operation::AveragePool(Window::tiles(4));
    let operations = vec![Operation::Conv2d(conv), pool, Operation::Dense { outputs: 3 }];
    let program = Program { input: Shape::image(1, 8, 8), operations, magnitudes: vec![] };
    let (circuit, model) = compile_program(&program, 5, 12);
    let plan = Plan::new(Arc::clone(&circuit)).unwrap();
    // Sixteen times what one product has is more than half of what is dropped.
    assert_eq!(plan.primes().bits(0), 41 - 12 + 15 + 4);
    let promise = plan.logit_error(plan.analyse(&model).unwrap().logit_error);
    let batch = encoded(&uniform(20 * circuit.inputs(), 5), 12);
    let expected = evaluate(&circuit, &model, &batch);
    let (answers, _) = infer(&circuit, &model, &[batch]);
    for (logit, expected) in answers[0].as_ref().unwrap().iter().zip(&expected) {
        let error = circuit.ring().signed(logit.wrapping_sub(*expected));
        assert!(u128::from(error.unsigned_abs()) <= promise, "off by {error}");
    }
}

#[test]
fn noise_that_logits_keep_is_counted_in_their_error() {
    // 16 fractional bits of weights leave few bits of 49 to drop behind logits of this magnitude.
    let (circuit, model) = compile("no-activation", 6, 16);
    let plan = Plan::new(Arc::clone(&circuit)).unwrap();
    let promise = analyse(&circuit, &model).unwrap().logit_error;
    let noise = (3000 + 640 + 2_u64).div_ceil(1 << circuit.output_shift());
    assert_eq!(plan.logit_error(promise), promise + u128::from(noise));
    let batch = encoded(&uniform(20 * circuit.inputs(), 5), 16);
    let expected = evaluate(&circuit, &model, &batch);
    let (answers, _) = infer(&circuit, &model, &[batch]);
    for (logit, expected) in answers[0].as_ref().unwrap().iter().zip(&expected) {
        let error = circuit.ring().signed(logit.wrapping_sub(*expected));
        assert!(u128::from(error.unsigned_abs()) <= plan.logit_error(promise), "off by {error}");
    }
}

#[test]
fn transfers_and_memory_of_networks_without_comparisons_are_counted() {
    let (circuit, _) = compile("no-activation", 6, 14);
    let truncated = |gate: &Gate| if let Gate::Truncate { units, .. } = gate { *units } else { 0 };
    let units: Vec<usize> = circuit.gates().iter().map(truncated).collect();
    let plan = Plan::new(Arc::clone(&circuit)).unwrap();
    assert!(units.iter().sum::<usize>() > 0);
    assert_eq!(plan.transfers().unwrap(), [units.iter().sum(), 0]);
    // Masks and shares of every linear layer, at least.
    let linear = circuit.gates().iter().filter(|gate| matches!(gate, Gate::Linear { .. }));
    let words: usize = linear.map(|gate| gate.inputs() + gate.outputs()).sum();
    assert!(plan.image_bytes().unwrap() > 8 * words);
    assert!(plan.memory(3).unwrap().data_owner > 3 * 8 * words);
}
