//! What a session does beyond the others if its parties are on other hosts: compares programs and clocks, hands over files,
//! and measures the links.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use veilbench_api::PrivateInput;
use veilbench_api::link::LinkFigures;
use veilbench_api::recorder::process_cpu_ns;

use super::inspection::same_program;
use super::transfer::{CHUNK, FileDue};
use crate::record::provenance;
use crate::session::control::{Command, Event, is_plausible};
use crate::session::parties::{IMPLAUSIBLE, LEAD_NS, Parties};
use crate::session::{Failure, SessionSpec, Usage, clock, machine_watch};

/// Questions for the time, of which the one with the fastest answer counts.
const QUESTIONS: usize = 9;

/// The longest lead that a slow control channel gets.
const LONGEST_LEAD_NS: u64 = 1_000_000_000;

/// Notes what else the hosts of the parties did; `harness_cpu_ns` is what the harness used meanwhile.
pub(in crate::session) fn note_other_work(usage: &mut [Usage], harness_cpu_ns: u64) {
    let parties: Vec<_> = usage.iter().map(|usage| usage.figures.host).collect();
    let work = machine_watch::beside(&parties, (machine_watch::boot(), harness_cpu_ns));
    for (usage, work) in usage.iter_mut().zip(work) {
        usage.others = work;
    }
}

impl Parties {
    /// What the hosts' kernels had ended for want of memory when the parties came there, in the order of the roles.
    pub(in crate::session) fn oom_kills(&self) -> Vec<Option<u64>> {
        self.processes.iter().map(|party| party.oom_kills).collect()
    }

    /// Refuses to measure two programs as if they were one. What the hosts do is watched from then on: all parties are there.
    pub(in crate::session) async fn compare_programs(&mut self) -> Result<(), Failure> {
        self.broadcast(&Command::Inspect).await;
        let reports = self.gather(|answer| match answer {
            Event::Host(report) => Some(report),
            _ => None,
        });
        let reports = reports.await?;
        let due = provenance::executable_sha256().map_err(|error| Failure::Error(error.to_string()))?;
        for (party, report) in self.processes.iter_mut().zip(reports) {
            party.oom_kills = Some(report.oom_kills);
            let same = same_program(&report, &due);
            same.map_err(|reason| Failure::Error(format!("{}: {reason}", party.role)))?;
        }
        self.cpu_before_ns = process_cpu_ns();
        Ok(())
    }

    /// Sees to it that every role has its file: on its host already, or sent now.
    pub(in crate::session) async fn hand_over_files(
        &mut self,
        spec: &SessionSpec<'_>,
    ) -> Result<(), Failure> {
        let mut paths = Vec::new();
        for (role, party) in spec.profile.roles.iter().zip(&mut self.processes) {
            let path = match role.private_input {
                PrivateInput::Network => Some(spec.weights),
                PrivateInput::Images => Some(spec.images),
                PrivateInput::Nothing => None,
            };
            let due = path.map(FileDue::of).transpose();
            let due = due.map_err(|error| Failure::Error(format!("the file of {}: {error}", role.name)))?;
            party.command(&Command::FindFile(due)).await;
            paths.push(path);
        }
        let wanted = self.gather(|answer| match answer {
            Event::FileWanted(wanted) => Some(wanted),
            _ => None,
        });
        let wanted = wanted.await?;
        for (index, path) in paths.into_iter().enumerate() {
            if let (Some(path), Some(true)) = (path, wanted.get(index)) {
                let sent = self.send_file(index, path).await;
                sent.map_err(|error| Failure::Error(format!("reading {}: {error}", path.display())))?;
                self.gather_from(&[index], |answer| matches!(answer, Event::FileReady).then_some(())).await?;
            }
        }
        Ok(())
    }

    async fn send_file(&mut self, index: usize, path: &Path) -> io::Result<()> {
        let (mut file, mut chunk) = (File::open(path)?, vec![0; CHUNK]);
        let party = &mut self.processes[index];
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                read => {
                    let part = hex::encode(chunk.get(..read).unwrap_or_default());
                    party.command(&Command::FilePart(part)).await;
                }
            }
        }
        party.command(&Command::FileEnd).await;
        Ok(())
    }

    /// What the links carry, in the order of the roles.
    pub(in crate::session) async fn measure_links(&mut self) -> Result<Vec<Vec<LinkFigures>>, Failure> {
        self.broadcast(&Command::MeasureLinks).await;
        let figures = self.gather(|answer| match answer {
            Event::LinksMeasured(figures) => Some(figures),
            _ => None,
        });
        let figures: Vec<Vec<LinkFigures>> = figures.await?;
        let plausible = |link: &LinkFigures| {
            [link.round_trip_ns, link.burst_ns, link.burst_bytes].into_iter().all(is_plausible)
        };
        match figures.iter().position(|links| !links.iter().all(plausible)) {
            None => Ok(figures),
            Some(index) => Err(Failure::Error(format!("{}: {IMPLAUSIBLE}", self.processes[index].role))),
        }
    }

    /// Estimates how far each party's clock is ahead, so that all can be told to start at one instant. No figure is made of it.
    pub(in crate::session) async fn compare_clocks(&mut self) -> Result<(), Failure> {
        for index in 0..self.processes.len() {
            let mut fastest_ns = u64::MAX;
            for _ in 0..QUESTIONS {
                let asked_ns = clock::now_ns();
                self.processes[index].command(&Command::TellTime).await;
                let time = |answer| match answer {
                    Event::Time(time) => Some(time),
                    _ => None,
                };
                let told = self.gather_from(&[index], time).await?;
                let trip_ns = clock::now_ns() - asked_ns;
                if let (Some(&told_ns), true) = (told.first(), trip_ns < fastest_ns) {
                    fastest_ns = trip_ns;
                    let ahead_ns = i128::from(told_ns) - i128::from(asked_ns + trip_ns / 2);
                    self.processes[index].ahead_ns = i64::try_from(ahead_ns).unwrap_or_default();
                }
            }
            let lead_ns = LEAD_NS.saturating_add(fastest_ns.saturating_mul(2));
            self.lead_ns = self.lead_ns.max(lead_ns.min(LONGEST_LEAD_NS));
        }
        Ok(())
    }
}
