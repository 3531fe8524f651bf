//! One party's process: started, listened to, and always reaped.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use wait4::{ResUse, Wait4};

use crate::control::{Answer, Order};

/// How long the others may take to say why they failed too, and parties to leave.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// This very program, even when its file has been replaced since it started.
const EXECUTABLE: &str = "/proc/self/exe";

/// A party keeps up to 64 MiB that it does not use: handing megabytes back to the kernel after every batch and taking
/// them anew costs page faults as long as the work of a small network, and more inside an enclave's sandbox.
const ALLOCATOR: &str = "glibc.malloc.mmap_threshold=33554432:glibc.malloc.trim_threshold=67108864";

/// What glibc is told: the above, and what the user tells it.
fn allocator() -> String {
    match std::env::var("GLIBC_TUNABLES") {
        Ok(own) if !own.is_empty() => format!("{ALLOCATOR}:{own}"),
        _ => ALLOCATOR.to_owned(),
    }
}

/// Bytes of a party's standard error that are kept.
const STDERR_KEPT: usize = 4096;

/// A party's process as the harness holds it.
pub(crate) struct PartyProcess {
    pub(crate) role: String,
    pub(crate) child: Child,
    pub(crate) orders: pipe::Sender,
    pub(crate) stderr: tokio::task::JoinHandle<String>,
    pub(crate) peak_rss_bytes: Option<u64>,
    /// Its output is closed: it is ending, though the kernel may not be done with it.
    pub(crate) silent: bool,
}

/// What is heard of a party.
pub(crate) enum Event {
    Answer(Answer),
    /// The party closed its output, or spoke nonsense.
    Silent(Option<String>),
}

impl PartyProcess {
    pub(crate) fn start(
        role: &str,
        index: usize,
        events: mpsc::Sender<(usize, Event)>,
    ) -> std::io::Result<Self> {
        let mut child = Command::new(EXECUTABLE)
            .arg0("veilbench")
            .arg("party")
            .env("GLIBC_TUNABLES", allocator())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let missing = || std::io::Error::other("a pipe is missing");
        let orders = pipe::Sender::from_owned_fd(stdin.ok_or_else(missing)?.into())?;
        let answers = pipe::Receiver::from_owned_fd(stdout.ok_or_else(missing)?.into())?;
        let complaints = pipe::Receiver::from_owned_fd(stderr.ok_or_else(missing)?.into())?;
        tokio::spawn(listen(answers, index, events));
        let stderr = tokio::spawn(keep_tail(complaints));
        Ok(Self { role: role.to_owned(), child, orders, stderr, peak_rss_bytes: None, silent: false })
    }

    /// A party that can no longer hear has closed its output too, and that is what is reported.
    pub(crate) async fn order(&mut self, order: &Order) {
        let mut line = serde_json::to_vec(order).expect("orders have no fallible parts");
        line.push(b'\n');
        let _closed = self.orders.write_all(&line).await;
    }
}

async fn listen(answers: pipe::Receiver, index: usize, events: mpsc::Sender<(usize, Event)>) {
    let mut lines = BufReader::new(answers).lines();
    loop {
        let event = match lines.next_line().await {
            Ok(Some(line)) => match serde_json::from_str(&line) {
                Ok(answer) => Event::Answer(answer),
                Err(error) => Event::Silent(Some(format!("unreadable answer: {error}"))),
            },
            Ok(None) => Event::Silent(None),
            Err(error) => Event::Silent(Some(error.to_string())),
        };
        let last = matches!(event, Event::Silent(_));
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
pub(crate) struct Death {
    pub(crate) usage: ResUse,
    /// Whether it ended without being made to.
    pub(crate) by_itself: bool,
    /// High-water mark of its memory, if it was alive to be asked.
    pub(crate) peak_rss_bytes: Option<u64>,
}

/// Waits for a process that is leaving, ends one that is not, and ends whatever it started.
pub(crate) fn reap(child: Child, leaving: bool) -> std::io::Result<Death> {
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
    let peak_rss_bytes = peak_rss_bytes(&child.id().to_string());
    // Its group is there as long as it is not reaped; nobody else can have its number before.
    kill_group(pid);
    Ok(Death { usage: child.wait4()?, by_itself, peak_rss_bytes })
}

/// `VmHWM` of a live process. Unlike `wait4`'s figure it belongs to its present program alone: the
/// kernel carries the parent's high-water mark over an exec that shared its memory.
fn peak_rss_bytes(process: &str) -> Option<u64> {
    MemoryStatus::open(process)?.peak_rss_bytes()
}

/// A process' status, opened while it may open files: a role may forbid itself that later.
pub(crate) struct MemoryStatus(std::fs::File);

impl MemoryStatus {
    pub(crate) fn open(process: &str) -> Option<Self> {
        std::fs::File::open(format!("/proc/{process}/status")).ok().map(Self)
    }

    pub(crate) fn peak_rss_bytes(mut self) -> Option<u64> {
        let mut status = String::new();
        self.0.read_to_string(&mut status).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    }
}

fn kill_group(pid: Pid) {
    // Fails only when the group has ended by itself.
    let _ended = kill_process_group(pid, Signal::KILL);
}
