//! Looking at the hosts before the first session: whether each can be reached and has this very program.

use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::error::Error;
use crate::record::provenance;
use crate::session::control::{Command, Event};
use crate::session::hosts::Hosts;
use crate::session::hosts::launched::HostReport;
use crate::session::process::{GRACE, PartyEvent, PartyProcess, reap};

/// How long a host may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one may take that is asked for what became of a party: it may be gone.
const PATIENCE_AFTERWARDS: Duration = Duration::from_secs(5);

/// Starts this program on every host and notes what it finds there.
///
/// # Errors
/// [`Error::Host`] names the host: it cannot be reached, or has another program; [`Error::Stopped`] if the user does not want to
/// wait for it.
pub(crate) async fn inspect(hosts: &mut Hosts, stop: &mut watch::Receiver<bool>) -> Result<(), Error> {
    let due = provenance::executable_sha256().map_err(Error::Executable)?;
    let names: Vec<String> = hosts.names().into_iter().map(str::to_owned).collect();
    for host in names {
        let fail = |reason: String| Error::Host { host: host.clone(), reason };
        let report = ask(hosts, &host, PATIENCE, stop).await;
        if *stop.borrow() {
            return Err(Error::Stopped);
        }
        let report = report.map_err(fail)?;
        same_program(&report, &due).map_err(fail)?;
        hosts.found(&host, report.machine);
    }
    Ok(())
}

/// Times of two programs are not those of one protocol.
///
/// # Errors
/// Both digests, if they differ.
pub(crate) fn same_program(report: &HostReport, due: &str) -> Result<(), String> {
    let found = &report.executable_sha256;
    if found == due {
        return Ok(());
    }
    Err(format!(
        "another veilbench is there (SHA-256 {found}; here it is {due}): copy this one, or give its path with --program"
    ))
}

/// Whether a host's kernel has ended a process for want of memory since it had ended this many. What cannot be asked any more is
/// not known to have.
pub(crate) async fn ran_out_of_memory(
    hosts: &Hosts,
    host: &str,
    kills_before: u64,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    let report = ask(hosts, host, PATIENCE_AFTERWARDS, stop).await;
    report.is_ok_and(|report| report.oom_kills > kills_before)
}

async fn ask(
    hosts: &Hosts,
    host: &str,
    patience: Duration,
    stop: &mut watch::Receiver<bool>,
) -> Result<HostReport, String> {
    let (sender, mut events) = mpsc::channel(4);
    let started = PartyProcess::launch(hosts.command(host), "inspection", 0, sender);
    let mut party = started.map_err(|error| format!("the launcher cannot be started: {error}"))?;
    party.command(&Command::Inspect).await;
    let answer = tokio::select! {
        answer = timeout(patience, events.recv()) => {
            answer.map_err(|_| format!("it did not answer within {} s", patience.as_secs()))
        }
        _ = stop.wait_for(|stop| *stop) => Err("stopped by the user".into()),
    };
    party.command(&Command::Leave).await;
    drop(party.commands);
    let leaving = answer.is_ok();
    let _reaped = tokio::task::spawn_blocking(move || reap(party.child, leaving)).await;
    match answer? {
        Some((_, PartyEvent::Said(Event::Host(report)))) => Ok(*report),
        Some((_, PartyEvent::Said(Event::Failed(reason)) | PartyEvent::Silent(Some(reason)))) => {
            Err(reason.text)
        }
        _ => {
            let errors = timeout(GRACE, party.stderr).await.ok().and_then(Result::ok).unwrap_or_default();
            let told = errors.lines().rfind(|line| !line.is_empty()).unwrap_or("it said nothing");
            Err(format!("no party can be launched there: {told}"))
        }
    }
}
