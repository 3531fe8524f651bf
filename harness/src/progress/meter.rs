//! How far long work is, on standard error: a bar on a terminal, a plain line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two plain lines at least.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// A closed output is no reason to stop working.
pub(crate) enum Meter {
    Bar(ProgressBar),
    Plain { last: Option<Instant> },
}

impl Meter {
    pub(crate) fn new() -> Self {
        if std::io::stderr().is_terminal() {
            return Self::Bar(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()));
        }
        Self::Plain { last: None }
    }

    /// Draws the bar from now on, by indicatif's template.
    pub(crate) fn begin(&self, template: &str, length: u64) {
        if let Self::Bar(bar) = self {
            bar.set_length(length);
            bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
            bar.enable_steady_tick(Duration::from_millis(250));
        }
    }

    /// Tells how far the work is: `message` beside the bar, or the line where that is due, as it is at the end.
    pub(crate) fn at(&mut self, position: u64, length: u64, message: String, line: impl FnOnce() -> String) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(length);
                bar.set_position(position);
                bar.set_message(message);
            }
            Self::Plain { last } => {
                if position == length || last.is_none_or(|last| last.elapsed() >= PLAIN_INTERVAL) {
                    let _closed = writeln!(std::io::stderr(), "{}", line());
                    *last = Some(Instant::now());
                }
            }
        }
    }

    /// A line that stays, above the bar.
    pub(crate) fn say(&self, line: &str) {
        match self {
            Self::Bar(bar) => bar.println(line),
            Self::Plain { .. } => {
                let _closed = writeln!(std::io::stderr(), "{line}");
            }
        }
    }

    pub(crate) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
