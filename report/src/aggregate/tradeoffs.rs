//! Which cell is better than which, asked only of cells that protect alike and share their conditions.

use crate::aggregate::groups::{Group, group_of};
use std::collections::BTreeMap;
use veilbench_results::Summary;

/// A cell of which no other that protects alike is better in both time and bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Efficient<'a> {
    pub(crate) row: &'a Summary,
    /// Index of the group.
    pub(crate) group: usize,
    /// Time of one image, nanoseconds.
    pub(crate) image_ns: f64,
    /// Bytes of one image.
    pub(crate) image_bytes: f64,
}

/// Where the batch grows until one backend overtakes another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BreakEven<'a> {
    /// The cell that is faster an image from here on, at the batch from which it is.
    pub(crate) winner: &'a Summary,
    /// The cell it overtakes, at the same batch.
    pub(crate) loser: &'a Summary,
    /// The largest measured batch at which it is still slower.
    pub(crate) still_slower_at: usize,
    /// Do both protect alike? If not, the point says where costs cross and not which is better.
    pub(crate) same_protection: bool,
}

/// What an image costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    /// The offline and the online phase of all roles.
    Work,
    /// The online phase alone, as the data owner waits for it.
    Online,
}

impl Cost {
    /// Time in nanoseconds and bytes of one image; none if either was not measured.
    pub(crate) fn of(self, row: &Summary) -> Option<(f64, f64)> {
        let (time, bytes) = match self {
            Self::Work => (row.work_ns()?, row.work_bytes()?),
            Self::Online => (row.online_wall_ns?, row.online_bytes?),
        };
        let images = row.batch.max(1) as f64;
        Some((time as f64 / images, bytes as f64 / images))
    }
}

/// The Pareto fronts of time against bytes of one image: one for every network, data set, link, machine and group.
///
/// Backends, batches and threads compete; cells that failed do not.
pub(crate) fn pareto<'a>(rows: &'a [Summary], groups: &[Group], cost: Cost) -> Vec<Efficient<'a>> {
    let mut fields: BTreeMap<(&str, &str, &str, &str, usize), Vec<Efficient<'a>>> = BTreeMap::new();
    for row in rows {
        let Some((group, (image_ns, image_bytes))) = group_of(groups, row).zip(cost.of(row)) else {
            continue;
        };
        let point = Efficient { row, group, image_ns, image_bytes };
        fields.entry((&row.network, &row.dataset, &row.link, &row.machine, group)).or_default().push(point);
    }
    fields.into_values().flat_map(front).collect()
}

fn front(mut points: Vec<Efficient<'_>>) -> Vec<Efficient<'_>> {
    points.sort_by(|a, b| a.image_ns.total_cmp(&b.image_ns).then(a.image_bytes.total_cmp(&b.image_bytes)));
    let mut least = f64::INFINITY;
    points.retain(|point| {
        let better = point.image_bytes < least;
        least = least.min(point.image_bytes);
        better
    });
    points
}

/// Every pair of backends whose order by offline and online time an image changes once, and for good, as the batch grows.
///
/// Measured batches of one machine only: the true point is above `still_slower_at` and at most the winner's batch.
pub(crate) fn break_even<'a>(rows: &'a [Summary], groups: &[Group]) -> Vec<BreakEven<'a>> {
    type Conditions<'a> = (&'a str, &'a str, &'a str, &'a str, usize);
    type ByBatch<'a> = BTreeMap<usize, &'a Summary>;
    let mut fields: BTreeMap<Conditions<'a>, BTreeMap<&str, ByBatch<'a>>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.work_ns().is_some()) {
        let field =
            fields.entry((&row.network, &row.dataset, &row.link, &row.machine, row.threads)).or_default();
        field.entry(&row.backend).or_default().entry(row.batch).or_insert(row);
    }
    let mut found = Vec::new();
    for backends in fields.values() {
        for (name, winner) in backends {
            for (other, loser) in backends {
                if name != other {
                    found.extend(overtakes(winner, loser, groups));
                }
            }
        }
    }
    found
}

fn overtakes<'a>(
    winner: &BTreeMap<usize, &'a Summary>,
    loser: &BTreeMap<usize, &'a Summary>,
    groups: &[Group],
) -> Option<BreakEven<'a>> {
    // Both at one batch, so an image's time orders as a batch's does.
    let shared: Vec<(usize, &Summary, &Summary)> =
        winner.iter().filter_map(|(batch, row)| Some((*batch, *row, *loser.get(batch)?))).collect();
    let faster = |(_, a, b): &(usize, &Summary, &Summary)| a.work_ns() < b.work_ns();
    let from = shared.iter().position(faster).filter(|from| *from > 0)?;
    if !shared[from..].iter().all(faster) {
        return None;
    }
    let (_, winner, loser) = shared[from];
    Some(BreakEven {
        winner,
        loser,
        still_slower_at: shared[from - 1].0,
        same_protection: group_of(groups, winner) == group_of(groups, loser),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::groups::groups;

    fn row(backend: &str, model: &str, batch: usize, ns: u64, bytes: u64) -> Summary {
        Summary {
            backend: backend.to_owned(),
            threat_model: model.to_owned(),
            batch,
            online_wall_ns: Some(ns),
            online_bytes: Some(bytes),
            ..Summary::default()
        }
    }

    #[test]
    fn a_front_never_leaves_its_threat_model() {
        let rows = [
            row("a", "x", 1, 10, 100),
            row("b", "x", 1, 20, 50),
            row("c", "x", 1, 30, 60),
            row("d", "x", 1, 20, 70),
            row("e", "y", 1, 1_000, 1_000),
        ];
        let groups = groups(&rows);
        let names: Vec<&str> =
            pareto(&rows, &groups, Cost::Work).iter().map(|point| &*point.row.backend).collect();
        assert_eq!(names, ["a", "b", "e"], "c and d are dominated by b, e by nothing of its kind");
    }

    #[test]
    fn neither_fronts_nor_break_even_points_cross_machines() {
        let on = |machine: &str, row: Summary| Summary { machine: machine.to_owned(), ..row };
        let rows = |other: &str| {
            [
                on("m", row("a", "x", 1, 10, 100)),
                on(other, row("a", "x", 8, 200, 800)),
                on("m", row("b", "x", 1, 20, 200)),
                on(other, row("b", "x", 8, 100, 1_000)),
            ]
        };
        for (other, front, crossings) in [("m", 1, 1), ("n", 3, 0)] {
            let rows = rows(other);
            let groups = groups(&rows);
            assert_eq!(
                (pareto(&rows, &groups, Cost::Work).len(), break_even(&rows, &groups).len()),
                (front, crossings)
            );
        }
    }

    #[test]
    fn a_front_of_the_online_phase_leaves_offline_work_out() {
        let offline =
            Summary { offline_wall_ns: Some(100), offline_bytes: Some(100), ..row("a", "x", 1, 10, 10) };
        let rows = [offline, row("b", "x", 1, 20, 20)];
        let groups = groups(&rows);
        let names = |cost| {
            pareto(&rows, &groups, cost).iter().map(|point| point.row.backend.clone()).collect::<Vec<_>>()
        };
        assert_eq!((names(Cost::Work), names(Cost::Online)), (vec!["b".to_owned()], vec!["a".to_owned()]));
    }

    #[test]
    fn a_backend_breaks_even_between_the_last_batch_it_loses_and_the_first_it_wins_for_good() {
        let rows = [
            row("batched", "x", 1, 100, 0),
            row("batched", "x", 8, 110, 0),
            row("batched", "x", 64, 130, 0),
            row("plain", "y", 1, 10, 0),
            row("plain", "y", 8, 80, 0),
            row("plain", "y", 64, 640, 0),
        ];
        let groups = groups(&rows);
        let found = break_even(&rows, &groups);
        assert_eq!(found.len(), 1);
        let BreakEven { winner, loser, still_slower_at, same_protection } = &found[0];
        assert_eq!((&*winner.backend, &*loser.backend, winner.batch), ("batched", "plain", 64));
        assert_eq!((*still_slower_at, *same_protection), (8, false));
    }

    #[test]
    fn an_order_that_changes_twice_has_no_break_even_point() {
        let times = [(1, 10, 20), (8, 30, 20), (64, 10, 20)];
        let rows: Vec<Summary> = times
            .iter()
            .flat_map(|(batch, a, b)| [row("a", "x", *batch, *a, 0), row("b", "x", *batch, *b, 0)])
            .collect();
        assert_eq!(break_even(&rows, &groups(&rows)), []);
    }
}
