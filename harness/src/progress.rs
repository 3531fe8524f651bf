//! What a run says while it works: to people, or as JSON to machines.

pub(crate) mod meter;

use std::io::Write;
use std::time::{Duration, Instant};

use serde::Serialize;

use self::meter::Meter;

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

/// So many things, of a kind whose plural ends in `s`.
pub(crate) fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

/// Where progress goes.
pub(crate) struct Progress {
    /// None if machines read it.
    meter: Option<Meter>,
    total: usize,
    done: usize,
    since: Instant,
}

impl Progress {
    /// JSON lines on standard output if asked for, else for people on standard error.
    pub(crate) fn new(json: bool) -> Self {
        Self { meter: (!json).then(Meter::new), total: 0, done: 0, since: Instant::now() }
    }

    /// Tells one thing. A closed output is no reason to stop measuring.
    pub(crate) fn tell(&mut self, event: &Event<'_>) {
        if let Event::Start { sessions, .. } = event {
            (self.total, self.done, self.since) = (*sessions, 0, Instant::now());
        }
        if let Event::Session { .. } = event {
            self.done += 1;
        }
        let left = self.remaining().map_or_else(String::new, |left| format!("{} left", rounded(left)));
        let (done, total) = (self.done, self.total);
        let Some(meter) = &mut self.meter else {
            let line = serde_json::to_string(event).expect("events have no fallible parts");
            let _closed = writeln!(std::io::stdout(), "{line}");
            return;
        };
        match event {
            Event::Note { text } => meter.say(&format!("note: {text}")),
            Event::Prepared { network, dataset, images } => {
                meter.say(&format!("prepared {network} with {images} images of {dataset}"));
            }
            Event::Start { sessions, done, folder } => {
                let before = if *done > 0 { format!(" ({done} done before)") } else { String::new() };
                let sessions_ahead = counted(*sessions, "session");
                meter.say(&format!("{sessions_ahead} to measure{before}, into {folder}"));
                meter
                    .begin("{bar:30.cyan/dim} {pos}/{len} sessions  {elapsed} gone, {msg}", *sessions as u64);
            }
            Event::Session { cell, status, detail, .. } => {
                if *status != "ok" {
                    meter.say(&format!("{cell}: {status}: {detail}"));
                }
                let line = || format!("{done}/{total} sessions, {left}: {cell}");
                meter.at(done as u64, total as u64, format!("{left}  {cell}"), line);
            }
            Event::End { .. } => meter.end(),
        }
    }

    /// From the mean of the sessions so far.
    fn remaining(&self) -> Option<Duration> {
        let mean = self.since.elapsed().checked_div(u32::try_from(self.done).ok()?)?;
        Some(mean.saturating_mul(u32::try_from(self.total - self.done.min(self.total)).ok()?))
    }
}

fn rounded(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}
