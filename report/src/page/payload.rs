//! What the page's script reads: figures of every cell, already aggregated, as JSON.

use super::{Page, names::Names, warnings};
use crate::{
    aggregate::breakdown::Breakdown,
    aggregate::groups::{Group, group_of},
    aggregate::tradeoffs::BreakEven,
    text::table::letter,
};
use serde_json::{Map, Value, json};
use veilbench_results::{Finding, Run, Severity, Summary};

/// Findings that are listed one by one.
const MOST_FINDINGS: usize = 1_000;

/// Columns of a summary row that the page gets in another form.
const ELSEWHERE: [&str; 4] = ["threat_model", "technology", "simulated", "synthetic"];

/// The JSON text, safe to stand inside a `script` element.
pub(super) fn payload(page: &Page<'_>, groups: &[Group]) -> String {
    let mut names = Names::default();
    let none = Breakdown::default();
    let cells: Vec<Value> = page
        .rows
        .iter()
        .map(|row| cell(row, page.breakdowns.get(row.cell.as_str()).unwrap_or(&none), groups, &mut names))
        .collect();
    let value = json!({
        "run": run(page.run),
        "groups": groups.iter().enumerate().map(|(index, group)| group_value(index, group)).collect::<Vec<_>>(),
        "warnings": warnings(page.run, page.rows),
        "cells": cells,
        "names": names.into_names(),
        "break_even": page.break_even.iter().map(break_even).collect::<Vec<_>>(),
        "published": page.published,
        "findings": page.findings.iter().take(MOST_FINDINGS).map(finding).collect::<Vec<_>>(),
        "findings_unlisted": page.findings.len().saturating_sub(MOST_FINDINGS),
    });
    // `</script` and `<!--` must not stand in a script element; no JSON syntax has a `<`.
    value.to_string().replace('<', "\\u003c")
}

fn run(run: &Run) -> Value {
    let mut value = serde_json::to_value(run).unwrap_or_default();
    if let Some(machine) = value.get_mut("machine").and_then(Value::as_object_mut) {
        machine.remove("cpu_flags");
    }
    value
}

fn group_value(index: usize, group: &Group) -> Value {
    json!({
        "letter": letter(index),
        "technology": group.name(),
        "protection": group.protection(),
        "security_bits": group.security_bits,
        "simulated": group.simulated,
        "backends": group.backends,
    })
}

/// A summary row without its empty fields; columns that are modelled are kept apart.
fn cell(row: &Summary, breakdown: &Breakdown, groups: &[Group], names: &mut Names) -> Value {
    let mut figures = Map::new();
    let mut modelled = Map::new();
    if let Ok(Value::Object(columns)) = serde_json::to_value(row) {
        for (column, value) in columns {
            let empty = value.is_null() || value == "";
            if empty || ELSEWHERE.contains(&column.as_str()) {
                continue;
            }
            let place = if column.contains("modelled") { &mut modelled } else { &mut figures };
            place.insert(column, value);
        }
    }
    if row.max_logit_error.is_some_and(|error| !error.is_finite()) {
        figures.insert("max_logit_error".to_owned(), json!("NaN"));
    }
    figures.insert("group".to_owned(), json!(group_of(groups, row)));
    if row.synthetic == Some(true) {
        figures.insert("synthetic".to_owned(), json!(true));
    }
    if !modelled.is_empty() {
        figures.insert("modelled".to_owned(), Value::Object(modelled));
    }
    fill(&mut figures, breakdown, names);
    Value::Object(figures)
}

/// Spans `[phase, role, span, wall, cpu, samples]`, pairs `[phase, from, to, bytes, messages]`, memory `[role, bytes]`
/// and points `[repetition, iteration, wall, warm]`, with names as numbers.
fn fill(figures: &mut Map<String, Value>, breakdown: &Breakdown, names: &mut Names) {
    let spans: Vec<Value> = (breakdown.spans.iter())
        .map(|span| {
            let [phase, role, name] =
                [span.phase.as_str(), &span.role, &span.span].map(|name| names.number(name));
            json!([phase, role, name, span.wall_ns, span.cpu_ns, span.samples])
        })
        .collect();
    let pairs: Vec<Value> = (breakdown.pairs.iter())
        .map(|pair| {
            let [phase, from, to] =
                [pair.phase.as_str(), &pair.from, &pair.to].map(|name| names.number(name));
            json!([phase, from, to, pair.bytes, pair.messages])
        })
        .collect();
    let memory: Vec<Value> =
        breakdown.memory.iter().map(|(role, bytes)| json!([names.number(role), bytes])).collect();
    let points: Vec<Value> = (breakdown.points.iter())
        .map(|point| json!([point.repetition, point.iteration, point.wall_ns, u8::from(point.warm)]))
        .collect();
    for (name, list) in [("spans", spans), ("pairs", pairs), ("memory", memory), ("points", points)] {
        if !list.is_empty() {
            figures.insert(name.to_owned(), Value::Array(list));
        }
    }
    if breakdown.unlisted > 0 {
        figures.insert("points_unlisted".to_owned(), json!(breakdown.unlisted));
    }
}

fn break_even(point: &BreakEven<'_>) -> Value {
    json!({
        "winner": point.winner.cell,
        "loser": point.loser.cell,
        "batch": point.winner.batch,
        "still_slower_at": point.still_slower_at,
        "same_protection": point.same_protection,
    })
}

fn finding(finding: &Finding) -> Value {
    json!({
        "file": finding.file,
        "line": finding.line,
        "error": finding.severity == Severity::Error,
        "message": finding.message,
    })
}
