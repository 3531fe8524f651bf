//! Setup, transfers per second of either party, and ReLUs per second.
#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use veilbench_ot::extension::{Parameters, Receiver, Sender};
use veilbench_ot::relu::{self, Layout, Output, Turn};
use veilbench_ot::setup::{self, base};
use veilbench_ot::{Depth, Direction, Kernel, Kind, Session, ideal};

const SESSION: Session = Session::new([1; 16]);
const TRANSFERS: usize = 1 << 16;

fn set_up(c: &mut Criterion) {
    let mut group = c.benchmark_group("setup");
    group.bench_function("base", |b| {
        b.iter(|| {
            let (receiver, message) = base::Receiver::start(SESSION).unwrap();
            let (pairs, answer) = base::Sender::new(SESSION).unwrap().answer(&message).unwrap();
            black_box((pairs, receiver.finish(&answer).unwrap()))
        });
    });
    for depth in [Depth::FOUR, Depth::EIGHT] {
        group.bench_function(format!("both-parties/k={}", depth.levels()), |b| {
            b.iter(|| {
                let (chooser, first) = setup::Chooser::start(depth).unwrap();
                let (offerer, second) = setup::Offerer::start(depth, &first).unwrap();
                let (chooser, third) = chooser.finish(&second).unwrap();
                black_box((chooser, offerer.finish(&third).unwrap()))
            });
        });
    }
    group.finish();
}

fn extension(c: &mut Criterion) {
    let mut group = c.benchmark_group("extension");
    group.throughput(Throughput::Elements(TRANSFERS as u64));
    for (kind, depth) in
        [(Kind::Pairs, Depth::EIGHT), (Kind::Pairs, Depth::FOUR), (Kind::Sixteen, Depth::EIGHT)]
    {
        let parameters = Parameters { session: SESSION, direction: Direction::Forward, kind, depth };
        for kernel in Kernel::available() {
            let (pairs, chosen) = ideal::random_keys(parameters.seeds()).unwrap();
            let (mut receiver, message) = Receiver::with_kernel(kernel, parameters, pairs).unwrap();
            let mut sender = Sender::with_kernel(kernel, parameters, chosen, &message).unwrap();
            let name = |party| format!("{kind:?}/k={}/{party}/{kernel:?}", depth.levels());
            group.bench_function(name("receiver"), |b| b.iter(|| receiver.extend(TRANSFERS)));
            let (_, message) = receiver.extend(TRANSFERS);
            group.bench_function(name("sender"), |b| b.iter(|| sender.extend(TRANSFERS, &message).unwrap()));
        }
    }
    group.finish();
}

fn hashes(c: &mut Criterion) {
    let mut group = c.benchmark_group("keys");
    group.throughput(Throughput::Elements(TRANSFERS as u64));
    let rows = |kind| ideal::random_rows(kind, TRANSFERS).unwrap();
    group.bench_function("pairs/sender", |b| {
        b.iter_batched(|| rows(Kind::Pairs).0, |rows| rows.into_pairs().unwrap(), BatchSize::LargeInput);
    });
    group.bench_function("pairs/receiver", |b| {
        b.iter_batched(|| rows(Kind::Pairs).1, |rows| rows.into_chosen().unwrap(), BatchSize::LargeInput);
    });
    group.finish();
}

fn relus(c: &mut Criterion) {
    let layout = Layout::new(27, Output::Relu { bits: 48 }, 10_000).unwrap();
    let rows = || {
        (
            ideal::random_rows(Kind::Sixteen, layout.lookups()).unwrap(),
            ideal::random_rows(Kind::Pairs, layout.offered()).unwrap(),
            ideal::random_rows(Kind::Pairs, layout.returned()).unwrap(),
        )
    };
    let keys = |(lookups, offered, returned): ((_, _), (_, _), (_, _))| {
        (
            relu::Offerer::new(layout, lookups.0, offered.0, returned.1).unwrap(),
            relu::Chooser::new(layout, lookups.1, offered.1, returned.0).unwrap(),
        )
    };
    let mut group = c.benchmark_group("relu");
    group.throughput(Throughput::Elements(layout.lanes() as u64));
    group.bench_function("keys-of-both", |b| b.iter_batched(rows, keys, BatchSize::LargeInput));
    let shares: Vec<u64> = (0..layout.lanes() as u64).map(|lane| lane * 7919 % (1 << 27)).collect();
    group.bench_function("online-of-both", |b| {
        b.iter_batched(
            || keys(rows()),
            |(offerer, chooser)| {
                let (chooser, mut message) = chooser.start(&shares).unwrap();
                let (mut waiting, mut other) = (offerer.start(&shares).unwrap(), Some(chooser));
                loop {
                    match waiting.receive(&message).unwrap() {
                        Turn::Send(party, next) => {
                            message = next;
                            waiting = other.replace(party).unwrap();
                        }
                        Turn::Last(_, next) => {
                            message = next;
                            waiting = other.take().unwrap();
                        }
                        Turn::Done(shares) => break shares,
                    }
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, set_up, extension, hashes, relus);
criterion_main!(benches);
