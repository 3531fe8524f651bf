//! What a run was made with: the machine, the executable and what it was built from.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};

use sha2::{Digest, Sha256};
use veilbench_results::{HostRecord, Machine, Run};

use crate::session::process::ENVIRONMENT;

/// The machine as it is now.
pub(crate) fn machine() -> Machine {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key));
        line.and_then(|line| line.split_once(':'))
            .map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let uname = rustix::system::uname();
    Machine {
        cpu_model: cpu("model name"),
        cpu_flags: cpu("flags").split_whitespace().map(str::to_owned).collect(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: machine_memory_bytes(),
        kernel: uname.release().to_string_lossy().into_owned(),
        os: os_name().unwrap_or_else(|| uname.sysname().to_string_lossy().into_owned()),
        load_average: load_average(),
    }
}

/// Variables in which launchers name the node a task runs on.
const NODE_NAMES: [&str; 2] = ["SLURMD_NODENAME", "NODE_NAME"];

/// What tells this machine from others in a run: the name that a launcher gives it, if any, and a digest of host name,
/// processor, cores and kernel.
pub(crate) fn machine_id(machine: &Machine) -> String {
    let named = NODE_NAMES.iter().find_map(|name| std::env::var(name).ok());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    id(named.as_deref(), &host, machine)
}

/// As [`machine_id`], of a machine that goes by the name of a host.
pub(crate) fn named_machine_id(host: &str, machine: &Machine) -> String {
    id(Some(host), "", machine)
}

/// The fingerprint of a run whose roles are on hosts.
pub(crate) fn fingerprint_on(fingerprint: &str, hosts: &BTreeMap<String, HostRecord>) -> String {
    hex::encode(Sha256::digest(format!("{fingerprint}\n{hosts:?}")))
}

fn id(named: Option<&str>, host: &str, machine: &Machine) -> String {
    let Machine { cpu_model, cores, kernel, .. } = machine;
    let identity = format!("{}\n{cpu_model}\n{cores}\n{kernel}", named.unwrap_or(host));
    let digest: String = hex::encode(Sha256::digest(identity)).chars().take(8).collect();
    let legal = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    match named.map(|name| name.chars().filter(legal).take(40).collect::<String>()) {
        Some(name) if !name.is_empty() => format!("{name}-{digest}"),
        _ => digest,
    }
}

/// Main memory, bytes; 0 where the kernel does not say.
pub(crate) fn machine_memory_bytes() -> u64 {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kibibytes: Option<u64> = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    kibibytes.unwrap_or(0) * 1024
}

fn os_name() -> Option<String> {
    let release = std::fs::read_to_string("/etc/os-release").ok()?;
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

fn load_average() -> [f64; 3] {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut numbers = text.split_whitespace().map_while(|field| field.parse().ok());
    std::array::from_fn(|_| numbers.next().unwrap_or(0.0))
}

/// SHA-256 of the running executable, hexadecimal.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn executable_sha256() -> io::Result<String> {
    sha256(&mut File::open(std::env::current_exe()?)?)
}

/// SHA-256 of the rest of a file, hexadecimal; of which little is in memory at a time: parties' memory is measured.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn sha256(file: &mut File) -> io::Result<String> {
    let (mut hash, mut part) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(part.get(..read).unwrap_or_default()),
        }
    }
}

/// A run's description without cells: software, machine, and the fingerprint of what has to stay
/// the same when it is resumed.
///
/// # Errors
/// If the executable cannot be read.
pub(crate) fn describe(seed: u64, warmup: usize) -> io::Result<Run> {
    let machine = machine();
    let executable_sha256 = executable_sha256()?;
    let identity = format!(
        "{}\n{executable_sha256}\n{}\n{}\n{}\n{seed}\n{warmup}",
        veilbench_results::SCHEMA_VERSION,
        machine.cpu_model,
        machine.cores,
        machine.kernel
    );
    let fingerprint = hex::encode(Sha256::digest(identity));
    let crates: BTreeMap<String, String> = env!("VEILBENCH_CRATES")
        .split(',')
        .filter_map(|entry| entry.split_once(' '))
        .map(|(name, version)| (name.to_owned(), version.to_owned()))
        .collect();
    let revision = env!("VEILBENCH_GIT_REVISION");
    Ok(Run {
        created: humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string(),
        veilbench_version: env!("CARGO_PKG_VERSION").to_owned()
            + if cfg!(debug_assertions) { " (debug build)" } else { "" },
        seed,
        fingerprint,
        machines: [(machine_id(&machine), machine)].into(),
        rustc: env!("VEILBENCH_RUSTC").to_owned(),
        git_revision: (!revision.is_empty()).then(|| revision.to_owned()),
        git_dirty: env!("VEILBENCH_GIT_DIRTY").parse().ok(),
        executable_sha256,
        crates,
        environment: ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        warmup,
        ..Run::default()
    })
}

/// What a run on record was made with that is another now, each with both.
pub(crate) fn differences(recorded: &Run, present: &Run) -> Vec<String> {
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    let build = |run: &Run| {
        let revision = run.git_revision.as_deref().map_or_else(|| "no revision".to_owned(), short);
        let dirty = if run.git_dirty == Some(true) { ", changed" } else { "" };
        format!("{} ({revision}{dirty}, executable {})", run.veilbench_version, short(&run.executable_sha256))
    };
    let machine = |run: &Run| {
        let kinds: BTreeSet<String> = run
            .machines
            .values()
            .map(|machine| {
                format!("{}, {} cores, kernel {}", machine.cpu_model, machine.cores, machine.kernel)
            })
            .collect();
        kinds.into_iter().collect::<Vec<_>>().join(" and ")
    };
    let hosts = |run: &Run| {
        let roles = |(host, record): (&String, &HostRecord)| {
            format!("{} on {host} ({})", record.roles.join(" and "), record.machine)
        };
        let hosts = run.hosts.iter().map(roles).collect::<Vec<_>>();
        if hosts.is_empty() { "all roles here".to_owned() } else { hosts.join(", ") }
    };
    let said = [
        ("build", build(recorded), build(present)),
        ("machine", machine(recorded), machine(present)),
        ("set of hosts", hosts(recorded), hosts(present)),
        ("seed", recorded.seed.to_string(), present.seed.to_string()),
        ("warm-up", recorded.warmup.to_string(), present.warmup.to_string()),
    ];
    let differing: Vec<String> = said
        .into_iter()
        .filter(|(_, before, now)| before != now)
        .map(|(what, before, now)| format!("another {what} ({before}; this is {now})"))
        .collect();
    if differing.is_empty() { vec!["another schema of files".to_owned()] } else { differing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_names_machine_software_and_dependencies() {
        let run = describe(7, 1).unwrap();
        let machine = run.first_machine();
        assert!(run.machines.len() == 1 && machine.cores >= 1 && machine.memory_bytes > 0);
        assert_eq!(run.executable_sha256.len(), 64);
        assert!(run.crates.contains_key("tract-onnx") && run.crates.contains_key("tfhe-ntt"));
        assert!(!run.crates.contains_key("criterion") && !run.crates.contains_key("tch"));
        assert!(run.rustc.starts_with("rustc 1."));
        assert_ne!(run.fingerprint, describe(8, 1).unwrap().fingerprint);
        assert_ne!(run.fingerprint, describe(7, 2).unwrap().fingerprint);
    }
    #[test]
    fn a_machine_is_known_by_its_node_or_else_its_host_and_never_named_after_the_host() {
        let machine = Machine { cpu_model: "made up".into(), cores: 2, ..Machine::default() };
        let on = |named, host| id(named, host, &machine);
        assert!(on(Some("node1"), "a").starts_with("node1-"));
        assert_eq!(
            on(Some("node1"), "a"),
            on(Some("node1"), "b"),
            "pods of one node have hosts of their own"
        );
        assert_ne!(on(Some("node1"), "a"), on(Some("node2"), "a"));
        assert_ne!(on(None, "a"), on(None, "b"));
        assert!(on(None, "secret-host").len() == 8);
        assert!(on(Some("n/o,d\ne"), "a").starts_with("node-"));
        let other = Machine { cores: 4, ..machine.clone() };
        assert_ne!(id(None, "a", &machine), id(None, "a", &other));
    }
}
