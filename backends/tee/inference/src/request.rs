//! A request on its way: several records of whole images, so that sealing one, passing on another and evaluating
//! the images of a third go on at once.

use veilbench_networks::Architecture;

use super::batch_bytes;

/// Images of this many bytes share a record; one that is larger has a record of its own.
const RECORD_BYTES: usize = 128 << 10;

/// Most images in a record.
pub(super) fn images_per_record(architecture: &Architecture) -> usize {
    (RECORD_BYTES / batch_bytes(architecture, 1).max(1)).max(1)
}

/// Images in each record of a request for this many: all are full but the last.
pub(super) fn records(architecture: &Architecture, images: usize) -> impl Iterator<Item = usize> + use<> {
    let most = images_per_record(architecture);
    (0..images).step_by(most).map(move |first| most.min(images - first))
}

/// How many records that makes.
pub(super) fn record_count(architecture: &Architecture, images: usize) -> usize {
    images.div_ceil(images_per_record(architecture))
}

#[cfg(test)]
mod tests {
    use veilbench_networks::zoo;

    use super::*;

    #[test]
    fn every_image_is_in_one_record() {
        let architecture = zoo::load("malaria-cnn").unwrap().architecture;
        let cut = |images| records(&architecture, images).collect::<Vec<_>>();
        assert_eq!(cut(1), [1]);
        assert_eq!(cut(10), [10]);
        assert_eq!(cut(23), [10, 10, 3]);
        assert!(cut(0).is_empty());
        assert!((0..40).all(|images| cut(images).len() == record_count(&architecture, images)));
        let large = zoo::load("melanoma-lenet").unwrap().architecture;
        assert_eq!(records(&large, 5).collect::<Vec<_>>(), [2, 2, 1]);
    }
}
