//! Which images are seen when.

use rand::seq::SliceRandom;
use veilbench_datasets::Dataset;

use crate::random::{Purpose, stream};

/// Order of one epoch over images with the given labels: each image once, shuffled; or, balanced,
/// as many positions in which every class takes an equal part, the smaller classes by repetition
/// and the larger by leaving images out.
pub fn epoch_order(labels: &[u8], balanced: bool, seed: u64, epoch: u64) -> Vec<usize> {
    let mut rng = stream(seed, Purpose::Order, epoch);
    let mut order = Vec::with_capacity(labels.len());
    if balanced {
        let classes = classes(labels);
        for class in &classes {
            let mut drawn: Vec<usize> = Vec::new();
            while drawn.len() < labels.len() / classes.len() {
                let mut members = class.clone();
                members.shuffle(&mut rng);
                drawn.append(&mut members);
            }
            order.extend_from_slice(&drawn[..labels.len() / classes.len()]);
        }
    } else {
        order.extend(0..labels.len());
    }
    order.shuffle(&mut rng);
    order
}

/// Splits images into a part to train on and a part to validate on, one `share`-th of each class,
/// at random but the same for every seed of a training.
pub fn hold_out(labels: &[u8], share: usize) -> (Vec<usize>, Vec<usize>) {
    let mut rng = stream(0, Purpose::Validation, 0);
    let (mut kept, mut held) = (Vec::new(), Vec::new());
    for mut members in classes(labels) {
        members.shuffle(&mut rng);
        let (front, back) = members.split_at(members.len() / share.max(1));
        held.extend_from_slice(front);
        kept.extend_from_slice(back);
    }
    kept.sort_unstable();
    held.sort_unstable();
    (kept, held)
}

/// The images at `indices`, in that order.
///
/// # Panics
/// If there is no such image.
pub fn select(images: &Dataset, indices: &[usize]) -> Dataset {
    let size = images.channels * images.height * images.width;
    let pixels = indices.iter().flat_map(|&index| &images.pixels[index * size..][..size]).copied().collect();
    let labels = indices.iter().map(|&index| images.labels[index]).collect();
    Dataset { id: images.id.clone(), classes: images.classes.clone(), pixels, labels, ..*images }
}

/// Indices of the images of each class that occurs.
fn classes(labels: &[u8]) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); 256];
    for (index, &label) in labels.iter().enumerate() {
        members[usize::from(label)].push(index);
    }
    members.retain(|class| !class.is_empty());
    members
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<u8> {
        (0..1000).map(|index| u8::from(index % 5 == 0)).collect()
    }

    #[test]
    fn an_epoch_sees_every_image_once() {
        let mut order = epoch_order(&labels(), false, 0, 0);
        assert_ne!(order, epoch_order(&labels(), false, 0, 1));
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1000));
    }

    #[test]
    fn a_balanced_epoch_sees_both_classes_equally_often() {
        let labels = labels();
        let order = epoch_order(&labels, true, 0, 0);
        let positive: Vec<usize> = order.iter().copied().filter(|&index| labels[index] == 1).collect();
        assert_eq!((order.len(), positive.len()), (1000, 500));
        for index in (0..1000).step_by(5) {
            assert!(positive.iter().filter(|&&other| other == index).count() >= 2);
        }
    }

    #[test]
    fn the_parts_of_a_hold_out_are_disjoint_and_equally_mixed() {
        let labels = labels();
        let (kept, held) = hold_out(&labels, 10);
        assert_eq!((kept.len(), held.len()), (900, 100));
        assert_eq!(held.iter().filter(|&&index| labels[index] == 1).count(), 20);
        assert!(held.iter().all(|index| kept.binary_search(index).is_err()));
    }
}
