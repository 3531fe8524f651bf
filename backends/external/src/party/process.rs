//! A party's process: started in a group of its own, spoken to over its standard input, and ended on every path together
//! with whatever it started.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use veilbench_api::WorkerFigures;

use crate::error::{ExternalError, says_memory_is_short};
use crate::isolation::Counters;
use crate::party::figures::Group;
use crate::party::protocol::{Command, Control, Event, Interruption};
use crate::party::strays::Strays;
use crate::party::tail::Tail;

/// How long a process may take to leave when it was told to, or to say how it ended when its socket closed.
const GRACE: Duration = Duration::from_millis(500);

/// Ends a process group and removes a folder when standard input is closed: that is when this process is gone, however it ended. The
/// number of the group is the first line, the folder the first argument, if there is one.
const WATCHDOG: &str = "read -r group; read -r word; [ -z \"$group\" ] || kill -s KILL -- \"-$group\"; [ -z \"$1\" ] || rm -rf -- \"$1\"";

/// Where programs are looked for. A party's environment holds this, the number of threads and nothing of the user's.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What it holds for every party.
pub(crate) const ENVIRONMENT: [(&str, &str); 2] = [("PATH", PATH), ("LANG", "C.UTF-8")];

/// Variables by which numerical libraries are told how many threads to use.
const THREADS: [&str; 4] =
    ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"];

/// A variable that tells a party's processes from others; what it is set to says nothing.
pub(crate) const MARK: &str = "VEILBENCH_PARTY";

/// How a role's process is started.
pub(crate) struct Start<'a> {
    pub(crate) command: &'a [String],
    pub(crate) folder: &'a Path,
    pub(crate) threads: usize,
    /// What the backend needs, for the message when the program is not there.
    pub(crate) hint: &'a str,
    /// Words before the command that put it into another network; none if it is the machine's.
    pub(crate) wrapper: &'a [String],
    /// What is to be removed if this process is killed.
    pub(crate) private: Option<&'a Path>,
}

/// A running party.
pub(crate) struct PartyProcess {
    child: Child,
    group: Group,
    watchdog: Child,
    control: Control,
    stderr: Tail,
    _stdout: Tail,
    strays: Strays,
    /// What it left behind when it ended, by number and name.
    left: BTreeMap<u32, String>,
    /// How the process ended, once it has.
    ended: Option<String>,
}

impl PartyProcess {
    pub(crate) fn start(start: &Start<'_>) -> Result<Self, ExternalError> {
        let (program, arguments) = start
            .command
            .split_first()
            .ok_or_else(|| ExternalError::Protocol("the role has no command".into()))?;
        let failed = |source| {
            let hint = if start.hint.is_empty() { String::new() } else { format!("; {}", start.hint) };
            ExternalError::Start { command: start.command.join(" "), source, hint }
        };
        let mark = Strays::begin();
        // The watchdog first: from the party's first instant on there is somebody to end it.
        let mut watchdog = Program::new("/bin/sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .args(start.private)
            .env_clear()
            .env("PATH", PATH)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(&failed)?;
        match Self::spawn(start, program, arguments, &mark, &mut watchdog) {
            Ok((child, control, stdout, stderr)) => {
                let group = Group::of(child.id());
                let counters = if start.wrapper.is_empty() { None } else { Counters::of(child.id()) };
                let strays = Strays { mark, counters };
                let (left, ended) = (BTreeMap::new(), None);
                Ok(Self { child, group, watchdog, control, stderr, _stdout: stdout, strays, left, ended })
            }
            Err(error) => {
                dismiss(&mut watchdog);
                Err(failed(error))
            }
        }
    }

    fn spawn(
        start: &Start<'_>,
        program: &str,
        arguments: &[String],
        mark: &str,
        watchdog: &mut Child,
    ) -> std::io::Result<(Child, Control, Tail, Tail)> {
        let (ours, theirs) = UnixStream::pair()?;
        let control = Control::new(ours)?;
        let threads = start.threads.to_string();
        let program = find(program, start.folder)?;
        let mut words = start.wrapper.iter().map(OsStr::new).chain([program.as_os_str()]);
        let mut child = Program::new(words.next().unwrap_or_default())
            .args(words)
            .args(arguments)
            .current_dir(start.folder)
            .env_clear()
            .envs(ENVIRONMENT)
            .envs(THREADS.iter().map(|name| (name, &threads)))
            .env(MARK, mark)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        match attach(&mut child, watchdog) {
            Ok([stdout, stderr]) => Ok((child, control, stdout, stderr)),
            Err(error) => {
                end(&mut child, Duration::ZERO);
                Err(error)
            }
        }
    }

    /// Sends a message; on failure the process is ended.
    pub(crate) fn send(
        &mut self,
        command: &Command<'_>,
        payload: &[u8],
        limit: Duration,
    ) -> Result<(), ExternalError> {
        let sent = self.control.send(command, payload, Instant::now() + limit);
        sent.map_err(|interruption| self.explain(interruption, limit))
    }

    /// Receives a message; on failure the process is ended.
    pub(crate) fn receive(&mut self, limit: Duration) -> Result<Event, ExternalError> {
        let received = self.control.receive(Instant::now() + limit);
        received.map_err(|interruption| self.explain(interruption, limit))
    }

    /// Receives the bytes behind a message; on failure the process is ended.
    pub(crate) fn payload(&mut self, bytes: usize, limit: Duration) -> Result<Vec<u8>, ExternalError> {
        let received = self.control.payload(bytes, Instant::now() + limit);
        received.map_err(|interruption| self.explain(interruption, limit))
    }

    /// What the kernel says of the process and of those it started, while they run.
    pub(crate) fn figures(&self) -> WorkerFigures {
        self.group.figures()
    }

    /// How often it tried to reach an address outside in vain, also if it has ended; 0 where it has the machine's network.
    pub(crate) fn network_attempts(&self) -> u64 {
        self.strays.counters.as_ref().map_or(0, Counters::attempts)
    }

    fn explain(&mut self, interruption: Interruption, limit: Duration) -> ExternalError {
        match interruption {
            Interruption::Closed => {
                let status = self.end(GRACE);
                let text = self.stderr.text();
                let last_words = if text.is_empty() { text } else { format!(": {text}") };
                let short = says_memory_is_short(&last_words);
                let ended = ExternalError::Ended { status, last_words };
                if short { ExternalError::OutOfMemory(ended.to_string()) } else { ended }
            }
            Interruption::Silent => {
                self.end(Duration::ZERO);
                ExternalError::Silent { seconds: limit.as_secs() }
            }
            Interruption::Nonsense(what) => {
                self.end(Duration::ZERO);
                ExternalError::Protocol(what)
            }
            Interruption::Io(error) => {
                self.end(Duration::ZERO);
                ExternalError::Control(error)
            }
        }
    }

    /// Tells the process that the session is over, and ends it. Returns the names of those it left behind, which are ended too.
    pub(crate) fn leave(&mut self) -> Vec<&str> {
        if self.ended.is_none() {
            let told = self.control.send(&Command::Leave, &[], Instant::now() + GRACE);
            self.end(if told.is_ok() { GRACE } else { Duration::ZERO });
        }
        self.left.values().map(String::as_str).collect()
    }

    /// Ends the process and all it started, after waiting for it to end by itself, and returns how it ended.
    pub(crate) fn end(&mut self, patience: Duration) -> String {
        if let Some(ended) = &self.ended {
            return ended.clone();
        }
        if has_ended(&self.child, patience) {
            self.left = self.strays.after(GRACE);
        }
        let status = end(&mut self.child, Duration::ZERO);
        self.strays.end(&mut self.left);
        dismiss(&mut self.watchdog);
        self.ended = Some(status.clone());
        status
    }
}

impl Drop for PartyProcess {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Finds a program as the party's own search path has it, so that one that is missing is an error here and not the wrapper's.
fn find(program: &str, folder: &Path) -> std::io::Result<PathBuf> {
    if program.contains('/') {
        let path = folder.join(program);
        return path.metadata().map(|_| path);
    }
    let mut places = PATH.split(':').map(|place| Path::new(place).join(program));
    places.find(|path| path.is_file()).ok_or_else(|| Errno::NOENT.into())
}

/// Puts a process under the watchdog's eyes and begins to read its two outputs.
fn attach(child: &mut Child, watchdog: &mut Child) -> std::io::Result<[Tail; 2]> {
    let missing = || std::io::Error::other("a pipe is missing");
    writeln!(watchdog.stdin.as_mut().ok_or_else(missing)?, "{}", child.id())?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    Ok([Tail::of(stdout.ok_or_else(missing)?), Tail::of(stderr.ok_or_else(missing)?)])
}

fn end(child: &mut Child, patience: Duration) -> String {
    finish(child, patience).map_or_else(|error| error.to_string(), |status| status.to_string())
}

/// Waits for a process to end by itself, and returns whether it has.
fn has_ended(child: &Child, patience: Duration) -> bool {
    let (pid, until) = (Pid::from_child(child), Instant::now() + patience);
    let exited = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::Pid(pid), exited) {
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(1)),
            Ok(None) => return false,
            _ => return true,
        }
    }
}

/// Waits for the first process of a group to end by itself, and ends whatever is left of the group.
pub(crate) fn finish(child: &mut Child, patience: Duration) -> std::io::Result<ExitStatus> {
    let pid = Pid::from_child(child);
    has_ended(child, patience);
    // The group's number is nobody else's as long as its first process is not waited for. Fails if the group is empty.
    let _empty = kill_process_group(pid, Signal::KILL);
    child.wait()
}

/// Whether a program ends well in time; it is started with nothing to read and nobody to hear it, and ended with all that it
/// started.
pub(crate) fn succeeds(program: &mut Program, patience: Duration) -> bool {
    let quiet = Stdio::null;
    let started = program.stdin(quiet()).stdout(quiet()).stderr(quiet()).process_group(0).spawn();
    started.and_then(|mut child| finish(&mut child, patience)).is_ok_and(|status| status.success())
}

fn dismiss(watchdog: &mut Child) {
    // It has no other child than itself to end, and may have ended.
    let _ended = watchdog.kill();
    let _reaped = watchdog.wait();
}
