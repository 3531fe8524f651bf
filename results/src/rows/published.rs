//! Figures that others printed, as they stand in their sources: `results/published/`, a file per paper or system.

use crate::{Error, Finding, Row, Severity, Table};
use serde::{Deserialize, Serialize};
use std::{fs, path::Path};

/// A row of a file in `results/published/`: figures from a paper or a repository, as printed there.
///
/// Empty means that the source does not say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Published {
    /// Short name of the paper or repository.
    pub paper: String,
    /// Year of publication, of a repository of the version cited.
    pub year: u16,
    /// System measured.
    pub system: String,
    /// Commit that holds the figure, or of the system measured, 40 hexadecimal digits; empty for a paper.
    pub commit: String,
    /// Technology.
    pub technology: PublishedTechnology,
    /// Network, in this project's names where it is the same architecture.
    pub network: String,
    /// Data set, in the source's words.
    pub dataset: String,
    /// Machines and network between them, in the source's words.
    pub hardware: String,
    /// Threads of each party.
    pub threads: Option<u64>,
    /// Images in one batch.
    pub batch: Option<u64>,
    /// Time for one batch, nanoseconds.
    pub online_wall_ns: Option<u64>,
    /// Throughput, images an hour.
    pub images_per_hour: Option<f64>,
    /// Bytes exchanged for one batch.
    pub online_bytes: Option<u64>,
    /// Peak memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Accuracy of the private answers, 0 to 1.
    pub accuracy: Option<f64>,
    /// Computational security, bits.
    pub security_bits: Option<u32>,
    /// Whether the parameters of the measured run were held to a security level. `no`: the code or the source says that the check was off.
    pub security_enforced: Known,
    /// Whether the party that computes on protected images held a key that reads them. `yes`: the code decrypts inside inference.
    pub key_on_server: Known,
    /// Where the figures stand: paper or file, with table, section or line.
    pub citation: String,
    /// Address of it.
    pub address: String,
    /// Why they cannot be held against a measured row as they are.
    pub not_comparable_because: String,
}

/// The technology of a published system: one that measured rows have too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishedTechnology {
    /// No protection.
    None,
    /// Trusted execution environment.
    Tee,
    /// Secure multi-party computation, whatever it is built from.
    Mpc,
    /// Homomorphic encryption.
    Fhe,
    /// Several of them.
    Hybrid,
}

/// What is known about a property of a published run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Known {
    /// It has the property.
    Yes,
    /// It has not.
    No,
    /// The source does not say.
    Unknown,
}

impl Row for Published {
    const FILE: &'static str = "published";
}

/// The files of `results/published/`, by name.
const FILES: [(&str, &str); 28] = [
    ("ace-phantom-2026.csv", include_str!("../../published/ace-phantom-2026.csv")),
    ("activate-me-2025.csv", include_str!("../../published/activate-me-2025.csv")),
    ("ant-ace-2025.csv", include_str!("../../published/ant-ace-2025.csv")),
    ("cheddar-2024.csv", include_str!("../../published/cheddar-2024.csv")),
    ("cheetah-2022.csv", include_str!("../../published/cheetah-2022.csv")),
    ("concrete-ml-2024.csv", include_str!("../../published/concrete-ml-2024.csv")),
    ("cryptflow-2020.csv", include_str!("../../published/cryptflow-2020.csv")),
    ("cryptinfer-2021.csv", include_str!("../../published/cryptinfer-2021.csv")),
    ("cryptodl-2017.csv", include_str!("../../published/cryptodl-2017.csv")),
    ("cryptonets-2016.csv", include_str!("../../published/cryptonets-2016.csv")),
    ("cryptonets-seal-2019.csv", include_str!("../../published/cryptonets-seal-2019.csv")),
    ("cukks-2026.csv", include_str!("../../published/cukks-2026.csv")),
    ("fhe-benchmarking-2025.csv", include_str!("../../published/fhe-benchmarking-2025.csv")),
    ("fheon-2025.csv", include_str!("../../published/fheon-2025.csv")),
    ("fusion-2022.csv", include_str!("../../published/fusion-2022.csv")),
    ("hcnn-2018.csv", include_str!("../../published/hcnn-2018.csv")),
    ("helayers-2020.csv", include_str!("../../published/helayers-2020.csv")),
    ("hyphen-2023.csv", include_str!("../../published/hyphen-2023.csv")),
    ("lola-2019.csv", include_str!("../../published/lola-2019.csv")),
    ("lowmemory-resnet20-2023.csv", include_str!("../../published/lowmemory-resnet20-2023.csv")),
    ("mal3pc-2024.csv", include_str!("../../published/mal3pc-2024.csv")),
    ("mp-spdz-2025.csv", include_str!("../../published/mp-spdz-2025.csv")),
    ("ngraph-he2-2019.csv", include_str!("../../published/ngraph-he2-2019.csv")),
    ("occlum-2022.csv", include_str!("../../published/occlum-2022.csv")),
    ("seconnds-2025.csv", include_str!("../../published/seconnds-2025.csv")),
    ("spu-2024.csv", include_str!("../../published/spu-2024.csv")),
    ("tenseal-2021.csv", include_str!("../../published/tenseal-2021.csv")),
    ("tf-trusted-2019.csv", include_str!("../../published/tf-trusted-2019.csv")),
];

impl Published {
    /// Returns the rows this veilbench was built with.
    #[must_use]
    pub fn built_in() -> Vec<Self> {
        let tables = FILES.iter().map(|(_, text)| Table::<Self>::parse(text.as_bytes()));
        tables.flat_map(|table| table.rows).map(|(_, row)| row).collect()
    }

    /// Returns the rows of every `.csv` in a folder, by file name, and what is wrong with the others: lines that cannot
    /// be read, and rows that [contradict](Self::complaint) what a published figure must say.
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
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            findings
                .extend(table.findings.into_iter().map(|finding| Finding { file: file.clone(), ..finding }));
            for (line, row) in table.rows {
                match row.complaint() {
                    None => rows.push(row),
                    Some(message) => {
                        let file = file.clone();
                        findings.push(Finding { file, line: Some(line), message, severity: Severity::Error });
                    }
                }
            }
        }
        Ok((rows, findings))
    }

    /// Returns what a row lacks or claims that it must not: a source, a figure, a reason, a share above one, a zero that
    /// stands for "not measured".
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let required = [
            ("paper", &self.paper),
            ("system", &self.system),
            ("network", &self.network),
            ("citation", &self.citation),
            ("not_comparable_because", &self.not_comparable_because),
        ];
        if let Some((column, _)) = required.iter().find(|(_, text)| text.trim().is_empty()) {
            return Some(format!("column {column}: empty"));
        }
        if !self.address.starts_with("https://") {
            return Some(format!("column address: `{}` is no https address", self.address));
        }
        let hexadecimal = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
        let is_commit = self.commit.len() == 40 && self.commit.bytes().all(hexadecimal);
        if !(self.commit.is_empty() || is_commit) {
            return Some(format!("column commit: `{}` is not 40 hexadecimal digits", self.commit));
        }
        if !(1980..=2100).contains(&self.year) {
            return Some(format!("column year: {} is no year of publication", self.year));
        }
        let shares = |share: f64| (0.0..=1.0).contains(&share);
        if let Some(accuracy) = self.accuracy.filter(|share| !shares(*share)) {
            return Some(format!("column accuracy: {accuracy} is not between 0 and 1"));
        }
        if let Some(rate) = self.images_per_hour.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
            return Some(format!("column images_per_hour: {rate} is no throughput"));
        }
        let counts = [
            ("threads", self.threads),
            ("batch", self.batch),
            ("online_wall_ns", self.online_wall_ns),
            ("online_bytes", self.online_bytes),
            ("memory_bytes", self.memory_bytes),
            ("security_bits", self.security_bits.map(u64::from)),
        ];
        if let Some((column, _)) = counts.iter().find(|(_, count)| *count == Some(0)) {
            return Some(format!("column {column}: 0; leave it empty where the source does not say"));
        }
        let figures =
            [self.online_wall_ns.is_some(), self.images_per_hour.is_some(), self.accuracy.is_some()];
        (!figures.contains(&true)).then(|| "no time, throughput or accuracy".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("published")
    }

    #[test]
    fn what_is_built_in_is_what_the_folder_holds() {
        let (rows, findings) = Published::load_all(&folder()).unwrap();
        assert_eq!(findings, []);
        assert_eq!(Published::built_in(), rows);
    }

    #[test]
    fn at_least_twenty_systems_have_forty_rows() {
        let rows = Published::built_in();
        let systems: HashSet<_> = rows.iter().map(|row| &row.system).collect();
        assert!(rows.len() >= 40 && systems.len() >= 20, "{} rows of {} systems", rows.len(), systems.len());
    }

    #[test]
    fn a_row_without_source_reason_or_figure_is_refused_by_column() {
        let whole = Published::built_in().remove(0);
        assert_eq!(whole.complaint(), None);
        type Damage = (&'static str, fn(&mut Published));
        let broken: [Damage; 9] = [
            ("citation", |row| row.citation = " ".into()),
            ("not_comparable_because", |row| row.not_comparable_because.clear()),
            ("address", |row| row.address = "http://example.org".into()),
            ("commit", |row| row.commit = "main".into()),
            ("year", |row| row.year = 24),
            ("accuracy", |row| row.accuracy = Some(92.4)),
            ("images_per_hour", |row| row.images_per_hour = Some(f64::NAN)),
            ("online_wall_ns", |row| row.online_wall_ns = Some(0)),
            ("no time", |row| (row.online_wall_ns, row.images_per_hour, row.accuracy) = (None, None, None)),
        ];
        for (word, damage) in broken {
            let mut row = whole.clone();
            damage(&mut row);
            let complaint = row.complaint().unwrap_or_default();
            assert!(complaint.contains(word), "{word}: {complaint}");
        }
    }

    #[test]
    fn values_that_no_column_knows_are_findings_with_file_and_line() {
        let scratch = tempfile::tempdir().unwrap();
        let text = FILES.iter().find(|(name, _)| *name == "cheddar-2024.csv").unwrap().1;
        let spoilt = [
            (",fhe,", ",quantum,", "technology"),
            (",unknown,unknown,", ",unknown,perhaps,", "key_on_server"),
            (",unknown,unknown,", ",off,unknown,", "security_enforced"),
            ("1360000000", "1.36 s", "online_wall_ns"),
        ];
        for (from, to, column) in spoilt {
            fs::write(scratch.path().join("spoilt.csv"), text.replacen(from, to, 1)).unwrap();
            let (rows, findings) = Published::load_all(scratch.path()).unwrap();
            assert_eq!(rows.len(), text.lines().count() - 2, "{column}: the other lines are read");
            let [finding] = findings.as_slice() else { panic!("{column}: {findings:?}") };
            assert_eq!((&*finding.file, finding.line), ("spoilt.csv", Some(2)));
            assert!(
                finding.message.contains(column) || finding.message.contains("unknown variant"),
                "{finding}"
            );
        }
    }
}
