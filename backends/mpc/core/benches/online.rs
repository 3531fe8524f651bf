//! Whole batches, each phase apart, both parties in one thread.

#[path = "../tests/session/mod.rs"]
mod session;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use session::{Session, compile, format, images};
use std::hint::black_box;
use veilbench_mpc::circuit::{Format, SignProtocol, Width};

fn sessions(c: &mut Criterion) {
    let mut group = c.benchmark_group("masked");
    group.sample_size(10);
    for (name, count, signs, width) in [
        ("mnist-mlp", 1, SignProtocol::Tree, Width::Bytes),
        ("mnist-cnn", 1, SignProtocol::Tree, Width::Bytes),
        ("malaria-cnn", 1, SignProtocol::Tree, Width::Bytes),
        ("malaria-cnn", 1, SignProtocol::Tree, Width::Bits),
        ("malaria-cnn", 1, SignProtocol::Function, Width::Bytes),
        ("malaria-cnn", 1, SignProtocol::Function, Width::Bits),
        ("relu-10000", 1, SignProtocol::Tree, Width::Bytes),
        ("relu-10000", 1, SignProtocol::Function, Width::Bytes),
        ("mnist-mlp", 100, SignProtocol::Tree, Width::Bytes),
        ("mnist-cnn", 100, SignProtocol::Tree, Width::Bytes),
    ] {
        let (circuit, model) = compile(name, Format { signs, width, ..format(8, 16) });
        let signs = format!("{signs:?}/{width:?}");
        let images = images(&circuit, count, 1);
        group.throughput(Throughput::Elements(count as u64));
        let mut session = Session::fresh(&circuit, &model);
        group.bench_function(format!("{name}/{count}/{signs}/dealer"), |b| {
            b.iter(|| {
                session.dealer.batch(count).map(|gate| black_box(gate).to_model_owner().len()).sum::<usize>()
            });
        });
        let mut session = Session::fresh(&circuit, &model);
        group.bench_function(format!("{name}/{count}/{signs}/data-owner-offline"), |b| {
            b.iter(|| black_box(session.data_owner.prepare(count).1.concat().len()));
        });
        let mut session = Session::fresh(&circuit, &model);
        group.bench_function(format!("{name}/{count}/{signs}/online"), |b| {
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
