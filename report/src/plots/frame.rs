//! What every plot has: title, key, a grid of panels with an axis each.

use super::panels::{Panel, Panels, machine};
use crate::{
    aggregate::groups::Group,
    drawing::axis::Axis,
    drawing::figure::{Align, Figure},
    drawing::palette::{GRID, INK, MUTED, PANEL, group_colour},
    drawing::render::text_width,
};
use veilbench_results::Run;

pub(crate) const WIDTH: f64 = 1280.0;
pub(crate) const MARGIN: f64 = 28.0;
const GUTTER: f64 = 36.0;
const LINE: f64 = 21.0;

/// A figure with its title, the machine, what is measured, and the groups with their protection.
pub(crate) fn titled(run: &Run, title: &str, explained: &str, notes: &[String], groups: &[Group]) -> Figure {
    let mut figure = Figure::new(WIDTH);
    let width = WIDTH - 2.0 * MARGIN;
    figure.text((MARGIN, 34.0), 21.0, INK, title).bold().fit(width);
    let mut y = 62.0;
    let explained = [&[explained.to_owned()], notes].concat().join(" · ");
    for text in [machine(run), explained] {
        figure.text((MARGIN, y), 13.0, MUTED, text).fit(width);
        y += LINE;
    }
    y += 4.0;
    for (index, group) in groups.iter().enumerate() {
        figure.rectangle((MARGIN, y - 6.0), (MARGIN + 20.0, y + 6.0), group_colour(index));
        let name = group.name();
        figure.text((MARGIN + 30.0, y), 13.0, INK, name).bold();
        let at = MARGIN + 30.0 + text_width(name, 13.0, true) + 10.0;
        let text = format!("{} ({})", group.protection(), group.backends.join(", "));
        figure.text((at, y), 13.0, MUTED, text).fit(WIDTH - MARGIN - at);
        y += LINE;
    }
    figure.height = y + 4.0;
    figure
}

/// Says that there is nothing to draw.
pub(crate) fn nothing(figure: &mut Figure, what: &str) {
    figure.text((WIDTH / 2.0, figure.height + 50.0), 15.0, MUTED, what).align(Align::Centre);
    figure.height += 100.0;
}

/// The places of this many panels, in two columns if there is more than one, each as high as the higher of its row.
///
/// Returns left, top and width of each and grows the figure to hold them.
pub(crate) fn grid(figure: &mut Figure, heights: &[f64]) -> Vec<(f64, f64, f64)> {
    let columns = if heights.len() > 1 { 2 } else { 1 };
    let width = (WIDTH - 2.0 * MARGIN - GUTTER * (columns as f64 - 1.0)) / columns as f64;
    let mut places = Vec::new();
    for pair in heights.chunks(columns) {
        for column in 0..pair.len() {
            places.push((MARGIN + column as f64 * (width + GUTTER), figure.height, width));
        }
        figure.height += pair.iter().copied().fold(0.0, f64::max) + 22.0;
    }
    figure.height += 6.0;
    places
}

/// Panels with a line of height `row` for each of their rows: each with its left edge, and its field between the labels of rows and
/// room for values. Grows the figure to hold them.
pub(crate) fn fields<'p>(
    figure: &mut Figure,
    panels: &'p Panels<'_>,
    row: f64,
    value_width: f64,
    axis: Axis,
) -> Vec<(&'p Panel<'p>, f64, Field)> {
    let rows = |panel: &Panel<'_>| row * panel.rows.len() as f64;
    let heights: Vec<f64> = panels.panels.iter().map(|panel| HEAD + rows(panel) + FOOT).collect();
    let labels = panels.panels.iter().flat_map(|panel| &panel.rows);
    let widest = labels.map(|row| text_width(&row.label, LABEL_SIZE, false)).fold(0.0, f64::max);
    let places = grid(figure, &heights);
    let placed = panels.panels.iter().zip(places).map(|(panel, (left, top, width))| {
        let (right, top) = (left + width - value_width, top + HEAD);
        let bottom = top + rows(panel);
        (panel, left, Field { left: left + widest.min(width * 0.3) + 8.0, right, top, bottom, axis })
    });
    placed.collect()
}

/// The part of a panel that holds marks, with a horizontal axis along its foot.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    pub(crate) axis: Axis,
}

impl Field {
    pub(crate) fn x(&self, value: f64) -> f64 {
        self.left + self.axis.share(value) * (self.right - self.left)
    }

    /// Background, grid lines, tick labels and the axis' name.
    pub(crate) fn draw(&self, figure: &mut Figure, label: &str, tick: impl Fn(f64) -> String) {
        background(figure, (self.left, self.top), (self.right, self.bottom));
        let mut free_from = f64::NEG_INFINITY;
        for value in self.axis.ticks() {
            let x = self.x(value);
            figure.line((x, self.top), (x, self.bottom), GRID, 1.0);
            let text = tick(value);
            let half = text_width(&text, 11.5, false) / 2.0;
            if x - half >= free_from {
                figure.text((x, self.bottom + 12.0), 11.5, MUTED, text).align(Align::Centre);
                free_from = x + half + 8.0;
            }
        }
        let middle = f64::midpoint(self.left, self.right);
        figure.text((middle, self.bottom + 30.0), 12.0, MUTED, label).align(Align::Centre);
    }
}

/// The ground that marks stand on, with its left edge drawn.
pub(crate) fn background(figure: &mut Figure, from: (f64, f64), to: (f64, f64)) {
    figure.rectangle(from, to, PANEL);
    figure.line(from, (from.0, to.1), MUTED, 1.0);
}

/// Size of the labels of rows.
pub(crate) const LABEL_SIZE: f64 = 12.5;
/// Height of the tick labels and name below a field.
pub(crate) const FOOT: f64 = 40.0;
/// Height of the title above a field.
pub(crate) const HEAD: f64 = 26.0;
