//! What the page's script reads: everything that no filter changes, already in order, named and written, as JSON.
//!
//! `page/payload.d.ts` describes it to the script, and `tests/types/run` holds the two against each other.

use super::{Page, cells::Cells, names::Names};
use crate::{
    aggregate::{
        breakdown::Breakdown,
        groups::Group,
        links::{Link, links},
        tasks::{Task, by_task},
        tradeoffs::BreakEven,
    },
    text::{
        figures::COLUMNS,
        refusals::{Reason, Refusal, refusals},
        table::letter,
    },
};
use serde_json::{Map, Value, json};
use veilbench_results::{Finding, Published, Run, Severity};

/// Findings that are listed one by one.
const MOST_FINDINGS: usize = 1_000;

/// The JSON text, safe to stand inside a `script` element.
pub(super) fn payload(page: &Page<'_>, groups: &[Group]) -> String {
    let mut names = Names::default();
    let none = Breakdown::default();
    let rows = by_task(page.rows);
    let mut tasks: Vec<Task> = rows.iter().map(|row| Task::of(row)).collect();
    tasks.dedup();
    let refusals = refusals(&rows);
    let cells = Cells::of(page.rows, groups, &tasks, &refusals);
    let cells: Vec<Value> = rows
        .iter()
        .map(|row| cells.value(row, page.breakdowns.get(row.cell.as_str()).unwrap_or(&none), &mut names))
        .collect();
    let value = json!({
        "run": run(page.run),
        "groups": groups.iter().enumerate().map(|(index, group)| group_value(index, group)).collect::<Vec<_>>(),
        "tasks": tasks.iter().map(task).collect::<Vec<_>>(),
        "links": links(page.rows).iter().map(link).collect::<Vec<_>>(),
        "refusals": refusals.iter().map(refusal).collect::<Vec<_>>(),
        "columns": COLUMNS,
        "cells": cells,
        "names": names.into_names(),
        "break_even": page.break_even.iter().map(break_even).collect::<Vec<_>>(),
        "published": page.published.iter().map(published).collect::<Vec<_>>(),
        "findings": page.findings.iter().take(MOST_FINDINGS).map(finding).collect::<Vec<_>>(),
        "findings_unlisted": page.findings.len().saturating_sub(MOST_FINDINGS),
    });
    // `</script` and `<!--` must not stand in a script element; no JSON syntax has a `<`.
    value.to_string().replace('<', "\\u003c")
}

fn run(run: &Run) -> Value {
    let mut value = serde_json::to_value(run).unwrap_or_default();
    let machines = value.get_mut("machines").and_then(Value::as_object_mut);
    for machine in machines.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut) {
        machine.remove("cpu_flags");
    }
    value
}

fn group_value(index: usize, group: &Group) -> Value {
    json!({
        "letter": letter(index),
        "technology": group.name(),
        "protection": group.protection(),
        "simulated": group.simulated,
    })
}

fn task(task: &Task) -> Value {
    json!({ "network": task.network, "dataset": task.dataset, "machine": task.machine, "title": task.title() })
}

fn link(link: &Link) -> Value {
    json!({
        "name": link.name,
        "style": link.style,
        "pattern": link.pattern(),
        "round_trip_ns": link.shape.map(|shape| shape.round_trip_ns),
        "bits_per_second": link.shape.and_then(|shape| shape.bits_per_second),
    })
}

fn refusal(refusal: &Refusal<'_>) -> Value {
    json!({
        "backend": refusal.row.backend,
        "network": refusal.row.network,
        "cell": refusal.row.cell,
        "reasons": refusal.reasons.iter().map(Reason::sentence).collect::<Vec<_>>(),
    })
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

/// The row, and the time of one image in nanoseconds if it tells one.
fn published(row: &Published) -> Value {
    let mut value = serde_json::to_value(row).unwrap_or_default();
    let batch = row.online_wall_ns.map(|ns| ns as f64 / row.batch.unwrap_or(1).max(1) as f64);
    let image = batch.or_else(|| Some(3_600e9 / row.images_per_hour.filter(|images| *images > 0.0)?));
    if let Some(fields) = value.as_object_mut() {
        fields.insert("image_ns".to_owned(), json!(image));
    }
    value
}

fn finding(finding: &Finding) -> Value {
    json!({
        "file": finding.file,
        "line": finding.line,
        "error": finding.severity == Severity::Error,
        "message": finding.message,
    })
}
