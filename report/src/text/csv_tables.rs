//! `tables/`: the figures behind the page's charts as CSV, a file a subject.

use crate::{
    Error,
    aggregate::breakdown::Breakdown,
    aggregate::groups::Group,
    aggregate::tradeoffs::{BreakEven, Efficient},
    text::table::letter,
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

type Line = Vec<String>;

/// Writes every table into a folder that exists.
pub(crate) fn write_tables(
    folder: &Path,
    groups: &[Group],
    breakdowns: &BTreeMap<&str, Breakdown>,
    fronts: &[Efficient<'_>],
    break_even: &[BreakEven<'_>],
) -> Result<Vec<PathBuf>, Error> {
    let tables: [(&str, &[&str], Vec<Line>); 6] = [
        ("times.csv", &["cell", "phase", "role", "span", "wall_ns", "cpu_ns", "samples"], times(breakdowns)),
        ("traffic.csv", &["cell", "phase", "from", "to", "bytes", "messages"], traffic(breakdowns)),
        ("memory.csv", &["cell", "role", "peak_rss_bytes"], memory(breakdowns)),
        (
            "protection.csv",
            &["protection", "technology", "threat_model", "security_bits", "simulated", "backends"],
            protection(groups),
        ),
        ("pareto.csv", &["protection", "cell", "work_ns_per_image", "work_bytes_per_image"], pareto(fronts)),
        (
            "break_even.csv",
            &["winner", "loser", "batch", "still_slower_at_batch", "same_protection"],
            crossings(break_even),
        ),
    ];
    let mut files = Vec::new();
    for (name, head, lines) in tables {
        let path = folder.join(name);
        let mut writer = csv::Writer::from_writer(Vec::new());
        let written = writer
            .write_record(head)
            .and_then(|()| lines.iter().try_for_each(|line| writer.write_record(line)));
        written.map_err(|cause| Error::Draw { path: path.clone(), reason: cause.to_string() })?;
        let bytes = writer
            .into_inner()
            .map_err(|cause| Error::Draw { path: path.clone(), reason: cause.to_string() })?;
        fs::write(&path, bytes).map_err(|cause| Error::Write { path: path.clone(), cause })?;
        files.push(path);
    }
    Ok(files)
}

fn or_empty(value: Option<u64>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn times(breakdowns: &BTreeMap<&str, Breakdown>) -> Vec<Line> {
    let of = |(cell, breakdown): (&&str, &Breakdown)| {
        let cell = (*cell).to_owned();
        breakdown.spans.clone().into_iter().map(move |span| {
            let phase = span.phase.to_string();
            let (wall, cpu) = (or_empty(span.wall_ns), or_empty(span.cpu_ns));
            vec![cell.clone(), phase, span.role, span.span, wall, cpu, span.samples.to_string()]
        })
    };
    breakdowns.iter().flat_map(of).collect()
}

fn traffic(breakdowns: &BTreeMap<&str, Breakdown>) -> Vec<Line> {
    let of = |(cell, breakdown): (&&str, &Breakdown)| {
        let cell = (*cell).to_owned();
        breakdown.pairs.clone().into_iter().map(move |pair| {
            let (bytes, messages) = (pair.bytes.to_string(), or_empty(pair.messages));
            vec![cell.clone(), pair.phase.to_string(), pair.from, pair.to, bytes, messages]
        })
    };
    breakdowns.iter().flat_map(of).collect()
}

fn memory(breakdowns: &BTreeMap<&str, Breakdown>) -> Vec<Line> {
    let of = |(cell, breakdown): (&&str, &Breakdown)| {
        let cell = (*cell).to_owned();
        breakdown
            .memory
            .clone()
            .into_iter()
            .map(move |(role, bytes)| vec![cell.clone(), role, bytes.to_string()])
    };
    breakdowns.iter().flat_map(of).collect()
}

fn protection(groups: &[Group]) -> Vec<Line> {
    let of = |(index, group): (usize, &Group)| {
        let bits = group.security_bits.map_or_else(String::new, |bits| bits.to_string());
        let Group { technology, threat_model, simulated, backends, .. } = group.clone();
        vec![letter(index), technology, threat_model, bits, simulated.to_string(), backends.join(" ")]
    };
    groups.iter().enumerate().map(of).collect()
}

fn pareto(fronts: &[Efficient<'_>]) -> Vec<Line> {
    let of = |point: &Efficient<'_>| {
        let (time, bytes) = (point.image_ns.to_string(), point.image_bytes.to_string());
        vec![letter(point.group), point.row.cell.clone(), time, bytes]
    };
    fronts.iter().map(of).collect()
}

fn crossings(points: &[BreakEven<'_>]) -> Vec<Line> {
    let of = |point: &BreakEven<'_>| {
        let (batch, before) = (point.winner.batch.to_string(), point.still_slower_at.to_string());
        let (winner, loser) = (point.winner.cell.clone(), point.loser.cell.clone());
        vec![winner, loser, batch, before, point.same_protection.to_string()]
    };
    points.iter().map(of).collect()
}
