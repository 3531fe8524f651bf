//! Cells, and their names.

use crate::Error;
use std::{fmt, str::FromStr};

/// What is measured: one backend on one network and data set under one set of conditions.
///
/// [`Cell::id`] is its name in every file; [`str::parse`] reads it back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// Backend name.
    pub backend: String,
    /// Network name.
    pub network: String,
    /// Data set id.
    pub dataset: String,
    /// Images in one batch, at least 1.
    pub batch: usize,
    /// Threads each role may use, at least 1.
    pub threads: usize,
    /// Link profile name.
    pub link: String,
    /// Images of the data set that a session classifies, at least 1.
    pub images: usize,
    /// Seed of the choice of images and of the backends' public randomness.
    pub seed: u64,
}

impl Cell {
    /// In the place of backend, data set and link of a network whose file could not be measured at all: none of them had it.
    pub const NONE: &str = "none";

    /// `backend/network/dataset/b<batch>/t<threads>/link/n<images>/s<seed>`.
    ///
    /// Unique and readable back when the names consist of ASCII letters, digits and `-_.+:@=`, as
    /// [`Store::append_session`](crate::Store::append_session) demands.
    #[must_use]
    pub fn id(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, network, dataset, batch, threads, link, images, seed } = self;
        write!(f, "{backend}/{network}/{dataset}/b{batch}/t{threads}/{link}/n{images}/s{seed}")
    }
}

impl FromStr for Cell {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self, Error> {
        let parts: Vec<&str> = id.split('/').collect();
        let [backend, network, dataset, batch, threads, link, images, seed] = parts[..] else {
            return Err(rejected(id, format!("it has {} parts instead of 8", parts.len())));
        };
        Ok(Self {
            backend: name(id, backend)?,
            network: name(id, network)?,
            dataset: name(id, dataset)?,
            batch: count(id, 'b', batch)?,
            threads: count(id, 't', threads)?,
            link: name(id, link)?,
            images: count(id, 'n', images)?,
            seed: number(id, 's', seed)?,
        })
    }
}

fn rejected(id: &str, reason: String) -> Error {
    Error::Cell { id: id.to_owned(), reason }
}

fn name(id: &str, part: &str) -> Result<String, Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.+:@=".contains(c);
    if !part.is_empty() && part.chars().all(allowed) {
        Ok(part.to_owned())
    } else {
        Err(rejected(id, format!("`{part}` is not a name of letters, digits and -_.+:@=")))
    }
}

fn number<T: FromStr + fmt::Display>(id: &str, prefix: char, part: &str) -> Result<T, Error> {
    part.strip_prefix(prefix)
        .and_then(|digits| digits.parse::<T>().ok().filter(|value| value.to_string() == digits))
        .ok_or_else(|| rejected(id, format!("`{part}` is not `{prefix}` and a number")))
}

fn count(id: &str, prefix: char, part: &str) -> Result<usize, Error> {
    match number(id, prefix, part)? {
        0 => Err(rejected(id, format!("`{part}` must be at least 1"))),
        count => Ok(count),
    }
}
