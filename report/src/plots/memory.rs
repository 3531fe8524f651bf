//! The plot of memory.

use super::{
    frame::{Field, LABEL_SIZE, fields, nothing, titled},
    links,
    panels::{Panel, panels},
};
use crate::{
    aggregate::groups::groups,
    drawing::axis::Axis,
    drawing::figure::{Align, Figure},
    drawing::palette::{FAILURE, INK, MUTED, PANEL, group_colour},
    text::format::bytes,
    text::outcome::failure,
};
use veilbench_results::{Run, Summary};

const ROW: f64 = 24.0;
const BAR: f64 = 13.0;
const VALUE_WIDTH: f64 = 90.0;

/// The largest role of each cell.
pub(crate) fn memory(run: &Run, rows: &[Summary]) -> Figure {
    let groups = groups(rows);
    let panels = panels(rows, &groups);
    let explained = "largest resident set of any role, code and weights included";
    let mut figure = titled(run, "Memory of the largest role", explained, &panels.notes, &groups);
    if panels.panels.is_empty() {
        nothing(&mut figure, "no cell has been measured yet");
        return figure;
    }
    links::key(&mut figure, &panels.links);
    let all = panels.panels.iter().flat_map(|panel| &panel.rows);
    let axis = Axis::logarithmic(all.filter_map(|row| Some(row.summary.peak_rss_bytes? as f64)));
    for (panel, left, field) in fields(&mut figure, &panels, ROW, VALUE_WIDTH, axis) {
        draw_panel(&mut figure, panel, left, field);
    }
    figure
}

fn draw_panel(figure: &mut Figure, panel: &Panel<'_>, left: f64, field: Field) {
    let width = field.right + VALUE_WIDTH - left;
    figure.text((left, field.top - 13.0), 14.5, INK, panel.title.as_str()).bold().fit(width);
    field.draw(figure, "bytes (logarithmic)", bytes);
    for (index, row) in panel.rows.iter().enumerate() {
        let middle = field.top + ROW * (index as f64 + 0.5);
        let label_width = field.left - left - 8.0;
        figure
            .text((field.left - 8.0, middle), LABEL_SIZE, INK, row.label.as_str())
            .fit(label_width)
            .align(Align::Right);
        let room = |at: f64| field.right + VALUE_WIDTH - at;
        match row.summary.peak_rss_bytes {
            Some(peak) => {
                let end = field.x(peak as f64);
                let ends = ((field.left, middle - BAR / 2.0), (end, middle + BAR / 2.0));
                figure.rectangle(ends.0, ends.1, group_colour(row.group));
                links::cut_bar(figure, ends, PANEL, row.style);
                figure.text((end + 6.0, middle), 11.0, INK, bytes(peak as f64)).fit(room(end + 6.0));
            }
            None => {
                let (text, colour) = match failure(row.summary) {
                    Some(failure) => (format!("✕ {failure}"), FAILURE),
                    None => ("not measured".to_owned(), MUTED),
                };
                figure.text((field.left + 10.0, middle), 12.0, colour, text).fit(room(field.left + 10.0));
            }
        }
    }
}
