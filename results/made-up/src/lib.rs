//! Rows of sessions that nobody measured, for tests of what reads runs: sums are exact, and the same arguments give the same rows.

use veilbench_results::{ALL_ROLES, Answer, Cell, Phase, Sample, Session, Status, Traffic};

/// One phase of one batch of a session.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Name of the run.
    pub run: &'a str,
    /// What is measured.
    pub cell: &'a Cell,
    /// Which session of the cell, from 0.
    pub repetition: usize,
    /// Which batch, from 0, which alone is cold.
    pub iteration: usize,
    /// Which phase.
    pub phase: Phase,
    /// At least two; only the first two send to each other.
    pub roles: &'a [&'a str],
}

/// What a phase costs.
#[derive(Clone, Copy, Debug)]
pub struct Costs {
    /// Wall-clock time of every role, nanoseconds; half of it on a processor.
    pub wall_ns: u64,
    /// Bytes that the first role sends to the second, and those it gets back.
    pub sent_bytes: [u64; 2],
    /// Messages of each role, each of which waits for the one before.
    pub rounds: u64,
}

impl Part<'_> {
    /// A row of the part with nothing measured.
    pub fn row(&self, role: &str) -> Sample {
        Sample {
            iteration: self.iteration,
            warm: self.iteration > 0,
            images: (self.phase != Phase::Setup).then_some(self.cell.batch),
            ..Sample::new(self.run, self.cell, self.repetition, self.phase, role)
        }
    }

    /// Adds what every role and all of them spent, and what went between the first two.
    pub fn measure(&self, session: &mut Session, costs: Costs) {
        let Costs { wall_ns, sent_bytes: [there, back], rounds } = costs;
        let mut row = |role: &str, sent, received| {
            session.samples.push(Sample {
                wall_ns: Some(wall_ns),
                cpu_ns: (role != ALL_ROLES).then_some(wall_ns / 2),
                sent_bytes: Some(sent),
                received_bytes: Some(received),
                messages: Some(rounds),
                rounds: Some(rounds),
                ..self.row(role)
            });
        };
        for (place, role) in self.roles.iter().enumerate() {
            let [sent, received] = [[there, back], [back, there], [0, 0]][place.min(2)];
            row(role, sent, received);
        }
        row(ALL_ROLES, there + back, there + back);
        for (from, to, bytes) in [(0, 1, there), (1, 0, back)] {
            session.traffic.push(Traffic {
                run: self.run.to_owned(),
                cell: self.cell.id(),
                repetition: self.repetition,
                iteration: self.iteration,
                phase: self.phase,
                from: self.roles[from].to_owned(),
                to: self.roles[to].to_owned(),
                bytes,
                messages: Some(rounds),
                received_bytes: Some(bytes),
                received_messages: Some(rounds),
                local: false,
            });
        }
    }

    /// An answer about an image: its class, and those that the network in the clear and the private one gave.
    pub fn answer(&self, image: usize, [label, clear, private]: [usize; 3], max_logit_error: f64) -> Answer {
        Answer {
            run: self.run.to_owned(),
            cell: self.cell.id(),
            repetition: self.repetition,
            iteration: self.iteration,
            image,
            label: Some(label),
            clear,
            private,
            max_logit_error: Some(max_logit_error),
        }
    }
}

/// The row that ends a session.
pub fn mark(run: &str, cell: &Cell, repetition: usize, status: Status, detail: &str) -> Sample {
    let mark = Sample::new(run, cell, repetition, Phase::Session, ALL_ROLES);
    Sample { status, detail: detail.to_owned(), ..mark }
}
