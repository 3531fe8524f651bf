//! How a training tells how far it is.

use std::io::{IsTerminal, stderr};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

/// Share of the newest step in the shown loss and accuracy.
const NEWEST: f64 = 0.02;

/// A bar on a terminal, a line an epoch elsewhere; both on standard error.
#[derive(Debug)]
pub struct Progress {
    title: String,
    total: u64,
    line_steps: u64,
    began: Instant,
    bar: Option<ProgressBar>,
    shown: Option<(f64, f64)>,
}

impl Progress {
    /// Progress of `total` steps of which `done` are done, with a line every `line_steps`.
    pub fn new(title: String, done: u64, total: u64, line_steps: u64) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(total).with_position(done).with_prefix(title.clone());
            let style = ProgressStyle::with_template("{prefix} {wide_bar} {pos}/{len} {msg} eta {eta}");
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        if bar.is_none() {
            eprintln!("{title}: {done} of {total} steps are done");
        }
        Self { title, total, line_steps: line_steps.max(1), began: Instant::now(), bar, shown: None }
    }

    /// Tells that step `done` is done and what it showed.
    pub fn step(&mut self, done: u64, loss: f64, accuracy: f64) {
        let smooth = |old: f64, new: f64| old + NEWEST * (new - old);
        let (loss, accuracy) = match self.shown {
            Some((old_loss, old_accuracy)) => (smooth(old_loss, loss), smooth(old_accuracy, accuracy)),
            None => (loss, accuracy),
        };
        self.shown = Some((loss, accuracy));
        let message = format!("loss {loss:.4} accuracy {:.2} %", accuracy * 100.0);
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(message);
        } else if done.is_multiple_of(self.line_steps) || done == self.total {
            let seconds = self.began.elapsed().as_secs();
            eprintln!("{}: step {done} of {}, {message}, {seconds} s", self.title, self.total);
        }
    }

    /// Ends the bar, leaving its last state.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
