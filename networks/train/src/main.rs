//! `veilbench-train`: trains reference networks and writes them as ONNX.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use veilbench_datasets::{Dataset, Split, Store, load};
use veilbench_networks::Architecture;
use veilbench_train::batches::{hold_out, select};
use veilbench_train::error::Error;
use veilbench_train::notes::{notes, share};
use veilbench_train::progress::Progress;
use veilbench_train::recipes::{RECIPES, Recipe, recipe};
use veilbench_train::score::{Score, predictions};
use veilbench_train::training::{Training, logits};
use veilbench_train::{export, model::Model};

/// One image in so many is held out by `--validate`.
const VALIDATION_SHARE: usize = 10;

/// Trains veilbench's reference networks and writes them as ONNX files.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Names of networks, or `all`.
    #[arg(required = true)]
    networks: Vec<String>,
    /// Folder the ONNX files are written to.
    #[arg(long, default_value = "networks/zoo")]
    out: PathBuf,
    /// Seed of everything random.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Epochs, instead of the recipe's.
    #[arg(long)]
    epochs: Option<u64>,
    /// Images a step, instead of the recipe's.
    #[arg(long, value_parser = clap::value_parser!(u64).range(2..))]
    batch: Option<u64>,
    /// Train for so many steps, whatever the epochs.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Threads libtorch computes with; the reference networks were trained with one.
    #[arg(long, default_value_t = 1)]
    threads: u16,
    /// Only this split of malaria; without it both, one after the other.
    #[arg(long)]
    split: Option<MalariaSplit>,
    /// Folder of the checkpoints, one an epoch, from which an interrupted training goes on.
    #[arg(long, default_value = "target/checkpoints")]
    checkpoints: PathBuf,
    /// Begin anew, replacing checkpoints.
    #[arg(long)]
    fresh: bool,
    /// Train on nine tenths of the training images, score the rest, write nothing: for choosing recipes.
    #[arg(long)]
    validate: bool,
    /// Fail, after writing, unless the test accuracy is above so many percent.
    #[arg(long)]
    require: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum MalariaSplit {
    /// The paper's, random by image; these weights are written.
    Paper,
    /// Disjoint patients; these weights are only scored.
    Patient,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    tch::set_num_threads(i32::from(arguments.threads.max(1)));
    match arguments.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    fn run(&self) -> Result<(), Error> {
        let store = Store::from_env()?;
        for recipe in self.recipes()? {
            self.network(&recipe, &store)?;
        }
        Ok(())
    }

    fn recipes(&self) -> Result<Vec<Recipe>, Error> {
        let known = || RECIPES.map(|recipe| recipe.network).join(", ");
        let mut recipes = Vec::new();
        for name in &self.networks {
            if name == "all" {
                recipes.extend(RECIPES);
            } else {
                let unknown = || Error::UnknownNetwork { name: name.clone(), known: known() };
                recipes.push(recipe(name).ok_or_else(unknown)?);
            }
        }
        for recipe in &mut recipes {
            recipe.epochs = self.epochs.unwrap_or(recipe.epochs);
            recipe.batch = self.batch.map_or(recipe.batch, |batch| batch as usize);
        }
        Ok(recipes)
    }

    fn network(&self, recipe: &Recipe, store: &Store) -> Result<(), Error> {
        let architecture = recipe.architecture();
        let mut patient = None;
        let disjoint = recipe.dataset == "malaria" && self.split != Some(MalariaSplit::Paper);
        if disjoint && let Some((model, _)) = self.train(recipe, &architecture, store, "malaria-patient")? {
            let test = load(store, "malaria-patient", Split::Test)?;
            let (_, score) = export::fold_and_score(recipe, &architecture, &model, &test)?;
            println!("{} on disjoint patients: {}", recipe.network, describe(&score));
            patient = Some(score);
        }
        if self.split == Some(MalariaSplit::Patient) {
            return Ok(());
        }
        let Some((model, training)) = self.train(recipe, &architecture, store, recipe.dataset)? else {
            return Ok(());
        };
        let test = load(store, recipe.dataset, Split::Test)?;
        let (mut network, score) = export::fold_and_score(recipe, &architecture, &model, &test)?;
        export::calibrate(&mut network, recipe, &training)?;
        network.metadata.notes = notes(recipe, self.seed, &self.command(recipe), &score, patient.as_ref());
        let path = export::write(&network, recipe.network, &self.out)?;
        println!("{}: {}; wrote {}", recipe.network, describe(&score), path.display());
        for (name, range) in network.architecture.layers.iter().map(|layer| (&layer.name, layer.range)) {
            if let Some(range) = range {
                println!("  {name:<12} {:>10.3} to {:>9.3}", range.low, range.high);
            }
        }
        match self.require {
            Some(percent) if score.accuracy() * 100.0 <= percent => Err(Error::BelowRequired {
                network: recipe.network,
                accuracy: share(score.correct(), score.images()),
                percent,
            }),
            _ => Ok(()),
        }
    }

    /// Trains on a data set from the last checkpoint to the end. `None` after a validation.
    fn train(
        &self,
        recipe: &Recipe,
        architecture: &Architecture,
        store: &Store,
        dataset: &str,
    ) -> Result<Option<(Model, Dataset)>, Error> {
        let mut images = load(store, dataset, Split::Train)?;
        let mut title = format!("{} on {dataset}", recipe.network);
        let mut held = None;
        if self.validate {
            let (kept, rest) = hold_out(&images.labels, VALIDATION_SHARE);
            held = Some(select(&images, &rest));
            images = select(&images, &kept);
            title.push_str(" (validation)");
        }
        let mut training = Training::new(recipe, architecture, &images, self.seed, self.steps)?;
        let kind = if self.validate { "-validate" } else { "" };
        let file = format!("{}-{dataset}{kind}-seed{}.pt", recipe.network, self.seed);
        let checkpoint = self.checkpoints.join(file);
        if !self.fresh {
            training.resume(&checkpoint)?;
        }
        let (done, total) = training.progress();
        let mut progress =
            Progress::new(title.clone(), done, total, training.epoch_steps().min(100.max(total / 20)));
        for done in done + 1..=total {
            let step = training.step()?;
            progress.step(done, step.loss, step.accuracy);
            if done.is_multiple_of(training.epoch_steps()) || done == total {
                training.save(&checkpoint)?;
            }
        }
        progress.finish();
        let model = training.averaged().detached()?;
        if let Some(held) = held {
            let classes = held.classes.len();
            let logits = logits(&model, &held, &recipe.normalisation());
            println!(
                "{title}: {}",
                describe(&Score::new(classes, &held.labels, &predictions(&logits, classes)))
            );
            return Ok(None);
        }
        Ok(Some((model, images)))
    }

    /// The command that trains this network so, from the root of a clone.
    fn command(&self, recipe: &Recipe) -> String {
        let mut command =
            format!("cargo run --release -p veilbench-train --features train -- {}", recipe.network);
        let options = [("epochs", self.epochs), ("batch", self.batch), ("steps", self.steps)];
        for (name, value) in options.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            command.push_str(&format!(" --{name} {value}"));
        }
        command.push_str(&format!(" --seed {}", self.seed));
        command
    }
}

fn describe(score: &Score) -> String {
    let mut text = format!("accuracy {}", share(score.correct(), score.images()));
    if score.classes() == 2 {
        let (found, positive) = score.recall_counts(1);
        let (spared, negative) = score.recall_counts(0);
        text.push_str(&format!(", sensitivity {}", share(found, positive)));
        text.push_str(&format!(", specificity {}", share(spared, negative)));
        text.push_str(&format!(", balanced {:.2} %", score.balanced_accuracy() * 100.0));
    }
    text
}
