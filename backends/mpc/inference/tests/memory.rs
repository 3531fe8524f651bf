//! What a plan predicts of memory, beside what is allocated.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Error, Job, Party, Plan, Profile, RoleContext, Unsupported};
use veilbench_mpc_inference as mpc;
use veilbench_networks::{
    Architecture, Conv2d, Dense, Layer, Metadata, Network, Op, Parameters, Polynomial, Shape, Tensor, Window,
    zoo,
};

/// Counts for each thread, and so for each role of a session with one thread a role, what it allocated and did not give back,
/// and the most there was of it.
struct Counting;

const THREADS: usize = 256;
static STARTED: AtomicUsize = AtomicUsize::new(0);
static PEAKS: [AtomicUsize; THREADS] = [const { AtomicUsize::new(0) }; THREADS];

thread_local! {
    static THREAD: Cell<Option<usize>> = const { Cell::new(None) };
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let thread = THREAD.get().unwrap_or_else(|| {
        let thread = STARTED.fetch_add(1, Relaxed) % THREADS;
        THREAD.set(Some(thread));
        thread
    });
    LIVE.set(LIVE.get() + bytes);
    PEAKS[thread].fetch_max(LIVE.get().max(0) as usize, Relaxed);
}

#[expect(unsafe_code, reason = "an allocator")]
// SAFETY: all memory is the system allocator's, which is given what this one is given.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn network(input: Shape, layers: &[(Op, Shape, usize, usize)]) -> Network {
    let mut network = Network {
        architecture: Architecture { name: "large".into(), input, input_range: None, layers: Vec::new() },
        parameters: Vec::new(),
        metadata: Metadata::default(),
    };
    for (at, (op, output, weights, biases)) in layers.iter().enumerate() {
        let layer = Layer::new(format!("layer{at}"), *op, *output);
        network.architecture.layers.push(layer);
        let small = |count: usize| (0..count).map(|at| (at % 7) as f32 / 4096.0 - 1.0 / 2048.0).collect();
        network.parameters.push(match op {
            Op::Dense(_) | Op::Conv2d(_) => {
                Parameters::Affine { weights: small(*weights), bias: small(*biases) }
            }
            Op::Polynomial(_) => Parameters::Polynomial { coefficients: small(*weights) },
            _ => Parameters::None,
        });
    }
    network
}

fn wide(activation: Op, coefficients: usize) -> Network {
    let dense = |inputs, outputs| Op::Dense(Dense { inputs, outputs });
    let flat = Shape::Flat;
    network(
        flat(784),
        &[
            (dense(784, 5000), flat(5000), 784 * 5000, 5000),
            (activation, flat(5000), coefficients, 0),
            (dense(5000, 10), flat(10), 50_000, 10),
        ],
    )
}

fn wide_convolution() -> Network {
    let image = |channels, side| Shape::Image { channels, height: side, width: side };
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
    let conv = |inputs, outputs| Op::Conv2d(Conv2d { inputs, outputs, groups: 1, dilation: [1; 2], window });
    let flat = Shape::Flat;
    network(
        image(3, 24),
        &[
            (conv(3, 64), image(64, 24), 3 * 64 * 9, 64),
            (Op::Relu, image(64, 24), 0, 0),
            (Op::AveragePool(Window { kernel: [4; 2], stride: [4; 2], padding: [0; 4] }), image(64, 6), 0, 0),
            (conv(64, 64), image(64, 6), 64 * 64 * 9, 64),
            (Op::Relu, image(64, 6), 0, 0),
            (Op::Flatten, flat(2304), 0, 0),
            (Op::Dense(Dense { inputs: 2304, outputs: 10 }), flat(10), 23_040, 10),
        ],
    )
}

/// What a plan counts a process for before it holds anything, and what the allocator keeps of reading a model file, which a
/// session does not do.
const PROCESS_BYTES: usize = 14 << 20;
fn kept_bytes(network: &Network) -> usize {
    let weights = network.parameters.iter().map(|parameters| match parameters {
        Parameters::Affine { weights, .. } => weights.len(),
        Parameters::Polynomial { coefficients } => coefficients.len() / 3 * 2,
        _ => 0,
    });
    (4 * 4 * weights.sum::<usize>()).min(64 << 20)
}

/// Bytes of the role that takes most and of all, predicted and allocated.
fn bytes(backend: &dyn Backend, network: &Network, batch: usize) -> [[usize; 2]; 2] {
    let session = LocalSession::new(backend, network, batch);
    let plan: Plan = backend.plan(&network.architecture, &session.job).unwrap();
    let prediction = plan.prediction.as_ref().unwrap();
    let roles = backend.profile().roles.len();
    let predicted = [
        prediction.peak_rss_bytes.unwrap() as usize - PROCESS_BYTES - kept_bytes(network),
        prediction.session_peak_rss_bytes.unwrap() as usize - roles * PROCESS_BYTES - kept_bytes(network),
    ];
    let shape = network.architecture.input;
    let images = Tensor::new(batch, shape, vec![0.25; batch * shape.len()]).unwrap();
    let before = STARTED.load(Relaxed);
    let done = session.run(&[images.clone(), images]).unwrap();
    assert!(done.iter().all(|role| role.error.is_none()), "{:?} {:?}", done[0].error, done[1].error);
    let mut peaks: Vec<usize> =
        PEAKS[before..STARTED.load(Relaxed)].iter().map(|peak| peak.load(Relaxed)).collect();
    peaks.sort_unstable_by_key(|peak| std::cmp::Reverse(*peak));
    [predicted, [peaks[0], peaks[..roles].iter().sum()]]
}

/// Held by a test whose sessions count: threads are told apart by when they start.
static COUNTING: Mutex<()> = Mutex::new(());

#[test]
fn predicted_memory_is_what_is_allocated_and_no_more_than_the_stated_share_of_it() {
    let _alone = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let square = Op::Polynomial(Polynomial { channels: 5000, degree: 2 });
    for (name, network, batch, most) in [
        ("784-5000-10", wide(Op::Relu, 0), 1, 15.0),
        ("784-5000-10, squares", wide(square, 15_000), 1, 15.0),
        ("784-5000-10, batch", wide(Op::Relu, 0), 6, 15.0),
        ("convolution", wide_convolution(), 1, 15.0),
        ("convolution, batch", wide_convolution(), 3, 15.0),
        ("malaria-cnn-poly, batch", zoo::load("malaria-cnn-poly").unwrap(), 20, 25.0),
    ] {
        let backends: [Box<dyn Backend>; 3] =
            [Box::new(mpc::comparison_tree()), Box::new(mpc::fss()), Box::new(mpc::beaver())];
        for backend in backends {
            let [predicted, allocated] = bytes(backend.as_ref(), &network, batch);
            for ((predicted, allocated), of) in predicted.iter().zip(allocated).zip(["one role", "all roles"])
            {
                let share = 100.0 * (*predicted as f64 / allocated as f64 - 1.0);
                let name = format!("{} of {name}, {of}", backend.profile().name);
                println!("{name}: {predicted} bytes predicted, {allocated} allocated, {share:+.1} %");
                assert!((0.0..most).contains(&share), "{name}: {predicted} predicted, {allocated} allocated");
            }
        }
    }
}

/// A backend whose plans deal so many bytes of randomness at a time.
struct Streamed(Box<dyn Backend>, usize);

impl Backend for Streamed {
    fn profile(&self) -> Profile {
        self.0.profile()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let mut plan = self.0.plan(architecture, job)?;
        plan.parameters["bytes_dealt_ahead"] = self.1.into();
        Ok(plan)
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        self.0.join(role)
    }
}

/// Twelve layers of as many activations, and little else.
fn deep_convolution() -> Network {
    let image = Shape::Image { channels: 16, height: 24, width: 24 };
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
    let conv = Op::Conv2d(Conv2d { inputs: 16, outputs: 16, groups: 1, dilation: [1; 2], window });
    let mut layers = Vec::new();
    for _ in 0..12 {
        layers.extend([(conv, image, 16 * 16 * 9, 16), (Op::Relu, image, 0, 0)]);
    }
    let (flat, classes) = (Shape::Flat(9216), Shape::Flat(10));
    let dense = Op::Dense(Dense { inputs: 9216, outputs: 10 });
    layers.extend([(Op::Flatten, flat, 0, 0), (dense, classes, 92_160, 10)]);
    network(image, &layers)
}

#[test]
fn windows_of_gates_bound_the_memory_of_an_image() {
    let _alone = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let network = deep_convolution();
    for backend in [mpc::comparison_tree, mpc::fss] {
        let [_, [whole, all_whole]] = bytes(&backend(), &network, 1);
        let streamed = Streamed(Box::new(backend()), 1 << 20);
        let [_, [most, all]] = bytes(&streamed, &network, 1);
        let name = backend().profile().name;
        println!("{name}: {whole} bytes at one role and {all_whole} at all, in windows {most} and {all}");
        assert!(2 * most < whole && 2 * all < all_whole, "{name}: {most} of {whole}, {all} of {all_whole}");
    }
    let [_, [whole, _]] = bytes(&mpc::beaver(), &network, 1);
    let [_, [most, _]] = bytes(&Streamed(Box::new(mpc::beaver()), 1 << 20), &network, 1);
    println!("mpc-beaver: {whole} bytes at one role, in windows {most}");
    assert!(2 * most < whole, "{most} of {whole}");
}

/// Without a dealer: of what is under way most is stated, not counted, so the prediction is further from what is allocated.
#[test]
fn memory_of_two_parties_is_bounded_by_a_window_and_predicted_within_a_half() {
    let _alone = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
    let square = Op::Polynomial(Polynomial { channels: 5000, degree: 2 });
    for (name, network, batch) in [
        ("784-5000-10", wide(Op::Relu, 0), 1),
        ("784-5000-10, squares", wide(square, 15_000), 1),
        ("convolution, batch", wide_convolution(), 3),
        ("mnist-cnn, batch", zoo::load("mnist-cnn").unwrap(), 150),
        ("malaria-cnn", zoo::load("malaria-cnn").unwrap(), 1),
        ("malaria-cnn, batch", zoo::load("malaria-cnn").unwrap(), 12),
        ("melanoma-lenet-poly", zoo::load("melanoma-lenet-poly").unwrap(), 1),
    ] {
        let [predicted, allocated] = bytes(&mpc::TwoParty, &network, batch);
        for ((predicted, allocated), of) in predicted.iter().zip(allocated).zip(["one role", "both roles"]) {
            let share = 100.0 * (*predicted as f64 / allocated as f64 - 1.0);
            let name = format!("mpc-2pc of {name}, {of}");
            println!("{name}: {predicted} bytes predicted, {allocated} allocated, {share:+.1} %");
            assert!((0.0..50.0).contains(&share), "{name}: {predicted} predicted, {allocated} allocated");
        }
    }
}
