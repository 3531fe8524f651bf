//! What plans predict today, held against the reference run and against cells that are measured anew. Times are predicted with
//! what `veilbench plan --calibrate-machine` measured on the machine of the reference run, after it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;

use std::path::Path;

use bench::Bench;
use veilbench_api::{Job, LinkProfile, Plan};
use veilbench_networks::zoo;
use veilbench_report::{predictions, summarise};
use veilbench_results::{Prediction, RunData, Status, Summary};

/// What the machine of the reference run takes for single steps, as `veilbench plan --calibrate-machine` measured it there.
const RATES: &str = include_str!("reference-rates.json");
/// Whether a cell sends and holds something else since the reference run, where its plan was recorded. It is held against a run of today
/// alone.
fn is_other_since(backend: &str, plan: &Plan, recorded: &serde_json::Value) -> bool {
    let (today, then) = (&plan.parameters, &recorded["parameters"]);
    // Answers of images across the slots are folded since, and keys may have long digits.
    let folded = today["layout"] == "latency" || !today["packed"].is_null();
    backend == "mpc-2pc" || (backend.starts_with("ckks") && (folded || today["scheme"] != then["scheme"]))
}

#[test]
fn cells_of_the_reference_run_are_predicted_within_a_quarter() {
    let rates: serde_json::Value = serde_json::from_str(RATES).unwrap();
    for backend in veilbench_backends::all() {
        if let Some(rates) = rates["backends"].get(&*backend.profile().name) {
            backend.adopt_rates(rates).unwrap();
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/runs/reference");
    let data = RunData::load(&folder).unwrap();
    let mut rows = summarise(&data);
    let mut run = data.run;
    let recorded = std::mem::take(&mut run.plans);
    for row in rows.iter_mut().filter(|row| row.status == Status::Ok) {
        let backends = veilbench_backends::all();
        let backend = backends.iter().find(|backend| backend.profile().name == row.backend).unwrap();
        let plan = backend.plan(&zoo::load(&row.network).unwrap().architecture, &job(row)).unwrap();
        if is_other_since(&row.backend, &plan, &recorded[&row.cell]) {
            continue;
        }
        // The noise of deep networks is drawn for the images of a run, of which there are none here.
        if row.backend == "ckks" && row.network == "cifar-resnet20-poly" {
            row.max_logit_error = None;
        }
        run.plans.insert(row.cell.clone(), serde_json::to_value(plan).unwrap());
    }
    let compared = predictions(&run, &rows);
    assert!(compared.len() >= 220, "only {} cells of the reference run are predicted", compared.len());
    hold(&compared);
}

/// Times are left out: they are predicted for the reference machine, and this one may do other work beside.
#[test]
fn bytes_memory_and_precision_of_a_run_of_today_are_predicted_within_a_quarter() {
    let bench = Bench::new();
    let networks = ["-n", "^mnist-cnn(-poly)?$", "-n", "^melanoma-lenet(-poly)?$"];
    let cells = ["-b", "ckks.*", "-b", "mpc.*", "--batches", "20", "--repetitions", "1", "--warmup", "0"];
    let output = bench.run(&[&networks[..], &cells[..]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let data = RunData::load(&bench.out()).unwrap();
    let mut rows = summarise(&data);
    for row in &mut rows {
        row.online_wall_ns = None;
    }
    let compared = predictions(&data.run, &rows);
    assert_eq!(
        compared.len(),
        37,
        "cells that backends can run and that take no longer than the profile allows"
    );
    for name in ["ckks", "ckks-client-aided", "mpc", "mpc-2pc", "mpc-beaver", "mpc-fss"] {
        assert!(compared.iter().any(|row| row.backend == name && row.peak_rss_bytes.is_some()), "{name}");
    }
    hold(&compared);
}

fn hold(compared: &[Prediction]) {
    for row in compared {
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

/// The conditions of a cell of the reference run.
fn job(row: &Summary) -> Job {
    let link: LinkProfile = row.link.parse().unwrap();
    Job::new(row.batch, row.threads, link)
}
