//! Figures of hardware that was not there, kept in files and a plot of their own: `modelled.csv` beside the
//! measured online times, and a what-if curve over the size of the model.
//!
//! Constants are those of [`ModelledHardware`] in a cell's plan, each with its basis; a run
//! without such plans gets none of these files.

mod curve;

use crate::{
    Error,
    drawing::render::{render_png, render_svg},
};
use std::path::{Path, PathBuf};
use veilbench_results::{
    Modelled, ModelledHardware, ModelledSize, PlanFigures, Row, Run, Summary, write_table,
};

const PAGE_BYTES: f64 = 4096.0;

/// What a plan says of the hardware.
struct Constants(ModelledHardware);

impl std::ops::Deref for Constants {
    type Target = ModelledHardware;

    fn deref(&self) -> &ModelledHardware {
        &self.0
    }
}

impl Constants {
    /// Those of a cell, if its backend models anything.
    fn of(run: &Run, cell: &str) -> Option<Self> {
        PlanFigures::of(run.plans.get(cell)?).modelled.map(Self)
    }

    /// Nanoseconds of this many cycles: the least on the fastest clock.
    fn nanoseconds(&self, low: f64, high: f64) -> (u64, u64) {
        (whole(low / self.clock_hertz.high * 1e9), whole(high / self.clock_hertz.low * 1e9))
    }

    fn calls(&self) -> (u64, u64) {
        let calls = self.calls_per_request;
        self.nanoseconds(calls * self.call_cycles.low, calls * self.call_cycles.high)
    }

    /// Beyond the protected memory, at least what does not fit is swapped once a request; at most
    /// everything, as when pages are reached in a circle and the oldest goes first.
    fn paging(&self, low: f64, high: f64) -> (u64, u64) {
        let least = ((low - self.epc_bytes.high).max(0.0) / PAGE_BYTES).ceil();
        let most = if high > self.epc_bytes.low { (high / PAGE_BYTES).ceil() } else { 0.0 };
        self.nanoseconds(least * self.page_swap_cycles.low, most * self.page_swap_cycles.high)
    }

    fn bases(&self) -> String {
        let ranges = [
            ("calls", &self.call_cycles),
            ("page swaps", &self.page_swap_cycles),
            ("protected memory", &self.epc_bytes),
            ("memory encryption", &self.memory_encryption_share),
            ("memory speed", &self.memory_bytes_per_second),
            ("clock", &self.clock_hertz),
            ("working set", &self.working_set_bytes),
        ];
        ranges.map(|(what, range)| format!("{what}: {}", range.basis)).join("; ")
    }

    fn cell(&self, row: &Summary) -> Modelled {
        let (calls_low, calls_high) = self.calls();
        let set = &self.working_set_bytes;
        let (paging_low, paging_high) = self.paging(set.low, set.high);
        let share = |share: f64| row.online_wall_ns.map(|measured| whole(measured as f64 * share));
        let encryption = (share(self.memory_encryption_share.low), share(self.memory_encryption_share.high));
        let all = |added: u64, encryption: Option<u64>| Some(row.online_wall_ns? + added + encryption?);
        Modelled {
            cell: row.cell.clone(),
            backend: row.backend.clone(),
            network: row.network.clone(),
            batch: row.batch,
            modelled_working_set_bytes_low: whole(set.low),
            modelled_working_set_bytes_high: whole(set.high),
            modelled_calls_ns_low: calls_low,
            modelled_calls_ns_high: calls_high,
            modelled_paging_ns_low: paging_low,
            modelled_paging_ns_high: paging_high,
            modelled_memory_encryption_ns_low: encryption.0,
            modelled_memory_encryption_ns_high: encryption.1,
            modelled_online_wall_ns_low: all(calls_low + paging_low, encryption.0),
            modelled_online_wall_ns_high: all(calls_high + paging_high, encryption.1),
            modelled_basis: self.bases(),
        }
    }

    /// A model of this many bytes, its weights in memory once or twice and read once a request.
    fn size(&self, model_bytes: u64) -> ModelledSize {
        let bytes = model_bytes as f64;
        let (modelled_calls_ns_low, modelled_calls_ns_high) = self.calls();
        let (modelled_paging_ns_low, modelled_paging_ns_high) = self.paging(bytes, 2.0 * bytes);
        let (share, speed) = (&self.memory_encryption_share, &self.memory_bytes_per_second);
        ModelledSize {
            modelled_model_bytes: model_bytes,
            modelled_calls_ns_low,
            modelled_calls_ns_high,
            modelled_paging_ns_low,
            modelled_paging_ns_high,
            modelled_memory_encryption_ns_low: whole(share.low * bytes / speed.high * 1e9),
            modelled_memory_encryption_ns_high: whole(share.high * bytes / speed.low * 1e9),
        }
    }
}

/// To the nearest whole number; what is no number is none.
fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// Sizes of models for the curve: 1 MB to 4 GB, eight in a doubling.
fn sizes() -> impl Iterator<Item = u64> {
    (0..=96).map(|step| whole(2f64.powf(20.0 + f64::from(step) / 8.0)))
}

/// Writes the files of a run in which a backend models hardware; returns their paths.
pub(crate) fn write(folder: &Path, plots: &Path, run: &Run, rows: &[Summary]) -> Result<Vec<PathBuf>, Error> {
    let cells: Vec<_> = rows
        .iter()
        .filter_map(|row| Constants::of(run, &row.cell).map(|constants| (constants.cell(row), constants)))
        .collect();
    let Some((_, constants)) = cells.first() else { return Ok(Vec::new()) };
    let curve: Vec<_> = sizes().map(|bytes| constants.size(bytes)).collect();
    let figure = curve::curve(run, constants, &curve);
    let table: Vec<_> = cells.into_iter().map(|(row, _)| row).collect();
    let files = [
        folder.join(Modelled::FILE),
        folder.join(ModelledSize::FILE),
        plots.join("modelled-model-size.svg"),
        plots.join("modelled-model-size.png"),
    ];
    write_table(&files[0], &table)?;
    write_table(&files[1], &curve)?;
    render_svg(&figure, &files[2])?;
    render_png(&figure, &files[3])?;
    Ok(files.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constants() -> Constants {
        let range = |low: f64, high: f64| serde_json::json!({ "low": low, "high": high, "basis": "test" });
        let all = serde_json::json!({
            "calls_per_request": 1,
            "call_cycles": range(8_200.0, 17_000.0),
            "page_swap_cycles": range(40_000.0, 40_000.0),
            "epc_bytes": range(134_217_728.0, 134_217_728.0),
            "memory_encryption_share": range(0.0, 0.2),
            "memory_bytes_per_second": range(10e9, 20e9),
            "clock_hertz": range(2.5e9, 4e9),
            "working_set_bytes": range(1e6, 2e6),
        });
        PlanFigures::of(&serde_json::json!({ "modelled": all })).modelled.map(Constants).unwrap()
    }

    #[test]
    fn a_small_model_costs_a_call_and_no_paging() {
        let row = Summary { online_wall_ns: Some(100_000), ..Summary::default() };
        let modelled = constants().cell(&row);
        assert_eq!((modelled.modelled_calls_ns_low, modelled.modelled_calls_ns_high), (2_050, 6_800));
        assert_eq!(modelled.modelled_paging_ns_high, 0);
        assert_eq!(modelled.modelled_online_wall_ns_low, Some(102_050));
        assert_eq!(modelled.modelled_online_wall_ns_high, Some(126_800));
        let unmeasured = constants().cell(&Summary::default());
        assert_eq!(unmeasured.modelled_online_wall_ns_high, None);
    }

    #[test]
    fn paging_begins_where_protected_memory_ends() {
        let at = |mebibytes: u64| constants().size(mebibytes << 20);
        assert_eq!((at(64).modelled_paging_ns_low, at(64).modelled_paging_ns_high), (0, 0));
        let beyond = at(129);
        assert_eq!(beyond.modelled_paging_ns_low, 256 * 10_000, "256 pages of 40,000 cycles at 4 GHz");
        assert_eq!(beyond.modelled_paging_ns_high, 2 * 129 * 256 * 16_000, "every page at 2.5 GHz");
        assert!(at(4_096).modelled_paging_ns_low > at(1_024).modelled_paging_ns_low);
        assert_eq!(at(1_000).modelled_memory_encryption_ns_low, 0);
        assert_eq!(at(1_000).modelled_memory_encryption_ns_high, 20_971_520);
    }

    #[test]
    fn a_run_without_modelled_plans_gets_no_files() {
        let nowhere = Path::new("/nonexistent");
        assert!(write(nowhere, nowhere, &Run::default(), &[Summary::default()]).unwrap().is_empty());
    }
}
