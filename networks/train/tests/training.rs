//! Facts about training with libtorch, on the digits embedded in the data set crate.
#![cfg(feature = "train")]
#![expect(clippy::unwrap_used, reason = "a helper of a test that fails should fail the test")]

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use veilbench_datasets::{Dataset, Split, Store, load};
use veilbench_networks::export::to_bytes;
use veilbench_train::error::Error;
use veilbench_train::learning::model::{Model, values};
use veilbench_train::learning::training::{Training, logits};
use veilbench_train::recipes::{Recipe, recipe};
use veilbench_train::shipping::export;

/// Held by every test that trains: the generator of libtorch's dropout is one for the whole process.
fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

fn digits(split: Split) -> Dataset {
    load(&Store::new("nowhere", "nowhere"), "mnist-sample", split).unwrap()
}

/// Every part of a recipe at work, on the smallest network.
fn thorough() -> Recipe {
    tch::set_num_threads(1);
    let mut recipe = recipe("mnist-cnn-poly").unwrap();
    recipe.batch = 50;
    recipe.dropout = 0.2;
    recipe.label_smoothing = 0.05;
    recipe.balanced = true;
    recipe.augmentation.colour = 0.05;
    recipe
}

fn begin<'a>(recipe: &Recipe, images: &'a Dataset, seed: u64) -> Training<'a> {
    Training::new(recipe, &recipe.architecture(), images, seed, Some(45)).unwrap()
}

fn train_until(training: &mut Training, step: u64) {
    while training.progress().0 < step {
        training.step().unwrap();
    }
}

fn state(training: &Training) -> Vec<(String, Vec<f32>)> {
    training.state().iter().map(|(name, tensor)| (name.clone(), values(tensor))).collect()
}

fn onnx(recipe: &Recipe, training: &Training, images: &Dataset) -> Vec<u8> {
    let test = digits(Split::Test);
    let (mut network, _) =
        export::fold_and_score(recipe, &recipe.architecture(), training.averaged(), &test).unwrap();
    export::calibrate(&mut network, recipe, images).unwrap();
    to_bytes(&network).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_file_and_another_seed_another() {
    let _alone = generator();
    let (recipe, images) = (thorough(), digits(Split::Train));
    let [first, second, other] = [3, 3, 4].map(|seed| {
        let mut training = begin(&recipe, &images, seed);
        train_until(&mut training, 45);
        onnx(&recipe, &training, &images)
    });
    assert!(first == second);
    assert!(first != other);
}

#[test]
fn an_interrupted_training_ends_as_the_uninterrupted_one_bit_for_bit() {
    let _alone = generator();
    let (recipe, images) = (thorough(), digits(Split::Train));
    let mut whole = begin(&recipe, &images, 0);
    train_until(&mut whole, 45);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/checkpoint.pt");
    for stop in [7, 23, 45] {
        let mut part = begin(&recipe, &images, 0);
        assert_eq!(part.resume(&file).unwrap(), stop != 7);
        train_until(&mut part, stop);
        part.save(&file).unwrap();
        assert_eq!(state(&whole) == state(&part), stop == 45);
    }
}

#[test]
fn a_checkpoint_of_another_seed_recipe_or_data_set_is_refused() {
    let (recipe, images) = (thorough(), digits(Split::Train));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint.pt");
    begin(&recipe, &images, 0).save(&file).unwrap();

    let refused =
        |training: &mut Training| matches!(training.resume(&file), Err(Error::OtherCheckpoint { .. }));
    assert!(refused(&mut begin(&recipe, &images, 1)));
    assert!(refused(&mut begin(&Recipe { dropout: 0.1, ..recipe.clone() }, &images, 0)));
    assert!(refused(&mut begin(&recipe, &digits(Split::Test), 0)));
    assert!(begin(&recipe, &images, 0).resume(&file).unwrap());
}

#[test]
fn a_damaged_checkpoint_is_an_error_that_names_the_way_out() {
    let (recipe, images) = (thorough(), digits(Split::Train));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoint.pt");
    begin(&recipe, &images, 0).save(&file).unwrap();
    let whole = std::fs::read(&file).unwrap();
    for damaged in [&whole[..whole.len() / 2], &[], b"not a checkpoint"] {
        std::fs::write(&file, damaged).unwrap();
        let error = begin(&recipe, &images, 0).resume(&file).unwrap_err();
        assert!(matches!(error, Error::DamagedCheckpoint { .. }), "{error}");
        assert!(error.to_string().contains("--fresh"));
    }
}

#[test]
fn folding_the_batch_norms_changes_no_logit_beyond_rounding() {
    let _alone = generator();
    let images = digits(Split::Train);
    for name in ["mnist-mlp", "mnist-cnn", "mnist-cnn-poly"] {
        let recipe = Recipe { batch: 50, ..recipe(name).unwrap() };
        let mut training = begin(&recipe, &images, 0);
        train_until(&mut training, 45);
        let (network, _) =
            export::fold_and_score(&recipe, &recipe.architecture(), training.averaged(), &images).unwrap();
        let normed = logits(training.averaged(), &images, &recipe.normalisation());
        let folded = logits(&Model::from_network(&network).unwrap(), &images, &recipe.normalisation());
        let worst = normed.iter().zip(&folded).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}

#[test]
fn a_network_the_file_format_refuses_leaves_no_file() {
    let _alone = generator();
    let (recipe, images) = (thorough(), digits(Split::Train));
    let mut training = begin(&recipe, &images, 0);
    train_until(&mut training, 45);
    let right = export::fold_and_score(&recipe, &recipe.architecture(), training.averaged(), &images);
    let (mut network, score) = right.unwrap();
    assert!(score.accuracy() > 0.3, "{score:?}");

    network.architecture.layers[0].name = String::new();
    let folder = tempfile::tempdir().unwrap();
    assert!(export::write(&network, "mnist-cnn-poly", folder.path()).is_err());
    assert!(!Path::new(&folder.path().join("mnist-cnn-poly.onnx")).exists());
}

#[test]
fn images_of_another_size_or_too_few_of_them_are_refused() {
    let (recipe, images) = (thorough(), digits(Split::Train));
    let few = Recipe { batch: 501, ..recipe.clone() };
    let error = Training::new(&few, &few.architecture(), &images, 0, None).unwrap_err();
    assert!(matches!(error, Error::UnfitImages { images: 500, .. }));
    let cells = load(&Store::new("nowhere", "nowhere"), "malaria-sample", Split::Train).unwrap();
    let error = Training::new(&recipe, &recipe.architecture(), &cells, 0, None).unwrap_err();
    assert!(matches!(error, Error::UnfitImages { found: [3, 32, 32], .. }));
}
