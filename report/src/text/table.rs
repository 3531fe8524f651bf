//! The summary as tables of text: a table per task, a row per cell.

use crate::{
    aggregate::groups::{Group, group_of},
    aggregate::tasks::{Task, by_task},
    text::figures::{cold_only, figure},
    text::format::count,
    text::outcome::remark,
    text::refusals::{Refusal, is_refused, refusals},
};
use veilbench_results::Summary;

pub(crate) const HEAD: [&str; 21] = [
    "backend",
    "network",
    "protection",
    "batch",
    "threads",
    "link",
    "setup",
    "offline",
    "online (95 %)",
    "images/s",
    "images/s sustained",
    "setup bytes",
    "offline bytes",
    "online bytes",
    "most by one",
    "rounds",
    "peak memory",
    "accuracy (95 %)",
    "agreement",
    "max logit error",
    "status",
];

/// What a reader must know of every table.
pub(crate) const LEGEND: &str = "Times and bytes are of one batch, setup of one session. Times are medians; offline and \
    online times are of warm batches, the online time is the data owner's from its start to its logits, with the 95 % \
    interval over sessions; images/s is the batch by its online time, sustained by offline and online work of all \
    roles. Bytes are those over the network, each once: payload, by the count of veilbench's links; where they are marked \
    (kernel) every byte on the interfaces between the roles, and where marked (self-reported) what the system says. A dash \
    means that nothing was measured, or that there is nothing to do; accuracy is stated from 50 images on. Rows marked wrong \
    gave other answers than the clear network, those marked inexact logits further off than stated, rows marked busy shared the machine with other work. Rows of different protection do not compare.";

/// What a report says of one task: a network and its twin with polynomials.
pub(crate) struct TaskTable<'a> {
    pub(crate) title: String,
    /// A row per cell that was run.
    pub(crate) rows: Vec<[String; HEAD.len()]>,
    /// What was not run, once for each backend and network.
    pub(crate) refusals: Vec<Refusal<'a>>,
}

/// The rows as text, task by task.
pub(crate) fn tables<'a>(rows: &'a [Summary], groups: &[Group]) -> Vec<TaskTable<'a>> {
    by_task(rows)
        .chunk_by(|a, b| Task::of(a) == Task::of(b))
        .map(|rows| TaskTable {
            title: Task::of(rows[0]).title(),
            rows: rows.iter().filter(|row| !is_refused(row)).map(|row| cells(row, groups)).collect(),
            refusals: refusals(rows),
        })
        .collect()
}

fn cells(row: &Summary, groups: &[Group]) -> [String; HEAD.len()] {
    let text = |column| figure(row, column).unwrap_or_else(|| "–".to_owned());
    let with_interval = |column, interval| match figure(row, interval) {
        Some(interval) => format!("{} ({interval})", text(column)),
        None => text(column),
    };
    let online = cold_only(row).unwrap_or_else(|| with_interval("online_wall_ns", "online_wall_ns_interval"));
    [
        row.backend.clone(),
        row.network.clone(),
        group_of(groups, row).map_or_else(String::new, letter),
        count(row.batch as u64),
        count(row.threads as u64),
        row.link.clone(),
        text("setup_wall_ns"),
        text("offline_wall_ns"),
        online,
        text("images_per_second"),
        text("images_per_second_sustained"),
        text("setup_bytes"),
        text("offline_bytes"),
        text("online_bytes"),
        text("online_bytes_max_party"),
        text("online_rounds"),
        text("peak_rss_bytes"),
        with_interval("accuracy", "accuracy_interval"),
        text("agreement"),
        text("max_logit_error"),
        remark(row).unwrap_or_else(|| "ok".to_owned()),
    ]
}

/// A, B, C, ... for groups.
pub(crate) fn letter(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    if index < 26 { letter.to_string() } else { format!("{letter}{}", index / 26) }
}
