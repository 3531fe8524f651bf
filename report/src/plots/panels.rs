//! Small multiples: one panel a task, one row a backend and network under its conditions.

use crate::aggregate::{
    groups::{Group, group_of},
    links::{Link, links, style},
    tasks::{Task, heading, is_twin},
};
use std::collections::{BTreeMap, BTreeSet};
use veilbench_results::{Machine, Run, Summary};

/// Rows a plot shows at most; the tables have all.
const MOST_ROWS: usize = 160;

pub(crate) struct PanelRow<'a> {
    pub(crate) label: String,
    /// Index of the row's group.
    pub(crate) group: usize,
    /// Style of the row's link.
    pub(crate) style: usize,
    pub(crate) summary: &'a Summary,
}

pub(crate) struct Panel<'a> {
    pub(crate) title: String,
    pub(crate) rows: Vec<PanelRow<'a>>,
}

/// The rows of a run in panels, and what was left out of them.
pub(crate) struct Panels<'a> {
    pub(crate) panels: Vec<Panel<'a>>,
    pub(crate) notes: Vec<String>,
    pub(crate) links: Vec<Link>,
}

/// One row for each backend and network, under the plainest conditions it was measured in; twins with polynomials are named `poly`.
pub(crate) fn panels<'a>(rows: &'a [Summary], groups: &[Group]) -> Panels<'a> {
    let mut notes = Vec::new();
    let mut shown = plainest(rows, |row| (row.link != "loopback", row.threads, row.batch));
    if shown.len() < rows.len() {
        notes.push(
            "loopback, fewest threads and smallest batch of each backend; the others are in the tables"
                .to_owned(),
        );
    }
    if shown.len() > MOST_ROWS {
        notes.push(format!("{} more rows are in the tables", shown.len() - MOST_ROWS));
        shown.truncate(MOST_ROWS);
    }
    let one_backend = shown.iter().map(|row| &row.backend).collect::<BTreeSet<_>>().len() == 1;
    let vary = Varying::of(&shown);
    let links = links(shown.iter().copied());
    let mut panels: BTreeMap<Option<Task>, Panel<'_>> = BTreeMap::new();
    for summary in shown {
        let task = Task::of(summary);
        let (title, name) = if one_backend {
            (summary.backend.clone(), heading(summary))
        } else {
            let twin = if is_twin(summary) { " poly" } else { "" };
            (task.title(), format!("{}{twin}", summary.backend))
        };
        let key = (!one_backend).then_some(task);
        let label = vary.label(&name, summary);
        let group = group_of(groups, summary).unwrap_or(0);
        let panel = panels.entry(key).or_insert_with(|| Panel { title, rows: Vec::new() });
        let style = style(&links, &summary.link);
        panel.rows.push(PanelRow { label, group, style, summary });
    }
    Panels { panels: panels.into_values().collect(), notes, links }
}

/// Rows of each backend on each network whose conditions come first.
pub(crate) fn plainest<C: Ord>(rows: &[Summary], conditions: impl Fn(&Summary) -> C) -> Vec<&Summary> {
    let key = |row: &Summary| (row.backend.clone(), row.network.clone(), row.dataset.clone());
    let mut first = BTreeMap::new();
    for row in rows {
        let plain = first.entry(key(row)).or_insert_with(|| conditions(row));
        let these = conditions(row);
        if these < *plain {
            *plain = these;
        }
    }
    rows.iter().filter(|row| first.get(&key(row)) == Some(&conditions(row))).collect()
}

/// Which conditions differ between rows and so belong into their labels.
pub(crate) struct Varying {
    batch: bool,
    threads: bool,
    link: bool,
    images: bool,
    seed: bool,
}

impl Varying {
    pub(crate) fn of(rows: &[&Summary]) -> Self {
        let differ =
            |same: fn(&Summary, &Summary) -> bool| rows.windows(2).any(|pair| !same(pair[0], pair[1]));
        Self {
            batch: differ(|a, b| a.batch == b.batch),
            threads: differ(|a, b| a.threads == b.threads),
            link: differ(|a, b| a.link == b.link),
            images: differ(|a, b| a.images == b.images),
            seed: differ(|a, b| a.seed == b.seed),
        }
    }

    /// The same without the batch, where that has an axis of its own.
    pub(crate) fn except_batch(self) -> Self {
        Self { batch: false, images: false, ..self }
    }

    pub(crate) fn label(&self, name: &str, row: &Summary) -> String {
        let mut label = name.to_owned();
        for (shown, text) in [
            (self.batch, format!("b{}", row.batch)),
            (self.threads, format!("t{}", row.threads)),
            (self.link, row.link.clone()),
            (self.images, format!("n{}", row.images)),
            (self.seed, format!("s{}", row.seed)),
        ] {
            if shown {
                label.push(' ');
                label.push_str(&text);
            }
        }
        label
    }
}

/// The machine in one line, or how many and of what kinds.
pub(crate) fn machine(run: &Run) -> String {
    if run.machines.len() < 2 {
        return format!("{} · run {}", kind(&run.first_machine()), run.name);
    }
    let kinds: BTreeSet<String> = run.machines.values().map(kind).collect();
    let (count, kinds) = (run.machines.len(), kinds.into_iter().collect::<Vec<_>>().join("; "));
    format!("{count} machines, times of which do not compare ({kinds}) · run {}", run.name)
}

fn kind(machine: &Machine) -> String {
    let cpu = if machine.cpu_model.is_empty() { "unnamed processor" } else { &machine.cpu_model };
    let cores = match machine.cores {
        0 => "cores not stated".to_owned(),
        1 => "1 core".to_owned(),
        cores => format!("{cores} cores"),
    };
    format!("{cpu}, {cores}")
}
