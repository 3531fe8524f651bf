//! The summary as tables of text: a table a network, a row a cell.

use crate::{
    aggregate::groups::{Group, group_of},
    plots::{dataset, failure},
    text::format::{bytes, count, duration, figures, percent, small},
};
use std::collections::BTreeMap;
use veilbench_results::Summary;

pub(crate) const HEAD: [&str; 20] = [
    "backend",
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
pub(crate) const LEGEND: &str = "Times and bytes are of one batch, set-up of one session. Times are medians; offline and \
    online times are of warm batches, the online time is the data owner's from its start to its logits, with the 95 % \
    interval over sessions; images/s is the batch by its online time, sustained by offline and online work of all \
    roles. Bytes are those over the network, each once. A dash means that nothing was measured, or that there is \
    nothing to do; accuracy is stated from 50 images on. Rows marked busy shared the machine with other work. Rows of \
    different protection do not compare.";

/// The rows of each network and data set, as text.
pub(crate) fn tables(rows: &[Summary], groups: &[Group]) -> BTreeMap<String, Vec<[String; HEAD.len()]>> {
    let mut tables: BTreeMap<String, Vec<[String; HEAD.len()]>> = BTreeMap::new();
    for row in rows {
        let letter = group_of(groups, row).map_or_else(String::new, letter);
        tables.entry(format!("{}, {}", row.network, dataset(row))).or_default().push(cells(row, letter));
    }
    tables
}

fn cells(row: &Summary, protection: String) -> [String; HEAD.len()] {
    let time = |ns: Option<u64>| or_dash(ns, |ns| duration(ns as f64));
    let size = |size: Option<u64>| or_dash(size, |size| bytes(size as f64));
    let interval = |low: Option<String>, high: Option<String>| {
        low.zip(high).map_or_else(String::new, |(low, high)| format!(" ({low} to {high})"))
    };
    let online = match (row.online_wall_ns, row.cold_online_wall_ns) {
        (None, Some(cold)) => format!("cold only: {}", duration(cold as f64)),
        _ => {
            let ends = [row.online_wall_ns_low, row.online_wall_ns_high];
            let [low, high] = ends.map(|end| end.map(|ns| duration(ns as f64)));
            time(row.online_wall_ns) + &interval(low, high)
        }
    };
    let accuracy = or_dash(row.accuracy, percent)
        + &interval(row.accuracy_low.map(percent), row.accuracy_high.map(percent));
    [
        row.backend.clone(),
        protection,
        count(row.batch as u64),
        count(row.threads as u64),
        row.link.clone(),
        time(row.setup_wall_ns),
        time(row.offline_wall_ns),
        online,
        or_dash(row.images_per_second, figures),
        or_dash(row.images_per_second_sustained, figures),
        size(row.setup_bytes),
        size(row.offline_bytes),
        size(row.online_bytes),
        size(row.online_bytes_max_party),
        or_dash(row.online_rounds, count),
        size(row.peak_rss_bytes),
        accuracy,
        or_dash(row.agreement, percent),
        or_dash(row.max_logit_error, small),
        failure(row).unwrap_or_else(|| busy(row).unwrap_or_else(|| "ok".to_owned())),
    ]
}

/// Share of the machine's processor time that others may take before a row is marked.
const BUSY_SHARE: f64 = 0.1;

/// The mark of a row that was measured while other work took more than a tenth of the machine.
pub(crate) fn busy(row: &Summary) -> Option<String> {
    let share = row.others_cpu_share.filter(|share| *share > BUSY_SHARE)?;
    Some(format!("ok, busy: other work took {} of the machine", percent(share)))
}

fn or_dash<T>(value: Option<T>, format: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), format)
}

/// A, B, C, ... for groups.
pub(crate) fn letter(index: usize) -> String {
    let letter = char::from(b'A' + (index % 26) as u8);
    if index < 26 { letter.to_string() } else { format!("{letter}{}", index / 26) }
}
