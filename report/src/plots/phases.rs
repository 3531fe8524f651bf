//! Horizontal bars of one quantity by phase, for the plots of runtime and of communication.

use super::{
    frame::{Field, LABEL_SIZE, MARGIN, fields, nothing, titled},
    links,
    panels::{Panel, PanelRow, panels},
};
use crate::{
    aggregate::groups::groups,
    drawing::axis::Axis,
    drawing::figure::{Align, Figure},
    drawing::palette::{FAILURE, GRID, INK, MUTED, PANEL, PAPER, group_colour, tint},
    drawing::render::text_width,
    text::outcome::{failure, failure_mark},
};
use plotters::style::RGBColor;
use veilbench_results::{Run, Summary};

const BAR: f64 = 11.0;
const BAR_PITCH: f64 = 14.0;
const ROW: f64 = 3.0 * BAR_PITCH + 10.0;
const VALUE_SIZE: f64 = 11.0;

/// One bar.
pub(crate) struct Bar {
    /// None if it was not measured.
    pub(crate) value: Option<u64>,
    /// Ends of the whisker.
    pub(crate) interval: Option<(u64, u64)>,
    /// What stands after the value.
    pub(crate) remark: String,
}

/// A quantity that every phase has.
pub(crate) struct Quantity {
    pub(crate) title: &'static str,
    pub(crate) explained: &'static str,
    pub(crate) axis_label: &'static str,
    pub(crate) format: fn(f64) -> String,
    /// Labels the powers of ten of the axis.
    pub(crate) tick: fn(f64) -> String,
    /// Setup, offline and online bar of a row.
    pub(crate) bars: fn(&Summary) -> [Bar; 3],
    /// Room right of the axis for values and remarks.
    pub(crate) value_width: f64,
    /// Do online bars have whiskers?
    pub(crate) whiskers: bool,
}

#[derive(Clone, Copy)]
enum Fill {
    Tint,
    Hatch,
    Solid,
}

const PHASES: [(&str, Fill); 3] = [
    ("setup, once a session", Fill::Tint),
    ("offline, per batch", Fill::Hatch),
    ("online, per batch", Fill::Solid),
];

pub(crate) fn phase_figure(run: &Run, rows: &[Summary], quantity: &Quantity) -> Figure {
    let groups = groups(rows);
    let panels = panels(rows, &groups);
    let mut figure = titled(run, quantity.title, quantity.explained, &panels.notes, &groups);
    if panels.panels.is_empty() {
        nothing(&mut figure, "no cell has been measured yet");
        return figure;
    }
    key(&mut figure, quantity.whiskers);
    links::key(&mut figure, &panels.links);
    let all = panels.panels.iter().flat_map(|panel| &panel.rows).flat_map(|row| (quantity.bars)(row.summary));
    let ends = all.flat_map(|bar| [bar.value, bar.interval.map(|i| i.0), bar.interval.map(|i| i.1)]);
    let axis = Axis::logarithmic(ends.flatten().map(|value| value as f64));
    for (panel, left, field) in fields(&mut figure, &panels, ROW, quantity.value_width, axis) {
        draw_panel(&mut figure, panel, left, field, quantity);
    }
    figure
}

/// How the phases and the interval are drawn.
fn key(figure: &mut Figure, whiskers: bool) {
    let y = figure.height + 8.0;
    let mut x = MARGIN;
    for (name, fill) in PHASES {
        draw_bar(figure, (x, y - 5.5), 34.0, MUTED, fill);
        figure.text((x + 42.0, y), 12.5, INK, name);
        x += 42.0 + text_width(name, 12.5, false) + 28.0;
    }
    if whiskers {
        draw_whisker(figure, x, x + 30.0, y);
        figure.text((x + 38.0, y), 12.5, INK, "95 % interval of the median");
    }
    figure.height = y + 26.0;
}

fn draw_panel(figure: &mut Figure, panel: &Panel<'_>, left: f64, field: Field, quantity: &Quantity) {
    figure
        .text((left, field.top - 13.0), 14.5, INK, panel.title.as_str())
        .bold()
        .fit(field.right + quantity.value_width - left);
    field.draw(figure, quantity.axis_label, quantity.tick);
    let label_width = field.left - left - 8.0;
    let mut previous = None;
    for (index, row) in panel.rows.iter().enumerate() {
        let top = field.top + ROW * index as f64;
        if previous.is_some_and(|group| group != row.group) {
            figure.line((left, top), (field.right, top), MUTED, 1.0);
        } else if previous.is_some() {
            figure.line((left, top), (field.right, top), GRID, 1.0);
        }
        previous = Some(row.group);
        figure
            .text((field.left - 8.0, top + ROW / 2.0), LABEL_SIZE, INK, row.label.as_str())
            .fit(label_width)
            .align(Align::Right);
        draw_row(figure, row, top, field, quantity);
    }
}

fn draw_row(figure: &mut Figure, row: &PanelRow<'_>, top: f64, field: Field, quantity: &Quantity) {
    let bars = (quantity.bars)(row.summary);
    let failure = failure(row.summary);
    let room = field.right + quantity.value_width - field.left - 16.0;
    if bars.iter().all(|bar| bar.value.is_none()) {
        let (text, colour) = match failure {
            Some(failure) => (format!("✕ {failure}"), FAILURE),
            None => ("not measured".to_owned(), MUTED),
        };
        figure.text((field.left + 10.0, top + ROW / 2.0), 12.5, colour, text).bold().fit(room);
        return;
    }
    let colour = group_colour(row.group);
    for (index, (bar, (_, fill))) in bars.into_iter().zip(PHASES).enumerate() {
        let y = top + 7.0 + BAR_PITCH * index as f64;
        let middle = y + BAR / 2.0;
        let online = index + 1 == PHASES.len();
        let Some(value) = bar.value else {
            let text = match &failure {
                Some(failure) if online => format!("✕ {failure}"),
                _ => format!("not measured{}", bar.remark),
            };
            figure.text((field.left + 6.0, middle), VALUE_SIZE, MUTED, text).fit(room);
            continue;
        };
        let length = field.x(value as f64) - field.left;
        draw_bar(figure, (field.left, y), length, colour, fill);
        links::cut_bar(figure, ((field.left, y), (field.left + length, y + BAR)), PANEL, row.style);
        let mut end = field.left + length;
        if let Some((low, high)) = bar.interval {
            let (from, to) = (field.x(low as f64), field.x(high as f64));
            if to - from >= 1.0 {
                draw_whisker(figure, from, to, middle);
            }
            end = end.max(to);
        }
        let mut text = format!("{}{}", (quantity.format)(value as f64), bar.remark);
        if let Some(mark) = failure_mark(row.summary).filter(|_| online) {
            text = format!("{text} {mark}");
        }
        let at = end + 6.0;
        figure.text((at, middle), VALUE_SIZE, INK, text).fit(field.right + quantity.value_width - at);
    }
}

fn draw_bar(figure: &mut Figure, (x, y): (f64, f64), length: f64, colour: RGBColor, fill: Fill) {
    let (from, to) = ((x, y), (x + length, y + BAR));
    if length < 1.0 {
        figure.line((x, y), (x, y + BAR), colour, 2.0);
        return;
    }
    match fill {
        Fill::Solid => figure.rectangle(from, to, colour),
        Fill::Tint => {
            figure.rectangle(from, to, tint(colour));
            figure.outline(from, to, colour);
        }
        Fill::Hatch => {
            figure.rectangle(from, to, PAPER);
            let mut foot = x - BAR + 5.0;
            while foot < x + length {
                let (start, end) = (foot.max(x), (foot + BAR).min(x + length));
                figure.line((start, y + BAR - (start - foot)), (end, y + BAR - (end - foot)), colour, 1.0);
                foot += 5.0;
            }
            figure.outline(from, to, colour);
        }
    }
}

fn draw_whisker(figure: &mut Figure, from: f64, to: f64, y: f64) {
    figure.line((from, y), (to, y), PAPER, 3.0);
    figure.line((from, y), (to, y), INK, 1.0);
    for end in [from, to] {
        figure.line((end, y - 4.0), (end, y + 4.0), INK, 1.0);
    }
}
