//! A process whose memory nobody of the same user could ever open.
//!
//! Turning dumps off keeps out whoever comes later; a descriptor of `/proc/PID/mem` that was opened before goes on
//! reading. The memory of a child is another one, though, and the child of a process without dumps has none from
//! its first moment: there is no before.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, getppid, set_dumpable_behavior,
    set_parent_process_death_signal, waitpid,
};

use super::dumps;
use crate::{Error, Result};

/// Whether this process was born without dumps.
static APART: AtomicBool = AtomicBool::new(false);

/// Whether nobody of the same user could ever open this process' memory.
pub(super) fn is_apart() -> bool {
    APART.load(Ordering::Relaxed)
}

/// Returns in a child whose memory no other process of the same user can open, early or late. The caller's process
/// stays behind without open files of its own, waits for the child and ends as it ends; the child is ended with it.
///
/// # Errors
/// [`Error::System`] if the process has other threads, which a child would lack, or the kernel refuses a step.
pub fn continue_apart() -> Result<()> {
    let system = |doing| move |source: io::Error| Error::System { doing, source };
    let going = "moving the enclave to a process of its own";
    let threads = std::fs::read_dir("/proc/self/task").map(Iterator::count).map_err(system(going))?;
    if threads != 1 {
        let source = io::Error::other(format!("the process has {threads} threads, and only one would go on"));
        return Err(Error::System { doing: going, source });
    }
    dumps::forbid().map_err(system("turning dumps off"))?;
    let parent = rustix::process::getpid();
    match fork().map_err(system(going))? {
        Some(child) => stay_behind(child),
        None => {
            set_parent_process_death_signal(Some(Signal::KILL))
                .map_err(|error| system(going)(error.into()))?;
            if getppid() != Some(parent) {
                return Err(Error::System { doing: going, source: io::Error::other("its launcher is gone") });
            }
            APART.store(true, Ordering::Relaxed);
            Ok(())
        }
    }
}

/// Lets go of everything, waits for the child and ends as it did.
fn stay_behind(child: Pid) -> ! {
    // Nothing secret is left here, and whoever measures the session may look.
    let _dumps = set_dumpable_behavior(DumpableBehavior::Dumpable);
    close_standard_streams();
    let ended = loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) if status.exited() || status.signaled() => break status,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => std::process::exit(1),
        }
    };
    match (ended.exit_status(), ended.terminating_signal()) {
        (Some(code), _) => std::process::exit(code),
        (None, Some(signal)) => end_by(signal),
        (None, None) => std::process::exit(1),
    }
}

#[expect(unsafe_code, reason = "fork, close and raise are calls into libc")]
fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: the process has one thread, so that no lock is held by a thread the child would lack.
    match unsafe { libc::fork() } {
        0 => Ok(None),
        child => Pid::from_raw(child.max(0)).map(Some).ok_or_else(io::Error::last_os_error),
    }
}

/// The child has them too: what reads them learns of its end.
#[expect(unsafe_code, reason = "fork, close and raise are calls into libc")]
fn close_standard_streams() {
    for stream in 0..3 {
        // SAFETY: nothing here reads or writes them any more; the process only waits.
        let _closed = unsafe { libc::close(stream) };
    }
}

#[expect(unsafe_code, reason = "fork, close and raise are calls into libc")]
fn end_by(signal: i32) -> ! {
    // SAFETY: the default action of a signal that ended the child ends this process too.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
    std::process::exit(1)
}
