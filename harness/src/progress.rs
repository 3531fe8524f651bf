//! What a run says while it works: a bar on a terminal, plain lines elsewhere, JSON for machines.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Seconds between two plain lines at least.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// Something worth telling.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event<'a> {
    /// A line for people, e.g. that a sample stands in for missing data.
    Note { text: &'a str },
    /// A network is ready to be measured.
    Prepared { network: &'a str, dataset: &'a str, images: usize },
    /// The work ahead.
    Start { sessions: usize, done: usize, folder: &'a str },
    /// A session ended.
    Session { cell: &'a str, repetition: usize, status: &'a str, detail: &'a str, seconds: f64 },
    /// All sessions ended.
    End { folder: &'a str, measured: usize },
}

/// Where progress goes.
pub(crate) struct Progress {
    style: Style,
    total: usize,
    done: usize,
    since: Instant,
}

enum Style {
    Bar(ProgressBar),
    Plain { last: Option<Instant> },
    Json,
}

impl Progress {
    /// JSON lines on standard output if asked for, else for people on standard error.
    pub(crate) fn new(json: bool) -> Self {
        let style = if json {
            Style::Json
        } else if std::io::stderr().is_terminal() {
            Style::Bar(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()))
        } else {
            Style::Plain { last: None }
        };
        Self { style, total: 0, done: 0, since: Instant::now() }
    }

    /// Tells one thing. A closed output is no reason to stop measuring.
    pub(crate) fn tell(&mut self, event: &Event<'_>) {
        if let Event::Start { sessions, .. } = event {
            (self.total, self.done, self.since) = (*sessions, 0, Instant::now());
        }
        if let Event::Session { .. } = event {
            self.done += 1;
        }
        let remaining = self.remaining();
        let (done, total) = (self.done, self.total);
        match &mut self.style {
            Style::Json => {
                let line = serde_json::to_string(event).expect("events have no fallible parts");
                let _closed = writeln!(std::io::stdout(), "{line}");
            }
            Style::Bar(bar) => match event {
                Event::Start { sessions, .. } => {
                    bar.set_length(*sessions as u64);
                    let template = "{bar:30.cyan/dim} {pos}/{len} sessions  {elapsed} gone, {msg}";
                    bar.set_style(
                        ProgressStyle::with_template(template).expect("the template is well-formed"),
                    );
                    bar.set_message("estimating");
                    bar.enable_steady_tick(Duration::from_millis(250));
                }
                Event::Session { cell, .. } => {
                    bar.set_position(done as u64);
                    if let Some(left) = remaining {
                        bar.set_message(format!("{} left  {cell}", rounded(left)));
                    }
                    failure_line(event).into_iter().for_each(|line| bar.println(line));
                }
                Event::End { .. } => bar.finish_and_clear(),
                Event::Note { text } => bar.println(format!("note: {text}")),
                Event::Prepared { network, dataset, images } => {
                    bar.println(format!("prepared {network} with {images} images of {dataset}"));
                }
            },
            Style::Plain { last } => {
                let due = last.is_none_or(|last| last.elapsed() >= PLAIN_INTERVAL) || done == total;
                let line = match event {
                    Event::Note { text } => Some(format!("note: {text}")),
                    Event::Prepared { network, dataset, images } => {
                        Some(format!("prepared {network} with {images} images of {dataset}"))
                    }
                    Event::Start { sessions, done, folder } => {
                        let before = if *done > 0 { format!(" ({done} done before)") } else { String::new() };
                        Some(format!("{sessions} sessions to measure{before}, into {folder}"))
                    }
                    Event::Session { cell, .. } => failure_line(event).or_else(|| {
                        let left =
                            remaining.map_or_else(String::new, |left| format!(", {} left", rounded(left)));
                        due.then(|| format!("{done}/{total} sessions{left}: {cell}"))
                    }),
                    Event::End { .. } => None,
                };
                if let Some(line) = line {
                    let _closed = writeln!(std::io::stderr(), "{line}");
                    if matches!(event, Event::Session { .. }) {
                        *last = Some(Instant::now());
                    }
                }
            }
        }
    }

    /// From the mean of the sessions so far.
    fn remaining(&self) -> Option<Duration> {
        let mean = self.since.elapsed().checked_div(u32::try_from(self.done).ok()?)?;
        Some(mean.saturating_mul(u32::try_from(self.total - self.done.min(self.total)).ok()?))
    }
}

fn failure_line(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Session { cell, status, detail, .. } if *status != "ok" => {
            Some(format!("{cell}: {status}: {detail}"))
        }
        _ => None,
    }
}

fn rounded(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}
