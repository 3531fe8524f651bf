//! The plot of accuracy and agreement.

use super::{
    frame::{Field, LABEL_SIZE, MARGIN, fields, nothing, titled},
    links,
    panels::{Panel, PanelRow, panels},
};
use crate::{
    aggregate::groups::groups,
    drawing::axis::Axis,
    drawing::figure::{Align, Figure},
    drawing::palette::{FAILURE, GRID, INK, MUTED, PAPER, group_colour},
    drawing::render::text_width,
    text::format::percent,
    text::outcome::{failure, failure_mark},
};
use plotters::style::RGBColor;
use veilbench_results::{Run, Summary};

const ROW: f64 = 40.0;
const VALUE_WIDTH: f64 = 236.0;

/// Accuracy of the private answers and their agreement with the clear network's.
pub(crate) fn accuracy(run: &Run, rows: &[Summary]) -> Figure {
    let groups = groups(rows);
    let panels = panels(rows, &groups);
    let explained = "95 % Wilson intervals over different images; the axis does not start at zero";
    let mut figure = titled(run, "Accuracy and agreement", explained, &panels.notes, &groups);
    if panels.panels.is_empty() {
        nothing(&mut figure, "no cell has been measured yet");
        return figure;
    }
    key(&mut figure);
    links::key(&mut figure, &panels.links);
    let shares = panels.panels.iter().flat_map(|panel| &panel.rows).flat_map(|row| {
        let row = row.summary;
        [row.accuracy, row.accuracy_low, row.agreement, row.agreement_low].into_iter().flatten()
    });
    let axis = Axis::shares(shares);
    for (panel, left, field) in fields(&mut figure, &panels, ROW, VALUE_WIDTH, axis) {
        draw_panel(&mut figure, panel, left, field);
    }
    figure
}

fn key(figure: &mut Figure) {
    let y = figure.height + 8.0;
    filled(figure, (MARGIN + 8.0, y), MUTED);
    let text = "accuracy: private answer equals the label";
    figure.text((MARGIN + 24.0, y), 12.5, INK, text);
    let x = MARGIN + 24.0 + text_width(text, 12.5, false) + 32.0;
    hollow(figure, (x + 8.0, y), MUTED);
    figure.text((x + 24.0, y), 12.5, INK, "agreement: private answer equals the clear network's");
    figure.height = y + 26.0;
}

fn draw_panel(figure: &mut Figure, panel: &Panel<'_>, left: f64, field: Field) {
    figure
        .text((left, field.top - 13.0), 14.5, INK, panel.title.as_str())
        .bold()
        .fit(field.right + VALUE_WIDTH - left);
    field.draw(figure, "share of answers", |share| {
        let percents = share * 100.0;
        let rounded = (percents * 100.0).round() / 100.0;
        format!("{rounded} %")
    });
    for (index, row) in panel.rows.iter().enumerate() {
        let top = field.top + ROW * index as f64;
        if let Some(above) = index.checked_sub(1).and_then(|above| panel.rows.get(above)) {
            let colour = if above.group == row.group { GRID } else { MUTED };
            figure.line((left, top), (field.right, top), colour, 1.0);
        }
        figure
            .text((field.left - 8.0, top + ROW / 2.0), LABEL_SIZE, INK, row.label.as_str())
            .fit(field.left - left - 8.0)
            .align(Align::Right);
        draw_row(figure, row, top, field);
    }
}

fn draw_row(figure: &mut Figure, row: &PanelRow<'_>, top: f64, field: Field) {
    let summary = row.summary;
    let colour = group_colour(row.group);
    let Some(agreement) = summary.agreement else {
        let (text, colour) = match failure(summary) {
            Some(failure) => (format!("✕ {failure}"), FAILURE),
            None => ("no answers".to_owned(), MUTED),
        };
        let room = field.right + VALUE_WIDTH - field.left - 16.0;
        figure.text((field.left + 10.0, top + ROW / 2.0), 12.5, colour, text).bold().fit(room);
        return;
    };
    let (upper, lower) = (top + ROW * 0.31, top + ROW * 0.69);
    let accuracy_text = match summary.accuracy {
        Some(accuracy) => {
            whisker(figure, field, summary.accuracy_low.zip(summary.accuracy_high), upper, colour);
            let mark = (field.x(accuracy), upper);
            filled(figure, mark, colour);
            links::cut_mark(figure, mark, PAPER, row.style);
            format!("accuracy {}", percent(accuracy))
        }
        None if summary.synthetic == Some(true) => "no accuracy: synthetic images".to_owned(),
        None => "no accuracy: no labels".to_owned(),
    };
    let at = field.right + 12.0;
    figure.text((at, upper), 11.0, INK, accuracy_text).fit(VALUE_WIDTH - 14.0);
    whisker(figure, field, summary.agreement_low.zip(summary.agreement_high), lower, colour);
    let mark = (field.x(agreement), lower);
    hollow(figure, mark, colour);
    links::cut_mark(figure, mark, colour, row.style);
    let mut text = format!("agreement {}, n = {}", percent(agreement), summary.images_answered);
    if let Some(mark) = failure_mark(summary) {
        text = format!("{text} {mark}");
    }
    figure.text((at, lower), 11.0, INK, text).fit(VALUE_WIDTH - 14.0);
}

fn whisker(figure: &mut Figure, field: Field, interval: Option<(f64, f64)>, y: f64, colour: RGBColor) {
    let Some((low, high)) = interval else { return };
    let (from, to) = (field.x(low), field.x(high));
    figure.line((from, y), (to, y), colour, 2.0);
    for end in [from, to] {
        figure.line((end, y - 4.0), (end, y + 4.0), colour, 2.0);
    }
}

fn filled(figure: &mut Figure, centre: (f64, f64), colour: RGBColor) {
    figure.circle(centre, 5.0, colour);
}

fn hollow(figure: &mut Figure, (x, y): (f64, f64), colour: RGBColor) {
    for (radius, colour) in [(7.0, colour), (3.8, PAPER)] {
        figure.polygon(vec![(x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)], colour);
    }
}
