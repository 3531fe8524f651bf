//! The plot of Pareto fronts of time against bytes.

use super::{
    frame::{FOOT, Field, HEAD, MARGIN, WIDTH, grid, nothing, titled},
    links as look,
};
use crate::{
    aggregate::groups::groups,
    aggregate::links::{Link, links, style},
    aggregate::tasks::heading,
    aggregate::tradeoffs::{Cost, Efficient, pareto as fronts},
    drawing::axis::Axis,
    drawing::figure::{Align, Figure},
    drawing::labels,
    drawing::palette::{GRID, INK, MUTED, PAPER, group_colour, marker},
    drawing::render::text_width,
    text::format::{bytes, decimal_duration},
};
use std::collections::BTreeMap;
use veilbench_results::{Run, Summary};

const PLOT_HEIGHT: f64 = 280.0;
const TICKS_WIDTH: f64 = 78.0;

/// The Pareto fronts of time against bytes of one image, one for each protection and link.
pub(crate) fn pareto(run: &Run, rows: &[Summary]) -> Figure {
    let groups = groups(rows);
    let explained =
        "of one protection, network and link, no other cell is better in both; beaten cells are not drawn";
    let mut figure = titled(
        run,
        "Time against bytes of one image, offline and online: Pareto fronts",
        explained,
        &[],
        &groups,
    );
    let efficient = fronts(rows, &groups, Cost::Work);
    if efficient.is_empty() {
        nothing(&mut figure, "no cell has been measured yet");
        return figure;
    }
    let mut backends: Vec<(&str, usize)> = Vec::new();
    let mut panels: BTreeMap<String, Vec<&Efficient<'_>>> = BTreeMap::new();
    for point in &efficient {
        if backends.iter().all(|(name, _)| *name != point.row.backend) {
            backends.push((&point.row.backend, point.group));
        }
        panels.entry(heading(point.row)).or_default().push(point);
    }
    key(&mut figure, &backends);
    let links = links(efficient.iter().map(|point| point.row));
    look::key(&mut figure, &links);
    let across = Axis::with_margin(panels.values().flatten().map(|point| point.image_ns));
    let upwards = Axis::with_margin(panels.values().flatten().map(|point| point.image_bytes));
    let places = grid(&mut figure, &vec![HEAD + PLOT_HEIGHT + FOOT; panels.len()]);
    for ((title, points), (left, top, width)) in panels.iter().zip(places) {
        figure.text((left, top + HEAD - 13.0), 14.5, INK, title.as_str()).bold().fit(width);
        let (left, right) = (left + TICKS_WIDTH, left + width - 12.0);
        let field = Field { left, right, top: top + HEAD, bottom: top + HEAD + PLOT_HEIGHT, axis: across };
        draw_panel(&mut figure, (field, upwards), points, &backends, &links);
    }
    figure
}

fn key(figure: &mut Figure, backends: &[(&str, usize)]) {
    let mut y = figure.height + 8.0;
    let mut x = MARGIN;
    for (index, (name, group)) in backends.iter().enumerate() {
        let width = 22.0 + text_width(name, 12.5, false) + 24.0;
        if x + width > WIDTH - MARGIN && x > MARGIN {
            x = MARGIN;
            y += 22.0;
        }
        marker(figure, index, (x + 7.0, y), group_colour(*group));
        figure.text((x + 20.0, y), 12.5, INK, *name).fit(WIDTH - MARGIN - x - 20.0);
        x += width;
    }
    figure.height = y + 26.0;
}

fn draw_panel(
    figure: &mut Figure,
    (field, upwards): (Field, Axis),
    points: &[&Efficient<'_>],
    backends: &[(&str, usize)],
    links: &[Link],
) {
    field.draw(figure, "time of an image (logarithmic)", decimal_duration);
    let y = |value: f64| field.bottom - upwards.share(value) * (field.bottom - field.top);
    for value in upwards.ticks() {
        figure.line((field.left, y(value)), (field.right, y(value)), GRID, 1.0);
        figure.text((field.left - 6.0, y(value)), 11.5, MUTED, bytes(value)).align(Align::Right);
    }
    let side = (field.left - TICKS_WIDTH + 8.0, f64::midpoint(field.top, field.bottom));
    figure.text(side, 12.0, MUTED, "bytes of an image").align(Align::Centre).upwards();
    let one_front = |a: &Efficient<'_>, b: &Efficient<'_>| a.group == b.group && a.row.link == b.row.link;
    for pair in points.windows(2).filter(|pair| one_front(pair[0], pair[1])) {
        let style = style(links, &pair[0].row.link);
        let [from, to] = [pair[0], pair[1]].map(|point| (field.x(point.image_ns), y(point.image_bytes)));
        let colour = group_colour(pair[0].group);
        look::line(figure, (from, (to.0, from.1)), colour, 1.0, style);
        look::line(figure, ((to.0, from.1), to), colour, 1.0, style);
    }
    let marks: Vec<_> = points
        .iter()
        .map(|point| ((field.x(point.image_ns), y(point.image_bytes)), format!("b{}", point.row.batch)))
        .collect();
    let labels = labels::places(&marks, (field.left, field.top), (field.right, field.bottom));
    for ((mark, text), label) in marks.iter().zip(&labels).filter_map(|(mark, label)| Some((mark, (*label)?)))
    {
        if let Some((from, to)) = labels::leader(*mark, label, text) {
            figure.line(from, to, MUTED, 0.7);
        }
    }
    for (point, (at, _)) in points.iter().zip(&marks) {
        let index = backends.iter().position(|(name, _)| *name == point.row.backend).unwrap_or(0);
        marker(figure, index, *at, group_colour(point.group));
        look::cut_mark(figure, *at, PAPER, style(links, &point.row.link));
    }
    for ((_, text), label) in marks.into_iter().zip(labels) {
        if let Some(label) = label {
            figure.text(label, labels::SIZE, INK, text).align(Align::Centre);
        }
    }
}
