//! Made-up sessions of a made-up run: two roles, exact sums, nothing measured.

use veilbench_results::{
    ALL_ROLES, Answer, BackendRecord, Cell, DatasetRecord, NetworkRecord, Phase, Run, Sample, Session,
    Status, Traffic,
};

pub(crate) const RUN: &str = "made-up";

pub(crate) fn cell(backend: &str) -> Cell {
    Cell {
        backend: backend.to_owned(),
        network: "mnist-mlp".to_owned(),
        dataset: "mnist".to_owned(),
        batch: 2,
        threads: 1,
        link: "loopback".to_owned(),
        images: 4,
        seed: 0,
    }
}

pub(crate) fn run() -> Run {
    let mut run = Run { name: RUN.to_owned(), seed: 7, ..Run::default() };
    run.networks.insert("mnist-mlp".to_owned(), NetworkRecord::default());
    run.datasets.insert("mnist".to_owned(), DatasetRecord { images: 10_000, ..DatasetRecord::default() });
    for backend in ["clear", "mpc"] {
        let technology = backend.to_owned();
        run.backends.insert(backend.to_owned(), BackendRecord { technology, ..BackendRecord::default() });
    }
    run
}

/// A session of two batches of two images in which the owner sends 10 bytes and the server 4, in every phase.
pub(crate) fn session(cell: &Cell, repetition: usize) -> Session {
    let mut session = Session::default();
    let phases =
        [(Phase::Setup, 0), (Phase::Offline, 0), (Phase::Online, 0), (Phase::Offline, 1), (Phase::Online, 1)];
    for (phase, iteration) in phases {
        for (role, sent, received) in [("owner", 10, 4), ("server", 4, 10), (ALL_ROLES, 14, 14)] {
            session.samples.push(Sample {
                iteration,
                warm: iteration > 0,
                images: (phase != Phase::Setup).then_some(2),
                wall_ns: Some(1_000 + iteration as u64),
                sent_bytes: Some(sent),
                received_bytes: Some(received),
                messages: Some(1),
                rounds: Some(2),
                ..Sample::new(RUN, cell, repetition, phase, role)
            });
        }
        for (from, to, bytes) in [("owner", "server", 10), ("server", "owner", 4)] {
            session.traffic.push(Traffic {
                run: RUN.to_owned(),
                cell: cell.id(),
                repetition,
                iteration,
                phase,
                from: from.to_owned(),
                to: to.to_owned(),
                bytes,
                messages: Some(1),
                received_bytes: Some(bytes),
                received_messages: Some(1),
                local: false,
            });
        }
    }
    for image in 0..4 {
        session.answers.push(Answer {
            run: RUN.to_owned(),
            cell: cell.id(),
            repetition,
            iteration: image / 2,
            image,
            label: Some(image),
            clear: image,
            private: image,
            max_logit_error: Some(0.125),
        });
    }
    session.samples.push(mark(cell, repetition, Status::Ok));
    session
}

/// The row that ends a session.
pub(crate) fn mark(cell: &Cell, repetition: usize, status: Status) -> Sample {
    Sample { status, ..Sample::new(RUN, cell, repetition, Phase::Session, ALL_ROLES) }
}
