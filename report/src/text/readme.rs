//! The summary as a README has room for it: what one image costs, a row for each backend and a column for each task.

use crate::{
    aggregate::groups::{group_of, groups},
    aggregate::tasks::{Task, is_twin, preference},
    plots::machine,
    text::figures::counter,
    text::format::{bytes, count, duration, percent},
    text::markdown::{escaped, line},
    text::outcome::{busy, ending, failure, inexact, wrong},
    text::table::letter,
};
use std::collections::{BTreeMap, BTreeSet};
use veilbench_results::{Run, Status, Summary};

/// A row for each backend, a column for each task, the accuracy of every network, and what the letters of protection stand for.
///
/// A field is of the network as it is, of its twin with polynomials only where the backend cannot run it, and of loopback only where
/// that was measured.
pub(crate) fn readme_tables(run: &Run, rows: &[Summary]) -> String {
    let groups = groups(rows);
    let tasks: BTreeSet<Task> = rows.iter().map(Task::of).collect();
    let mut fields: BTreeMap<(usize, &str), BTreeMap<Task, &Summary>> = BTreeMap::new();
    for row in rows {
        let backend = (group_of(&groups, row).unwrap_or(0), row.backend.as_str());
        let place = fields.entry(backend).or_default().entry(Task::of(row)).or_insert(row);
        if preference(row) < preference(place) {
            *place = row;
        }
    }
    let mut text = format!(
        "{}. One image, alone where that was measured, after setup: time of the offline and the online phase, and all bytes of \
         both, medians with one thread for each role where measured. Rows of different protection do not compare; \
         cells marked busy shared the machine with other work.\n\n",
        escaped(&machine(run))
    );
    let named = |first: &str, field: &dyn Fn(&Task) -> String| {
        let fields = std::iter::once(escaped(first)).chain(tasks.iter().map(|task| escaped(&field(task))));
        line(&fields.collect::<Vec<_>>())
    };
    text += &named("", &|task| match &*task.machine {
        "" => format!("{}, {}", task.network, task.dataset),
        machine => format!("{}, {} on {machine}", task.network, task.dataset),
    });
    text += &line(&vec!["---".to_owned(); tasks.len() + 1]);
    for ((group, backend), fields) in &fields {
        text += &named(&format!("{backend} ({})", letter(*group)), &|task| {
            fields.get(task).map_or_else(|| "–".to_owned(), |row| cost(row))
        });
    }
    text += &named("accuracy, by the backend that answered most images", &|task| accuracies(rows, task));
    text += "\n";
    for (index, group) in groups.iter().enumerate() {
        let (letter, name) = (letter(index), group.name());
        text += &escaped(&format!("{letter}: {name}, {}", group.protection()));
        text += if index + 1 < groups.len() { "  \n" } else { "\n" };
    }
    text
}

/// Time and bytes of one image, or why there are none.
fn cost(row: &Summary) -> String {
    let twin = if is_twin(row) { ", with polynomials" } else { "" };
    let Some(online) = row.online_wall_ns.filter(|_| row.status == Status::Ok) else {
        // What a backend does not run has its reason; what else went wrong is told where there is room.
        let why = if row.status == Status::Unsupported { failure(row) } else { ending(row) };
        return format!("{}{twin}", why.unwrap_or_else(|| "cold only".to_owned()));
    };
    let share = row.batch as f64;
    let time = (online + row.offline_wall_ns.unwrap_or(0)) as f64 / share;
    let size = (row.online_bytes.unwrap_or(0) + row.offline_bytes.unwrap_or(0)) as f64 / share;
    let batch =
        if row.batch == 1 { String::new() } else { format!(", in batches of {}", count(row.batch as u64)) };
    let link = if row.link == "loopback" { String::new() } else { format!(", over {}", row.link) };
    let busy = if busy(row).is_some() { ", busy" } else { "" };
    let size = match row.online_bytes {
        Some(_) => format!("{}{}", bytes(size), counter(row)),
        None => "bytes not measured".to_owned(),
    };
    let wrong = wrong(row).or_else(|| inexact(row)).map_or_else(String::new, |wrong| format!(", {wrong}"));
    format!("{}, {size}{twin}{batch}{link}{busy}{wrong}", duration(time))
}

/// The accuracy of a task's network and of its twin, each over the most images that answered.
fn accuracies(rows: &[Summary], of: &Task) -> String {
    let most = |twin: bool| {
        let measured =
            rows.iter().filter(|row| Task::of(row) == *of && is_twin(row) == twin && row.accuracy.is_some());
        // Of several the first in the order of the rows.
        let row = measured.rev().max_by_key(|row| row.images_answered)?;
        let name = if twin { "with polynomials " } else { "" };
        let (accuracy, images) = (percent(row.accuracy?), count(row.images_answered as u64));
        Some(format!("{name}{accuracy} of {images} ({})", row.backend))
    };
    let found: Vec<String> = [false, true].into_iter().filter_map(most).collect();
    if found.is_empty() { "–".to_owned() } else { found.join("; ") }
}
