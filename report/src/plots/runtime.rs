//! The plot of time by phase.

use super::phases::{Bar, Quantity, phase_figure};
use crate::{
    drawing::figure::Figure,
    text::format::{decimal_duration, duration},
};
use veilbench_results::{Run, Summary};

/// Wall-clock time by phase.
pub(crate) fn runtime(run: &Run, rows: &[Summary]) -> Figure {
    phase_figure(
        run,
        rows,
        &Quantity {
            title: "Runtime by phase",
            explained: "wall-clock time, from the common start to the last role's end; median, warm batches",
            axis_label: "wall-clock time (logarithmic)",
            format: duration,
            tick: decimal_duration,
            bars,
            value_width: 110.0,
            whiskers: true,
        },
    )
}

fn bars(row: &Summary) -> [Bar; 3] {
    let plain = |value| Bar { value, interval: None, remark: String::new() };
    let interval = row.online_wall_ns_low.zip(row.online_wall_ns_high);
    let remark = match (row.online_wall_ns, row.cold_online_wall_ns) {
        (None, Some(cold)) => format!(" warm; cold {}", duration(cold as f64)),
        _ => String::new(),
    };
    [
        plain(row.setup_wall_ns),
        plain(row.offline_wall_ns),
        Bar { value: row.online_wall_ns, interval, remark },
    ]
}
