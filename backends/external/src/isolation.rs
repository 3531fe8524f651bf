//! A network in which there is nothing: a party's messages pass through its standard input, so it needs no other.
//!
//! Whatever a system sends to an address outside has no way there, and the kernel counts the attempt. Done by `unshare`
//! of util-linux, as root or where users may make namespaces.

pub(crate) mod mesh;

use std::fs;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

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

/// Commands that start another in a new network namespace, for root and for others.
const WRAPPERS: [&[&str]; 2] =
    [&["unshare", "--net", "--"], &["unshare", OF_USER, "--map-current-user", "--net", "--"]];

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

/// Returns for how many packets and connections a process's network had no way.
pub(crate) fn attempts(process: u32) -> u64 {
    let read = |file: &str| fs::read_to_string(format!("/proc/{process}/net/{file}")).unwrap_or_default();
    no_routes(&read("snmp")) + no_routes_6(&read("snmp6"))
}

/// `OutNoRoutes` of IPv4: a line of names, and below it one of values.
fn no_routes(snmp: &str) -> u64 {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Ip:")).map(str::split_whitespace);
    let (Some(mut names), Some(mut values)) = (lines.next(), lines.next()) else { return 0 };
    let value = names.position(|name| name == "OutNoRoutes").and_then(|at| values.nth(at));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// The same of IPv6: a name and a value on each line.
fn no_routes_6(snmp: &str) -> u64 {
    let value = snmp.lines().find_map(|line| line.strip_prefix("Ip6OutNoRoutes"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
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
        assert_eq!(no_routes(snmp), 17);
        assert_eq!(no_routes("Ip: OutNoRoutes\n"), 0);
        assert_eq!(
            no_routes_6("Ip6InReceives                   \t5\nIp6OutNoRoutes                  \t4\n"),
            4
        );
        // What this machine's kernel has is a table of that kind.
        assert!(fs::read_to_string("/proc/self/net/snmp").unwrap().contains("OutNoRoutes"));
    }
}
