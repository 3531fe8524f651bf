//! `veilbench data`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use veilbench_datasets::{
    Imported, KeptData, Options, Progress, State, Step, Store, add, fetch, import, kept, list, remove,
};

use crate::error::{EXIT_FAILED, EXIT_OK, Error};
use crate::progress::meter::Meter;

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
        /// mnist, malaria, melanoma or cifar10
        id: String,
    },
    /// Take over a file, archive or folder you have already
    Import {
        /// mnist, malaria, melanoma, cifar10 or cifar10-jpeg
        id: String,
        /// IDX files, CIFAR-10 batches, an .npz, a .zip or .tar.gz, or a folder of any of them
        path: PathBuf,
    },
    /// Keep a copy of your own images under a name, for --data NAME
    Add {
        /// What to call them
        name: String,
        /// A folder per class, a folder with a CSV, an .npz, .npy or IDX files
        path: PathBuf,
        /// Value of a white pixel, where bytes, 16 bits or floats from 0 to 1 do not say it
        #[arg(long, value_name = "X")]
        pixel_max: Option<f32>,
        /// Steps to consent to, as of `veilbench run --data`
        #[arg(long, value_name = "STEP,...", value_delimiter = ',')]
        allow: Vec<Step>,
    },
    /// Remove images that were added
    Remove {
        /// What they are called
        name: String,
    },
}

impl Data {
    pub(super) fn run(&self) -> Result<u8, Error> {
        let store = Store::from_env()?;
        match &self.action {
            Action::List => return show(&store),
            Action::Fetch { id } => {
                let mut meter = Meter::new();
                meter.begin("{msg}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left {wide_bar}", 0);
                let fetched = fetch(&store, id, &mut |progress| tell(&mut meter, progress));
                meter.end();
                conclude(&fetched?)?;
            }
            Action::Import { id, path } => conclude(&import(&store, id, path)?)?,
            Action::Add { name, path, pixel_max, allow } => {
                let options = Options { allow: allow.clone(), pixel_max: *pixel_max };
                let KeptData { files, folder, size_bytes, .. } = add(&store, name, path, &options)?;
                let folder = folder.display();
                writeln!(
                    std::io::stdout(),
                    "{files} files, {size_bytes} bytes, in {folder}: use --data {name}"
                )?;
            }
            Action::Remove { name } => {
                remove(&store, name)?;
                writeln!(std::io::stdout(), "{name} was removed")?;
            }
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
    for KeptData { name, folder, files, size_bytes, damage } in kept(store)? {
        unusable |= damage.is_some();
        let state = damage.map_or_else(|| "your own".to_owned(), |damage| format!("unusable: {damage}"));
        writeln!(out, "{name}  {state}\n  {files} files, {size_bytes} bytes in {}", folder.display())?;
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

fn tell(meter: &mut Meter, progress: Progress<'_>) {
    let Progress { file, number, files, received_bytes, total_bytes } = progress;
    let file = format!("{number}/{files} {file}");
    let total = total_bytes.map_or_else(String::new, |total| format!(" of {total}"));
    let line = format!("{file}: {received_bytes}{total} bytes");
    meter.at(received_bytes, total_bytes.unwrap_or(u64::MAX), file, || line);
}
