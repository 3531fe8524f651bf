//! `veilbench data`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use veilbench_datasets::{Imported, Progress, State, Store, fetch, import, list};

use crate::error::{EXIT_FAILED, EXIT_OK, Error};

/// Time between two plain lines about one file.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Args, Debug)]
pub(super) struct Data {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what is on this machine, reading every image
    List,
    /// Download a data set, check it and put it where runs look for it
    Fetch {
        /// mnist, malaria or melanoma
        id: String,
    },
    /// Take over a file, archive or folder you have already
    Import {
        /// mnist, malaria or melanoma
        id: String,
        /// IDX files, an .npz, a .zip, or a folder of class folders
        path: PathBuf,
    },
}

impl Data {
    pub(super) fn run(&self) -> Result<u8, Error> {
        let store = Store::from_env()?;
        match &self.action {
            Action::List => return show(&store),
            Action::Fetch { id } => {
                let mut meter = Meter::new();
                let fetched = fetch(&store, id, &mut |progress| meter.tell(&progress));
                meter.end();
                conclude(&fetched?)?;
            }
            Action::Import { id, path } => conclude(&import(&store, id, path)?)?,
        }
        Ok(EXIT_OK)
    }
}

fn show(store: &Store) -> Result<u8, Error> {
    let mut out = std::io::stdout().lock();
    let mut unusable = false;
    for set in list(store)? {
        let (train, test) = (set.train_images, set.test_images);
        let state = match &set.state {
            State::Complete => "complete".to_owned(),
            State::Incomplete(what) => format!("incomplete: {what}"),
            State::Unverified(what) => format!("unverified: {what}"),
            State::SampleOnly => "only the embedded sample".to_owned(),
            State::Unusable(what) => {
                unusable = true;
                format!("unusable: {what}")
            }
            _ => "unknown".to_owned(),
        };
        writeln!(out, "{}  {state}", set.id)?;
        writeln!(
            out,
            "  {train} training and {test} test images, {} bytes in {}",
            set.size_bytes,
            set.folder.display()
        )?;
        writeln!(out, "  licence: {}\n  cite: {}", set.licence, set.citation)?;
    }
    Ok(if unusable { EXIT_FAILED } else { EXIT_OK })
}

fn conclude(imported: &Imported) -> Result<(), Error> {
    let Imported { folder, files, verified } = imported;
    let folder = folder.display();
    writeln!(
        std::io::stdout(),
        "{files} files in {folder}, {verified} of them with a published checksum that agrees"
    )?;
    Ok(())
}

/// Progress of a download: a bar on a terminal, plain lines elsewhere.
enum Meter {
    Bar(ProgressBar),
    Plain { last: Option<(usize, Instant)> },
}

impl Meter {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Plain { last: None };
        }
        let template = "{msg}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left {wide_bar}";
        let bar = ProgressBar::new(0);
        bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
        Self::Bar(bar)
    }

    fn tell(&mut self, progress: &Progress<'_>) {
        let Progress { file, number, files, received_bytes, total_bytes } = *progress;
        match self {
            Self::Bar(bar) => {
                bar.set_length(total_bytes.unwrap_or(received_bytes));
                bar.set_position(received_bytes);
                bar.set_message(format!("{number}/{files} {file}"));
            }
            Self::Plain { last } => {
                if last.is_none_or(|(known, time)| known != number || time.elapsed() >= PLAIN_INTERVAL) {
                    let total = total_bytes.map_or_else(String::new, |total| format!(" of {total}"));
                    let _unread =
                        writeln!(std::io::stderr(), "{number}/{files} {file}: {received_bytes}{total} bytes");
                    *last = Some((number, Instant::now()));
                }
            }
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
