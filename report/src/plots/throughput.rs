//! The plot of throughput against the batch.

use super::{
    frame::{FOOT, HEAD, MARGIN, WIDTH, background, grid, nothing, titled},
    links as look,
    panels::{Varying, plainest},
};
use crate::{
    aggregate::groups::{Group, group_of, groups},
    aggregate::links::{Link, links, style},
    aggregate::tasks::heading,
    drawing::axis::Axis,
    drawing::figure::{Align, Figure},
    drawing::palette::{FAILURE, GRID, INK, MUTED, PAPER, group_colour, marker},
    drawing::render::text_width,
    text::format::figures,
};
use std::collections::{BTreeMap, BTreeSet};
use veilbench_results::{Run, Status, Summary};

const PLOT_HEIGHT: f64 = 250.0;
const TICKS_WIDTH: f64 = 72.0;
/// Room at the foot of a field for the batches that failed.
const FAILURES: f64 = 16.0;

/// Room above the largest value for its marker.
const HEADROOM: f64 = 8.0;

/// A line: one backend under one set of conditions other than the batch.
struct Series {
    name: String,
    group: usize,
    /// Style of the link.
    style: usize,
}

/// Images per second of offline and online time against the batch.
pub(crate) fn throughput(run: &Run, rows: &[Summary]) -> Figure {
    let groups = groups(rows);
    let explained = "images of a batch by its offline and online time together; setup is not in it";
    let shown = plainest(rows, |row| (row.link != "loopback", row.threads));
    let mut notes = Vec::new();
    if shown.len() < rows.len() {
        notes.push("loopback and fewest threads of each backend; the others are in the tables".to_owned());
    }
    let mut figure = titled(run, "Throughput against batch size", explained, &notes, &groups);
    let vary = Varying::of(&shown).except_batch();
    let links = links(shown.iter().copied());
    let series = all_series(&shown, &groups, &vary, &links);
    let mut panels: BTreeMap<String, Vec<&Summary>> = BTreeMap::new();
    for &row in &shown {
        panels.entry(heading(row)).or_default().push(row);
    }
    if panels.is_empty() {
        nothing(&mut figure, "no cell has been measured yet");
        return figure;
    }
    key(&mut figure, &series);
    look::key(&mut figure, &links);
    let vertical = Axis::logarithmic(shown.iter().filter_map(|row| row.images_per_second_sustained));
    let heights = vec![HEAD + PLOT_HEIGHT + FOOT; panels.len()];
    let places = grid(&mut figure, &heights);
    for ((title, rows), (left, top, width)) in panels.iter().zip(places) {
        figure.text((left, top + HEAD - 13.0), 14.5, INK, title.as_str()).bold().fit(width);
        let plot = Plot {
            left: left + TICKS_WIDTH,
            right: left + width - 10.0,
            top: top + HEAD,
            bottom: top + HEAD + PLOT_HEIGHT,
            batches: rows.iter().map(|row| row.batch).collect::<BTreeSet<_>>().into_iter().collect(),
            vertical,
        };
        plot.draw_axes(&mut figure);
        for (index, series) in series.iter().enumerate() {
            let of_series = |row: &&&Summary| vary.label(&row.backend, row) == series.name;
            let rows: Vec<&Summary> = rows.iter().filter(of_series).copied().collect();
            plot.draw_series(&mut figure, index, series, &rows);
        }
        plot.draw_failures(&mut figure, rows);
    }
    figure
}

fn all_series(rows: &[&Summary], groups: &[Group], vary: &Varying, links: &[Link]) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for row in rows {
        let name = vary.label(&row.backend, row);
        if series.iter().all(|known| known.name != name) {
            let group = group_of(groups, row).unwrap_or(0);
            series.push(Series { name, group, style: style(links, &row.link) });
        }
    }
    series
}

fn key(figure: &mut Figure, series: &[Series]) {
    let mut y = figure.height + 8.0;
    let mut x = MARGIN;
    for (index, series) in series.iter().enumerate() {
        let width = 40.0 + text_width(&series.name, 12.5, false) + 24.0;
        if x + width > WIDTH - MARGIN && x > MARGIN {
            x = MARGIN;
            y += 22.0;
        }
        let colour = group_colour(series.group);
        look::line(figure, ((x, y), (x + 30.0, y)), colour, 2.0, series.style);
        marker(figure, index, (x + 15.0, y), colour);
        look::cut_mark(figure, (x + 15.0, y), PAPER, series.style);
        figure.text((x + 38.0, y), 12.5, INK, series.name.as_str()).fit(WIDTH - MARGIN - x - 38.0);
        x += width;
    }
    figure.height = y + 26.0;
}

struct Plot {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    /// Every batch of the panel, ascending; they stand at equal distances.
    batches: Vec<usize>,
    vertical: Axis,
}

impl Plot {
    fn x(&self, batch: usize) -> f64 {
        let place = self.batches.iter().position(|known| *known == batch).unwrap_or(0);
        self.left + (place as f64 + 0.5) / self.batches.len() as f64 * (self.right - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        let foot = self.bottom - FAILURES;
        foot - self.vertical.share(value) * (foot - self.top - HEADROOM)
    }

    fn draw_axes(&self, figure: &mut Figure) {
        background(figure, (self.left, self.top), (self.right, self.bottom));
        for value in self.vertical.ticks() {
            let y = self.y(value);
            figure.line((self.left, y), (self.right, y), GRID, 1.0);
            figure.text((self.left - 6.0, y), 11.5, MUTED, figures(value)).align(Align::Right);
        }
        let mut free_from = f64::NEG_INFINITY;
        for batch in &self.batches {
            let (x, text) = (self.x(*batch), batch.to_string());
            let half = text_width(&text, 11.5, false) / 2.0;
            if x - half >= free_from {
                figure.text((x, self.bottom + 12.0), 11.5, MUTED, text).align(Align::Centre);
                free_from = x + half + 6.0;
            }
        }
        let middle = f64::midpoint(self.left, self.right);
        figure.text((middle, self.bottom + 30.0), 12.0, MUTED, "images in a batch").align(Align::Centre);
        let side = (self.left - TICKS_WIDTH + 8.0, f64::midpoint(self.top, self.bottom));
        figure.text(side, 12.0, MUTED, "images per second (logarithmic)").align(Align::Centre).upwards();
    }

    fn draw_series(&self, figure: &mut Figure, index: usize, series: &Series, rows: &[&Summary]) {
        let colour = group_colour(series.group);
        let mut points: Vec<(usize, f64)> =
            rows.iter().filter_map(|row| Some((row.batch, row.images_per_second_sustained?))).collect();
        points.sort_by_key(|(batch, _)| *batch);
        let places: Vec<(f64, f64)> =
            points.iter().map(|(batch, value)| (self.x(*batch), self.y(*value))).collect();
        for pair in places.windows(2) {
            look::line(figure, (pair[0], pair[1]), colour, 2.0, series.style);
        }
        for place in places {
            marker(figure, index, place, colour);
            look::cut_mark(figure, place, PAPER, series.style);
        }
    }

    /// Names the cells without a throughput at the foot, once for neighbouring batches that fail alike.
    fn draw_failures(&self, figure: &mut Figure, rows: &[&Summary]) {
        let texts: Vec<String> = self.batches.iter().map(|batch| failures(rows, *batch)).collect();
        let step = (self.right - self.left) / self.batches.len() as f64;
        let mut place = 0.0;
        for alike in texts.chunk_by(|a, b| a == b) {
            let width = step * alike.len() as f64;
            let middle = self.left + step * place + width / 2.0;
            let at = (middle, self.bottom - FAILURES / 2.0);
            figure.text(at, 10.5, FAILURE, alike[0].as_str()).fit(width - 8.0).align(Align::Centre);
            place += alike.len() as f64;
        }
    }
}

/// The backends without a throughput at this batch, by status; empty if there are none.
fn failures(rows: &[&Summary], batch: usize) -> String {
    let mut failed: BTreeMap<Status, Vec<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.batch == batch && row.images_per_second_sustained.is_none()) {
        failed.entry(row.status).or_default().push(&row.backend);
    }
    let named: Vec<String> = failed
        .into_iter()
        .map(|(status, backends)| {
            let status = if status == Status::Ok { "not measured" } else { status.as_str() };
            format!("✕ {status}: {}", backends.join(", "))
        })
        .collect();
    named.join("  ")
}
