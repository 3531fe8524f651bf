//! Made-up runs for tests of the report. No number here was ever measured.

use std::path::Path;
use veilbench_made_up::{self as made_up, Part, mark};
use veilbench_results::{
    BackendRecord, Cell, DatasetRecord, Machine, NetworkRecord, Phase, Run, Sample, Session, Status, Store,
};

const RUN: &str = "fixture";

pub(crate) const NETWORKS: [(&str, &str); 8] = [
    ("mnist-mlp", "mnist"),
    ("mnist-mlp-poly", "mnist"),
    ("mnist-cnn", "mnist"),
    ("mnist-cnn-poly", "mnist"),
    ("malaria-cnn", "malaria"),
    ("malaria-cnn-poly", "malaria"),
    ("melanoma-lenet", "melanoma-sample"),
    ("melanoma-lenet-poly", "melanoma-sample"),
];

/// Name, technology, protection, security bits, simulated, made-up cost relative to the first.
type Backend = (&'static str, &'static str, &'static str, Option<u32>, bool, u64);

pub(crate) const BACKENDS: [Backend; 7] = [
    ("clear", "none", "the server sees every image", None, false, 1),
    ("tee", "tee", "enclave hardware and its vendor are trusted", Some(128), true, 4),
    ("mpc-dealer", "mpc", "semi-honest, two servers and a dealer that do not collude", None, false, 900),
    ("mpc-3pc", "mpc", "semi-honest, at most one of three servers corrupt", None, false, 300),
    (
        "ckks",
        "ckks",
        "semi-honest server without a key; the client learns logits only",
        Some(128),
        false,
        40_000,
    ),
    (
        "ckks-batched",
        "ckks",
        "semi-honest server without a key; the client learns logits only",
        Some(128),
        false,
        90_000,
    ),
    ("hybrid", "ckks+mpc", "semi-honest, client and one server", Some(128), false, 7_000),
];

pub(crate) fn machine() -> Machine {
    Machine { cpu_model: "Made-up CPU @ 3.00GHz".to_owned(), cores: 2, ..Machine::default() }
}

/// A run description of a made-up machine with the first of the backends.
pub(crate) fn run(backends: usize) -> Run {
    let mut run = Run {
        name: RUN.to_owned(),
        created: "2026-01-01T00:00:00Z".to_owned(),
        machines: [(String::new(), machine())].into(),
        ..Run::default()
    };
    for (name, technology, summary, security_bits, simulated, _) in BACKENDS.into_iter().take(backends) {
        run.backends.insert(
            name.to_owned(),
            BackendRecord {
                technology: technology.to_owned(),
                data_owner: "owner".to_owned(),
                threat_model_summary: summary.to_owned(),
                security_bits,
                simulated,
                ..BackendRecord::default()
            },
        );
    }
    for (network, dataset) in NETWORKS {
        run.networks.insert(network.to_owned(), NetworkRecord::default());
        let synthetic = dataset.ends_with("-sample");
        run.datasets.insert(
            dataset.to_owned(),
            DatasetRecord { images: 1_000, synthetic, ..DatasetRecord::default() },
        );
    }
    run
}

pub(crate) fn cell(backend: &str, network: &str, dataset: &str, batch: usize) -> Cell {
    Cell {
        backend: backend.to_owned(),
        network: network.to_owned(),
        dataset: dataset.to_owned(),
        batch,
        threads: 1,
        link: "loopback".to_owned(),
        images: 100,
        seed: 0,
    }
}

/// What a made-up session costs: wall-clock time and bytes of setup, offline and each online batch.
#[derive(Clone)]
pub(crate) struct Costs {
    pub(crate) setup: (u64, u64),
    pub(crate) offline: (u64, u64),
    /// The first batch is cold.
    pub(crate) online: Vec<(u64, u64)>,
    pub(crate) rounds: u64,
    /// One wrong answer in so many.
    pub wrong_every: usize,
}

/// A whole session with these costs, in which `owner` sends three quarters of the bytes and `server` the rest.
pub(crate) fn session(cell: &Cell, repetition: usize, costs: &Costs) -> Session {
    let mut session = Session::default();
    let setup =
        Part { run: RUN, cell, repetition, iteration: 0, phase: Phase::Setup, roles: &["owner", "server"] };
    setup.measure(&mut session, shared(costs.setup, 1));
    for (iteration, online) in costs.online.iter().enumerate() {
        let part = Part { iteration, phase: Phase::Offline, ..setup };
        part.measure(&mut session, shared(costs.offline, 2));
        let part = Part { phase: Phase::Online, ..part };
        part.measure(&mut session, shared(*online, costs.rounds));
        for index in 0..cell.batch {
            let image = (iteration * cell.batch + index) % 1_000;
            let label = image % 10;
            let clear = if image % 50 == 7 { 0 } else { label };
            let private = if image.is_multiple_of(costs.wrong_every) { (image + 1) % 10 } else { label };
            session.answers.push(part.answer(image, [label, clear, private], 1e-4 * (1 + image % 3) as f64));
        }
    }
    for (role, peak) in [("owner", 30_000_000), ("server", 80_000_000)] {
        let row = Sample::new(RUN, cell, repetition, Phase::Session, role);
        session.samples.push(Sample { peak_rss_bytes: Some(peak), cpu_ns: Some(5_000_000), ..row });
    }
    session.samples.push(mark(RUN, cell, repetition, Status::Ok, ""));
    session
}

/// Three quarters of the bytes there, the rest back.
fn shared((wall_ns, bytes): (u64, u64), rounds: u64) -> made_up::Costs {
    made_up::Costs { wall_ns, sent_bytes: [bytes - bytes / 4, bytes / 4], rounds }
}

/// A session that came to nothing.
pub(crate) fn failed(cell: &Cell, repetition: usize, status: Status, detail: &str) -> Session {
    Session { samples: vec![mark(RUN, cell, repetition, status, detail)], ..Session::default() }
}

/// A run of this many backends, networks and batches, with some sessions that fail.
pub(crate) fn write(folder: &Path, backends: usize, networks: usize, batches: &[usize]) {
    let mut store = Store::create(folder, &run(backends)).unwrap();
    for (place, (backend, .., cost)) in BACKENDS.into_iter().take(backends).enumerate() {
        for (order, (network, dataset)) in NETWORKS.into_iter().take(networks).enumerate() {
            for batch in batches {
                let cell = cell(backend, network, dataset, *batch);
                if backend.starts_with("ckks") && !network.ends_with("-poly") {
                    let detail = "relu has no exact polynomial";
                    store.append_session(&failed(&cell, 0, Status::Unsupported, detail)).unwrap();
                    continue;
                }
                for repetition in 0..3 {
                    if backend == "hybrid" && order == 5 {
                        let detail = "no answer within 600 s";
                        store.append_session(&failed(&cell, repetition, Status::Timeout, detail)).unwrap();
                        continue;
                    }
                    if backend == "mpc-3pc" && order == 3 && repetition == 2 {
                        let detail = "server: connection reset by peer";
                        store.append_session(&failed(&cell, repetition, Status::Error, detail)).unwrap();
                        continue;
                    }
                    let base = 40_000 * cost * (order as u64 + 1) * (1 + (*batch as u64 - 1) / 3);
                    let jitter =
                        |index: u64| 100 + (index * 37 + place as u64 * 11 + repetition as u64 * 5) % 23;
                    let bytes = 3_000 * *batch as u64 + if cost > 1 { cost * 700 * *batch as u64 } else { 0 };
                    let costs = Costs {
                        setup: (base * 12 / (place as u64 + 1), bytes * 20),
                        offline: (
                            if cost > 1 { base / 2 } else { 90 },
                            if backend == "mpc-dealer" { bytes * 8 } else { 0 },
                        ),
                        online: (0..6).map(|index| (base * jitter(index) / 100, bytes)).collect(),
                        rounds: 2 + cost % 40,
                        wrong_every: 29 + place * 13 + order * 7,
                    };
                    store.append_session(&session(&cell, repetition, &costs)).unwrap();
                }
            }
        }
    }
}
