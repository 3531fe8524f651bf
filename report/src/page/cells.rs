//! A cell as the page's script reads it: figures, their texts, its place in every order, and what it is made of.

use super::names::Names;
use crate::{
    aggregate::{
        breakdown::{Breakdown, PairTraffic, Point, SpanTime},
        groups::{Group, group_of},
        tasks::{Task, is_twin, preference},
        tradeoffs::{Cost, pareto},
    },
    text::{
        figures::{COLUMNS, figure},
        format::small,
        outcome::{busy, ending, inexact, wrong},
        refusals::{Refusal, is_refused},
    },
};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use veilbench_results::{CountedBy, Summary};

/// Columns of a summary row that the page gets in another form.
const ELSEWHERE: [&str; 4] = ["threat_model", "technology", "simulated", "synthetic"];

/// Everything but the link that cells share.
type Family<'a> = ([&'a str; 4], [usize; 3], u64);

/// What is known of a run's cells together.
pub(super) struct Cells<'a> {
    groups: &'a [Group],
    tasks: &'a [Task],
    /// Index of the refusal, by the cell's id.
    refusals: HashMap<&'a str, usize>,
    /// Place of each cell among those that could stand for their backend and task.
    ranks: HashMap<&'a str, usize>,
    families: BTreeMap<Family<'a>, usize>,
    /// Ids of the cells on a front, by cost.
    fronts: [(Cost, HashSet<&'a str>); 2],
}

impl<'a> Cells<'a> {
    pub(super) fn of(
        rows: &'a [Summary],
        groups: &'a [Group],
        tasks: &'a [Task],
        refusals: &[Refusal<'a>],
    ) -> Self {
        let mut preferred: Vec<&Summary> = rows.iter().collect();
        preferred.sort_by_key(|row| preference(row));
        let mut families = BTreeMap::new();
        for row in rows {
            let next = families.len();
            families.entry(family(row)).or_insert(next);
        }
        let refused = refusals.iter().enumerate().flat_map(|(index, refusal)| {
            let rows = refusal.reasons.iter().flat_map(|reason| &reason.rows);
            rows.map(move |row| (row.cell.as_str(), index))
        });
        let fronts = [Cost::Work, Cost::Online].map(|cost| {
            let front = pareto(rows, groups, cost);
            (cost, front.iter().map(|point| point.row.cell.as_str()).collect())
        });
        Self {
            groups,
            tasks,
            refusals: refused.collect(),
            ranks: preferred.iter().enumerate().map(|(rank, row)| (row.cell.as_str(), rank)).collect(),
            families,
            fronts,
        }
    }

    /// One cell, without its empty fields; columns that are modelled are kept apart.
    pub(super) fn value(&self, row: &Summary, breakdown: &Breakdown, names: &mut Names) -> Value {
        let mut fields = Map::new();
        let mut modelled = Map::new();
        if let Ok(Value::Object(columns)) = serde_json::to_value(row) {
            for (column, value) in columns {
                let usual = column == "bytes_counted_by" && value == CountedBy::Link.as_str();
                let empty = value.is_null() || value == "" || usual;
                if empty || ELSEWHERE.contains(&column.as_str()) {
                    continue;
                }
                let place = if column.contains("modelled") { &mut modelled } else { &mut fields };
                place.insert(column, value);
            }
        }
        let task = Task::of(row);
        let mut add = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        let not_finite = row.max_logit_error.is_some_and(|error| !error.is_finite());
        add("max_logit_error", not_finite.then(|| json!("NaN")));
        add("group", group_of(self.groups, row).map(|group| json!(group)));
        add("task", Some(json!(self.tasks.iter().position(|known| *known == task))));
        add("twin", is_twin(row).then(|| json!(true)));
        add("synthetic", (row.synthetic == Some(true)).then(|| json!(true)));
        add("family", self.families.get(&family(row)).map(|family| json!(family)));
        add("rank", self.ranks.get(row.cell.as_str()).map(|rank| json!(rank)));
        add("ending", ending(row).map(|text| json!(text)));
        add("wrong", wrong(row).or_else(|| inexact(row)).map(|text| json!(text)));
        add("busy", busy(row).map(|text| json!(text)));
        add(
            "refusal",
            self.refusals.get(row.cell.as_str()).filter(|_| is_refused(row)).map(|index| json!(index)),
        );
        for (name, (cost, front)) in ["work", "online"].into_iter().zip(&self.fronts) {
            let value =
                |(ns, bytes): (f64, f64)| json!([ns, bytes, u8::from(front.contains(row.cell.as_str()))]);
            add(name, cost.of(row).map(value));
        }
        add("tolerance", breakdown.tolerance.map(|tolerance| json!(small(tolerance.get()))));
        add("texts", Some(COLUMNS.iter().map(|column| json!(figure(row, column))).collect()));
        add("modelled", (!modelled.is_empty()).then_some(Value::Object(modelled)));
        let listed = |list: Vec<Value>| (!list.is_empty()).then_some(Value::Array(list));
        add("spans", listed(spans(breakdown, names)));
        add("pairs", listed(pairs(breakdown, names)));
        let memory = breakdown.memory.iter().map(|(role, bytes)| json!([names.number(role), bytes]));
        add("memory", listed(memory.collect()));
        add("points", listed(breakdown.points.iter().map(point).collect()));
        add("points_unlisted", (breakdown.unlisted > 0).then(|| json!(breakdown.unlisted)));
        Value::Object(fields)
    }
}

fn family(row: &Summary) -> Family<'_> {
    let names = [&*row.backend, &row.network, &row.dataset, &row.machine];
    (names, [row.batch, row.threads, row.images], row.seed)
}

/// `[phase, role, span, wall, cpu, samples]`, names as numbers.
fn spans(breakdown: &Breakdown, names: &mut Names) -> Vec<Value> {
    let value = |span: &SpanTime| {
        let [phase, role, name] =
            [span.phase.as_str(), &span.role, &span.span].map(|name| names.number(name));
        json!([phase, role, name, span.wall_ns, span.cpu_ns, span.samples])
    };
    breakdown.spans.iter().map(value).collect()
}

/// `[phase, from, to, bytes, messages]`, names as numbers.
fn pairs(breakdown: &Breakdown, names: &mut Names) -> Vec<Value> {
    let value = |pair: &PairTraffic| {
        let [phase, from, to] = [pair.phase.as_str(), &pair.from, &pair.to].map(|name| names.number(name));
        json!([phase, from, to, pair.bytes, pair.messages])
    };
    breakdown.pairs.iter().map(value).collect()
}

/// `[repetition, iteration, wall, kind]`: 0 is cold, 1 warm, 2 a warm outlier.
fn point(point: &Point) -> Value {
    let kind = u8::from(point.warm) + u8::from(point.outlier);
    json!([point.repetition, point.iteration, point.wall_ns, kind])
}
