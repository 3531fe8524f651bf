//! Matrix product, expansion of seeds.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use veilbench_mpc::product::{Kernel, Panels};
use veilbench_mpc::random::Seed;

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
    group.finish();
}

criterion_group!(benches, products, expansion);
criterion_main!(benches);
