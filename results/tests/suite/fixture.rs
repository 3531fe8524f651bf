//! Made-up sessions of a made-up run: two roles, exact sums, nothing measured.

use veilbench_made_up::{Costs, Part};
use veilbench_results::{
    BackendRecord, Cell, DatasetRecord, NetworkRecord, Phase, Run, Sample, Session, Status,
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

/// A session of two batches in which the owner sends 10 bytes and the server 4, in every phase.
pub(crate) fn session(cell: &Cell, repetition: usize) -> Session {
    let mut session = Session::default();
    let phases =
        [(Phase::Setup, 0), (Phase::Offline, 0), (Phase::Online, 0), (Phase::Offline, 1), (Phase::Online, 1)];
    for (phase, iteration) in phases {
        let part = Part { run: RUN, cell, repetition, iteration, phase, roles: &["owner", "server"] };
        let wall_ns = 1_000 + iteration as u64;
        part.measure(&mut session, Costs { wall_ns, sent_bytes: [10, 4], rounds: 2 });
        if phase == Phase::Online {
            let images = cell.batch * iteration..cell.batch * (iteration + 1);
            session.answers.extend(images.map(|image| part.answer(image, [image; 3], 0.125)));
        }
    }
    session.samples.push(mark(cell, repetition, Status::Ok));
    session
}

/// The row that ends a session.
pub(crate) fn mark(cell: &Cell, repetition: usize, status: Status) -> Sample {
    veilbench_made_up::mark(RUN, cell, repetition, status, "")
}
