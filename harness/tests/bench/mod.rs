//! A folder to run the executable in, with no data but the embedded sample.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]
#![allow(dead_code, reason = "each test executable uses some of it")]

use std::io::PipeWriter;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub(crate) struct Bench {
    folder: TempDir,
}

pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn veilbench(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_veilbench"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("VEILBENCH_DATA", self.folder.path().join("data"))
            .env("VEILBENCH_CACHE", self.folder.path().join("cache"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let output = self.veilbench(arguments).output().unwrap();
        Output {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// A command whose standard output is `writer`.
    pub(crate) fn piped(&self, arguments: &[&str], writer: PipeWriter) -> Output {
        let output = self.veilbench(arguments).stdout(writer).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        Output { code: output.status.code().unwrap(), stdout: String::new(), stderr }
    }

    /// `veilbench run` into [`out`](Self::out).
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(&[&["run", "--out", "run"], arguments].concat())
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let arguments = [&["run", "--out", "run"], arguments].concat();
        self.veilbench(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The same with variables of the user's.
    pub(crate) fn spawn_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        let arguments = [&["run", "--out", "run"], arguments].concat();
        let mut command = self.veilbench(&arguments);
        command.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Sessions on record.
    pub(crate) fn sessions(&self) -> usize {
        let samples = std::fs::read_to_string(self.out().join("samples.csv")).unwrap_or_default();
        samples.lines().filter(|line| line.contains(",session,,all,")).count()
    }

    pub(crate) fn wait_for_sessions(&self, count: usize) {
        let start = Instant::now();
        while self.sessions() < count {
            assert!(start.elapsed() < Duration::from_secs(60), "no session was recorded");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the harness has this many party processes.
    pub(crate) fn wait_for_parties(&self, harness: u32, count: usize) -> Vec<u32> {
        let start = Instant::now();
        loop {
            let parties = children(harness);
            if parties.len() == count {
                // Long enough for them to be in the middle of their session, if they are all of one.
                std::thread::sleep(Duration::from_millis(300));
                if children(harness) == parties {
                    return parties;
                }
            }
            assert!(start.elapsed() < Duration::from_secs(60), "no parties were started");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Processes whose parent is `process`, oldest first.
pub(crate) fn children(process: u32) -> Vec<u32> {
    let mut children: Vec<u32> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| state(*pid).is_some_and(|(_, parent)| parent == process))
        .collect();
    children.sort_unstable();
    children
}

/// State letter and parent of a process, from `/proc/<pid>/stat`.
fn state(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Asserts that these processes end within two seconds.
pub(crate) fn assert_gone(processes: &[u32]) {
    let start = Instant::now();
    while processes.iter().any(|&pid| state(pid).is_some_and(|(state, _)| state != 'Z')) {
        assert!(start.elapsed() < Duration::from_secs(2), "a party outlived its session");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn wait(child: &mut Child, patience: Duration) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(start.elapsed() < patience, "the harness did not end");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn signal(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(process as i32).unwrap(), signal).unwrap();
}

pub(crate) fn interrupt(process: u32) {
    signal(process, Signal::INT);
}

/// Stops a process until it is ended or told to go on.
pub(crate) fn stop(process: u32) {
    signal(process, Signal::STOP);
}

pub(crate) fn go_on(process: u32) {
    signal(process, Signal::CONT);
}

pub(crate) fn kill(process: u32) {
    signal(process, Signal::KILL);
}
