//! Whole batches, each phase apart, both parties in one thread.

#[path = "../tests/session/mod.rs"]
mod session;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use session::{Session, compile, format, images};
use std::hint::black_box;

fn sessions(c: &mut Criterion) {
    let mut group = c.benchmark_group("masked");
    group.sample_size(10);
    for (name, count) in
        [("mnist-mlp", 1), ("mnist-cnn", 1), ("malaria-cnn", 1), ("mnist-mlp", 100), ("mnist-cnn", 100)]
    {
        let (circuit, model) = compile(name, format(8, 16));
        let images = images(&circuit, count, 1);
        group.throughput(Throughput::Elements(count as u64));
        let mut session = Session::fresh(&circuit, &model);
        group.bench_function(format!("{name}/{count}/dealer"), |b| {
            b.iter(|| {
                session.dealer.batch(count).map(|gate| black_box(gate).to_model_owner.len()).sum::<usize>()
            });
        });
        let mut session = Session::fresh(&circuit, &model);
        group.bench_function(format!("{name}/{count}/data-owner-offline"), |b| {
            b.iter(|| black_box(session.data_owner.prepare(count).1.len()));
        });
        let mut session = Session::fresh(&circuit, &model);
        group.bench_function(format!("{name}/{count}/online"), |b| {
            b.iter_batched(
                || session.prepare(count),
                |prepared| black_box(prepared.run(&images).logits),
                criterion::BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, sessions);
criterion_main!(benches);
