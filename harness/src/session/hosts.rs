//! Roles on different hosts: which role runs where, and how a program is started there.

pub(crate) mod inspection;
pub(crate) mod launched;
pub(super) mod remote;
pub(super) mod transfer;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;

use clap::Args;
use veilbench_api::link::Topology;
use veilbench_api::{Backend, Role};
use veilbench_results::{HostRecord, Machine, Run};

use crate::error::Error;
use crate::record::provenance;

/// Options that put roles on hosts.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct HostOptions {
    /// Run a role on a host, e.g. data-owner=alice; every role of every selected backend needs one (repeatable)
    #[arg(long = "host", value_name = "ROLE=NAME", requires = "launch", help_heading = "Hosts")]
    hosts: Vec<Pair>,
    /// Command that starts a program on a host, e.g. 'ssh {host}'; the program and its arguments are added at its end
    #[arg(long, value_name = "COMMAND", requires = "hosts", help_heading = "Hosts")]
    launch: Option<Launch>,
    /// Address at which parties on a host listen [default: its name if that is an address, or else that of its default route]
    #[arg(long, value_name = "NAME=ADDRESS", requires = "hosts", help_heading = "Hosts")]
    listen: Vec<Pair>,
    /// Folder on a host that keeps the files of its roles; what it lacks is sent once [default: sent in every session, kept nowhere]
    #[arg(
        id = "host_files",
        long = "files",
        value_name = "NAME=FOLDER",
        requires = "hosts",
        help_heading = "Hosts"
    )]
    files: Vec<Pair>,
    /// This program on the hosts [default: the path it has here]
    #[arg(long, value_name = "PATH", requires = "hosts", help_heading = "Hosts")]
    program: Option<PathBuf>,
}

/// `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    name: String,
    value: String,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() && !value.is_empty() => {
                Ok(Self { name: name.to_owned(), value: value.to_owned() })
            }
            _ => Err("expected NAME=VALUE".into()),
        }
    }
}

/// The words of a command, in which `{host}` stands for the host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Launch(Vec<String>);

impl FromStr for Launch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = shlex::split(text).ok_or("a quote is not closed")?;
        if !words.iter().any(|word| word.contains(HOST)) {
            return Err(format!("the command has no {HOST}, so every role would run at the same place"));
        }
        Ok(Self(words))
    }
}

const HOST: &str = "{host}";

/// Roles on hosts, checked.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    launch: Vec<String>,
    program: String,
    places: BTreeMap<String, String>,
    listen: BTreeMap<String, IpAddr>,
    files: BTreeMap<String, PathBuf>,
    /// By host, as it was found before the first session: id and description.
    machines: BTreeMap<String, (String, Machine)>,
}

impl HostOptions {
    /// Whether roles are put on hosts at all.
    pub(crate) fn are_given(&self) -> bool {
        !self.hosts.is_empty()
    }

    /// Holds the options against the backends that are to run on the hosts.
    ///
    /// # Errors
    /// [`Error::HostOptions`]: a role without a host, a host without a role, an address that is none.
    pub(crate) fn resolve<'a>(
        &self,
        backends: impl Iterator<Item = &'a dyn Backend>,
    ) -> Result<Option<Hosts>, Error> {
        let (Some(Launch(launch)), true) = (&self.launch, self.are_given()) else { return Ok(None) };
        let wrong = |reason: String| Err(Error::HostOptions(reason));
        let mut places: BTreeMap<String, String> = BTreeMap::new();
        for Pair { name, value } in &self.hosts {
            if !is_plain(value) {
                return wrong(format!(
                    "--host {name}={value}: a host is letters, digits and ._-@:[]%/, and begins with none but the first two"
                ));
            }
            if places.insert(name.clone(), value.clone()).is_some() {
                return wrong(format!("--host {name}={value}: the role has a host already"));
            }
        }
        let mut known = BTreeSet::new();
        for backend in backends {
            let (profile, topology) = (backend.profile(), Topology::of(backend));
            for (index, role) in profile.roles.iter().enumerate() {
                let Some(host) = places.get(&*role.name) else {
                    return wrong(format!(
                        "--host: {} of {} has none; add --host {0}=NAME",
                        role.name, profile.name
                    ));
                };
                let mate = profile.roles.iter().enumerate().find(|(other, mate)| {
                    topology.is_local(index, *other)
                        && places.get(&*mate.name).is_some_and(|place| place != host)
                });
                if let Some((_, mate)) = mate {
                    let roles = format!("{} and {} of {}", role.name, mate.name, profile.name);
                    return wrong(format!("--host: {roles} share memory, so they need the same host"));
                }
                known.insert(role.name.to_string());
            }
        }
        if let Some(role) = places.keys().find(|role| !known.contains(*role)) {
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return wrong(format!("--host {role}: no selected backend has this role; there are {known}"));
        }
        let named: BTreeSet<&String> = places.values().collect();
        let mut listen: BTreeMap<String, IpAddr> =
            named.iter().filter_map(|host| Some(((*host).clone(), host.parse().ok()?))).collect();
        for Pair { name, value } in &self.listen {
            match value.parse::<IpAddr>() {
                Ok(address) if named.contains(name) && !address.is_unspecified() => {
                    listen.insert(name.clone(), address);
                }
                Ok(_) if named.contains(name) => {
                    return wrong(format!("--listen {name}={value}: peers cannot call this address"));
                }
                Ok(_) => return wrong(format!("--listen {name}={value}: no role is on this host")),
                Err(_) => return wrong(format!("--listen {name}={value}: expected an IP address")),
            }
        }
        if let Some(Pair { name, value }) = self.files.iter().find(|pair| !named.contains(&pair.name)) {
            return wrong(format!("--files {name}={value}: no role is on this host"));
        }
        let files = self.files.iter().map(|pair| (pair.name.clone(), PathBuf::from(&pair.value))).collect();
        let program = match &self.program {
            Some(program) => program.clone(),
            None => std::env::current_exe().map_err(Error::Executable)?,
        };
        let program = program.to_string_lossy().into_owned();
        // Launchers such as ssh give the words to a shell on the host.
        if !program.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c)) {
            return wrong(format!(
                "--program {program}: launchers cannot carry its letters; give a path of letters, digits and /._-+"
            ));
        }
        Ok(Some(Hosts { launch: launch.clone(), program, places, listen, files, machines: BTreeMap::new() }))
    }
}

/// What reaches a launcher and a shell behind it unchanged, and is no option of theirs.
fn is_plain(host: &str) -> bool {
    host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
        && host.chars().all(|c| c.is_ascii_alphanumeric() || "._-@:[]%/".contains(c))
}

impl Hosts {
    /// Every host once.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.places.values().map(String::as_str).collect()
    }

    /// The host of a role.
    pub(crate) fn of(&self, role: &str) -> &str {
        self.places.get(role).map_or("", String::as_str)
    }

    /// What the party of a role is called in messages: it says where it is.
    pub(crate) fn party(&self, role: &str) -> String {
        format!("{role} on {}", self.of(role))
    }

    pub(crate) fn listen(&self, host: &str) -> Option<IpAddr> {
        self.listen.get(host).copied()
    }

    pub(crate) fn folder(&self, host: &str) -> Option<PathBuf> {
        self.files.get(host).cloned()
    }

    /// How many of these roles are on a host.
    pub(crate) fn count(&self, host: &str, roles: &[Role]) -> usize {
        roles.iter().filter(|role| self.of(&role.name) == host).count()
    }

    /// What starts a party on a host.
    pub(crate) fn command(&self, host: &str) -> Command {
        let mut words = self.launch.iter().map(|word| word.replace(HOST, host));
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).arg(&self.program).args(["party", "--launched"]);
        command
    }

    /// Notes what was found on a host.
    pub(crate) fn found(&mut self, host: &str, machine: Machine) {
        let id = provenance::named_machine_id(host, &machine);
        self.machines.insert(host.to_owned(), (id, machine));
    }

    /// Id of the machine a role runs on.
    pub(crate) fn machine(&self, role: &str) -> &str {
        self.machines.get(self.of(role)).map_or("", |(id, _)| id)
    }

    /// Says in a run's description on which machines it is measured, instead of this one.
    pub(crate) fn describe(&self, run: &mut Run) {
        run.machines = self.machines.values().cloned().collect();
        for (role, host) in &self.places {
            let machine = self.machine(role).to_owned();
            let record = run.hosts.entry(host.clone()).or_insert(HostRecord { machine, roles: Vec::new() });
            record.roles.push(role.clone());
        }
        run.fingerprint = provenance::fingerprint_on(&run.fingerprint, &run.hosts);
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use veilbench_backends::all;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        hosts: HostOptions,
    }

    fn resolve(arguments: &str, names: &[&str]) -> Result<Option<Hosts>, String> {
        let arguments = std::iter::once("veilbench".to_owned()).chain(shlex::split(arguments).unwrap());
        let cli = Cli::try_parse_from(arguments).map_err(|error| error.to_string())?;
        let backends = all();
        let chosen =
            backends.iter().map(AsRef::as_ref).filter(|backend| names.contains(&&*backend.profile().name));
        cli.hosts.resolve(chosen).map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_is_split_at_spaces_outside_quotes() {
        let Launch(words) = "ssh  -o 'A B' \"c d\"e '' {host}".parse().unwrap();
        assert_eq!(words, ["ssh", "-o", "A B", "c de", "", "{host}"]);
        assert!("ssh 'a {host}".parse::<Launch>().is_err());
        assert!("ssh alice".parse::<Launch>().unwrap_err().contains("no {host}"));
    }

    #[test]
    fn the_program_is_started_where_the_role_is() {
        let options = "--host data-owner=alice --host model-owner=10.0.0.2 --launch 'ssh -T {host}' --program /opt/veilbench";
        let hosts = resolve(options, &["clear"]).unwrap().unwrap();
        let command = hosts.command(hosts.of("data-owner"));
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        assert_eq!(command.get_program(), "ssh");
        assert_eq!(words, ["-T", "alice", "/opt/veilbench", "party", "--launched"]);
        assert_eq!(hosts.listen("10.0.0.2"), "10.0.0.2".parse().ok());
        assert_eq!(hosts.listen("alice"), None);
        assert!(resolve("", &["clear"]).unwrap().is_none());
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_option_that_is_wrong() {
        let refusal = |options: &str, names: &[&str]| {
            resolve(&format!("{options} --launch 'ssh {{host}}' --program /opt/veilbench"), names)
                .unwrap_err()
        };
        let both = "--host data-owner=a --host model-owner=b";
        assert!(refusal("--host data-owner=a", &["clear"]).contains("model-owner of clear has none"));
        assert!(
            refusal(&format!("{both} --host deler=c"), &["clear"])
                .contains("--host deler: no selected backend")
        );
        assert!(
            refusal(&format!("{both} --host enclave-host=c --host enclave=d"), &["tee"])
                .contains("share memory")
        );
        assert!(refusal("--host data-owner=-oProxyCommand", &["clear"]).contains("a host is letters"));
        assert!(refusal(&format!("{both} --listen a=0.0.0.0"), &["clear"]).contains("cannot call"));
        assert!(
            refusal(&format!("{both} --listen c=10.0.0.1"), &["clear"]).contains("no role is on this host")
        );
        assert!(refusal(&format!("{both} --files c=/data"), &["clear"]).contains("no role is on this host"));
        assert!(resolve(both, &["clear"]).unwrap_err().contains("--launch"));
    }
}
