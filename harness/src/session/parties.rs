//! The parties of a session as processes: started together, stepped together, and ended together whatever happens.

mod stepping;
mod traffic;

use std::collections::{BTreeSet, HashMap};
use std::mem::Discriminant;
use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use veilbench_api::CountedBy;
use veilbench_api::recorder::process_cpu_ns;

use super::hosts::remote;
use super::{Record, SessionSpec, Usage};
use crate::session::control::{Command, Event, Phase};
use crate::session::process::{GRACE, PartyEvent, PartyProcess, reap};

/// From the order to go to the common start: long enough for every party to wake up.
pub(super) const LEAD_NS: u64 = 1_000_000;

/// What a party is refused with that reports times or amounts that no session has.
pub(super) const IMPLAUSIBLE: &str = "reported figures that cannot be";

/// Stands for the reason of a party that ended without giving one, until the kernel tells.
pub(super) const SILENT: &str = "ended without a word";

/// What the kernel and their last lines say about the parties of a session.
#[derive(Default)]
pub(super) struct ExitReport {
    /// Role and cause of each party that died by itself.
    pub(super) causes: Vec<(String, String)>,
    /// Whether one said that its memory was short.
    pub(super) memory_short: bool,
    /// Whether one was killed by somebody else than the harness.
    pub(super) killed: bool,
}

/// The party processes of one session.
pub(super) struct Parties {
    pub(super) processes: Vec<PartyProcess>,
    events: mpsc::Receiver<(usize, PartyEvent)>,
    /// How long the last phase of each kind took.
    lengths_ns: HashMap<Discriminant<Phase>, u64>,
    /// Parties whose answer is awaited.
    owing: Vec<usize>,
    /// Place of the present batch's first image in the prepared file.
    first: usize,
    /// How many images that batch has; 0 before the first.
    images: usize,
    /// From the order to go to the common start.
    pub(super) lead_ns: u64,
    /// Who counts what passes between them.
    pub(super) counted_by: CountedBy,
    /// What the harness had used of processors when parties on other hosts began to watch these, nanoseconds.
    pub(super) cpu_before_ns: u64,
}

impl Parties {
    pub(super) fn start(spec: &SessionSpec<'_>) -> std::io::Result<Self> {
        let (sender, events) = mpsc::channel(64);
        let mut parties = Self {
            processes: Vec::new(),
            events,
            owing: Vec::new(),
            first: 0,
            images: 0,
            lengths_ns: HashMap::new(),
            lead_ns: LEAD_NS,
            counted_by: CountedBy::Link,
            cpu_before_ns: 0,
        };
        for (index, role) in spec.profile.roles.iter().enumerate() {
            let started = match spec.hosts {
                None => PartyProcess::start(&role.name, index, sender.clone()),
                Some(hosts) => {
                    let command = hosts.command(hosts.of(&role.name));
                    PartyProcess::launch(command, &hosts.party(&role.name), index, sender.clone())
                }
            };
            match started {
                Ok(party) => parties.processes.push(party),
                Err(error) => {
                    for party in parties.processes {
                        reap(party.child, false)?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(parties)
    }

    /// Lets the parties leave, or ends them, and reaps them all.
    pub(super) async fn end(mut self, record: &mut Record, in_peace: bool, launched: bool) -> ExitReport {
        let mut report = ExitReport::default();
        let mut harness_cpu_ns = 0;
        if in_peace {
            self.broadcast(&Command::Leave).await;
            harness_cpu_ns = process_cpu_ns().saturating_sub(self.cpu_before_ns);
            let until = Instant::now() + 4 * GRACE;
            let mut gone = BTreeSet::new();
            while gone.len() < self.processes.len() {
                match tokio::time::timeout_at(until, self.next_event()).await {
                    Ok(Some((index, PartyEvent::Said(Event::Left(figures))))) => {
                        if figures.are_plausible() {
                            self.processes[index].figures = Some(figures);
                        } else {
                            report.causes.push((self.processes[index].role.clone(), IMPLAUSIBLE.into()));
                        }
                        // A launcher may outlast its party by seconds, and is not waited for.
                        if launched {
                            gone.insert(index);
                        }
                    }
                    Ok(Some((index, PartyEvent::Said(Event::Failed(reason))))) => {
                        report.causes.push((self.processes[index].role.clone(), reason.text));
                        gone.insert(index);
                    }
                    Ok(Some((index, PartyEvent::Silent(_)))) => {
                        gone.insert(index);
                    }
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        }
        for party in self.processes {
            let (role, told) = (party.role, party.figures);
            drop(party.commands);
            let leaving = in_peace || party.silent;
            let reaped = tokio::task::spawn_blocking(move || reap(party.child, leaving)).await;
            let Ok(Ok(exit)) = reaped else {
                record.usage.push(Usage::default());
                continue;
            };
            let cpu_ns = (exit.usage.rusage.utime + exit.usage.rusage.stime).as_nanos() as u64;
            // On another host the process that ends here is the launcher's.
            let (figures, cpu_ns) = match launched {
                true => (told.unwrap_or_default(), told.and_then(|told| told.cpu_ns)),
                false => (told.unwrap_or(exit.figures), Some(cpu_ns)),
            };
            record.usage.push(Usage { figures, cpu_ns, ..Usage::default() });
            let errors = timeout(GRACE, party.stderr).await.ok().and_then(Result::ok).unwrap_or_default();
            if launched && in_peace && told.is_some() {
                // The party is done; how its launcher ends says nothing of it.
                continue;
            }
            report.memory_short |= errors.contains("memory allocation of");
            let status = exit.usage.status;
            report.killed |= exit.by_itself && status.signal() == Some(Signal::KILL.as_raw());
            if report.causes.iter().any(|(known, _)| *known == role) {
                continue;
            }
            if exit.by_itself && !status.success() {
                let last = errors.lines().find(|line| !line.is_empty()).map(|line| format!(": {line}"));
                report.causes.push((role, format!("ended by {status}{}", last.unwrap_or_default())));
            } else if !exit.by_itself && in_peace {
                report.causes.push((role, "did not end when asked to".into()));
            }
        }
        if launched {
            remote::note_other_work(&mut record.usage, harness_cpu_ns);
        }
        report
    }
}
