//! From what a session left behind to the rows of its files.

use veilbench_api::{CountedBy, Exchanged, PrivateInput, Role};
use veilbench_results::{ALL_ROLES, Answer, Phase as PhaseName, Sample, Session, Status, Traffic};

use crate::matrix::PlannedCell;
use crate::session::control::{Answered, Finished, ImageAnswer, Phase};
use crate::session::hosts::Hosts;
use crate::session::{Batch, Failure, PhaseRecord, Record};

/// Images out of range that are named one by one.
const NAMED_IMAGES: usize = 20;

/// Builds the rows of one session.
pub(crate) struct SessionRows<'a> {
    pub(crate) run: &'a str,
    pub(crate) planned: &'a PlannedCell<'a>,
    pub(crate) repetition: usize,
    pub(crate) roles: &'a [Role],
    pub(crate) batches: &'a [Batch],
    /// Where the roles ran, if not all here.
    pub(crate) hosts: Option<&'a Hosts>,
}

impl SessionRows<'_> {
    /// All rows, the commit mark last.
    pub(crate) fn session(&self, record: &Record, failure: Option<&Failure>) -> Session {
        let mut session = Session::default();
        for phase in &record.phases {
            self.phase(phase, &mut session);
        }
        self.links(record, &mut session);
        for (role, usage) in self.roles.iter().zip(&record.usage) {
            session.samples.push(Sample {
                cpu_ns: usage.cpu_ns,
                peak_rss_bytes: usage.figures.peak_rss_bytes,
                involuntary_switches: usage.figures.involuntary_switches,
                wall_ns: usage.figures.host.map(|host| host.watched_ns),
                others_cpu_ns: usage.others.others_cpu_ns,
                steal_ns: usage.others.steal_ns,
                ..self.sample(PhaseName::Session, &role.name)
            });
        }
        let (status, detail) = self.status(failure);
        let peak_rss_bytes = record.usage.iter().filter_map(|usage| usage.figures.peak_rss_bytes).max();
        let cpu_ns =
            record.usage.iter().try_fold(0_u64, |sum, usage| Some(sum.saturating_add(usage.cpu_ns?)));
        let cpu_ns = cpu_ns.filter(|_| !record.usage.is_empty());
        let switches = total(record.usage.iter().filter_map(|usage| usage.figures.involuntary_switches));
        let mark = self.sample(PhaseName::Session, ALL_ROLES);
        session.samples.push(Sample {
            status,
            detail,
            wall_ns: Some(record.wall_ns),
            peak_rss_bytes,
            cpu_ns,
            others_cpu_ns: record.machine.others_cpu_ns,
            steal_ns: record.machine.steal_ns,
            involuntary_switches: Some(switches),
            ..mark
        });
        session
    }

    /// How a session ended; of images out of range, where they stand in the test set.
    fn status(&self, failure: Option<&Failure>) -> (Status, String) {
        match failure {
            None => (Status::Ok, String::new()),
            Some(Failure::Error(detail)) => (Status::Error, detail.clone()),
            Some(Failure::Timeout(detail)) => (Status::Timeout, detail.clone()),
            Some(Failure::OutOfMemory(detail)) => (Status::OutOfMemory, detail.clone()),
            Some(Failure::Interrupted) => (Status::Interrupted, "stopped by the user".into()),
            Some(Failure::OutOfRange { detail, images }) => {
                let workload = self.planned.workload;
                let named = images.iter().take(NAMED_IMAGES);
                let named: Vec<_> =
                    named.map(|at| workload.image(at % workload.images()).0.to_string()).collect();
                let more = images.len().saturating_sub(named.len());
                let concerned = match (named.is_empty(), more) {
                    (true, _) => String::new(),
                    (false, 0) => format!("; test images {}", named.join(", ")),
                    (false, more) => format!("; test images {} and {more} more", named.join(", ")),
                };
                (Status::OutOfRange, format!("{detail}{concerned}"))
            }
        }
    }

    /// The only row of a cell its backend cannot run.
    pub(crate) fn unsupported(&self, reason: &str) -> Session {
        let mark = self.sample(PhaseName::Session, ALL_ROLES);
        let mark = Sample { status: Status::Unsupported, detail: reason.to_owned(), ..mark };
        Session { samples: vec![mark], ..Session::default() }
    }

    fn sample(&self, phase: PhaseName, role: &str) -> Sample {
        let sample = Sample::new(self.run, &self.planned.cell, self.repetition, phase, role);
        let Some(hosts) = self.hosts else { return sample };
        let owner = self.roles.iter().find(|role| role.private_input == PrivateInput::Images);
        let place = if role == ALL_ROLES { owner.map_or(role, |owner| &owner.name) } else { role };
        Sample { machine: hosts.machine(place).to_owned(), ..sample }
    }

    /// Rows of what the links between hosts carried before the session's work.
    fn links(&self, record: &Record, session: &mut Session) {
        for (role, figures) in self.roles.iter().zip(&record.links) {
            for link in figures {
                let row = |what: &str| Sample {
                    span: format!("{what} {}", link.peer),
                    ..self.sample(PhaseName::Session, &role.name)
                };
                session.samples.push(Sample { wall_ns: Some(link.round_trip_ns), ..row("round trip to") });
                session.samples.push(Sample {
                    wall_ns: Some(link.burst_ns),
                    sent_bytes: Some(link.burst_bytes),
                    ..row("burst to")
                });
            }
        }
    }

    fn phase(&self, record: &PhaseRecord, session: &mut Session) {
        let (phase, images) = match record.phase {
            Phase::Setup => (PhaseName::Setup, None),
            Phase::Offline { images } => (PhaseName::Offline, Some(images)),
            Phase::Online { images, .. } => (PhaseName::Online, Some(images)),
        };
        let iteration = record.batch.unwrap_or(0);
        let warm = record.batch.is_some_and(|batch| self.batches[batch].warm);
        let row = |role: &str| Sample { iteration, warm, images, ..self.sample(phase, role) };
        let counted_by = self.byte_counter();
        let (by_link, told) = (counted_by.is_link(), is_told(counted_by, &record.parties));
        // Of a phase without work the time is how far apart the parties began it.
        let idle = phase == PhaseName::Offline
            && by_link
            && !record.parties.iter().any(|party| party.metrics.has_work());
        let timed = |sample: Sample| match idle {
            true => Sample { wall_ns: None, cpu_ns: None, start_ns: None, ..sample },
            false => sample,
        };
        for (role, party) in self.roles.iter().zip(&record.parties) {
            let network = || party.metrics.exchanged.iter().filter(|peer| !peer.local);
            let local = party.metrics.exchanged.iter().filter(|peer| peer.local);
            let counted = |figure: u64| Some(figure).filter(|_| told);
            session.samples.push(timed(Sample {
                start_ns: self.hosts.is_none().then(|| party.started_ns.saturating_sub(record.at_ns)),
                wall_ns: Some(party.ended_ns.saturating_sub(party.started_ns)),
                cpu_ns: Some(party.cpu_ns),
                sent_bytes: counted(total(network().map(|peer| peer.sent_bytes))),
                received_bytes: counted(total(network().map(|peer| peer.received_bytes))),
                messages: messages(counted_by, total(network().map(|peer| peer.sent_messages))),
                rounds: by_link.then_some(u64::from(party.metrics.rounds)),
                local_bytes: counted(total(local.map(|peer| peer.sent_bytes))),
                ..row(&role.name)
            }));
            session.samples.extend(party.metrics.spans.iter().map(|span| Sample {
                span: span.name.clone(),
                wall_ns: Some(span.wall_ns),
                ..row(&role.name)
            }));
            session.traffic.extend(party.metrics.exchanged.iter().map(|exchanged| {
                let counted = self.counted_by(&record.parties, &exchanged.peer, &role.name);
                Traffic {
                    run: self.run.to_owned(),
                    cell: self.planned.cell.id(),
                    repetition: self.repetition,
                    iteration,
                    phase,
                    from: role.name.to_string(),
                    to: exchanged.peer.clone(),
                    bytes: exchanged.sent_bytes,
                    messages: messages(counted_by, exchanged.sent_messages),
                    received_bytes: counted.map(|peer| peer.received_bytes),
                    received_messages: counted.and_then(|peer| messages(counted_by, peer.received_messages)),
                    local: exchanged.local,
                }
            }));
        }
        let one_clock = self.hosts.is_none();
        session.samples.push(timed(whole(&record.parties, one_clock, counted_by, row(ALL_ROLES))));
        let counted = record.batch.is_some_and(|batch| self.batches[batch].counted);
        if let (Phase::Online { first, images }, true) = (record.phase, counted) {
            let answers = record.parties.iter().find_map(|party| party.answers.as_ref());
            session
                .answers
                .extend(answers.into_iter().flat_map(|got| self.answers(iteration, first, images, got)));
        }
    }

    /// Who counts the bytes of the cell.
    fn byte_counter(&self) -> CountedBy {
        self.planned.plan.as_ref().map(|plan| plan.counted_by).unwrap_or_default()
    }

    /// What `receiver` counted on its link to `sender`.
    fn counted_by<'p>(&self, parties: &'p [Finished], receiver: &str, sender: &str) -> Option<&'p Exchanged> {
        let at = self.roles.iter().position(|role| role.name == receiver)?;
        parties.get(at)?.metrics.exchanged.iter().find(|peer| peer.peer == sender)
    }

    fn answers(&self, iteration: usize, first: usize, images: usize, got: &Answered) -> Vec<Answer> {
        let workload = self.planned.workload;
        let answer = |(offset, got): (usize, ImageAnswer<'_>)| {
            let (image, label) = workload.image(first + offset);
            let clear = workload.clear_logits(first + offset);
            Answer {
                run: self.run.to_owned(),
                cell: self.planned.cell.id(),
                repetition: self.repetition,
                iteration,
                image,
                label,
                clear: prediction(clear),
                private: got.class(),
                max_logit_error: got.error(clear),
            }
        };
        let distinct = images.min(self.planned.cell.images - first);
        got.each(images).into_iter().take(distinct).enumerate().map(answer).collect()
    }
}

/// The whole cell: from the first start to the last end, every byte once. Where parties have clocks of their own, the longest
/// time that one of them took stands for that.
fn whole(parties: &[Finished], one_clock: bool, counted_by: CountedBy, row: Sample) -> Sample {
    let started = parties.iter().map(|party| party.started_ns).min();
    let ended = parties.iter().map(|party| party.ended_ns).max();
    let spanned = started.zip(ended).map(|(started, ended)| ended.saturating_sub(started));
    let longest = parties.iter().map(|party| party.ended_ns.saturating_sub(party.started_ns)).max();
    let exchanged = || parties.iter().flat_map(|party| &party.metrics.exchanged);
    let network = || exchanged().filter(|peer| !peer.local);
    let counted = |figure: u64| Some(figure).filter(|_| is_told(counted_by, parties));
    Sample {
        wall_ns: if one_clock { spanned } else { longest },
        cpu_ns: Some(total(parties.iter().map(|party| party.cpu_ns))),
        sent_bytes: counted(total(network().map(|peer| peer.sent_bytes))),
        received_bytes: counted(total(network().map(|peer| peer.received_bytes))),
        messages: messages(counted_by, total(network().map(|peer| peer.sent_messages))),
        local_bytes: counted(total(exchanged().filter(|peer| peer.local).map(|peer| peer.sent_bytes))),
        rounds: parties
            .iter()
            .map(|party| u64::from(party.metrics.rounds))
            .max()
            .filter(|_| counted_by.is_link()),
        ..row
    }
}

/// Whether there is a count of bytes: a system that reports none of its own has not counted.
fn is_told(counted_by: CountedBy, parties: &[Finished]) -> bool {
    counted_by != CountedBy::SelfReported || parties.iter().any(|party| !party.metrics.exchanged.is_empty())
}

/// A number of messages, where they are counted.
fn messages(counted_by: CountedBy, count: u64) -> Option<u64> {
    let counted = match counted_by {
        CountedBy::Link => true,
        CountedBy::SelfReported => count > 0,
        CountedBy::Kernel => false,
    };
    counted.then_some(count)
}

/// The sum of figures that parties report, which may be anything.
fn total(figures: impl Iterator<Item = u64>) -> u64 {
    figures.fold(0, u64::saturating_add)
}

/// Index of the largest value; the first of equal ones.
pub(crate) fn prediction<T: PartialOrd + Copy>(logits: &[T]) -> usize {
    let best = logits.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prediction_is_the_first_of_the_largest_logits() {
        assert_eq!(prediction(&[0.5, 2.0, 2.0, -1.0]), 1);
        assert_eq!(prediction::<f64>(&[]), 0);
    }

    #[test]
    fn no_figure_of_a_party_ends_the_harness() {
        let party = || Finished {
            started_ns: u64::MAX,
            ended_ns: 0,
            cpu_ns: u64::MAX,
            metrics: veilbench_api::PhaseMetrics {
                exchanged: vec![Exchanged {
                    peer: "dealer".into(),
                    local: false,
                    sent_bytes: u64::MAX,
                    sent_messages: u64::MAX,
                    received_bytes: u64::MAX,
                    received_messages: u64::MAX,
                }],
                ..veilbench_api::PhaseMetrics::default()
            },
            answers: None,
        };
        let cell = "clear/mnist-mlp/mnist/b1/t1/loopback/n1/s0".parse().unwrap();
        let row = Sample::new("run", &cell, 0, PhaseName::Online, ALL_ROLES);
        let sample = whole(&[party(), party()], true, CountedBy::Link, row);
        assert_eq!((sample.cpu_ns, sample.sent_bytes), (Some(u64::MAX), Some(u64::MAX)));
    }
}
