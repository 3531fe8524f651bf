//! Rows that are there twice: the first counts.

use crate::check::Tables;
use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    hash::Hash,
};

/// Line numbers, in each table, of rows that repeat another, and of the row each repeats.
pub(crate) struct Repeats {
    pub(crate) samples: BTreeMap<usize, usize>,
    pub(crate) traffic: BTreeMap<usize, usize>,
    pub(crate) answers: BTreeMap<usize, usize>,
}

impl Repeats {
    pub(crate) fn of(tables: &Tables) -> Self {
        Self {
            samples: repeats(&tables.samples, |row| {
                (&row.cell, row.repetition, row.iteration, row.phase, &row.span, &row.role)
            }),
            traffic: repeats(&tables.traffic, |row| {
                (&row.cell, row.repetition, row.iteration, row.phase, &row.from, &row.to)
            }),
            answers: repeats(&tables.answers, |row| (&row.cell, row.repetition, row.iteration, row.image)),
        }
    }
}

fn repeats<'a, R, K: Hash + Eq>(rows: &'a [(usize, R)], key: impl Fn(&'a R) -> K) -> BTreeMap<usize, usize> {
    let mut seen = HashMap::with_capacity(rows.len());
    let mut repeats = BTreeMap::new();
    for (line, row) in rows {
        match seen.entry(key(row)) {
            Entry::Occupied(first) => {
                repeats.insert(*line, *first.get());
            }
            Entry::Vacant(place) => {
                place.insert(*line);
            }
        }
    }
    repeats
}
