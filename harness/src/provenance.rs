//! What a run was made with: the machine, the executable and what it was built from.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use sha2::{Digest, Sha256};
use veilbench_results::{Machine, Run};

/// The machine as it is now.
pub(crate) fn machine() -> Machine {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = |key: &str| {
        let line = cpuinfo.lines().find(|line| line.split(':').next().is_some_and(|name| name.trim() == key));
        line.and_then(|line| line.split_once(':'))
            .map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kib: Option<u64> = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    let uname = rustix::system::uname();
    Machine {
        cpu_model: cpu("model name"),
        cpu_flags: cpu("flags").split_whitespace().map(str::to_owned).collect(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: memory_kib.unwrap_or(0) * 1024,
        kernel: uname.release().to_string_lossy().into_owned(),
        os: os_name().unwrap_or_else(|| uname.sysname().to_string_lossy().into_owned()),
        load_average: load_average(),
    }
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

/// How many cores other work keeps busy at the moment, measured over a short while; `None` where the kernel does
/// not say.
pub(crate) fn busy_cores() -> Option<f64> {
    const WATCHED: Duration = Duration::from_millis(300);
    let before = ticks()?;
    std::thread::sleep(WATCHED);
    let after = ticks()?;
    let (busy, all) = (after.busy.checked_sub(before.busy)?, after.all.checked_sub(before.all)?);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (all > 0).then(|| busy as f64 / all as f64 * cores as f64)
}

/// Processor time since the system started, in the kernel's units, summed over cores.
struct Ticks {
    busy: u64,
    all: u64,
}

fn ticks() -> Option<Ticks> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    // User, nice, system, idle, waiting for input and output, interrupts, soft interrupts, stolen.
    let times: Vec<u64> = line.split_whitespace().take(8).map_while(|time| time.parse().ok()).collect();
    let all = times.iter().sum();
    Some(Ticks { busy: all - times.get(3)? - times.get(4)?, all })
}

/// SHA-256 of the running executable, hexadecimal.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn executable_sha256() -> io::Result<String> {
    Ok(hex(&Sha256::digest(std::fs::read(std::env::current_exe()?)?)))
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    let fingerprint = hex(&Sha256::digest(identity));
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
        machine,
        rustc: env!("VEILBENCH_RUSTC").to_owned(),
        git_revision: (!revision.is_empty()).then(|| revision.to_owned()),
        git_dirty: env!("VEILBENCH_GIT_DIRTY").parse().ok(),
        executable_sha256,
        crates,
        ..Run::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spinning_thread_is_seen_as_a_busy_core() {
        let spin = std::sync::atomic::AtomicBool::new(true);
        let busy = std::thread::scope(|scope| {
            scope.spawn(|| {
                while spin.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let busy = busy_cores().unwrap();
            spin.store(false, std::sync::atomic::Ordering::Relaxed);
            busy
        });
        assert!(busy > 0.3, "{busy}");
    }

    #[test]
    fn a_run_names_machine_software_and_dependencies() {
        let run = describe(7, 1).unwrap();
        assert!(run.machine.cores >= 1 && run.machine.memory_bytes > 0);
        assert_eq!(run.executable_sha256.len(), 64);
        assert!(run.crates.contains_key("tract-onnx") && run.crates.contains_key("tfhe-ntt"));
        assert!(!run.crates.contains_key("criterion") && !run.crates.contains_key("tch"));
        assert!(run.rustc.starts_with("rustc 1."));
        assert_ne!(run.fingerprint, describe(8, 1).unwrap().fingerprint);
        assert_ne!(run.fingerprint, describe(7, 2).unwrap().fingerprint);
    }
}
