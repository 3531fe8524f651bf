//! One party's process: started, listened to, and always reaped.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use wait4::{ResUse, Wait4};

use crate::session::control::{Command, Event, Reason};

/// How long the others may take to say why they failed too, and parties to leave.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// This very program, even when its file has been replaced since it started.
const EXECUTABLE: &str = "/proc/self/exe";

/// A party keeps up to 64 MiB that it does not use: handing megabytes back to the kernel after every batch and taking
/// them anew costs page faults as long as the work of a small network, and more inside an enclave's sandbox.
const ALLOCATOR: &str = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864";

/// The whole environment of a party: what the user's holds changes no figure and reaches no role.
pub(crate) const ENVIRONMENT: [(&str, &str); 1] = [("GLIBC_TUNABLES", ALLOCATOR)];

/// Bytes of a party's standard error that are kept.
const STDERR_KEPT: usize = 4096;

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
    ) -> std::io::Result<Self> {
        let mut child = std::process::Command::new(EXECUTABLE)
            .arg0("veilbench")
            .arg("party")
            .env_clear()
            .envs(ENVIRONMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let missing = || std::io::Error::other("a pipe is missing");
        let commands = pipe::Sender::from_owned_fd(stdin.ok_or_else(missing)?.into())?;
        let answers = pipe::Receiver::from_owned_fd(stdout.ok_or_else(missing)?.into())?;
        let errors = pipe::Receiver::from_owned_fd(stderr.ok_or_else(missing)?.into())?;
        tokio::spawn(listen(answers, index, events));
        let stderr = tokio::spawn(keep_tail(errors));
        Ok(Self { role: role.to_owned(), child, commands, stderr, figures: None, silent: false })
    }

    /// A party that can no longer hear has closed its output too, and that is what is reported.
    pub(crate) async fn command(&mut self, command: &Command) {
        let mut line = serde_json::to_vec(command).expect("commands have no fallible parts");
        line.push(b'\n');
        let _closed = self.commands.write_all(&line).await;
    }
}

async fn listen(answers: pipe::Receiver, index: usize, events: mpsc::Sender<(usize, PartyEvent)>) {
    let mut lines = BufReader::new(answers).lines();
    loop {
        let event = match lines.next_line().await {
            Ok(Some(line)) => match serde_json::from_str(&line) {
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
pub(crate) fn reap(child: Child, leaving: bool) -> std::io::Result<Exit> {
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
        }
    }
}

fn kill_group(pid: Pid) {
    // Fails only when the group has ended by itself.
    let _ended = kill_process_group(pid, Signal::KILL);
}
