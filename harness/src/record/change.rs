//! What sessions on record were measured with that is another now.

use veilbench_networks::text::shown;
use veilbench_results::{Cell, DatasetRecord, NetworkRecord, Store};

use crate::error::Error;
use crate::matrix::PlannedCell;

/// Characters of a digest that are told.
const TOLD: usize = 12;

/// A run goes on only with the networks, data sets and backends that its sessions were measured with.
///
/// # Errors
/// [`Error::Changed`] names the first that is another now, and what of it.
pub(crate) fn check(cells: &[PlannedCell<'_>], store: &Store) -> Result<(), Error> {
    let run = store.run();
    let recorded: Vec<Cell> =
        store.completed().iter().filter_map(|session| session.cell.parse().ok()).collect();
    let refuse = |name: &str, differences: Vec<String>, concerns: &dyn Fn(&Cell) -> bool| {
        let mut concerned = recorded.iter().filter(|cell| concerns(cell)).peekable();
        if differences.is_empty() || concerned.peek().is_none() {
            return Ok(());
        }
        let is_measured_anew = concerned.all(|cell| cells.iter().any(|planned| planned.cell == *cell));
        let (name, folder) = (name.to_owned(), store.folder().to_owned());
        Err(Error::Changed { name, folder, differences, is_measured_anew })
    };
    for workload in cells.iter().map(|planned| planned.workload) {
        let (network, dataset) = (workload.name(), workload.dataset());
        if let Some(known) = run.networks.get(network) {
            let differences = of_networks(known, &workload.network_record());
            refuse(network, differences, &|cell| cell.network == network)?;
        }
        if let Some(known) = run.datasets.get(dataset) {
            let differences = of_datasets(known, &workload.dataset_record());
            refuse(dataset, differences, &|cell| cell.dataset == dataset)?;
        }
    }
    // What is compiled in is the run's executable; of other backends the plan says what they are.
    for planned in cells.iter().filter(|planned| planned.backend.origin().is_some()) {
        let plan = planned.plan.as_ref().ok().and_then(|plan| serde_json::to_value(plan).ok());
        let known = run.plans.get(&planned.cell.id());
        if plan.is_some() && known.is_some() && plan.as_ref() != known {
            let differences = vec![format!("its plan of {} is another one", planned.cell)];
            refuse(&planned.cell.backend, differences, &|cell| *cell == planned.cell)?;
        }
    }
    Ok(())
}

fn short(digest: &str) -> &str {
    digest.get(..TOLD).unwrap_or(digest)
}

/// What differs of a network, each with what it is now and what it was.
fn of_networks(before: &NetworkRecord, now: &NetworkRecord) -> Vec<String> {
    let mut found = Vec::new();
    if before.sha256 != now.sha256 {
        found.push(format!(
            "its file has the SHA-256 {}, there {}",
            short(&now.sha256),
            short(&before.sha256)
        ));
    }
    if before.dataset != now.dataset {
        found.push(format!("it is measured on {}, there on {}", now.dataset, before.dataset));
    }
    let calibration = |record: &NetworkRecord| (record.calibrated_images, record.calibration_sha256.clone());
    if calibration(before) != calibration(now) {
        let from = |record: &NetworkRecord| match record.calibrated_images {
            0 => "its file".to_owned(),
            images => format!("{images} images"),
        };
        let other = if from(before) == from(now) { "others of " } else { "" };
        found.push(format!("its ranges are from {other}{}, there from {}", from(now), from(before)));
    }
    if before.classes != now.classes {
        let [now, before] = [now, before].map(|record| shown(&record.classes.join(", ")));
        found.push(format!("its classes are `{now}`, there `{before}`"));
    }
    if found.is_empty() && before.assumptions != now.assumptions {
        let of = |one: &NetworkRecord, other: &NetworkRecord| {
            let own = one.assumptions.iter().find(|line| !other.assumptions.contains(line));
            own.map_or_else(|| "nothing more".to_owned(), |line| format!("`{}`", shown(line)))
        };
        found.push(format!("of it is assumed {}, there {}", of(now, before), of(before, now)));
    }
    if found.is_empty() && before != now {
        found.push("its description is another one".into());
    }
    found
}

/// The same of a data set.
fn of_datasets(before: &DatasetRecord, now: &DatasetRecord) -> Vec<String> {
    let mut found = Vec::new();
    if before.fingerprint != now.fingerprint {
        let [now, before] =
            [now, before].map(|record| format!("{} ({})", record.images, short(&record.fingerprint)));
        found.push(format!("its images with their labels are {now}, there {before}"));
    } else if before != now {
        found.push("its description is another one".into());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_with_both_values() {
        let before = NetworkRecord {
            sha256: "a".repeat(64),
            dataset: "one".into(),
            assumptions: vec!["x".into()],
            ..NetworkRecord::default()
        };
        assert_eq!(of_networks(&before, &before), [""; 0]);
        let elsewhere = NetworkRecord { dataset: "two".into(), assumptions: Vec::new(), ..before.clone() };
        assert_eq!(of_networks(&before, &elsewhere), ["it is measured on two, there on one"]);
        let other = NetworkRecord { sha256: "b".repeat(64), calibrated_images: 3, ..before.clone() };
        let told = [
            "its file has the SHA-256 bbbbbbbbbbbb, there aaaaaaaaaaaa",
            "its ranges are from 3 images, there from its file",
        ];
        assert_eq!(of_networks(&before, &other), told);
        let read = NetworkRecord { assumptions: vec!["y".into()], ..before.clone() };
        assert_eq!(of_networks(&before, &read), ["of it is assumed `y`, there `x`"]);
        let images = DatasetRecord { fingerprint: "f".into(), images: 2, ..DatasetRecord::default() };
        let more = DatasetRecord { fingerprint: "g".into(), images: 3, ..images.clone() };
        assert_eq!(of_datasets(&images, &more), ["its images with their labels are 3 (g), there 2 (f)"]);
    }
}
