use crate::{Error, Finding, Row, Table};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// A row of a file in `results/published/`: figures from a paper, as printed there.
///
/// Empty means that the source does not say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Short name of the paper.
    pub paper: String,
    /// Year of publication.
    pub year: u16,
    /// System measured.
    pub system: String,
    /// Technology, as in `summary.csv`.
    pub technology: String,
    /// Network, in this project's names where it is the same architecture.
    pub network: String,
    /// Data set, in the source's words.
    pub dataset: String,
    /// Machines and network between them, in the source's words.
    pub hardware: String,
    /// Images in one batch.
    pub batch: Option<u64>,
    /// Time for one batch, nanoseconds.
    pub online_wall_ns: Option<u64>,
    /// Throughput, images an hour.
    pub images_per_hour: Option<f64>,
    /// Bytes exchanged for one batch.
    pub online_bytes: Option<u64>,
    /// Accuracy of the private answers, 0 to 1.
    pub accuracy: Option<f64>,
    /// Computational security, bits.
    pub security_bits: Option<u32>,
    /// Where the figures stand.
    pub citation: String,
    /// Why they cannot be held against a measured row as they are.
    pub not_comparable_because: String,
}

impl Row for Published {
    const FILE: &'static str = "published";
    const COLUMNS: &'static [&'static str] = &[
        "paper",
        "year",
        "system",
        "technology",
        "network",
        "dataset",
        "hardware",
        "batch",
        "online_wall_ns",
        "images_per_hour",
        "online_bytes",
        "accuracy",
        "security_bits",
        "citation",
        "not_comparable_because",
    ];
}

/// The files of `results/published/`, by name.
const FILES: [(&str, &str); 1] =
    [("cryptinfer-2021.csv", include_str!("../../published/cryptinfer-2021.csv"))];

impl Published {
    /// The rows this veilbench was built with.
    #[must_use]
    pub fn built_in() -> Vec<Self> {
        let tables = FILES.iter().map(|(_, text)| Table::<Self>::parse(text.as_bytes()));
        tables.flat_map(|table| table.rows).map(|(_, row)| row).collect()
    }

    /// The rows of every `.csv` in a folder, by file name, and what is wrong with the unreadable ones.
    ///
    /// # Errors
    /// The folder or a file in it cannot be read.
    pub fn load_all(folder: &Path) -> Result<(Vec<Self>, Vec<Finding>), Error> {
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
            let path = entry.map_err(Error::io("read", folder))?.path();
            if path.extension().is_some_and(|extension| extension == "csv") {
                paths.push(path);
            }
        }
        paths.sort();
        let (mut rows, mut findings) = (Vec::new(), Vec::new());
        for path in paths {
            let table = Table::<Self>::read(&path)?;
            rows.extend(table.rows.into_iter().map(|(_, row)| row));
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            findings
                .extend(table.findings.into_iter().map(|finding| Finding { file: file.clone(), ..finding }));
        }
        Ok((rows, findings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_in_is_what_the_folder_holds() {
        let (rows, findings) =
            Published::load_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("published")).unwrap();
        assert_eq!(findings, []);
        assert_eq!(Published::built_in(), rows);
    }
}
