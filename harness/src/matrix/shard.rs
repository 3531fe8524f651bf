//! `--shard I/N`: which part of the matrix this process measures, and how a launcher says so.

use std::fmt;
use std::str::FromStr;

use veilbench_results::{Cell, MOST_SHARDS, Run, ShardRecord};

use crate::error::Error;
use crate::external::note_external;
use crate::matrix::PlannedCell;

/// Variables in which launchers of many tasks number them, and the number of the first.
const INDICES: [(&str, usize); 3] =
    [("SLURM_ARRAY_TASK_ID", 1), ("JOB_COMPLETION_INDEX", 0), ("PARALLEL_SEQ", 1)];

/// What the option says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShardChoice {
    /// From 1; what the environment says if there is none.
    index: Option<usize>,
    of: usize,
}

/// One of several equal parts, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) of: usize,
}

impl FromStr for ShardChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || "expected I/N, from 1/N to N/N, or auto/N".to_owned();
        let (index, of) = text.split_once('/').ok_or_else(expected)?;
        let of = of.parse().map_err(|_| expected())?;
        if !(1..=MOST_SHARDS).contains(&of) {
            return Err(format!("a matrix is dealt to 1 to {MOST_SHARDS} shards"));
        }
        if index == "auto" {
            return Ok(Self { index: None, of });
        }
        let index = index.parse().map_err(|_| expected())?;
        if (1..=of).contains(&index) { Ok(Self { index: Some(index), of }) } else { Err(expected()) }
    }
}

impl ShardChoice {
    /// The shard of this process.
    ///
    /// # Errors
    /// [`Error::ShardIndex`] if it is left to the environment, which gives none, two, or one beyond the number of shards.
    pub(crate) fn resolve(self) -> Result<Shard, Error> {
        self.resolve_in(|name| std::env::var(name).ok())
    }

    fn resolve_in(self, variable: impl Fn(&str) -> Option<String>) -> Result<Shard, Error> {
        let Self { index, of } = self;
        if let Some(index) = index {
            return Ok(Shard { index, of });
        }
        let refuse = |reason: String| Err(Error::ShardIndex { of, reason });
        let given: Vec<(&str, usize, String)> =
            INDICES.iter().filter_map(|(name, first)| Some((*name, *first, variable(name)?))).collect();
        let [(name, first, value)] = given.as_slice() else {
            let names: Vec<&str> = given.iter().map(|(name, ..)| *name).collect();
            return refuse(match names.is_empty() {
                true => format!("neither {} is set", INDICES.map(|(name, _)| name).join(" nor ")),
                false => format!("{} are set together", names.join(" and ")),
            });
        };
        let (last, number) = (first + of - 1, value.parse::<usize>().ok());
        match number.filter(|number| (*first..=last).contains(number)) {
            Some(number) => Ok(Shard { index: number - first + 1, of }),
            None => refuse(format!("{name} is {value}, not {first} to {last}")),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

/// Returns the cells of one shard of a matrix, and puts the matrix into the run's description: every network and data
/// set of it, so that shards of different ones can say which.
pub(crate) fn deal<'a>(
    shard: Shard,
    cells: Vec<PlannedCell<'a>>,
    repetitions: usize,
    run: &mut Run,
) -> Vec<PlannedCell<'a>> {
    for planned in &cells {
        let workload = planned.workload;
        run.networks.insert(workload.name().to_owned(), workload.network_record());
        run.datasets.insert(workload.dataset().to_owned(), workload.dataset_record());
        note_external(planned, run);
    }
    let matrix: Vec<Cell> = cells.iter().map(|planned| planned.cell.clone()).collect();
    let others = cells.iter().filter(|planned| planned.repetitions != repetitions);
    let repetitions_of = others.map(|planned| (planned.cell.id(), planned.repetitions)).collect();
    let record = ShardRecord::new(run, &matrix, repetitions, repetitions_of, shard.index, shard.of);
    let shard_of = record.partition();
    run.shards = Some(record);
    cells.into_iter().filter(|planned| shard_of.get(&planned.cell.id()) == Some(&shard.index)).collect()
}

/// What a run on record is a shard of that is another now, with both.
pub(crate) fn difference(recorded: &Run, present: &Run) -> Option<String> {
    let said = |run: &Run| {
        let Some(ShardRecord { plan_sha256, of, present, .. }) = &run.shards else {
            return "no shard".to_owned();
        };
        let shards: Vec<String> = present.iter().map(usize::to_string).collect();
        let plan: String = plan_sha256.chars().take(12).collect();
        format!("shard {} of {of}, plan {plan}", shards.join("+"))
    };
    let (before, now) = (said(recorded), said(present));
    (before != now).then(|| format!("another part of a matrix ({before}; this is {now})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str, variables: &[(&str, &str)]) -> Result<Shard, String> {
        let variable = |name: &str| {
            let known = variables.iter().find(|(known, _)| *known == name);
            known.map(|(_, value)| (*value).to_owned())
        };
        text.parse::<ShardChoice>()?.resolve_in(variable).map_err(|error| error.to_string())
    }

    #[test]
    fn a_shard_is_a_number_up_to_how_many_there_are() {
        assert_eq!(resolved("3/8", &[]), Ok(Shard { index: 3, of: 8 }));
        assert_eq!(resolved("1/1", &[]).map(|shard| shard.to_string()), Ok("1/1".to_owned()));
        for wrong in ["0/8", "9/8", "1/0", "8", "a/8", "1/8/2", "-1/8", "1/100001", ""] {
            assert!(resolved(wrong, &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn slurm_and_parallel_count_from_one_and_kubernetes_from_zero() {
        let (slurm, kubernetes, parallel) = ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "PARALLEL_SEQ");
        assert_eq!(resolved("auto/8", &[(slurm, "8")]), Ok(Shard { index: 8, of: 8 }));
        assert_eq!(resolved("auto/8", &[(kubernetes, "0")]), Ok(Shard { index: 1, of: 8 }));
        assert_eq!(resolved("auto/8", &[(parallel, "8")]), Ok(Shard { index: 8, of: 8 }));
        assert_eq!(resolved("2/8", &[(kubernetes, "0")]), Ok(Shard { index: 2, of: 8 }));
        let told = |variables: &[(&str, &str)]| resolved("auto/8", variables).unwrap_err();
        assert!(told(&[(slurm, "0")]).contains("SLURM_ARRAY_TASK_ID is 0, not 1 to 8"));
        assert!(told(&[(kubernetes, "8")]).contains("JOB_COMPLETION_INDEX is 8, not 0 to 7"));
        assert!(told(&[(slurm, "x")]).contains("is x"));
        assert!(told(&[(parallel, "0")]).contains("PARALLEL_SEQ is 0, not 1 to 8"));
        assert!(
            told(&[])
                .contains("neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX nor PARALLEL_SEQ is set")
        );
        let two = told(&[(slurm, "1"), (parallel, "1")]);
        assert!(two.contains("SLURM_ARRAY_TASK_ID and PARALLEL_SEQ are set together"), "{two}");
    }
}
