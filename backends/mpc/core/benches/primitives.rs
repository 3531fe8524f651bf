//! Matrix product, convolution, expansion of seeds, the comparison function.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::hint::black_box;
use veilbench_mpc::dcf::{self, BitComparison, Comparison, Corrections, Side};
use veilbench_mpc::linear::{LinearMap, LinearShape};
use veilbench_mpc::product::{Kernel, Panels};
use veilbench_mpc::random::Seed;
use veilbench_networks::{Conv2d, Shape, Window};

fn products(c: &mut Criterion) {
    let mut stream = Seed::from_bytes([1; 16]).stream(0);
    let mut group = c.benchmark_group("product");
    for (name, rows, inner, columns) in [
        ("malaria-conv1", 36, 75, 784),
        ("malaria-conv2", 36, 900, 100),
        ("mlp-fc1", 1, 784, 128),
        ("mlp-fc1-batch-100", 100, 784, 128),
    ] {
        let left = stream.words(rows * inner);
        let right = Panels::transposed(&stream.words(inner * columns), inner, columns);
        let mut product = vec![0; rows * columns];
        group.throughput(Throughput::Elements((rows * inner * columns) as u64));
        for kernel in Kernel::available() {
            group.bench_function(format!("{name}/{kernel:?}"), |b| {
                b.iter(|| right.multiply_with(kernel, black_box(&left), &mut product));
            });
        }
    }
    group.finish();
}

fn expansion(c: &mut Criterion) {
    let mut words = vec![0; 1 << 16];
    let mut stream = Seed::from_bytes([1; 16]).stream(0);
    let mut group = c.benchmark_group("expansion");
    group.throughput(Throughput::Bytes(8 << 16));
    group.bench_function("aes-128-ctr", |b| b.iter(|| stream.fill(black_box(&mut words))));
    let mut bytes = vec![0; 8 << 16];
    let mut chacha = ChaCha12Rng::from_seed([1; 32]);
    group.bench_function("chacha12", |b| b.iter(|| chacha.fill_bytes(black_box(&mut bytes))));
    group.finish();
}

fn convolutions(c: &mut Criterion) {
    let mut stream = Seed::from_bytes([1; 16]).stream(0);
    let window = Window { kernel: [5; 2], stride: [1; 2], padding: [0; 4] };
    let mut group = c.benchmark_group("convolution");
    for (name, channels, size) in [("malaria-conv1", 3, 32), ("malaria-conv2", 36, 14)] {
        let conv = Conv2d { inputs: channels, outputs: 36, groups: 1, dilation: [1; 2], window };
        let input = Shape::image(channels, size, size);
        let shape = LinearShape::Conv2d { conv, input, output: [size - 4; 2] };
        let map = LinearMap::new(shape, stream.words(shape.weights()));
        let image = stream.words(input.len());
        group.throughput(Throughput::Elements((shape.outputs() * shape.weights_per_output()) as u64));
        group.bench_function(name, |b| b.iter(|| map.apply(black_box(&image))));
    }
    group.finish();
}

fn comparison_function(c: &mut Criterion) {
    let count = 1024;
    let mut stream = Seed::from_bytes([1; 16]).stream(0);
    let (first, second) = (dcf::roots(&mut stream, count), dcf::roots(&mut stream, count));
    let mut group = c.benchmark_group("comparison-function");
    group.throughput(Throughput::Elements(count as u64));
    let kernels = || dcf::Kernel::available().into_iter();
    for (bits, kernel) in
        [39, 47, 63].into_iter().flat_map(|bits| kernels().map(move |kernel| (bits, kernel)))
    {
        let function = Comparison::with_kernel(bits, bits + 1, 1, kernel);
        let thresholds: Vec<u64> = stream.words(count).into_iter().map(|word| word >> (64 - bits)).collect();
        let payloads = vec![[1, 2]; count];
        let mut corrections = Corrections::default();
        group.bench_function(format!("generate/{bits}/{kernel:?}"), |b| {
            b.iter(|| {
                let roots: [&[u128]; 2] = [&first, &second];
                function.generate_into(&mut corrections, black_box(&thresholds), &payloads, roots);
            });
        });
        function.generate_into(&mut corrections, &thresholds, &payloads, [&first, &second]);
        group.bench_function(format!("evaluate/{bits}/{kernel:?}"), |b| {
            b.iter(|| function.evaluate(Side::First, black_box(&thresholds), &first, &corrections));
        });
    }
    group.finish();
}

fn comparison_function_of_one_bit(c: &mut Criterion) {
    let count = 1024;
    let mut stream = Seed::from_bytes([1; 16]).stream(0);
    let (first, second) = (dcf::roots(&mut stream, count), dcf::roots(&mut stream, count));
    let mut group = c.benchmark_group("comparison-function-of-one-bit");
    group.throughput(Throughput::Elements(count as u64));
    let kernels = || dcf::Kernel::available().into_iter();
    for (bits, kernel) in [26, 45].into_iter().flat_map(|bits| kernels().map(move |kernel| (bits, kernel))) {
        let function = BitComparison::with_kernel(bits, 1, kernel);
        let thresholds: Vec<u64> = stream.words(count).into_iter().map(|word| word >> (64 - bits)).collect();
        let (mut corrections, mut shares) = (Corrections::default(), vec![0; count / 64]);
        group.bench_function(format!("generate/{bits}/{kernel:?}"), |b| {
            b.iter(|| function.generate_into(&mut corrections, black_box(&thresholds), [&first, &second]));
        });
        function.generate_into(&mut corrections, &thresholds, [&first, &second]);
        group.bench_function(format!("evaluate/{bits}/{kernel:?}"), |b| {
            b.iter(|| {
                let inputs = black_box(&thresholds);
                function.evaluate_into(&mut shares, Side::First, inputs, &first, &corrections);
            });
        });
    }
    group.finish();
}

criterion_group!(
    benches,
    products,
    convolutions,
    expansion,
    comparison_function,
    comparison_function_of_one_bit
);
criterion_main!(benches);
