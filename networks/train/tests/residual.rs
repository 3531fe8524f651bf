//! Facts about training residual networks and their polynomial twins, on look-alikes of CIFAR-10.
#![cfg(feature = "train")]
#![expect(clippy::unwrap_used, reason = "a helper of a test that fails should fail the test")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use tch::Tensor;
use veilbench_datasets::{Dataset, Split, Store, load};
use veilbench_networks::{Op, Parameters, zoo};
use veilbench_train::learning::activations::survey;
use veilbench_train::learning::model::{Mode, Model, values};
use veilbench_train::learning::training::{Training, logits};
use veilbench_train::recipes::{Geometry, Recipe, recipe};
use veilbench_train::shipping::export::{self, Inspection};

/// Held by every test that trains: libtorch's generator is one for the whole process.
fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    tch::set_num_threads(1);
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

fn objects() -> Dataset {
    load(&Store::new("nowhere", "nowhere"), "cifar10-jpeg-sample", Split::Train).unwrap()
}

/// A recipe at two channels in the first stage.
fn narrow(name: &str) -> Recipe {
    let mut recipe = recipe(name).unwrap();
    let Geometry::CifarResnet20 { width, .. } = &mut recipe.geometry else { panic!("{name} is residual") };
    *width = 2;
    recipe.batch = 20;
    recipe
}

fn trained<'a>(recipe: &Recipe, images: &'a Dataset, teacher: Option<&Model>, steps: u64) -> Training<'a> {
    let mut training = Training::new(recipe, &recipe.architecture(), images, 1, Some(STEPS)).unwrap();
    if let Some(teacher) = teacher {
        training.learn_from(teacher).unwrap();
    }
    for _ in 0..steps {
        training.step().unwrap();
    }
    training
}

const STEPS: u64 = 36;

fn teacher(images: &Dataset) -> Model {
    trained(&narrow("cifar-resnet20-pre"), images, None, STEPS).averaged().detached().unwrap()
}

fn state(training: &Training) -> Vec<(String, Vec<f32>)> {
    training.state().iter().map(|(name, tensor)| (name.clone(), values(tensor))).collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn loss_falls_in_both_orders() {
    let (_alone, images) = (generator(), objects());
    for name in ["cifar-resnet20", "cifar-resnet20-pre"] {
        let recipe = narrow(name);
        let mut training = Training::new(&recipe, &recipe.architecture(), &images, 1, Some(80)).unwrap();
        let losses: Vec<f64> = (0..80).map(|_| training.step().unwrap().loss).collect();
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (mean(&losses[..10]), mean(&losses[70..]));
        assert!(last < 0.9 * first, "{name}: {first} to {last}");
    }
}

#[test]
fn norms_fold_into_convolutions_and_quadratics_in_either_order() {
    let (_alone, images) = (generator(), objects());
    let teacher = teacher(&images);
    for (name, teacher) in [("cifar-resnet20", None), ("cifar-resnet20-poly", Some(&teacher))] {
        let recipe = narrow(name);
        let training = trained(&recipe, &images, teacher, STEPS);
        // Compares the project's own evaluator with libtorch, and refuses where they differ.
        let (network, _) =
            export::fold_and_score(&recipe, &recipe.architecture(), training.averaged(), &images).unwrap();
        let normed = logits(training.averaged(), &images, &recipe.normalisation());
        let folded = logits(&Model::from_network(&network).unwrap(), &images, &recipe.normalisation());
        let spread = normed.iter().fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
        assert!(largest_difference(&normed, &folded) < 1e-4 * spread.max(1.0), "{name}");
        for (layer, parameters) in network.architecture.layers.iter().zip(&network.parameters) {
            if let Some(fixed) = zoo::fixed(layer) {
                assert_eq!(*parameters, fixed, "{} is never trained", layer.name);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        export::write(&network, name, folder.path()).unwrap();
    }
}

#[test]
fn a_norm_that_folds_into_nothing_is_an_error() {
    let error = teacher_before_training().folded().unwrap_err().to_string();
    assert!(error.contains("stage1.block1.act1") && error.contains("folds into nothing"), "{error}");
}

fn teacher_before_training() -> Model {
    let recipe = narrow("cifar-resnet20-pre");
    Model::new(&recipe.architecture(), recipe.norms, recipe.coefficients(), 0).unwrap()
}

#[test]
fn a_twin_begins_as_its_teacher() {
    let (_alone, images) = (generator(), objects());
    let teacher = teacher(&images);
    let training = trained(&narrow("cifar-resnet20-poly"), &images, Some(&teacher), 0);
    let normalisation = narrow("cifar-resnet20-poly").normalisation();
    let (_, own) = survey(training.averaged(), &images, &normalisation, 0.0);
    assert_eq!(own, logits(&teacher, &images, &normalisation));
    let (_, quadratic) = survey(training.averaged(), &images, &normalisation, 1.0);
    assert!(largest_difference(&own, &quadratic) > 1e-3, "quadratics compute something else");
}

#[test]
fn quadratics_stay_within_bounds_and_norms_freeze_in_the_last_third() {
    let (_alone, images) = (generator(), objects());
    let (recipe, teacher) = (narrow("cifar-resnet20-poly"), teacher(&images));
    let [least, largest] = recipe.twin.unwrap().bounds.squares();
    let mut training = trained(&recipe, &images, Some(&teacher), 24);
    let statistics = |training: &Training| -> Vec<Vec<f32>> {
        let is_statistic = |name: &str| {
            name.starts_with("model.") && (name.ends_with(".mean") || name.ends_with(".variance"))
        };
        state(training).into_iter().filter(|(name, _)| is_statistic(name)).map(|(_, values)| values).collect()
    };
    let before = statistics(&training);
    assert!(training.phase().is_frozen && !before.is_empty());
    for _ in 24..STEPS {
        training.step().unwrap();
    }
    assert_eq!(statistics(&training), before);
    for (name, values) in state(&training) {
        if name.starts_with("model.") && name.ends_with("coefficients") {
            for quadratic in values.chunks_exact(3) {
                assert_eq!(quadratic[1], 0.5);
                assert!((least as f32..=largest as f32).contains(&quadratic[2]), "{name}: {quadratic:?}");
            }
        }
    }
}

#[test]
fn a_twin_interrupted_in_any_phase_ends_as_the_uninterrupted_one_bit_for_bit() {
    let (_alone, images) = (generator(), objects());
    let (recipe, teacher) = (narrow("cifar-resnet20-poly"), teacher(&images));
    let whole = trained(&recipe, &images, Some(&teacher), STEPS);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint.pt");
    for stop in [5, 17, 31, STEPS] {
        let mut part = trained(&recipe, &images, Some(&teacher), 0);
        assert_eq!(part.resume(&file).unwrap(), stop != 5);
        while part.progress().0 < stop {
            part.step().unwrap();
        }
        part.save(&file).unwrap();
        assert_eq!(state(&whole) == state(&part), stop == STEPS);
    }
    let mut taught_by_another =
        Training::new(&recipe, &recipe.architecture(), &images, 1, Some(STEPS)).unwrap();
    taught_by_another.learn_from(&teacher_before_training()).unwrap();
    assert!(taught_by_another.resume(&file).is_err());
}

#[test]
fn what_activations_see_is_measured_and_too_large_values_are_refused() {
    let (_alone, images) = (generator(), objects());
    let (mut recipe, teacher) = (narrow("cifar-resnet20-poly"), teacher(&images));
    // So short a training does not tame larger squares over changed images.
    recipe.twin.as_mut().unwrap().first_square = 0.05;
    let training = trained(&recipe, &images, Some(&teacher), STEPS);
    let model = training.averaged().detached().unwrap();
    let inspection = Inspection::new(&recipe, &model, &images, &images);
    assert_eq!((inspection.training.len(), inspection.odd.len()), (19, 2));
    for seen in &inspection.training {
        assert!(seen.low < 0.0 && seen.high > 0.0 && seen.crest() >= 1.0, "{seen:?}");
    }
    let worst = inspection.training.iter().map(|seen| seen.largest()).fold(0.0, f64::max);
    let mut strict = recipe.clone();
    strict.twin.as_mut().unwrap().largest = worst * 0.99;
    assert!(inspection.refusal(&strict).unwrap().contains("over the training images"));
    strict.twin.as_mut().unwrap().largest = worst * 1.01;
    assert_eq!(inspection.refusal(&strict), None);

    let gain = model.parameters().iter().find(|parameter| parameter.name.ends_with(".gain")).unwrap();
    let _ = tch::no_grad(|| gain.tensor.shallow_clone().fill_(f64::INFINITY));
    let broken = Inspection::new(&recipe, &model, &images, &images);
    assert!(broken.refusal(&strict).is_some(), "infinity and NaN are noticed");
}

#[test]
fn one_image_of_large_values_moves_no_batch_beyond_the_bound() {
    let (_alone, images) = (generator(), objects());
    let (mut recipe, teacher) = (narrow("cifar-resnet20-poly"), teacher(&images));
    let largest_variance = |recipe: &Recipe| {
        let mut training = trained(recipe, &images, Some(&teacher), 0);
        for _ in 0..12 {
            training.step().unwrap();
        }
        let variances = state(&training)
            .into_iter()
            .filter(|(name, _)| name.starts_with("model.") && name.ends_with(".variance"));
        variances.flat_map(|(_, values)| values).fold(0f32, f32::max)
    };
    let loose = largest_variance(&recipe);
    recipe.twin.as_mut().unwrap().largest = 2.0;
    let tight = largest_variance(&recipe);
    assert!(tight < 0.9 * loose, "{tight}, {loose}: what is beyond the bound is cut off");
}

#[test]
fn the_input_of_an_activation_is_what_the_folded_network_computes_before_it() {
    let (_alone, images) = (generator(), objects());
    let recipe = narrow("cifar-resnet20");
    let training = trained(&recipe, &images, None, STEPS);
    let (seen, _) = survey(training.averaged(), &images, &recipe.normalisation(), 1.0);
    let (mut network, _) =
        export::fold_and_score(&recipe, &recipe.architecture(), training.averaged(), &images).unwrap();
    export::calibrate(&mut network, &recipe, &images).unwrap();
    let layers = &network.architecture.layers;
    let activations = layers.iter().enumerate().filter(|(_, layer)| layer.op == Op::Relu);
    for ((index, layer), seen) in activations.zip(&seen) {
        assert_eq!(layer.name, seen.layer);
        let range = network.architecture.range_of(network.architecture.sources(index)[0]).unwrap();
        let close = |a: f64, b: f32| (a - f64::from(b)).abs() < 1e-3 * a.abs().max(1.0);
        assert!(close(seen.low, range.low) && close(seen.high, range.high), "{seen:?}, {range:?}");
    }
    assert!(matches!(network.parameters[0], Parameters::Affine { .. }));
    let empty =
        training.averaged().forward(&Tensor::zeros([1, 3, 32, 32], tch::kind::FLOAT_CPU), Mode::INFERENCE);
    assert_eq!(empty.size(), [1, 10]);
}
