//! Whether a session failed for want of memory: what became of its parties, held against what the kernels of their machines ended.

use tokio::sync::watch;
use veilbench_external::{KILLED, MEMORY_SHORT};

use super::SessionSpec;
use crate::session::hosts::inspection;

/// Processes that kernels had ended for want of memory before a session did its work.
pub(super) struct KillsBefore {
    /// This machine's.
    pub(super) here: u64,
    /// Those of the parties' hosts, in the order of the roles; `None` of a party that was not heard of, or is here.
    pub(super) there: Vec<Option<u64>>,
}

/// Processes the kernel has ended for want of memory since it started.
pub(crate) fn oom_kills() -> u64 {
    let counters = std::fs::read_to_string("/proc/vmstat").unwrap_or_default();
    counters.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok()).unwrap_or(0)
}

/// Whether a party said that its memory was short, or the kernel of its machine has since ended a process where the party or one
/// that works for it was killed. `killed` says whether one of the session's own processes on this machine was, `detail` what became
/// of the parties.
pub(super) async fn ran_out(
    spec: &SessionSpec<'_>,
    before: &KillsBefore,
    killed: bool,
    detail: &str,
    stop: &mut watch::Receiver<bool>,
) -> bool {
    if detail.contains(MEMORY_SHORT) {
        return true;
    }
    let Some(hosts) = spec.hosts else {
        return (killed || detail.contains(KILLED)) && oom_kills() > before.here;
    };
    // What this machine's kernel ended was none of theirs.
    let parties: Vec<String> = spec.profile.roles.iter().map(|role| hosts.party(&role.name)).collect();
    for ((role, party), before) in spec.profile.roles.iter().zip(&parties).zip(&before.there) {
        if let Some(before) = *before
            && told_of(party, detail, &parties).is_some_and(may_be_killed)
            && inspection::ran_out_of_memory(hosts, hosts.of(&role.name), before, stop).await
        {
            return true;
        }
    }
    false
}

/// The words about one party in what is told of all: each party's name, a colon and its words, separated by semicolons.
fn told_of<'a>(party: &str, detail: &'a str, parties: &[String]) -> Option<&'a str> {
    let name = format!("{party}: ");
    let later = || Some(detail.split_once(&format!("; {name}"))?.1);
    let words = detail.strip_prefix(&name).or_else(later)?;
    let ends = parties.iter().filter_map(|other| words.find(&format!("; {other}: ")));
    words.get(..ends.min().unwrap_or(words.len()))
}

/// Whether a party with these words may have been killed, whose launcher need not tell how it ended, or a process that worked for
/// it was.
fn may_be_killed(words: &str) -> bool {
    words.starts_with("ended ") || words.contains(KILLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_on_a_host_may_be_killed_if_it_is_gone_or_the_process_that_works_for_it_was_killed() {
        let parties = ["owner on a", "data-owner on a", "model-owner on b"].map(str::to_owned);
        let asked = |detail: &str| -> Vec<&str> {
            let killed = |party: &&String| told_of(party, detail, &parties).is_some_and(may_be_killed);
            parties.iter().filter(killed).map(String::as_str).collect()
        };
        let worker =
            format!("model-owner on b: running an external party: the party's process ended with {KILLED}");
        assert_eq!(asked(&worker), ["model-owner on b"]);
        let first = format!("data-owner on a: link to model-owner: closed; {worker}");
        assert_eq!(asked(&first), ["model-owner on b"]);
        assert_eq!(
            asked(&format!("{worker}; data-owner on a: link; to model-owner: closed")),
            ["model-owner on b"]
        );
        let gone =
            "data-owner on a: ended by exit status: 255: Connection closed; owner on a: the harness is gone";
        assert_eq!(asked(gone), ["data-owner on a"]);
        assert_eq!(
            asked("owner on a: the party's process ended with exit status: 3"),
            <[&str; 0]>::default()
        );
        assert_eq!(asked(""), <[&str; 0]>::default());
    }
}
