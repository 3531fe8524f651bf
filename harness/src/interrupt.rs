//! Ctrl-C and its like: noted from the start, acted on between and within sessions.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::error::Error;

/// How long a signal that has come may take to be seen.
const LOOK: Duration = Duration::from_millis(10);

/// The runtime sessions are supervised on, and whether the user wants to stop.
pub(crate) struct Interrupt {
    runtime: Runtime,
    stop: watch::Receiver<bool>,
}

impl Interrupt {
    /// From now on a signal to stop no longer ends the process at once, so that temporary files
    /// and parties do not outlive it.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub(crate) fn install() -> Result<Self, Error> {
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Error::Runtime)?;
        let (sender, stop) = watch::channel(false);
        let listen = || -> std::io::Result<_> {
            let _context = runtime.enter();
            Ok((
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            ))
        };
        let (mut interrupt, mut terminate, mut hangup) = listen().map_err(Error::Runtime)?;
        runtime.spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
            sender.send_replace(true);
            sender.closed().await;
        });
        Ok(Self { runtime, stop })
    }

    /// Whether the user wants to stop.
    pub(crate) fn is_due(&self) -> bool {
        let asked = |mut stop: watch::Receiver<bool>| async move {
            timeout(LOOK, stop.wait_for(|stop| *stop)).await.is_ok_and(|stop| stop.is_ok())
        };
        self.supervise(asked)
    }

    /// Runs `work` to its end; it looks at the receiver by itself.
    pub(crate) fn supervise<T, F: Future<Output = T>>(
        &self,
        work: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> T {
        self.runtime.block_on(work(self.stop.clone()))
    }
}
