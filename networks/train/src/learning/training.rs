//! One training from the first step to the last, in any number of sittings.

use std::path::Path;

use tch::{Kind, Reduction, Tensor};
use veilbench_datasets::Dataset;
use veilbench_networks::{Architecture, Normalisation};

use rand::RngExt;

use crate::error::Error;
use crate::images::augment::{Size, normalise, normalise_all};
use crate::images::batches::epoch_order;
use crate::learning::adam::Adam;
use crate::learning::checkpoint::Checkpoint;
use crate::learning::model::{Mode, Model, values};
use crate::random::{Purpose, stream};
use crate::recipes::Recipe;
use crate::recipes::schedule::one_cycle;
use crate::recipes::twin::Phase;

/// Images that are evaluated at once.
const EVALUATION_BATCH: usize = 500;

/// A network on its way.
#[derive(Debug)]
pub struct Training<'a> {
    recipe: Recipe,
    images: &'a Dataset,
    normalisation: Normalisation,
    seed: u64,
    total: u64,
    done: u64,
    model: Model,
    average: Model,
    teacher: Option<Model>,
    adam: Adam,
    order: (u64, Vec<usize>),
}

/// What one step showed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Mean cross-entropy of the batch before the step.
    pub loss: f64,
    /// Share of the batch predicted correctly before the step.
    pub accuracy: f64,
}

impl<'a> Training<'a> {
    /// A training of `architecture` on `images` that has not begun. It lasts `steps` steps, or as
    /// many as the recipe's epochs have.
    ///
    /// # Errors
    /// If the images are too few or of another size, or the architecture has a layer libtorch cannot train here.
    pub fn new(
        recipe: &Recipe,
        architecture: &Architecture,
        images: &'a Dataset,
        seed: u64,
        steps: Option<u64>,
    ) -> Result<Self, Error> {
        let size = size(images);
        if architecture.input.dims() != size || images.len() < recipe.batch {
            return Err(Error::UnfitImages {
                dataset: images.id.clone(),
                images: images.len(),
                found: size,
                network: recipe.network,
                expected: architecture.input.dims(),
                batch: recipe.batch,
            });
        }
        let model = Model::new(architecture, recipe.norms, recipe.coefficients(), seed)?;
        let average = model.detached()?;
        let adam = Adam::new(model.parameters(), recipe.weight_decay, recipe.gradient_norm);
        let epoch_steps = (images.len() / recipe.batch) as u64;
        Ok(Self {
            images,
            normalisation: recipe.normalisation(),
            seed,
            total: steps.unwrap_or(recipe.epochs * epoch_steps),
            done: 0,
            model,
            average,
            teacher: None,
            adam,
            order: (0, epoch_order(&images.labels, recipe.balanced, seed, 0)),
            recipe: recipe.clone(),
        })
    }

    /// Begins with the weights of `teacher` wherever the layers agree, and learns its logits as the recipe's twin says.
    ///
    /// # Errors
    /// [`Error::UnsupportedLayer`].
    pub fn learn_from(&mut self, teacher: &Model) -> Result<(), Error> {
        self.model.copy_from(teacher);
        self.average = self.model.detached()?;
        self.teacher = Some(teacher.detached()?);
        Ok(())
    }

    /// Steps done and steps in all.
    pub fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }

    /// Steps in which every image is seen about once.
    pub fn epoch_steps(&self) -> u64 {
        (self.images.len() / self.recipe.batch) as u64
    }

    /// The next step. Seeds libtorch's generator, which is one for the whole process, for its dropout: trainings with
    /// dropout in several threads at once are not reproducible.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss is not a number any more.
    pub fn step(&mut self) -> Result<Step, Error> {
        let phase = self.phase();
        let (inputs, labels) = self.batch(phase);
        let mut dropout = stream(self.seed, Purpose::Dropout, self.done);
        tch::manual_seed(dropout.random::<u32>().into());
        let mode = Mode {
            dropout: self.recipe.dropout,
            batch_statistics: !phase.is_frozen,
            polynomial: phase.polynomial,
            bound: self.recipe.twin.map_or(f64::INFINITY, |twin| twin.largest),
        };
        let limit = self.recipe.twin.map(|twin| twin.limit);
        let mut excesses = Vec::new();
        let logits = self.model.forward_watched(&inputs, mode, &mut |_, z| {
            if let Some(limit) = limit {
                // The bound has no gradient of its own: where it moves with `z`, the distance is zero.
                excesses.push(z.mse_loss(&z.detach().clamp(-limit, limit), Reduction::Sum));
            }
        });
        let smoothing = self.recipe.label_smoothing;
        let labelled = logits.cross_entropy_loss::<Tensor>(&labels, None, Reduction::Mean, -100, smoothing);
        let loss = self.loss(&labelled, &logits, &inputs, &excesses);
        loss.backward();
        let shown = Step {
            loss: labelled.double_value(&[]),
            accuracy: logits
                .argmax(1, false)
                .eq_tensor(&labels)
                .to_kind(Kind::Float)
                .mean(Kind::Float)
                .double_value(&[]),
        };
        let loss = loss.double_value(&[]);
        if !loss.is_finite() {
            return Err(Error::Diverged { network: self.recipe.network, loss, step: self.done });
        }
        let rate = one_cycle(self.recipe.peak_rate, self.done, self.total);
        self.done += 1;
        self.adam.step(self.model.parameters(), rate, self.done);
        if let Some(twin) = self.recipe.twin {
            self.model.bound_quadratics(twin.bounds);
        }
        self.average();
        Ok(shown)
    }

    /// What the next step is like.
    pub fn phase(&self) -> Phase {
        self.recipe.phase(self.done, self.total)
    }

    /// The cross-entropy with the labels and, of a twin, with its teacher, and the price of large values.
    fn loss(&self, labelled: &Tensor, logits: &Tensor, inputs: &Tensor, excesses: &[Tensor]) -> Tensor {
        let Some(twin) = self.recipe.twin else { return labelled.shallow_clone() };
        let mut loss = labelled.shallow_clone();
        if let Some(teacher) = &self.teacher {
            let taught = tch::no_grad(|| teacher.forward(inputs, Mode::INFERENCE));
            let log_share = |logits: &Tensor| (logits / twin.temperature).log_softmax(1, Kind::Float);
            let (theirs, ours) = (log_share(&taught), log_share(logits));
            let divergence = (theirs.exp() * (theirs - ours)).sum(Kind::Float) / inputs.size()[0] as f64;
            let weight = twin.distillation * twin.temperature * twin.temperature;
            loss = loss * (1.0 - twin.distillation) + divergence * weight;
        }
        let price = twin.penalty / inputs.size()[0] as f64;
        loss + Tensor::stack(excesses, 0).sum(Kind::Float) * price
    }

    /// The batch of the next step: normalised, augmented images and their labels.
    fn batch(&mut self, phase: Phase) -> (Tensor, Tensor) {
        let (epoch, position) = (self.done / self.epoch_steps(), self.done % self.epoch_steps());
        if self.order.0 != epoch {
            self.order = (epoch, epoch_order(&self.images.labels, self.recipe.balanced, self.seed, epoch));
        }
        let size = size(self.images);
        let image_len = self.images.image_len();
        let start = position as usize * self.recipe.batch;
        let indices = &self.order.1[start..(start + self.recipe.batch).min(self.order.1.len())];
        let mut rng = stream(self.seed, Purpose::Augmentation, self.done);
        let augmentation = self.recipe.augmentation(phase);
        let mut inputs = vec![0.0; indices.len() * image_len];
        for (&index, input) in indices.iter().zip(inputs.chunks_exact_mut(image_len)) {
            normalise(self.images.image(index), size, &self.normalisation, input);
            augmentation.apply(input, size, &mut rng);
        }
        let labels: Vec<i64> = indices.iter().map(|&index| self.images.labels[index].into()).collect();
        let mut inputs = batch_tensor(&inputs, size);
        if self.recipe.channels_last {
            inputs = inputs.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
        }
        (inputs, Tensor::from_slice(&labels))
    }

    /// Moves the averaged model towards the current one, faster in the first steps.
    fn average(&self) {
        let steps = self.done as f64;
        let decay = self.recipe.averaging.min((1.0 + steps) / (10.0 + steps));
        let averaged = self.average.parameters().iter().chain(self.average.statistics());
        let current = self.model.parameters().iter().chain(self.model.statistics());
        tch::no_grad(|| {
            for (average, current) in averaged.zip(current) {
                let _ = average.tensor.shallow_clone().lerp_(&current.tensor, 1.0 - decay);
            }
        });
    }

    /// The model to evaluate and export: the average of the weights so far.
    pub fn averaged(&self) -> &Model {
        &self.average
    }

    /// Writes everything the rest of the training depends on to `path`.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let tensors = self.state().into_iter().map(|(name, tensor)| (name, tensor.detach())).collect();
        Checkpoint { identity: self.identity(), steps: self.done, tensors }.save(path)
    }

    /// Goes on from the checkpoint at `path`, if there is one; the outcome is the same, bit for bit,
    /// as without the interruption.
    ///
    /// # Errors
    /// [`Error::OtherCheckpoint`] and [`Error::DamagedCheckpoint`].
    pub fn resume(&mut self, path: &Path) -> Result<bool, Error> {
        let Some(checkpoint) = Checkpoint::load(path)? else { return Ok(false) };
        if checkpoint.identity != self.identity() || checkpoint.steps > self.total {
            return Err(Error::OtherCheckpoint { path: path.to_owned() });
        }
        for (name, tensor) in self.state() {
            checkpoint.restore(path, &name, &tensor)?;
        }
        self.done = checkpoint.steps;
        Ok(true)
    }

    /// All tensors that change in a step, by unique names.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let [first, second] = self.adam.moments();
        let mut state = Vec::new();
        for (index, parameter) in self.model.parameters().iter().enumerate() {
            state.push((format!("model.{}", parameter.name), parameter.tensor.shallow_clone()));
            state.push((format!("first.{}", parameter.name), first[index].shallow_clone()));
            state.push((format!("second.{}", parameter.name), second[index].shallow_clone()));
        }
        for statistic in self.model.statistics() {
            state.push((format!("model.{}", statistic.name), statistic.tensor.shallow_clone()));
        }
        for averaged in self.average.parameters().iter().chain(self.average.statistics()) {
            state.push((format!("average.{}", averaged.name), averaged.tensor.shallow_clone()));
        }
        state
    }

    fn identity(&self) -> String {
        let Self { recipe, seed, total, images, .. } = self;
        let teacher = self.teacher.as_ref().map_or(0, checksum);
        format!(
            "{recipe:?}, seed {seed}, {total} steps, images {}, teacher {teacher:x}",
            images.fingerprint()
        )
    }
}

/// Logits of all images, `images x classes`, from a model in inference mode.
pub fn logits(model: &Model, images: &Dataset, normalisation: &Normalisation) -> Vec<f32> {
    each_batch(images, normalisation, |batch| model.forward(batch, Mode::INFERENCE))
}

/// What `evaluate` makes of all images, a batch of normalised ones at a time, without gradients.
pub(crate) fn each_batch(
    images: &Dataset,
    normalisation: &Normalisation,
    mut evaluate: impl FnMut(&Tensor) -> Tensor,
) -> Vec<f32> {
    let size = size(images);
    let mut all = Vec::new();
    for pixels in images.pixels.chunks(EVALUATION_BATCH * images.image_len()) {
        let inputs = normalise_all(pixels, size, normalisation);
        tch::no_grad(|| all.extend(values(&evaluate(&batch_tensor(&inputs, size)))));
    }
    all
}

/// Checksum of all weights: FNV-1a over their bits.
fn checksum(model: &Model) -> u64 {
    let tensors = model.parameters().iter().chain(model.statistics());
    let values = tensors.flat_map(|named| values(&named.tensor));
    values.fold(0xcbf2_9ce4_8422_2325, |hash, value| {
        (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01b3)
    })
}

fn batch_tensor(inputs: &[f32], [channels, height, width]: Size) -> Tensor {
    Tensor::from_slice(inputs).view([-1, channels as i64, height as i64, width as i64])
}

fn size(images: &Dataset) -> Size {
    [images.channels, images.height, images.width]
}
