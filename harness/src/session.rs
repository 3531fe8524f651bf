//! One session: the processes of one cell, stepped through their phases, and always ended.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use veilbench_backends::link::Token;
use veilbench_backends::{Holding, Job, Plan, Profile};
use veilbench_networks::Architecture;

use crate::clock;
use crate::control::{Answer, Brief, Finished, Order, Phase, Reason};
use crate::machine_watch::{MachineWatch, OtherWork};
use crate::process::{Event, GRACE, PartyProcess, StatusFigures, reap};

/// From the order to go to the common start: long enough for every party to wake up.
const LEAD_NS: u64 = 1_000_000;

/// A party reports a phase so long after the time that the same phase took the last time, or later: a report takes a
/// core from parties that are still at work, and wakes the harness beside them.
const REPORT_AFTER_NS: u64 = 300_000;

/// In a phase longer than this nobody waits for others to end: what a report takes of it is nothing.
const LONG_PHASE_NS: u64 = 20_000_000;

/// What a session is to do.
pub(crate) struct Assignment<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) architecture: &'a Architecture,
    pub(crate) plan: &'a Plan,
    pub(crate) job: &'a Job,
    /// Model file, for the role that holds the weights.
    pub(crate) weights: &'a Path,
    /// Prepared images, for the role that holds them.
    pub(crate) images: &'a Path,
    pub(crate) batches: &'a [Batch],
    pub(crate) timeout: Duration,
}

/// One batch of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) first: usize,
    pub(crate) images: usize,
    /// Whether batches of this session went before it.
    pub(crate) warm: bool,
    /// Whether its answers count: every image is in one such batch.
    pub(crate) counted: bool,
}

/// One phase, as all roles saw it.
pub(crate) struct PhaseRecord {
    pub(crate) phase: Phase,
    /// Index into the assignment's batches; `None` for setup.
    pub(crate) batch: Option<usize>,
    /// The common start, nanoseconds of the monotonic clock.
    pub(crate) at_ns: u64,
    /// In the order of the roles.
    pub(crate) parties: Vec<Finished>,
}

/// What the operating system says of one process after its end.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) figures: StatusFigures,
    pub(crate) cpu_ns: u64,
}

/// What a session left behind, finished or not.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) phases: Vec<PhaseRecord>,
    /// In the order of the roles.
    pub(crate) usage: Vec<Usage>,
    /// From the first process's start to the last one's end.
    pub(crate) wall_ns: u64,
    /// What else the machine did meanwhile.
    pub(crate) machine: OtherWork,
}

/// Why a session ended early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A party reported an error, or died.
    Error(String),
    /// The time was up.
    Timeout(String),
    /// The machine's memory was.
    OutOfMemory(String),
    /// Values went beyond what the backend represents, and it gave no answer.
    OutOfRange {
        /// What exceeded what, at which role.
        detail: String,
        /// The images that are known to be concerned, by their place in the prepared file.
        images: Vec<usize>,
    },
    /// The user wants to stop.
    Interrupted,
}

/// Stands for the reason of a party that ended without giving one, until the kernel tells.
const SILENT: &str = "ended without a word";

/// What the kernel and their last lines say about the parties of a session.
#[derive(Default)]
struct Obituary {
    /// Role and cause of each party that died by itself.
    causes: Vec<(String, String)>,
    /// Whether one said that its memory was short.
    memory_short: bool,
    /// Whether one was killed by somebody else than the harness.
    killed: bool,
}

/// Runs one session to its end. Whatever happens, no process of it is left when this returns.
pub(crate) async fn perform(
    assignment: &Assignment<'_>,
    interrupt: &mut tokio::sync::watch::Receiver<bool>,
) -> (Record, Option<Failure>) {
    let mut record = Record::default();
    let (began_ns, watch) = (clock::now_ns(), MachineWatch::start());
    let kills_before = oom_kills();
    let mut troupe = match Troupe::start(assignment) {
        Ok(troupe) => troupe,
        Err(error) => return (record, Some(Failure::Error(format!("starting the parties: {error}")))),
    };
    let deadline = Instant::now() + assignment.timeout;
    let mut failure = tokio::select! {
        result = play(assignment, &mut troupe, &mut record) => result.err(),
        () = sleep_until(deadline) => {
            let seconds = assignment.timeout.as_secs();
            Some(Failure::Timeout(format!("not finished after {seconds} s; raise --timeout if it is only slow")))
        }
        _ = interrupt.wait_for(|stop| *stop) => Some(Failure::Interrupted),
    };
    if let Some(Failure::Timeout(detail)) = &mut failure {
        for complaint in troupe.complaints().await {
            *detail += &format!("; {complaint}");
        }
    }
    let obituary = troupe.end(&mut record, failure.is_none()).await;
    record.wall_ns = clock::now_ns() - began_ns;
    record.machine = watch.end(record.usage.iter().map(|usage| usage.cpu_ns).sum());
    if let Some(Failure::Error(detail)) = &mut failure {
        for (role, cause) in &obituary.causes {
            let silent = format!("{role}: {SILENT}");
            if detail.contains(&silent) {
                *detail = detail.replacen(&silent, &format!("{role}: {cause}"), 1);
            } else if !detail.contains(&format!("{role}: ")) {
                // It died while the others were still being heard, or nobody waited for it.
                *detail += &format!("; {role}: {cause}");
            }
        }
        if obituary.memory_short || (obituary.killed && oom_kills() > kills_before) {
            failure = Some(Failure::OutOfMemory(std::mem::take(detail)));
        }
    }
    if failure.is_none() && !obituary.causes.is_empty() {
        let told = obituary.causes.iter().map(|(role, cause)| format!("{role}: {cause}"));
        failure = Some(Failure::Error(told.collect::<Vec<_>>().join("; ")));
    }
    (record, failure)
}

async fn play(assignment: &Assignment<'_>, troupe: &mut Troupe, record: &mut Record) -> Result<(), Failure> {
    let token = Token::new(random_bytes()?);
    for (role, party) in troupe.parties.iter_mut().enumerate() {
        let holds = assignment.profile.roles[role].holds;
        let path = |holding, path: &Path| (holds == holding).then(|| path.to_owned());
        let brief = Brief {
            backend: assignment.profile.name.to_string(),
            role,
            architecture: assignment.profile.briefed(role, assignment.architecture),
            plan: assignment.plan.clone(),
            job: assignment.job.clone(),
            token: token.clone(),
            timeout_seconds: assignment.timeout.as_secs().max(1),
            weights: path(Holding::Weights, assignment.weights),
            images: path(Holding::Images, assignment.images),
        };
        party.order(&Order::Brief(Box::new(brief))).await;
    }
    let addresses: Vec<SocketAddr> = troupe
        .gather(|answer| match answer {
            Answer::Listening(address) => Some(address),
            _ => None,
        })
        .await?;
    let parties: Vec<_> =
        assignment.profile.roles.iter().map(|role| role.name.to_string()).zip(addresses).collect();
    troupe.broadcast(&Order::Connect(parties)).await;
    troupe.gather(|answer| matches!(answer, Answer::Connected).then_some(())).await?;

    record.phases.push(troupe.phase(Phase::Setup, None).await?);
    for (index, batch) in assignment.batches.iter().enumerate() {
        let Batch { first, images, .. } = *batch;
        record.phases.push(troupe.phase(Phase::Offline { images }, Some(index)).await?);
        let online = troupe.phase(Phase::Online { first, images }, Some(index)).await?;
        check_logits(assignment, &online, images)?;
        record.phases.push(online);
    }
    Ok(())
}

/// Exactly the role that holds the images has logits, one for each class and image.
fn check_logits(assignment: &Assignment<'_>, online: &PhaseRecord, images: usize) -> Result<(), Failure> {
    for (role, party) in assignment.profile.roles.iter().zip(&online.parties) {
        let logits = party.logits.as_ref().map_or(0, Vec::len);
        let due = if role.holds == Holding::Images { images * assignment.architecture.classes() } else { 0 };
        if logits != due {
            let reason = format!("{}: returned {logits} logits where {due} were due", role.name);
            return Err(Failure::Error(reason));
        }
    }
    Ok(())
}

fn random_bytes() -> Result<[u8; 16], Failure> {
    let mut bytes = [0; 16];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(16) => Ok(bytes),
        _ => Err(Failure::Error("the operating system gave no random bytes".into())),
    }
}

/// Processes the kernel has ended for want of memory since it started.
fn oom_kills() -> u64 {
    let counters = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    counters.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok()).unwrap_or(0)
}

/// The party processes of one session.
struct Troupe {
    parties: Vec<PartyProcess>,
    events: mpsc::Receiver<(usize, Event)>,
    /// How long the last phase of each kind took.
    lengths_ns: HashMap<Discriminant<Phase>, u64>,
    /// Parties whose answer is awaited.
    owing: Vec<usize>,
    /// Place of the present batch's first image in the prepared file.
    first: usize,
}

impl Troupe {
    fn start(assignment: &Assignment<'_>) -> std::io::Result<Self> {
        let (sender, events) = mpsc::channel(64);
        let mut troupe =
            Self { parties: Vec::new(), events, owing: Vec::new(), first: 0, lengths_ns: HashMap::new() };
        for (index, role) in assignment.profile.roles.iter().enumerate() {
            match PartyProcess::start(&role.name, index, sender.clone()) {
                Ok(party) => troupe.parties.push(party),
                Err(error) => {
                    for party in troupe.parties {
                        reap(party.child, false)?;
                    }
                    return Err(error);
                }
            }
        }
        Ok(troupe)
    }

    async fn next_event(&mut self) -> Option<(usize, Event)> {
        let (index, event) = self.events.recv().await?;
        self.parties[index].silent |= matches!(event, Event::Silent(_));
        Some((index, event))
    }

    async fn broadcast(&mut self, order: &Order) {
        for party in &mut self.parties {
            party.order(order).await;
        }
    }

    /// One answer of every party, in the order of the roles.
    async fn gather<T>(&mut self, accept: impl Fn(Answer) -> Option<T>) -> Result<Vec<T>, Failure> {
        let mut answers: Vec<Option<T>> = self.parties.iter().map(|_| None).collect();
        while answers.iter().any(Option::is_none) {
            self.owing = (0..answers.len()).filter(|&party| answers[party].is_none()).collect();
            let (index, event) = self.next_event().await.unwrap_or((0, Event::Silent(None)));
            match event {
                Event::Answer(Answer::Failed(reason)) => return Err(self.failure(index, Some(reason)).await),
                Event::Silent(reason) => return Err(self.failure(index, reason).await),
                Event::Answer(answer) => match accept(answer) {
                    Some(value) if answers[index].is_none() => answers[index] = Some(value),
                    _ => return Err(self.failure(index, Some("an answer came out of turn".into())).await),
                },
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// The first failure and those that follow from it: the cause may speak last.
    async fn failure(&mut self, index: usize, reason: Option<Reason>) -> Failure {
        let mut reasons = vec![(index, reason)];
        let until = Instant::now() + GRACE;
        while reasons.len() < self.parties.len() {
            let Ok(Some((index, event))) = tokio::time::timeout_at(until, self.next_event()).await else {
                break;
            };
            let reason = match event {
                Event::Answer(Answer::Failed(reason)) => Some(reason),
                Event::Silent(reason) => reason,
                Event::Answer(_) => continue,
            };
            if !reasons.iter().any(|(known, _)| *known == index) {
                reasons.push((index, reason));
            }
        }
        let out_of_range = reasons.iter().find_map(|(index, reason)| {
            let reason = reason.as_ref()?;
            Some((*index, reason.text.clone(), reason.out_of_range.clone()?))
        });
        if let Some((index, text, images)) = out_of_range {
            let detail = format!("{}: {text}", self.parties[index].role);
            return Failure::OutOfRange { detail, images: images.iter().map(|at| self.first + at).collect() };
        }
        let told = reasons.into_iter().map(|(index, reason)| {
            let role = &self.parties[index].role;
            format!("{role}: {}", reason.map_or_else(|| SILENT.to_owned(), |reason| reason.text))
        });
        Failure::Error(told.collect::<Vec<_>>().join("; "))
    }

    /// What the parties say when the time is over: for whom each of them waits. Those that owe an answer and say nothing compute, or
    /// have stopped.
    async fn complaints(&mut self) -> Vec<String> {
        let mut complaints = Vec::new();
        let until = Instant::now() + GRACE;
        while complaints.len() < self.parties.len()
            && let Ok(Some((index, event))) = tokio::time::timeout_at(until, self.next_event()).await
        {
            if let Event::Answer(Answer::Failed(reason)) = event {
                complaints.push(format!("{}: {}", self.parties[index].role, reason.text));
                self.owing.retain(|party| *party != index);
            }
        }
        complaints.extend(self.owing.iter().map(|&party| format!("{}: silent", self.parties[party].role)));
        complaints
    }

    async fn phase(&mut self, phase: Phase, batch: Option<usize>) -> Result<PhaseRecord, Failure> {
        if let Phase::Online { first, .. } = phase {
            self.first = first;
        }
        self.broadcast(&Order::Prepare(phase)).await;
        self.gather(|answer| matches!(answer, Answer::Ready).then_some(())).await?;
        let at_ns = clock::now_ns() + LEAD_NS;
        let length_ns = self.lengths_ns.get(&discriminant(&phase)).copied().unwrap_or(0);
        let report_ns = at_ns + length_ns.min(LONG_PHASE_NS) + REPORT_AFTER_NS;
        self.broadcast(&Order::Go { at_ns, report_ns }).await;
        let parties: Vec<Finished> = self
            .gather(|answer| match answer {
                Answer::Finished(finished) => Some(*finished),
                _ => None,
            })
            .await?;
        let ended_ns = parties.iter().map(|party| party.ended_ns).max().unwrap_or(at_ns);
        self.lengths_ns.insert(discriminant(&phase), ended_ns.saturating_sub(at_ns));
        Ok(PhaseRecord { phase, batch, at_ns, parties })
    }

    /// Lets the parties leave, or ends them, and reaps them all.
    async fn end(mut self, record: &mut Record, in_peace: bool) -> Obituary {
        if in_peace {
            self.broadcast(&Order::Leave).await;
            let until = Instant::now() + 4 * GRACE;
            let mut gone = 0;
            while gone < self.parties.len() {
                match tokio::time::timeout_at(until, self.next_event()).await {
                    Ok(Some((index, Event::Answer(Answer::Left(figures))))) => {
                        self.parties[index].figures = Some(figures);
                    }
                    Ok(Some((_, Event::Silent(_)))) => gone += 1,
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
            }
        }
        let mut obituary = Obituary::default();
        for party in self.parties {
            let (role, told) = (party.role, party.figures);
            drop(party.orders);
            let leaving = in_peace || party.silent;
            let reaped = tokio::task::spawn_blocking(move || reap(party.child, leaving)).await;
            let Ok(Ok(death)) = reaped else {
                record.usage.push(Usage::default());
                continue;
            };
            let cpu_ns = (death.usage.rusage.utime + death.usage.rusage.stime).as_nanos() as u64;
            let figures = told.unwrap_or(death.figures);
            record.usage.push(Usage { figures, cpu_ns });
            let complaints = timeout(GRACE, party.stderr).await.ok().and_then(Result::ok).unwrap_or_default();
            obituary.memory_short |= complaints.contains("memory allocation of");
            let status = death.usage.status;
            obituary.killed |= death.by_itself && status.signal() == Some(Signal::KILL.as_raw());
            if death.by_itself && !status.success() {
                let last = complaints.lines().find(|line| !line.is_empty()).map(|line| format!(": {line}"));
                obituary.causes.push((role, format!("ended by {status}{}", last.unwrap_or_default())));
            } else if !death.by_itself && in_peace {
                obituary.causes.push((role, "did not end when asked to".into()));
            }
        }
        obituary
    }
}
