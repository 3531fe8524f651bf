//! What plans predict today, held against the reference run. Constants of the cost model were corrected by that very run, so this
//! keeps them from drifting; how good they are on what they have not seen, the next run's `predictions.csv` says.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use veilbench_api::{Job, LinkProfile};
use veilbench_networks::zoo;
use veilbench_report::{predictions, summarise};
use veilbench_results::{RunData, Status, Summary};

#[test]
fn every_cell_of_the_reference_run_is_predicted_within_a_quarter() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/runs/reference");
    let data = RunData::load(&folder).unwrap();
    let rows = summarise(&data);
    let mut run = data.run;
    run.plans.clear();
    for row in rows.iter().filter(|row| row.status == Status::Ok) {
        let backends = veilbench_backends::all();
        let backend = backends.iter().find(|backend| backend.profile().name == row.backend).unwrap();
        let plan = backend.plan(&zoo::load(&row.network).unwrap().architecture, &job(row)).unwrap();
        run.plans.insert(row.cell.clone(), serde_json::to_value(plan).unwrap());
    }
    let compared = predictions(&run, &rows);
    assert!(compared.len() >= 200, "only {} cells of the reference run are predicted", compared.len());
    for row in &compared {
        // A figure that is no longer predicted would be within any bound.
        let exact = [row.predicted_setup_bytes, row.predicted_online_bytes, row.predicted_peak_rss_bytes];
        assert!(exact.iter().all(Option::is_some), "{}: bytes or memory are not predicted", row.cell);
        let timed = row.predicted_online_wall_ns.is_some() && row.predicted_precision_bits.is_some();
        assert!(
            timed || !row.backend.starts_with("ckks"),
            "{}: time or precision is not predicted",
            row.cell
        );
        let dealt = row.predicted_offline_bytes.is_some() || !row.backend.starts_with("mpc");
        assert!(dealt, "{}: bytes of the offline phase are not predicted", row.cell);
        let share = |predicted: Option<u64>, measured: Option<u64>| {
            predicted
                .zip(measured)
                .map_or(f64::NAN, |(predicted, measured)| measured as f64 / predicted as f64)
        };
        println!(
            "{}: time {:.2}, keys {:.2}, bytes {:.2} and offline {:.2}, memory {:.2}, bits {:.1} where {:.1} were predicted",
            row.cell,
            share(row.predicted_online_wall_ns, row.online_wall_ns),
            share(row.predicted_setup_bytes, row.setup_bytes),
            share(row.predicted_online_bytes, row.online_bytes),
            share(row.predicted_offline_bytes, row.offline_bytes),
            share(row.predicted_peak_rss_bytes, row.peak_rss_bytes),
            row.precision_bits.unwrap_or(f64::NAN),
            row.predicted_precision_bits.unwrap_or(f64::NAN),
        );
    }
    let off: Vec<String> = compared
        .iter()
        .filter(|row| !row.off.is_empty())
        .map(|row| format!("{}: {}", row.cell, row.off))
        .collect();
    assert!(off.is_empty(), "more than a quarter off:\n{}", off.join("\n"));
}

fn job(row: &Summary) -> Job {
    let link: LinkProfile = row.link.parse().unwrap();
    Job::new(row.batch, row.threads, link)
}
