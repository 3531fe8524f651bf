//! The network of a session whose system owns its sockets: each role in a network namespace of its own, joined to each other
//! role by a pair of interfaces, and to nothing else. What the interfaces carried is what was exchanged, by the kernel's count.
//!
//! Made by `unshare` and `nsenter` of util-linux and `ip` of iproute2, as root or where users may make namespaces. The first
//! role makes it and tells the others over the links.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use veilbench_api::{Exchanged, Link};

use crate::error::ExternalError;
use crate::isolation;
use crate::party::process::finish;
use crate::party::tail::Tail;

const SCRIPT: &str = include_str!("mesh.sh");

/// How long making it may take: two dozen small programs are started for each pair of roles.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the programs that make it are: some of them are for administrators.
const PLACES: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The kernel's name of one run of the machine.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Returns the address of a role, which it has in its own network and is reached at in the others.
pub(crate) fn address(role: usize) -> String {
    format!("10.66.0.{}", role + 1)
}

/// One role's view of the session's network.
#[derive(Debug)]
pub(crate) struct Mesh {
    me: usize,
    /// Processes that hold the networks, in the order of the roles.
    holders: Vec<u32>,
    /// Whether they belong to a namespace of users too.
    of_user: bool,
    /// Bytes sent to and received from each role so far.
    counted: Vec<[u64; 2]>,
    /// At the role that made it.
    _keeper: Option<Keeper>,
}

impl Mesh {
    /// Returns whether this machine allows one, asked once; if not, what it said.
    pub(crate) fn possible() -> Result<(), &'static str> {
        static TRIED: OnceLock<Result<(), String>> = OnceLock::new();
        let tried = TRIED.get_or_init(|| Self::make(2).map(drop).map_err(|error| error.to_string()));
        match tried {
            Ok(()) => Ok(()),
            Err(reason) => Err(reason),
        }
    }

    /// Makes the network at the first role, or takes it from there. `links` are those to the other roles, in their order.
    ///
    /// # Errors
    /// [`ExternalError::Mesh`] if it cannot be made, or was made on another machine; link errors.
    pub(crate) fn join(me: usize, roles: usize, links: &mut [Link]) -> Result<Self, veilbench_api::Error> {
        let failed = |error| veilbench_api::Error::engine("making the session's network")(error);
        if me == 0 {
            let mesh = Self::make(roles).map_err(failed)?;
            let told = mesh.announcement().map_err(failed)?;
            for link in links {
                link.send(told.as_bytes())?;
            }
            return Ok(mesh);
        }
        let first = links.first_mut().ok_or_else(|| failed(broken("there is no link to the first role")))?;
        let told = first.receive()?;
        Self::announced(&String::from_utf8_lossy(&told), me, roles).map_err(failed)
    }

    fn make(roles: usize) -> Result<Self, ExternalError> {
        let wrapper = isolation::words(true, isolation::wrapper())?;
        let of_user = wrapper.contains(&isolation::OF_USER);
        let (keeper, holders) = Keeper::start(roles, of_user)?;
        Ok(Self { me: 0, holders, of_user, counted: vec![[0; 2]; roles], _keeper: Some(keeper) })
    }

    /// What the first role tells the others: which machine it is on, and the processes that hold the networks.
    fn announcement(&self) -> Result<String, ExternalError> {
        let holders: Vec<String> = self.holders.iter().map(u32::to_string).collect();
        Ok(format!("{} {} {}", boot()?, u8::from(self.of_user), holders.join(" ")))
    }

    fn announced(told: &str, me: usize, roles: usize) -> Result<Self, ExternalError> {
        let mut words = told.split_whitespace();
        if words.next() != Some(&*boot()?) {
            return Err(broken("the roles of a system that owns its sockets must be on one machine"));
        }
        let of_user = words.next() == Some("1");
        let holders: Vec<u32> = words.map_while(|word| word.parse().ok()).collect();
        if holders.len() != roles {
            return Err(broken("the first role told of another number of networks than there are roles"));
        }
        Ok(Self { me, holders, of_user, counted: vec![[0; 2]; roles], _keeper: None })
    }

    /// Returns the words before a command that put it into this role's network.
    pub(crate) fn entrance(&self) -> Vec<String> {
        let namespace = |kind: &str| format!("/proc/{}/ns/{kind}", self.holders[self.me]);
        let mut words = vec!["nsenter".to_owned()];
        if self.of_user {
            words.extend([format!("--user={}", namespace("user")), "--preserve-credentials".to_owned()]);
        }
        words.extend([format!("--net={}", namespace("net")), "--".to_owned()]);
        words
    }

    /// Returns what passed between this role and each other since the last call; `roles` are their names.
    ///
    /// # Errors
    /// [`ExternalError::Mesh`] if the network is gone.
    pub(crate) fn traffic(&mut self, roles: &[&str]) -> Result<Vec<Exchanged>, ExternalError> {
        let path = format!("/proc/{}/net/dev", self.holders[self.me]);
        let table = fs::read_to_string(&path).map_err(|error| broken(&format!("reading {path}: {error}")))?;
        let mut exchanged = Vec::new();
        for (peer, name) in roles.iter().enumerate().filter(|(peer, _)| *peer != self.me) {
            let now = interface(&table, &format!("to{}", peer + 1))
                .ok_or_else(|| broken(&format!("{path} has no interface to {name}")))?;
            let before = std::mem::replace(&mut self.counted[peer], now);
            exchanged.push(Exchanged {
                peer: (*name).to_owned(),
                local: false,
                sent_bytes: now[0].saturating_sub(before[0]),
                sent_messages: 0,
                received_bytes: now[1].saturating_sub(before[1]),
                received_messages: 0,
            });
        }
        Ok(exchanged)
    }
}

/// Bytes sent over and received by an interface, from the kernel's table: its name, eight columns of what was received, of which bytes
/// are the first, and eight of what was sent.
fn interface(table: &str, name: &str) -> Option<[u64; 2]> {
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'))?;
    let mut columns = line.split_whitespace();
    let received = columns.next()?.parse().ok()?;
    let sent = columns.nth(7)?.parse().ok()?;
    Some([sent, received])
}

fn boot() -> Result<String, ExternalError> {
    let read = fs::read_to_string(Path::new(BOOT));
    read.map(|id| id.trim().to_owned()).map_err(|error| broken(&format!("reading {BOOT}: {error}")))
}

fn broken(reason: &str) -> ExternalError {
    ExternalError::Mesh(reason.to_owned())
}

/// The process that made the networks. They are gone with it, and it with its standard input: also when this process is killed.
#[derive(Debug)]
struct Keeper(Child);

impl Keeper {
    /// Starts it, and returns it with the processes that hold the networks.
    fn start(roles: usize, of_user: bool) -> Result<(Self, Vec<u32>), ExternalError> {
        let as_user: &[&str] = if of_user { &["unshare", "--user", "--map-root-user", "--"] } else { &[] };
        let count = roles.to_string();
        let mut words = as_user.iter().copied().chain(["/bin/sh", "-c", SCRIPT, "mesh", &count]);
        let mut child = Command::new(words.next().unwrap_or_default())
            .args(words)
            .env_clear()
            .env("PATH", PLACES)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| broken(&error.to_string()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take().map(Tail::of));
        let keeper = Self(child);
        let (told, line) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = stdout.map(|stdout| BufReader::new(stdout).read_line(&mut line));
            // Nobody listens if it took too long.
            let _late = told.send(read.map(|_| line).unwrap_or_default());
        });
        let line = line.recv_timeout(PATIENCE).unwrap_or_default();
        let holders: Vec<u32> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        if holders.len() == roles {
            return Ok((keeper, holders));
        }
        drop(keeper);
        let said = stderr.map(|tail| tail.text()).filter(|text| !text.is_empty());
        Err(broken(&said.unwrap_or_else(|| "it was not made in time".to_owned())))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ended = finish(&mut self.0, Duration::from_millis(200));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_found_among_others_that_begin_alike() {
        let table = "Inter-|   Receive  |  Transmit\n face |bytes packets\n    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  \
                     to12: 5 0 0 0 0 0 0 0 6 0 0 0 0 0 0 0\n   to1:70 0 0 0 0 0 0 0 90 0 0 0 0 0 0 0\n";
        assert_eq!(interface(table, "to1"), Some([90, 70]));
        assert_eq!(interface(table, "to12"), Some([6, 5]));
        assert_eq!(interface(table, "to2"), None);
        assert_eq!(interface("to1: 1 2 3\n", "to1"), None);
    }

    #[test]
    fn what_the_first_role_tells_is_taken_only_on_its_machine_and_for_all_roles() {
        let boot = boot().unwrap();
        let mesh = Mesh::announced(&format!("{boot} 1 11 12 13"), 2, 3).unwrap();
        let entrance = mesh.entrance().join(" ");
        assert!(entrance.contains("--user=/proc/13/ns/user") && entrance.contains("--net=/proc/13/ns/net"));
        let told = |text: &str| Mesh::announced(text, 1, 3).unwrap_err().to_string();
        assert!(told("another 0 11 12 13").contains("must be on one machine"));
        assert!(told(&format!("{boot} 0 11 12")).contains("another number"));
        assert!(told(&format!("{boot} 0 11 x 13")).contains("another number"));
        assert!(told("").contains("must be on one machine"));
    }

    #[test]
    fn networks_are_gone_with_the_one_that_made_them() {
        if let Err(reason) = Mesh::possible() {
            eprintln!("skipped: this machine allows no networks: {reason}");
            return;
        }
        let mut mesh = Mesh::make(3).unwrap();
        let holders = mesh.holders.clone();
        let quiet = mesh.traffic(&["a", "b", "c"]).unwrap();
        assert_eq!(quiet.iter().map(|peer| peer.peer.as_str()).collect::<Vec<_>>(), ["b", "c"]);
        let asked = mesh.entrance();
        let mut links = Command::new(&asked[0]);
        links.args(&asked[1..]).args(["ip", "-d", "link", "show", "to2"]);
        let links = String::from_utf8(links.env("PATH", PLACES).output().unwrap().stdout).unwrap();
        assert!(links.contains("addrgenmode none"), "interfaces send packets of their own: {links}");
        assert!(quiet.iter().all(|peer| peer.sent_bytes + peer.received_bytes == 0), "{quiet:?}");
        drop(mesh);
        for holder in holders {
            assert!(!Path::new(&format!("/proc/{holder}/ns/net")).exists(), "{holder}");
        }
    }
}
