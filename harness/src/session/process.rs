//! One party's process: started, listened to, and always reaped.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use wait4::{ResUse, Wait4};

use crate::session::control::{Command, Event, Reason, is_plausible};
use crate::session::machine_watch::HostWork;

/// How long the others may take to say why they failed too, and parties to leave.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// This very program, even when its file has been replaced since it started.
pub(crate) const EXECUTABLE: &str = "/proc/self/exe";

/// A party keeps up to 64 MiB that it does not use: handing megabytes back to the kernel after every batch and taking
/// them anew costs page faults as long as the work of a small network, and more inside an enclave's sandbox.
const ALLOCATOR: &str = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864";

/// The whole environment of a party: what the user's holds changes no figure and reaches no role.
pub(crate) const ENVIRONMENT: [(&str, &str); 1] = [("GLIBC_TUNABLES", ALLOCATOR)];

/// Bytes of a party's standard error that are kept.
const STDERR_KEPT: usize = 4096;

/// The longest answer that is read: what a party prints that is none must not fill the memory. Logits of millions of images fit.
const LONGEST_ANSWER: usize = 128 << 20;

/// A party's process as the harness holds it.
pub(crate) struct PartyProcess {
    pub(crate) role: String,
    pub(crate) child: Child,
    pub(crate) commands: pipe::Sender,
    pub(crate) stderr: tokio::task::JoinHandle<String>,
    /// What it said of itself when it left.
    pub(crate) figures: Option<StatusFigures>,
    /// Its output is closed: it is ending, though the kernel may not be done with it.
    pub(crate) silent: bool,
    /// How far its monotonic clock is ahead of this machine's; 0 where they are one.
    pub(crate) ahead_ns: i64,
    /// Processes its host's kernel had ended for want of memory when it came there; `None` of a party on this machine.
    pub(crate) oom_kills: Option<u64>,
}

/// What is heard of a party.
pub(crate) enum PartyEvent {
    Said(Event),
    /// The party closed its output, or spoke nonsense.
    Silent(Option<Reason>),
}

impl PartyProcess {
    pub(crate) fn start(
        role: &str,
        index: usize,
        events: mpsc::Sender<(usize, PartyEvent)>,
    ) -> io::Result<Self> {
        let mut program = std::process::Command::new(EXECUTABLE);
        program.arg0("veilbench").arg("party").env_clear().envs(ENVIRONMENT);
        Self::launch(program, role, index, events)
    }

    /// Starts a party by a command that carries its input and output.
    pub(crate) fn launch(
        mut command: std::process::Command,
        role: &str,
        index: usize,
        events: mpsc::Sender<(usize, PartyEvent)>,
    ) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let missing = || io::Error::other("a pipe is missing");
        let commands = pipe::Sender::from_owned_fd(stdin.ok_or_else(missing)?.into())?;
        let answers = pipe::Receiver::from_owned_fd(stdout.ok_or_else(missing)?.into())?;
        let errors = pipe::Receiver::from_owned_fd(stderr.ok_or_else(missing)?.into())?;
        tokio::spawn(listen(answers, index, events));
        let stderr = tokio::spawn(keep_tail(errors));
        let role = role.to_owned();
        Ok(Self { role, child, commands, stderr, figures: None, silent: false, ahead_ns: 0, oom_kills: None })
    }

    /// A party that can no longer hear has closed its output too, and that is what is reported.
    pub(crate) async fn command(&mut self, command: &Command) {
        let mut line = serde_json::to_vec(command).expect("commands have no fallible parts");
        line.push(b'\n');
        let _closed = self.commands.write_all(&line).await;
    }
}

async fn listen(answers: pipe::Receiver, index: usize, events: mpsc::Sender<(usize, PartyEvent)>) {
    let mut answers = BufReader::new(answers);
    loop {
        let event = match next_line(&mut answers, LONGEST_ANSWER).await {
            Ok(Some(line)) => match serde_json::from_slice(&line) {
                Ok(answer) => PartyEvent::Said(answer),
                Err(error) => PartyEvent::Silent(Some(Reason::from(&*format!("unreadable answer: {error}")))),
            },
            Ok(None) => PartyEvent::Silent(None),
            Err(error) => PartyEvent::Silent(Some(Reason::from(&*error.to_string()))),
        };
        let last = matches!(event, PartyEvent::Silent(_));
        if events.send((index, event)).await.is_err() || last {
            return;
        }
    }
}

/// The next line, or `None` at the end; an error if it is longer than allowed.
async fn next_line(from: &mut (impl AsyncBufRead + Unpin), longest: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.take(longest as u64).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() < longest => Ok(Some(line)),
        Some(_) => {
            let reason = format!("more than {longest} bytes without a line break");
            Err(io::Error::new(io::ErrorKind::InvalidData, reason))
        }
    }
}

async fn keep_tail(mut stream: pipe::Receiver) -> String {
    let (mut kept, mut chunk) = (Vec::new(), [0; STDERR_KEPT]);
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..read]);
        kept.drain(..kept.len().saturating_sub(STDERR_KEPT));
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

/// The end of one process.
pub(crate) struct Exit {
    pub(crate) usage: ResUse,
    /// Whether it ended without being made to.
    pub(crate) by_itself: bool,
    /// As far as it was there to be asked.
    pub(crate) figures: StatusFigures,
}

/// Waits for a process that is leaving, ends one that is not, and ends whatever it started.
pub(crate) fn reap(child: Child, leaving: bool) -> io::Result<Exit> {
    let pid = Pid::from_child(&child);
    let patience = std::time::Instant::now() + if leaving { 2 * GRACE } else { Duration::ZERO };
    let exited = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let by_itself = loop {
        match waitid(WaitId::Pid(pid), exited)? {
            Some(_) => break true,
            None if std::time::Instant::now() >= patience => break false,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let figures =
        ProcessStatus::open(&child.id().to_string()).map(ProcessStatus::figures).unwrap_or_default();
    // Its group is there as long as it is not reaped; nobody else can have its number before.
    kill_group(pid);
    Ok(Exit { usage: child.wait4()?, by_itself, figures })
}

/// What the kernel says of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StatusFigures {
    /// High-water mark of resident memory since the process started its own program (`VmHWM`). Unlike `wait4`'s figure
    /// it belongs to that program alone: the kernel carries the parent's mark over an exec that shared its memory.
    pub(crate) peak_rss_bytes: Option<u64>,
    /// How often the kernel took the processor from its first thread.
    pub(crate) involuntary_switches: Option<u64>,
    /// Processor time of all its threads, nanoseconds, where the process tells it itself.
    #[serde(default)]
    pub(crate) cpu_ns: Option<u64>,
    /// What its host did meanwhile, of a party that was launched there.
    #[serde(default)]
    pub(crate) host: Option<HostWork>,
}

impl StatusFigures {
    /// Whether a process can have such figures.
    pub(crate) fn are_plausible(&self) -> bool {
        let figures = [self.peak_rss_bytes, self.involuntary_switches, self.cpu_ns];
        let host = self.host.map(|host| [host.watched_ns, host.own_cpu_ns, host.busy_ns, host.steal_ns]);
        figures.into_iter().flatten().chain(host.into_iter().flatten()).all(is_plausible)
    }
}

/// A process' status, opened while it may open files: a role may forbid itself that later.
pub(crate) struct ProcessStatus(std::fs::File);

impl ProcessStatus {
    pub(crate) fn open(process: &str) -> Option<Self> {
        std::fs::File::open(format!("/proc/{process}/status")).ok().map(Self)
    }

    pub(crate) fn figures(mut self) -> StatusFigures {
        let mut status = String::new();
        if self.0.read_to_string(&mut status).is_err() {
            return StatusFigures::default();
        }
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let kibibytes = |text: &str| text.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024);
        StatusFigures {
            peak_rss_bytes: field("VmHWM:").and_then(kibibytes),
            involuntary_switches: field("nonvoluntary_ctxt_switches:").and_then(|text| text.parse().ok()),
            ..StatusFigures::default()
        }
    }
}

fn kill_group(pid: Pid) {
    // Fails only when the group has ended by itself.
    let _ended = kill_process_group(pid, Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_end_is_an_error_and_not_all_of_the_memory() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut text: &[u8] = b"one\n12345678\nlast";
            assert_eq!(next_line(&mut text, 9).await.unwrap().unwrap(), b"one\n");
            assert_eq!(next_line(&mut text, 9).await.unwrap().unwrap(), b"12345678\n");
            assert_eq!(next_line(&mut text, 9).await.unwrap().unwrap(), b"last");
            assert_eq!(next_line(&mut text, 9).await.unwrap(), None);
            let mut endless = BufReader::new(tokio::io::repeat(b'x'));
            let error = next_line(&mut endless, 1 << 20).await.unwrap_err().to_string();
            assert!(error.contains("more than 1048576 bytes without a line break"), "{error}");
        });
    }

    #[test]
    fn figures_that_no_process_has_are_told_apart() {
        let figures =
            |involuntary_switches| StatusFigures { involuntary_switches, ..StatusFigures::default() };
        assert!(figures(None).are_plausible() && figures(Some(1 << 40)).are_plausible());
        assert!(!figures(Some(u64::MAX)).are_plausible());
        let host = HostWork { boot: u64::MAX, watched_ns: 1, own_cpu_ns: 0, busy_ns: 1, steal_ns: 0 };
        let on = |host| StatusFigures { host: Some(host), ..StatusFigures::default() };
        assert!(on(host).are_plausible() && !on(HostWork { busy_ns: u64::MAX, ..host }).are_plausible());
        assert!(!on(HostWork { own_cpu_ns: u64::MAX, ..host }).are_plausible());
    }
}
