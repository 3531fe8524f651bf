//! The summary as a README has room for it: a table a network of the smallest batches on loopback.

use crate::{
    format::{bytes, count, duration, percent},
    groups::{group_of, groups},
    markdown::{escaped, line},
    plots::{dataset, failure, machine},
    table::letter,
};
use std::collections::BTreeMap;
use veilbench_results::{Run, Status, Summary};

const HEAD: [&str; 12] = [
    "network",
    "backend",
    "protection",
    "batch",
    "setup",
    "offline",
    "online",
    "offline bytes",
    "online bytes",
    "rounds",
    "accuracy",
    "agreement",
];

/// One row for each network and backend, and what the letters of protection stand for.
pub(crate) fn readme_tables(run: &Run, rows: &[Summary]) -> String {
    let groups = groups(rows);
    let mut chosen: BTreeMap<(&str, &str, usize, &str), &Summary> = BTreeMap::new();
    for row in rows {
        let group = group_of(&groups, row).unwrap_or(0);
        let place = chosen.entry((&row.network, &row.dataset, group, &row.backend)).or_insert(row);
        if preference(row) < preference(place) {
            *place = row;
        }
    }
    let mut text = format!(
        "{}. Medians of one batch, the smallest measured, with one thread a role where measured; rows of different \
         protection do not compare.\n\n",
        escaped(&machine(run))
    );
    text += &line(&HEAD.map(str::to_owned));
    text += &line(&HEAD.map(|_| "---".to_owned()));
    for ((_, _, group, _), row) in chosen {
        text += &line(&cells(row, letter(group)).map(|cell| escaped(&cell)));
    }
    text += "\n";
    for (index, group) in groups.iter().enumerate() {
        let (letter, name) = (letter(index), group.name());
        text += &escaped(&format!("{letter}: {name}, {}", group.protection()));
        text += if index + 1 < groups.len() { "  \n" } else { "\n" };
    }
    text
}

/// Loopback before other links, what worked before what failed, then the smallest batch and the fewest threads.
fn preference(row: &Summary) -> (bool, bool, usize, usize, &str) {
    (row.link != "loopback", row.status != Status::Ok, row.batch, row.threads, &row.cell)
}

fn cells(row: &Summary, protection: String) -> [String; HEAD.len()] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let time = |ns: Option<u64>| or_dash(ns.map(|ns| duration(ns as f64)));
    let online = match (row.online_wall_ns, failure(row)) {
        (None, Some(failure)) => failure,
        (online, _) => time(online),
    };
    [
        format!("{}, {}", row.network, dataset(row)),
        row.backend.clone(),
        protection,
        count(row.batch as u64),
        time(row.setup_wall_ns),
        time(row.offline_wall_ns),
        online,
        or_dash(row.offline_bytes.map(|size| bytes(size as f64))),
        or_dash(row.online_bytes.map(|size| bytes(size as f64))),
        or_dash(row.online_rounds.map(count)),
        or_dash(
            row.accuracy.map(|share| format!("{} of {}", percent(share), count(row.images_answered as u64))),
        ),
        or_dash(row.agreement.map(percent)),
    ]
}
