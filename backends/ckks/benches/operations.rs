//! The operations of the engine at the parameter sets of its documentation, on one thread, in its processor time.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use veilbench_ckks::*;

struct Set {
    name: &'static str,
    degree: usize,
    data: &'static [u32],
    special: &'static [u32],
    digits: usize,
}

const SETS: [Set; 5] = [
    Set { name: "8192-3", degree: 8192, data: &[50, 50, 50], special: &[50], digits: 3 },
    Set {
        name: "16384-8",
        degree: 16_384,
        data: &[50, 40, 40, 40, 40, 40, 40, 40],
        special: &[50, 50],
        digits: 4,
    },
    Set { name: "16384-6", degree: 16_384, data: &[50; 6], special: &[50, 50], digits: 3 },
    Set {
        name: "32768-15",
        degree: 32_768,
        data: &[50, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41],
        special: &[44; 5],
        digits: 3,
    },
    Set {
        name: "32768-18",
        degree: 32_768,
        data: &[50, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40],
        special: &[45; 3],
        digits: 6,
    },
];

fn values(count: usize) -> Vec<f64> {
    (0..count).map(|i| (i as f64 * 0.37).sin()).collect()
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, operation: &str, set: &Set, mut run: impl FnMut()) {
    group.bench_function(BenchmarkId::new(operation, set.name), |bencher| {
        bencher.iter_custom(|iterations| {
            let start = thread_time();
            for _ in 0..iterations {
                run();
            }
            thread_time() - start
        });
    });
}

/// The processor time of this thread, which other work on the machine does not lengthen.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn operations(criterion: &mut Criterion) {
    for set in &SETS {
        let request = ParameterRequest {
            degree: set.degree,
            data_prime_bits: set.data,
            special_prime_bits: set.special,
            digits: set.digits,
        };
        let context = Context::new(Parameters::new(&request).expect("the sets are secure"));
        let mut random = Randomness::from_system().expect("the system has randomness");
        let secret = SecretKey::generate(&context, &mut random);
        let public = PublicKey::generate(&secret, &mut random);
        let level = context.parameters().max_level();
        let prime = context.parameters().data_primes()[level] as f64;
        let weights = values(128 * 1024);
        let matrix = (set.degree == 8192).then(|| {
            Matrix::from_rows(&context, 128, 1024, &weights, prime, level).expect("the matrix fits")
        });
        let rotations = matrix.iter().flat_map(Matrix::rotations).chain([1]).collect();
        let request = KeyRequest { relinearisation: true, conjugation: false, rotations };
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
        let group = &mut group;
        let plan = tfhe_ntt::prime64::Plan::try_new(set.degree, context.parameters().data_primes()[0])
            .expect("the primes have roots");
        let mut row = vec![1; set.degree];
        bench(group, "ntt", set, || plan.fwd(black_box(&mut row)));
        bench(group, "encode", set, || drop(black_box(context.encode(&values, scale, level))));
        bench(group, "encrypt", set, || drop(black_box(secret.encrypt(&plaintext, &mut random))));
        bench(group, "expand", set, || drop(black_box(sealed.clone().expand(&context))));
        bench(group, "encrypt-public", set, || {
            let mut random = Randomness::from_system().expect("the system has randomness");
            drop(black_box(public.encrypt(&context, &plaintext, &mut random)));
        });
        bench(group, "decrypt", set, || drop(black_box(secret.decrypt(&a))));
        let low = context.encode(&values, scale, 0).expect("the values fit");
        bench(group, "decode", set, || drop(black_box(context.decode(&low))));
        bench(group, "add", set, || drop(black_box(evaluator.add(&a, &b))));
        bench(group, "multiply-plain", set, || drop(black_box(evaluator.multiply_plain(&a, &plaintext))));
        bench(group, "multiply", set, || drop(black_box(evaluator.multiply(&a, &b))));
        bench(group, "rescale", set, || drop(black_box(evaluator.rescale(&product))));
        bench(group, "rotate", set, || drop(black_box(evaluator.rotate(&a, 1))));
        bench(group, "hoist", set, || drop(black_box(evaluator.hoist(&a))));
        bench(group, "rotate-hoisted", set, || drop(black_box(hoisted.rotate(1))));
        if let Some(matrix) = &matrix {
            bench(group, "matrix-128x1024", set, || drop(black_box(evaluator.multiply_matrix(matrix, &a))));
        }
    }
}

criterion_group!(benches, operations);
criterion_main!(benches);
