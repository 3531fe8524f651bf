//! The operations of the engine at the parameter sets of its documentation, on one thread and on two, in wall time.
//!
//! At the end stands the peak memory of key generation and of evaluation, each in a process of its own
//! (`benches/memory`).

#[path = "../tests/fixture/matrix.rs"]
mod matrix;
mod memory;
mod sets;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group};
use matrix::Matrix;
use rayon::{ThreadPool, ThreadPoolBuilder};
use sets::{SETS, Set};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use veilbench_ckks::*;

fn values(count: usize) -> Vec<f64> {
    (0..count).map(|i| (i as f64 * 0.37).sin()).collect()
}

/// Pools of one thread and of two.
fn pools() -> [ThreadPool; 2] {
    [1, 2].map(|threads| ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start"))
}

struct Bench<'a, 'b> {
    group: &'a mut BenchmarkGroup<'b, WallTime>,
    pools: &'a [ThreadPool],
    set: &'static str,
}

impl Bench<'_, '_> {
    fn run(&mut self, operation: &str, mut run: impl FnMut() + Send) {
        for pool in self.pools {
            let id = BenchmarkId::new(operation, format!("{}/{}", self.set, pool.current_num_threads()));
            self.group.bench_function(id, |bencher| {
                bencher.iter_custom(|iterations| {
                    pool.install(|| {
                        let start = Instant::now();
                        for _ in 0..iterations {
                            run();
                        }
                        start.elapsed()
                    })
                });
            });
        }
    }
}

fn operations(criterion: &mut Criterion) {
    let pools = pools();
    // A filter that names a set keeps the keys of the others from being made.
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |set: &&Set| {
        let named = filters.iter().any(|filter| SETS.iter().any(|other| filter.contains(other.name)));
        !named || filters.iter().any(|filter| filter.contains(set.name))
    };
    for set in SETS.iter().filter(is_wanted) {
        let context = set.context();
        let mut random = Randomness::from_system().expect("the system has randomness");
        let secret = SecretKey::generate(&context, &mut random);
        let public = PublicKey::generate(&secret, &mut random);
        let level = context.parameters().max_level();
        let prime = context.parameters().data_primes()[level] as f64;
        let weights = values(128 * 1024);
        let matrix = Matrix::from_rows(&context, 128, 1024, &weights, prime, level).expect("the matrix fits");
        let rotations = matrix.rotations().into_iter().chain([1]).collect();
        let request = KeyRequest { relinearisation: true, rotations, ..KeyRequest::default() };
        let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random);
        let evaluator = Evaluator::new(&context, Arc::new(keys.expand(&context).expect("the keys are ours")))
            .expect("the keys are ours");
        let scale = 2f64.powi(40);
        let values = values(context.parameters().slots());
        let plaintext = context.encode(&values, scale, level).expect("the values fit");
        let sealed = secret.encrypt(&plaintext, &mut random).expect("it is ours");
        let a = sealed.clone().expand(&context).expect("it is ours");
        let b = public.encrypt(&context, &plaintext, &mut random).expect("it is ours");
        let product = evaluator.multiply(&a, &b).expect("they match");
        let hoisted = evaluator.hoist(&a).expect("it is ours");

        let mut group = criterion.benchmark_group("ckks");
        group
            .sample_size(10)
            .measurement_time(Duration::from_secs(1))
            .warm_up_time(Duration::from_millis(200));
        let mut bench = Bench { group: &mut group, pools: &pools, set: set.name };
        let plan = tfhe_ntt::prime64::Plan::try_new(
            context.parameters().degree(),
            context.parameters().data_primes()[0],
        )
        .expect("the primes have roots");
        let mut row = vec![1; context.parameters().degree()];
        bench.run("ntt", || plan.fwd(black_box(&mut row)));
        bench.run("encode", || drop(black_box(context.encode(&values, scale, level))));
        bench.run("encrypt", || drop(black_box(secret.encrypt(&plaintext, &mut random))));
        bench.run("expand", || drop(black_box(sealed.clone().expand(&context))));
        bench.run("encrypt-public", || {
            let mut random = Randomness::from_system().expect("the system has randomness");
            drop(black_box(public.encrypt(&context, &plaintext, &mut random)));
        });
        bench.run("decrypt", || drop(black_box(secret.decrypt(&a))));
        let low = context.encode(&values, scale, 0).expect("the values fit");
        bench.run("decode", || drop(black_box(context.decode(&low))));
        bench.run("add", || drop(black_box(evaluator.add(&a, &b))));
        bench.run("multiply-plain", || drop(black_box(evaluator.multiply_plain(&a, &plaintext))));
        bench.run("multiply", || drop(black_box(evaluator.multiply(&a, &b))));
        bench.run("rescale", || drop(black_box(evaluator.rescale(&product))));
        bench.run("rotate", || drop(black_box(evaluator.rotate(&a, 1))));
        bench.run("hoist", || drop(black_box(evaluator.hoist(&a))));
        bench.run("rotate-hoisted", || drop(black_box(hoisted.rotate(1))));
        bench.run("matrix-128x1024", || drop(black_box(matrix.times(&evaluator, &a))));
    }
}

criterion_group!(benches, operations);

fn main() {
    if let Ok(role) = std::env::var(memory::ROLE) {
        memory::play(&role);
        return;
    }
    benches();
    if std::env::args().any(|argument| argument == "--bench") {
        Criterion::default().configure_from_args().final_summary();
        memory::report();
    }
}
