//! `veilbench-train`: trains reference networks and writes them as ONNX.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use veilbench_datasets::{Dataset, Split, Store, load};
use veilbench_networks::{Architecture, Network};
use veilbench_train::error::Error;
use veilbench_train::images::batches::{hold_out, select};
use veilbench_train::images::lossless::lossless;
use veilbench_train::learning::activations::{largest_of_each, ranges_and_crests, survey};
use veilbench_train::learning::model::Model;
use veilbench_train::learning::training::{Training, logits};
use veilbench_train::progress::Progress;
use veilbench_train::recipes::{DEEP, RECIPES, Recipe, recipe};
use veilbench_train::shipping::export;
use veilbench_train::shipping::export::Inspection;
use veilbench_train::shipping::notes::{notes, share};
use veilbench_train::shipping::score::{Score, predictions};

/// One image in so many is held out by `--validate`.
const VALIDATION_SHARE: usize = 10;
/// The data set whose networks are also scored on images without its loss.
const COPY: &str = "cifar10-jpeg";
/// Training images of a pilot.
const PILOT_IMAGES: usize = 10_000;
/// Training images after those, on which a pilot is scored: it never sees a test image.
const PILOT_TEST_IMAGES: usize = 2_000;

/// Trains veilbench's reference networks and writes them as ONNX files.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Names of networks, or `all` small ones.
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
    /// Train for this many steps, whatever the epochs.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// Threads libtorch computes with; the small reference networks were trained with one.
    #[arg(long, default_value_t = 1)]
    threads: u16,
    /// A deep network at half width on 10,000 images, scored on 2,000 others of the training images.
    #[arg(long, conflicts_with = "validate")]
    pilot: bool,
    /// Only this split of malaria; without it both, one after the other.
    #[arg(long)]
    split: Option<MalariaSplit>,
    /// Folder of the checkpoints, from which an interrupted training goes on.
    #[arg(long, default_value = "target/checkpoints")]
    checkpoints: PathBuf,
    /// Steps between checkpoints; there is one after every epoch too.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_steps: u64,
    /// Begin anew, replacing checkpoints.
    #[arg(long)]
    fresh: bool,
    /// Train on nine tenths of the training images, score the rest, write nothing: for choosing recipes.
    #[arg(long)]
    validate: bool,
    /// Fail, after writing, unless the test accuracy is above this many percent.
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
        let names: Vec<&str> = RECIPES.into_iter().chain(DEEP).map(|recipe| recipe.network).collect();
        let known = || names.join(", ");
        let mut recipes = Vec::new();
        for name in &self.networks {
            if name == "all" {
                recipes.extend(RECIPES);
            } else {
                let unknown = || Error::UnknownNetwork { name: name.clone(), known: known() };
                recipes.push(recipe(name).ok_or_else(unknown)?);
            }
        }
        recipes.into_iter().map(|recipe| self.adapted(recipe)).collect()
    }

    /// The recipe with the numbers of the command line.
    fn adapted(&self, mut recipe: Recipe) -> Result<Recipe, Error> {
        if self.pilot {
            let network = recipe.network;
            recipe = recipe.pilot().ok_or(Error::NoPilot { network })?;
        }
        recipe.epochs = self.epochs.unwrap_or(recipe.epochs);
        recipe.batch = self.batch.map_or(recipe.batch, |batch| batch as usize);
        Ok(recipe)
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
        if recipe.is_teacher() {
            println!("{} is trained; it is no network of the zoo, so nothing is written", architecture.name);
            return Ok(());
        }
        let test = if self.pilot {
            let images = load(store, recipe.dataset, Split::Train)?;
            select(&images, &pilot_places(images.len(), true))
        } else {
            load(store, recipe.dataset, Split::Test)?
        };
        let (mut network, score) = export::fold_and_score(recipe, &architecture, &model, &test)?;
        println!("{}: {}", architecture.name, describe(&score));
        let originals = if recipe.dataset == COPY { lossless(store, &test)? } else { None };
        let lossless = match &originals {
            Some(originals) => Some(export::score(recipe, &network, originals)?),
            None => None,
        };
        if let Some(score) = &lossless {
            println!("{}: without loss {}", architecture.name, describe(score));
        }
        let command = self.command(recipe);
        network.metadata.notes =
            notes(recipe, self.seed, &command, &score, patient.as_ref(), lossless.as_ref());
        if recipe.watched > 0 {
            self.inspect(recipe, &model, &mut network, &training, &test)?;
        }
        export::calibrate(&mut network, recipe, &training)?;
        let path = export::write(&network, &architecture.name, &self.out)?;
        println!("{}: wrote {}", architecture.name, path.display());
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

    /// Notes what the activations of a deep network see; one that exceeds its recipe's bounds is kept with the checkpoints
    /// and goes no further.
    fn inspect(
        &self,
        recipe: &Recipe,
        model: &Model,
        network: &mut Network,
        training: &Dataset,
        test: &Dataset,
    ) -> Result<(), Error> {
        let inspection = Inspection::new(recipe, model, training, test);
        let name = network.architecture.name.clone();
        println!("{name}: largest |z| over the training images: {}", largest_of_each(&inspection.training));
        println!("{name}: largest |z| over odd test images: {}", inspection.odd_magnitudes());
        let mut note = |key: &str, text: String| network.metadata.notes.insert(key.into(), text);
        note("activations", ranges_and_crests(&inspection.training));
        note("odd-images", inspection.odd_magnitudes());
        let Some(reason) = inspection.refusal(recipe) else { return Ok(()) };
        let path = export::write(network, &format!("{name}-refused"), &self.checkpoints)?;
        Err(Error::OutOfBounds { network: name, reason, path })
    }

    /// Trains on a data set from the last checkpoint to the end; gives the model and all training images. `None` after
    /// a validation.
    fn train(
        &self,
        recipe: &Recipe,
        architecture: &Architecture,
        store: &Store,
        dataset: &str,
    ) -> Result<Option<(Model, Dataset)>, Error> {
        let mut images = load(store, dataset, Split::Train)?;
        if self.pilot {
            images = select(&images, &pilot_places(images.len(), false));
        }
        let share = if self.validate { VALIDATION_SHARE } else { recipe.watched };
        let (learned, held) = if share > 0 {
            let (kept, rest) = hold_out(&images.labels, share);
            (select(&images, &kept), Some(select(&images, &rest)))
        } else {
            (images.clone(), None)
        };
        let teacher = match recipe.twin.and_then(|twin| veilbench_train::recipes::recipe(twin.teacher)) {
            Some(teacher) => {
                let teacher = self.adapted(teacher)?;
                Some(self.learn(&teacher, &teacher.architecture(), dataset, &learned, held.as_ref(), None)?)
            }
            None => None,
        };
        let model = self.learn(recipe, architecture, dataset, &learned, held.as_ref(), teacher.as_ref())?;
        match held {
            Some(held) if self.validate => {
                let (score, title) = (watch(recipe, &model, &held), &architecture.name);
                println!("{title} on {dataset} (validation): {}", describe(&score));
                Ok(None)
            }
            _ => Ok(Some((model, images))),
        }
    }

    /// One training, from its last checkpoint to its end.
    fn learn(
        &self,
        recipe: &Recipe,
        architecture: &Architecture,
        dataset: &str,
        images: &Dataset,
        held: Option<&Dataset>,
        teacher: Option<&Model>,
    ) -> Result<Model, Error> {
        let kind = if self.validate { "-validate" } else { "" };
        let name = &architecture.name;
        let title = format!("{name} on {dataset}{}", if self.validate { " (validation)" } else { "" });
        let mut training = Training::new(recipe, architecture, images, self.seed, self.steps)?;
        if let Some(teacher) = teacher {
            training.learn_from(teacher)?;
        }
        let checkpoint = self.checkpoints.join(format!("{name}-{dataset}{kind}-seed{}.pt", self.seed));
        if !self.fresh {
            training.resume(&checkpoint)?;
        }
        let (done, total) = training.progress();
        let epoch = training.epoch_steps();
        let mut progress = Progress::new(title.clone(), done, total, epoch.min(100.max(total / 20)));
        let (mut loss, mut steps) = (0.0, 0.0);
        for done in done + 1..=total {
            let step = training.step()?;
            progress.step(done, step.loss, step.accuracy);
            (loss, steps) = (loss + step.loss, steps + 1.0);
            let ends_epoch = done.is_multiple_of(epoch) || done == total;
            if ends_epoch || done.is_multiple_of(self.checkpoint_steps) {
                training.save(&checkpoint)?;
            }
            if let Some(held) = held.filter(|_| ends_epoch && recipe.watched > 0) {
                let polynomial = recipe.phase(done, total).polynomial;
                let (seen, logits) = survey(training.averaged(), held, &recipe.normalisation(), polynomial);
                let classes = held.classes.len();
                let score = Score::new(classes, &held.labels, &predictions(&logits, classes));
                println!(
                    "{title}: epoch {:.1}, loss {:.4}, held out {}, largest |z|: {}",
                    done as f64 / epoch as f64,
                    loss / steps,
                    share(score.correct(), score.images()),
                    largest_of_each(&seen)
                );
                (loss, steps) = (0.0, 0.0);
            }
        }
        progress.finish();
        training.averaged().detached()
    }

    /// The command that trains this network so, from the root of a clone.
    fn command(&self, recipe: &Recipe) -> String {
        let mut command =
            format!("cargo run --release -p veilbench-train --features train -- {}", recipe.network);
        let options = [("epochs", self.epochs), ("batch", self.batch), ("steps", self.steps)];
        for (name, value) in options.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            command.push_str(&format!(" --{name} {value}"));
        }
        if self.threads > 1 {
            command.push_str(&format!(" --threads {}", self.threads));
        }
        if self.pilot {
            command.push_str(" --pilot");
        }
        command.push_str(&format!(" --seed {}", self.seed));
        command
    }
}

/// How many images a model in inference mode classifies correctly.
fn watch(recipe: &Recipe, model: &Model, held: &Dataset) -> Score {
    let classes = held.classes.len();
    let logits = logits(model, held, &recipe.normalisation());
    Score::new(classes, &held.labels, &predictions(&logits, classes))
}

/// Training images a pilot learns, or those after them that it is scored on.
fn pilot_places(images: usize, scored: bool) -> Vec<usize> {
    let last = PILOT_IMAGES.min(images * PILOT_IMAGES / (PILOT_IMAGES + PILOT_TEST_IMAGES));
    if scored { (last..images.min(last + PILOT_TEST_IMAGES)).collect() } else { (0..last).collect() }
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
