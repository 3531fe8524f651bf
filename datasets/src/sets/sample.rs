//! What stands in for data that is not there: real digits, and generated look-alikes.

use crate::sets::{cifar_jpeg, mnist, synthetic};
use crate::{Dataset, Error, Split};
use std::path::Path;

/// The sample of the data set called `base`, with `-sample` behind its id.
///
/// MNIST: 500 real digits of each half. The others: look-alikes, marked `synthetic`.
pub(crate) fn dataset(base: &str, split: Split) -> Result<Dataset, Error> {
    let mut dataset = match base {
        "mnist" => digits(split)?,
        "malaria" | "malaria-patient" => synthetic::cells(split),
        "melanoma" => synthetic::lesions(split),
        "cifar10" | cifar_jpeg::ID => synthetic::objects(split),
        _ => return Err(Error::UnknownDataset { id: format!("{base}-sample") }),
    };
    dataset.id = format!("{base}-sample");
    Ok(dataset)
}

fn digits(split: Split) -> Result<Dataset, Error> {
    let (images, labels): (&[u8], &[u8]) = match split {
        Split::Train => (
            include_bytes!("../../sample/train-images-idx3-ubyte.gz"),
            include_bytes!("../../sample/train-labels-idx1-ubyte.gz"),
        ),
        Split::Test => (
            include_bytes!("../../sample/t10k-images-idx3-ubyte.gz"),
            include_bytes!("../../sample/t10k-labels-idx1-ubyte.gz"),
        ),
    };
    let embedded = Path::new("the embedded sample");
    mnist::decode("mnist", (embedded, images), (embedded, labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IDS;

    #[test]
    fn every_data_set_has_a_sample_of_both_halves() {
        for id in IDS {
            for split in [Split::Train, Split::Test] {
                let sample = dataset(id, split).unwrap();
                assert_eq!(sample.id, format!("{id}-sample"));
                assert!(sample.len() >= 100);
                assert_eq!(sample.synthetic, id != "mnist");
            }
        }
    }

    #[test]
    fn the_digits_are_mnists_own() {
        let test = dataset("mnist", Split::Test).unwrap();
        assert_eq!((test.len(), test.labels[0]), (500, 7));
        assert_eq!(test.fingerprint(), "9c654756cb21d463c1a701e80169bb41cd51d1972614c39fee7f90c4f7cc4ac4");
        assert_ne!(test.pixels, dataset("mnist", Split::Train).unwrap().pixels);
    }
}
