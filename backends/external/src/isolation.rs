//! A network in which there is nothing: a party's messages pass through its standard input, so it needs no other.
//!
//! Whatever a system sends to an address outside has no way there, and the kernel counts the attempt. Done by `unshare`
//! of util-linux, where namespaces of users are allowed or as root, and by `ip` of iproute2 where that is there.

pub(crate) mod mesh;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use veilbench_api::Plan;

use crate::error::ExternalError;
use crate::party::process::{PATH, succeeds};

/// Which network a party's process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    /// None: nothing leaves it but what the protocol carries.
    None,
    /// The session's own, which joins its roles and nobody else.
    Session,
    /// The machine's, as namespaces are not allowed here.
    Machine,
}

impl Network {
    /// Returns what this machine allows.
    pub(crate) fn possible() -> Self {
        if wrapper().is_some() { Self::None } else { Self::Machine }
    }

    /// Returns what a plan says.
    pub(crate) fn of(plan: &Plan) -> Self {
        let name = plan.parameters.get("network").and_then(Value::as_str);
        let known = [Self::None, Self::Session].into_iter().find(|network| Some(network.name()) == name);
        known.unwrap_or(Self::Machine)
    }

    /// The name in a plan.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Session => "the session's",
            Self::Machine => "the machine's",
        }
    }
}

/// How long it may take to make a network and start a program that does nothing in it.
const TRIAL: Duration = Duration::from_secs(10);

/// Brings the namespace's loopback up, where `ip` is there: without it the kernel does not count what is sent to an address of IPv6.
/// Then it becomes the command behind it.
const ENTER: &str =
    "PATH=$PATH:/usr/sbin:/sbin ip link set lo up 2>/dev/null; unset OLDPWD SHLVL; exec \"$@\"";

/// Commands that start another in a new network namespace. One that belongs to a namespace of users of its own comes first: out of
/// that no way leads back, as root neither.
const WRAPPERS: [&[&str]; 3] = [
    &[
        "unshare",
        OF_USER,
        "--map-current-user",
        "--keep-caps",
        "--net",
        "--",
        "/bin/sh",
        "-c",
        ENTER,
        "enter",
    ],
    &["unshare", OF_USER, "--map-current-user", "--net", "--", "/bin/sh", "-c", ENTER, "enter"],
    &["unshare", "--net", "--", "/bin/sh", "-c", ENTER, "enter"],
];

/// The word of a wrapper that makes a namespace of users as well.
pub(crate) const OF_USER: &str = "--user";

/// Returns the words before a command that take the network from it; `None` if the machine does not allow it.
pub(crate) fn wrapper() -> Option<&'static [&'static str]> {
    static FOUND: OnceLock<Option<&'static [&'static str]>> = OnceLock::new();
    *FOUND.get_or_init(|| WRAPPERS.into_iter().find(|words| works(words)))
}

/// Returns the words before a command whose network is to be taken from it, if that is due; `found` is what the machine allows.
///
/// # Errors
/// [`ExternalError::NotIsolated`] where it is due and not to be had.
pub(crate) fn words(
    due: bool,
    found: Option<&'static [&'static str]>,
) -> Result<&'static [&'static str], ExternalError> {
    match (due, found) {
        (false, _) => Ok(&[]),
        (true, Some(words)) => Ok(words),
        (true, None) => Err(ExternalError::NotIsolated),
    }
}

fn works(words: &[&str]) -> bool {
    let Some((program, arguments)) = words.split_first() else { return false };
    succeeds(Command::new(program).args(arguments).arg("true").env_clear().env("PATH", PATH), TRIAL)
}

/// The kernel's counters of a network namespace, held open: they are there when the processes in it have ended.
#[derive(Debug)]
pub(crate) struct Counters {
    /// The namespace, as a link of `/proc` names it.
    network: PathBuf,
    files: Vec<File>,
}

/// How long a process may take to enter its network, and how often it is looked at.
const ENTRY: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(1);

impl Counters {
    /// Waits until a process that a wrapper starts is in its network, and opens this one's counters. `None` if the process ended before.
    pub(crate) fn of(process: u32) -> Option<Self> {
        let (own, until) = (network("self").ok()?, Instant::now() + ENTRY);
        let network = loop {
            match network(&process.to_string()) {
                Ok(network) if network != own => break network,
                Err(error) if error.kind() == ErrorKind::NotFound => return None,
                _ if Instant::now() >= until => return None,
                _ => thread::sleep(LOOK),
            }
        };
        let open = |file: &&str| File::open(format!("/proc/{process}/net/{file}")).ok();
        Some(Self { network, files: ["snmp", "snmp6"].iter().filter_map(open).collect() })
    }

    /// Returns for how many packets and connections there was no way, or nobody who would have taken them further.
    pub(crate) fn attempts(&self) -> u64 {
        let mut sum = 0_u64;
        for mut file in &self.files {
            let mut table = String::new();
            // What cannot be read is not counted.
            let _read = file.rewind().and_then(|()| file.read_to_string(&mut table));
            sum = sum.saturating_add(attempts(&table));
        }
        sum
    }

    /// Whether a process is in that network.
    pub(crate) fn has(&self, process: u32) -> bool {
        network(&process.to_string()).is_ok_and(|network| network == self.network)
    }
}

fn network(process: &str) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/{process}/ns/net"))
}

/// Sum of the counters of one table. A question for a name goes by UDP to loopback where a resolver of the machine's listens, and
/// in the namespace none does.
fn attempts(table: &str) -> u64 {
    let of_both = column(table, "Ip:", "OutNoRoutes").saturating_add(column(table, "Udp:", "NoPorts"));
    of_both.saturating_add(value(table, "Ip6OutNoRoutes")).saturating_add(value(table, "Udp6NoPorts"))
}

/// A counter of `snmp`: a line of names, and below it one of values.
fn column(table: &str, protocol: &str, name: &str) -> u64 {
    let mut lines = table.lines().filter_map(|line| line.strip_prefix(protocol)).map(str::split_whitespace);
    let (Some(mut names), Some(mut values)) = (lines.next(), lines.next()) else { return 0 };
    let value = names.position(|known| known == name).and_then(|at| values.nth(at));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// A counter of `snmp6`: a name and a value on each line.
fn value(table: &str, name: &str) -> u64 {
    let mut lines = table.lines().map(str::split_whitespace);
    let found = lines.find_map(|mut words| (words.next() == Some(name)).then(|| words.next()).flatten());
    found.and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_that_is_to_have_no_network_is_not_started_where_that_cannot_be() {
        let wrapper: &[&str] = &["unshare", "--net", "--"];
        assert!(matches!(words(true, None), Err(ExternalError::NotIsolated)));
        assert_eq!(words(true, Some(wrapper)).unwrap(), wrapper);
        assert!(words(false, Some(wrapper)).unwrap().is_empty() && words(false, None).unwrap().is_empty());
    }

    #[test]
    fn the_kernels_own_tables_are_read() {
        let snmp =
            "Ip: Forwarding DefaultTTL OutNoRoutes ReasmTimeout\nIp: 2 64 17 0\nIcmp: InMsgs\nIcmp: 3\n";
        assert_eq!(attempts(snmp), 17);
        assert_eq!(attempts("Ip: OutNoRoutes\n"), 0);
        assert_eq!(attempts("Udp: InDatagrams NoPorts\nUdp: 9 3\nUdpLite: NoPorts\nUdpLite: 5\n"), 3);
        let of_6 =
            "Ip6InReceives                   \t5\nIp6OutNoRoutes                  \t4\nUdp6NoPorts\t2\n";
        assert_eq!(attempts(of_6), 6);
        // What this machine's kernel has is a table of that kind.
        assert!(fs::read_to_string("/proc/self/net/snmp").unwrap().contains("OutNoRoutes"));
    }
}
