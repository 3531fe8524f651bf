//! One session: the processes of one cell, stepped through their phases, and always ended.

pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod hosts;
pub(crate) mod machine_watch;
mod memory;
mod parties;
pub(crate) mod party;
pub(crate) mod process;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use veilbench_api::link::{Authority, Credentials, LinkFigures, Token};
use veilbench_api::{Job, Origin, Plan, PrivateInput, Profile, Reveals};
use veilbench_networks::Architecture;

use crate::session::control::{Answered, Command, Event, Finished, Phase, RoleBriefing};
use crate::session::hosts::Hosts;
use crate::session::hosts::launched::Place;
use crate::session::machine_watch::{MachineWatch, OtherWork};
use crate::session::memory::KillsBefore;
use crate::session::parties::{Parties, SILENT};
use crate::session::process::StatusFigures;

/// What a session is to do.
pub(crate) struct SessionSpec<'a> {
    pub(crate) profile: &'a Profile,
    /// Where the backend is read from, if it is not compiled in.
    pub(crate) origin: Option<Origin>,
    pub(crate) architecture: &'a Architecture,
    pub(crate) plan: &'a Plan,
    pub(crate) job: &'a Job,
    /// Model file, for the role that holds the weights.
    pub(crate) weights: &'a Path,
    /// Prepared images, for the role that holds them.
    pub(crate) images: &'a Path,
    pub(crate) batches: &'a [Batch],
    pub(crate) timeout: Duration,
    /// Where the roles run, if not all here.
    pub(crate) hosts: Option<&'a Hosts>,
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
    /// Index into the spec's batches; `None` for setup.
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
    /// Empty for a process on another host that ended before it could say.
    pub(crate) cpu_ns: Option<u64>,
    /// What else its host did meanwhile, if that is another one.
    pub(crate) others: OtherWork,
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
    /// What the links between hosts carried before the session's work, in the order of the roles.
    pub(crate) links: Vec<Vec<LinkFigures>>,
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

/// Runs one session to its end. Whatever happens, no process of it is left when this returns.
pub(crate) async fn run_session(
    spec: &SessionSpec<'_>,
    interrupt: &mut tokio::sync::watch::Receiver<bool>,
) -> (Record, Option<Failure>) {
    let mut record = Record::default();
    let (began_ns, watch) = (clock::now_ns(), MachineWatch::start());
    let kills_here = memory::oom_kills();
    let mut parties = match Parties::start(spec) {
        Ok(parties) => parties,
        Err(error) => return (record, Some(Failure::Error(format!("starting the parties: {error}")))),
    };
    let deadline = Instant::now() + spec.timeout;
    let mut failure = tokio::select! {
        result = run_phases(spec, deadline, &mut parties, &mut record) => result.err(),
        () = sleep_until(deadline) => {
            let seconds = spec.timeout.as_secs();
            Some(Failure::Timeout(format!("not finished after {seconds} s; raise --timeout if it is only slow")))
        }
        _ = interrupt.wait_for(|stop| *stop) => Some(Failure::Interrupted),
    };
    if let Some(Failure::Timeout(detail)) = &mut failure {
        for stalled in parties.stalled_parties().await {
            *detail += &format!("; {stalled}");
        }
    }
    let kills_before = KillsBefore { here: kills_here, there: parties.oom_kills() };
    let report = parties.end(&mut record, failure.is_none(), spec.hosts.is_some()).await;
    record.wall_ns = clock::now_ns() - began_ns;
    if spec.hosts.is_none() {
        record.machine =
            watch.end(record.usage.iter().filter_map(|usage| usage.cpu_ns).fold(0, u64::saturating_add));
    }
    if let Some(Failure::Error(detail)) = &mut failure {
        for (role, cause) in &report.causes {
            let silent = format!("{role}: {SILENT}");
            if detail.contains(&silent) {
                *detail = detail.replacen(&silent, &format!("{role}: {cause}"), 1);
            } else if !detail.contains(&format!("{role}: ")) {
                // It died while the others were still being heard, or nobody waited for it.
                *detail += &format!("; {role}: {cause}");
            }
        }
        if report.memory_short || memory::ran_out(spec, &kills_before, report.killed, detail, interrupt).await
        {
            failure = Some(Failure::OutOfMemory(std::mem::take(detail)));
        }
    }
    if failure.is_none() && !report.causes.is_empty() {
        let told = report.causes.iter().map(|(role, cause)| format!("{role}: {cause}"));
        failure = Some(Failure::Error(told.collect::<Vec<_>>().join("; ")));
    }
    (record, failure)
}

async fn run_phases(
    spec: &SessionSpec<'_>,
    deadline: Instant,
    parties: &mut Parties,
    record: &mut Record,
) -> Result<(), Failure> {
    let token = Token::new(random_bytes()?);
    let mut credentials = credentials(spec)?;
    if spec.hosts.is_some() {
        parties.compare_programs().await?;
    }
    for (role, party) in parties.processes.iter_mut().enumerate() {
        let own = spec.profile.roles[role].private_input;
        let path = |input, path: &Path| (own == input && spec.hosts.is_none()).then(|| path.to_owned());
        let briefing = RoleBriefing {
            backend: spec.profile.name.to_string(),
            origin: spec.origin.clone(),
            role,
            architecture: spec.profile.briefed(role, spec.architecture),
            plan: spec.plan.clone(),
            job: spec.job.clone(),
            token: token.clone(),
            timeout_ms: (deadline.saturating_duration_since(Instant::now()).as_millis() as u64).max(1000),
            weights: path(PrivateInput::Network, spec.weights),
            images: path(PrivateInput::Images, spec.images),
            credentials: credentials.next(),
            place: place(spec, role),
        };
        party.command(&Command::RoleBriefing(Box::new(briefing))).await;
    }
    let addresses: Vec<SocketAddr> = parties
        .gather(|answer| match answer {
            Event::Listening(address) => Some(address),
            _ => None,
        })
        .await?;
    if spec.hosts.is_some() {
        parties.hand_over_files(spec).await?;
    }
    let names = spec.profile.roles.iter().map(|role| role.name.to_string());
    parties.broadcast(&Command::Connect(names.zip(addresses).collect())).await;
    parties.gather(|answer| matches!(answer, Event::Connected).then_some(())).await?;
    if spec.hosts.is_some() {
        record.links = parties.measure_links().await?;
        parties.compare_clocks().await?;
    }

    parties.counted_by = spec.plan.counted_by;
    record.phases.push(parties.phase(Phase::Setup, None).await?);
    for (index, batch) in spec.batches.iter().enumerate() {
        let Batch { first, images, .. } = *batch;
        record.phases.push(parties.phase(Phase::Offline { images }, Some(index)).await?);
        let online = parties.phase(Phase::Online { first, images }, Some(index)).await?;
        check_answers(spec, &online, images)?;
        record.phases.push(online);
    }
    Ok(())
}

/// What each party shows on encrypted links, in the order of the roles; nothing where links are not encrypted. The authority
/// that issues it is gone when this returns.
fn credentials(spec: &SessionSpec<'_>) -> Result<impl Iterator<Item = Credentials> + use<>, Failure> {
    let parties = if spec.job.link.has_tls() { spec.profile.roles.len() } else { 0 };
    let issued = match parties {
        0 => Ok(Vec::new()),
        _ => Authority::new().and_then(|authority| authority.issue(parties)),
    };
    issued.map(Vec::into_iter).map_err(|error| Failure::Error(error.to_string()))
}

fn place(spec: &SessionSpec<'_>, role: usize) -> Option<Place> {
    let hosts = spec.hosts?;
    let host = hosts.of(&spec.profile.roles[role].name);
    let parties = hosts.count(host, &spec.profile.roles);
    Some(Place { listen: hosts.listen(host), folder: hosts.folder(host), parties })
}

/// Exactly the role that holds the images has answers, of the kind that the plan says: a logit for each class and image, or a label
/// for each image.
fn check_answers(spec: &SessionSpec<'_>, online: &PhaseRecord, images: usize) -> Result<(), Failure> {
    let (what, each) = match spec.plan.reveals {
        Reveals::Logits => ("logits", spec.architecture.classes()),
        Reveals::Labels => ("labels", 1),
    };
    for (role, party) in spec.profile.roles.iter().zip(&online.parties) {
        let came = match (&party.answers, spec.plan.reveals) {
            (None, _) => 0,
            (Some(answers @ Answered::Logits(_)), Reveals::Logits)
            | (Some(answers @ Answered::Labels(_)), Reveals::Labels) => answers.len(),
            (Some(_), _) => {
                let reason = format!("{}: returned other answers than {what}, which were due", role.name);
                return Err(Failure::Error(reason));
            }
        };
        let due = if role.private_input == PrivateInput::Images { images * each } else { 0 };
        if came != due {
            let reason = format!("{}: returned {came} {what} where {due} were due", role.name);
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
