//! Made-up runs for tests of the report. No number here was ever measured.

use std::path::Path;
use veilbench_results::{
    ALL_ROLES, Answer, BackendRecord, Cell, DatasetRecord, Machine, NetworkRecord, Phase, Run, Sample,
    Session, Status, Store, Traffic,
};

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

/// Name, technology, threat model, security bits, simulated, made-up cost relative to the first.
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

/// A run description of a made-up machine with the first so many backends.
pub(crate) fn run(backends: usize) -> Run {
    let mut run = Run {
        name: "fixture".to_owned(),
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
    phase(&mut session, cell, repetition, (Phase::Setup, 0), costs.setup, 1);
    for (iteration, online) in costs.online.iter().enumerate() {
        phase(&mut session, cell, repetition, (Phase::Offline, iteration), costs.offline, 2);
        phase(&mut session, cell, repetition, (Phase::Online, iteration), *online, costs.rounds);
        for index in 0..cell.batch {
            let image = (iteration * cell.batch + index) % 1_000;
            let wrong = image.is_multiple_of(costs.wrong_every);
            session.answers.push(Answer {
                run: "fixture".to_owned(),
                cell: cell.id(),
                repetition,
                iteration,
                image,
                label: Some(image % 10),
                clear: if image % 50 == 7 { 0 } else { image % 10 },
                private: if wrong { (image + 1) % 10 } else { image % 10 },
                max_logit_error: Some(1e-4 * (1 + image % 3) as f64),
            });
        }
    }
    for (role, peak) in [("owner", 30_000_000), ("server", 80_000_000)] {
        let row = Sample::new("fixture", cell, repetition, Phase::Session, role);
        session.samples.push(Sample { peak_rss_bytes: Some(peak), cpu_ns: Some(5_000_000), ..row });
    }
    session.samples.push(Sample::new("fixture", cell, repetition, Phase::Session, ALL_ROLES));
    session
}

fn phase(
    session: &mut Session,
    cell: &Cell,
    repetition: usize,
    (phase, iteration): (Phase, usize),
    (wall_ns, bytes): (u64, u64),
    rounds: u64,
) {
    let (owner, server) = (bytes - bytes / 4, bytes / 4);
    for (role, sent, received) in
        [("owner", owner, server), ("server", server, owner), (ALL_ROLES, bytes, bytes)]
    {
        session.samples.push(Sample {
            iteration,
            warm: iteration > 0,
            images: (phase != Phase::Setup).then_some(cell.batch),
            wall_ns: Some(wall_ns),
            cpu_ns: (role != ALL_ROLES).then_some(wall_ns / 2),
            sent_bytes: Some(sent),
            received_bytes: Some(received),
            messages: Some(rounds),
            rounds: Some(rounds),
            ..Sample::new("fixture", cell, repetition, phase, role)
        });
    }
    for (from, to, bytes) in [("owner", "server", owner), ("server", "owner", server)] {
        session.traffic.push(Traffic {
            run: "fixture".to_owned(),
            cell: cell.id(),
            repetition,
            iteration,
            phase,
            from: from.to_owned(),
            to: to.to_owned(),
            bytes,
            messages: Some(rounds),
            received_bytes: Some(bytes),
            received_messages: Some(rounds),
            local: false,
        });
    }
}

/// A session that came to nothing.
pub(crate) fn failed(cell: &Cell, repetition: usize, status: Status, detail: &str) -> Session {
    let mark = Sample::new("fixture", cell, repetition, Phase::Session, ALL_ROLES);
    Session { samples: vec![Sample { status, detail: detail.to_owned(), ..mark }], ..Session::default() }
}

/// A run of so many backends, networks and batches, with some sessions that fail.
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
