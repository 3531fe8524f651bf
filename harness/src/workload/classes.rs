//! Classes of images and classes of a network: which logit stands for which.

use veilbench_datasets::ImageSet;
use veilbench_networks::text::shown;

/// For each class of a data set the logit of that name; `None` unless both sides name the same classes, each once. A
/// user's own images may be of some of the network's classes.
///
/// Labels that are numbers name nothing, even where a network's classes are called by numbers: they are places of logits.
/// That is the same only where each class is called by its place.
pub(crate) fn logits_by_name(logits: &[String], dataset: &ImageSet) -> Option<Vec<usize>> {
    if !dataset.names_classes() && logits.iter().enumerate().any(|(place, name)| *name != place.to_string()) {
        return None;
    }
    let key = |name: &str| name.trim().to_lowercase();
    let logits: Vec<_> = logits.iter().map(|name| key(name)).collect();
    let places: Vec<usize> = dataset
        .classes
        .iter()
        .map(|class| logits.iter().position(|logit| *logit == key(class)))
        .collect::<Option<_>>()?;
    let mut distinct = places.clone();
    distinct.sort_unstable();
    distinct.dedup();
    let is_whole = distinct.len() == logits.len() || dataset.is_own();
    (is_whole && distinct.len() == places.len()).then_some(places)
}

/// Why classes do not fit, and for a user's own images what would help.
pub(crate) fn misfit_of_classes(outputs: usize, logits: &[String], dataset: &ImageSet) -> String {
    let (id, classes) = (&dataset.id, dataset.classes.len());
    let mut reason = format!("it tells {outputs} classes apart, {id} has {classes}");
    if dataset.is_own() {
        let theirs = shown(&dataset.classes.join(", "));
        reason += &match logits {
            [] => format!(
                " ({theirs}): --classes names its own in the order of its logits, so that they are matched by name"
            ),
            named => {
                format!(
                    " ({theirs}), and not each of them is among its own ({}): call the classes of the images as it does, or say with --classes \
                     what its logits stand for, in their order",
                    shown(&named.join(", "))
                )
            }
        };
    }
    reason
}

/// What is taken for granted where classes cannot be matched by name.
pub(crate) fn class_assumption(logits: &[String], dataset: &ImageSet) -> String {
    let id = &dataset.id;
    let theirs = shown(&dataset.classes.join(", "));
    let remedy = match dataset.is_own() {
        true => "`veilbench.classes` or --classes says otherwise",
        false => "`veilbench.classes` says otherwise",
    };
    match logits {
        [] => format!(
            "classes by index: the file names none, so its logits are taken in the order of {id} ({theirs}); {remedy}"
        ),
        named if !dataset.names_classes() => format!(
            "classes by index: labels of {id} are numbers, taken as places among its classes ({}), from 0 on",
            shown(&named.join(", "))
        ),
        named => format!(
            "classes by index: its names ({}) are not those of {id} ({theirs}); {remedy}",
            shown(&named.join(", "))
        ),
    }
}
