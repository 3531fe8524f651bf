//! The plot of bytes by phase.

use super::phases::{Bar, Quantity, phase_figure};
use crate::{
    drawing::figure::Figure,
    text::format::{bytes, count},
};
use veilbench_results::{Run, Summary};

/// Payload bytes by phase, with the rounds they took.
pub(crate) fn communication(run: &Run, rows: &[Summary]) -> Figure {
    phase_figure(
        run,
        rows,
        &Quantity {
            title: "Communication by phase",
            explained: "payload bytes between all roles, each byte once, and rounds (depth of dependent messages)",
            axis_label: "bytes sent (logarithmic)",
            format: bytes,
            tick: bytes,
            bars,
            value_width: 150.0,
            whiskers: false,
        },
    )
}

fn bars(row: &Summary) -> [Bar; 3] {
    [
        bar(row.setup_bytes, row.setup_rounds),
        bar(row.offline_bytes, row.offline_rounds),
        bar(row.online_bytes, row.online_rounds),
    ]
}

fn bar(value: Option<u64>, rounds: Option<u64>) -> Bar {
    let remark = match rounds {
        Some(1) => " · 1 round".to_owned(),
        Some(rounds) => format!(" · {} rounds", count(rounds)),
        None => String::new(),
    };
    Bar { value, interval: None, remark }
}
