//! Convolutions of a ResNet-20 on one ciphertext of the largest ring, with weights that are transformed as they are used: one for
//! each stage, at the level it is at, on one thread and on two.
//!
//! `cargo bench -p veilbench-ckks --bench convolution`

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rayon::ThreadPoolBuilder;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use veilbench_ckks::*;

const GRID: usize = 32;
const LEVELS: usize = 39;
const BITS: u32 = 34;

/// A stage: its gap between pixels, grids of channels and level.
const STAGES: [(usize, usize, usize); 3] = [(1, 16, 37), (2, 8, 25), (4, 4, 13)];

/// The shifts of a 3 x 3 convolution of channels that lie in grids and in the gaps of them, in a circle.
fn shifts(gap: usize, grids: usize) -> BTreeSet<(usize, i64)> {
    let period = (grids * GRID * GRID) as i64;
    let reach = 2 * gap as i64 - 1;
    let along = || -reach..=reach;
    let offsets = move || along().flat_map(move |row| along().map(move |column| GRID as i64 * row + column));
    let of = |grid: usize| {
        offsets().map(move |offset| (0, ((grid * GRID * GRID) as i64 + offset).rem_euclid(period)))
    };
    (0..grids).flat_map(of).collect()
}

fn convolutions(criterion: &mut Criterion) {
    let data: Vec<u32> = std::iter::once(BITS + 5).chain((0..LEVELS).map(|_| BITS)).collect();
    let request =
        ParameterRequest { degree: 65_536, data_prime_bits: &data, special_prime_bits: &[50; 7], digits: 4 };
    let context = Context::new(Parameters::new(&request).expect("128 bits"));
    let mut random = Randomness::from_system().expect("the system has randomness");
    let secret = SecretKey::generate(&context, &mut random);
    let subrings = Subrings::new(&context);
    let mut group = criterion.benchmark_group("convolution");
    group.sample_size(10);
    for (gap, grids, level) in STAGES {
        let shifts = shifts(gap, grids);
        let length = grids * GRID * GRID;
        let outline = ChainOutline::new(&shifts, 3);
        let diagonal =
            |index: usize| (0..length).map(|slot| ((slot + index) as f64 * 0.37).sin() / 16.0).collect();
        let diagonals: BTreeMap<(usize, i64), Vec<f64>> =
            shifts.iter().enumerate().map(|(index, &at)| (at, diagonal(index))).collect();
        let rotations = outline.rotations();
        let levels = rotations.iter().map(|&steps| (steps, level)).collect();
        let request = KeyRequest {
            rotations,
            levels: KeyLevels { rotations: levels, ..KeyLevels::default() },
            ..KeyRequest::default()
        };
        let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random).expand(&context);
        let evaluator =
            Evaluator::new(&context, Arc::new(keys.expect("they are ours"))).expect("they are ours");
        let scale = 2f64.powi(BITS as i32);
        let transform =
            StreamedTransform::new(&subrings, &diagonals, outline, &[scale], level).expect("it fits");
        let plaintext = context.encode(&vec![0.5; 32_768], scale, level).expect("it fits");
        let input = secret.encrypt(&plaintext, &mut random).and_then(|fresh| fresh.expand(&context));
        let input = [input.expect("it is ours")];
        for threads in [1, 2] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads start");
            let id = BenchmarkId::new(format!("gap {gap}, level {level}"), threads);
            group.bench_function(id, |bencher| {
                bencher.iter(|| {
                    let apply = || evaluator.streamed_transform(&transform, &input);
                    let sum = pool.install(apply).expect("keys are there");
                    evaluator.rescale(&sum).expect("a level is left")
                });
            });
        }
    }
}

criterion_group!(benches, convolutions);
criterion_main!(benches);
