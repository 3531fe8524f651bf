//! How plots tell links apart: a line is broken by the link's pattern, a bar along its length, and a mark is cut.

use super::frame::{MARGIN, WIDTH};
use crate::{
    aggregate::links::{Link, pattern},
    drawing::palette::{INK, MUTED, PAPER, marker},
    drawing::{figure::Figure, render::text_width},
};
use plotters::style::RGBColor;

type Place = (f64, f64);

/// Draws a line with the pattern of a link's style.
pub(crate) fn line(
    figure: &mut Figure,
    (from, to): (Place, Place),
    colour: RGBColor,
    width: f64,
    style: usize,
) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx.hypot(dy);
    let at = |distance: f64| (from.0 + dx * distance / length, from.1 + dy * distance / length);
    if pattern(style).is_empty() || length <= 0.0 {
        return figure.line(from, to, colour, width);
    }
    for (start, end) in strokes(style, length) {
        figure.line(at(start), at(end), colour, width);
    }
}

/// Cuts the gaps of a style out of a horizontal bar that stands on `ground`.
pub(crate) fn cut_bar(figure: &mut Figure, (from, to): (Place, Place), ground: RGBColor, style: usize) {
    let mut cut_from = None;
    for (start, end) in strokes(style, to.0 - from.0) {
        if let Some(cut) = cut_from {
            figure.rectangle((from.0 + cut, from.1 - 1.0), (from.0 + start, to.1 + 1.0), ground);
        }
        cut_from = Some(end);
    }
}

/// Cuts a mark: across, crosswise, through its middle, upright.
pub(crate) fn cut_mark(figure: &mut Figure, (x, y): Place, colour: RGBColor, style: usize) {
    const REACH: f64 = 6.0;
    if matches!(style, 1 | 2) {
        figure.line((x - REACH, y), (x + REACH, y), colour, 2.0);
    }
    if matches!(style, 2 | 4) {
        figure.line((x, y - REACH), (x, y + REACH), colour, 2.0);
    }
    if style == 3 {
        figure.circle((x, y), 2.0, colour);
    }
}

/// Names the links, if there are any but loopback.
pub(crate) fn key(figure: &mut Figure, links: &[Link]) {
    if links.iter().all(|link| link.style == 0) {
        return;
    }
    let (mut x, mut y) = (MARGIN, figure.height + 8.0);
    for link in links {
        let text = format!("over {}", link.name);
        let width = 42.0 + text_width(&text, 12.5, false) + 28.0;
        if x + width > WIDTH - MARGIN && x > MARGIN {
            x = MARGIN;
            y += 22.0;
        }
        line(figure, ((x, y), (x + 34.0, y)), MUTED, 2.0, link.style);
        marker(figure, 0, (x + 17.0, y), MUTED);
        cut_mark(figure, (x + 17.0, y), PAPER, link.style);
        figure.text((x + 42.0, y), 12.5, INK, text).fit(WIDTH - MARGIN - x - 42.0);
        x += width;
    }
    figure.height = y + 26.0;
}

/// Where strokes begin and end along a length.
fn strokes(style: usize, length: f64) -> Vec<(f64, f64)> {
    let mut strokes = Vec::new();
    let mut at = 0.0;
    for pair in pattern(style).chunks_exact(2).cycle() {
        if at >= length {
            break;
        }
        let end = at + f64::from(pair[0]);
        strokes.push((at, end.min(length)));
        at = end + f64::from(pair[1]);
    }
    strokes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{aggregate::links::links, drawing::figure::Shape};
    use veilbench_results::Summary;

    #[test]
    fn a_pattern_ends_where_its_line_ends() {
        assert_eq!(strokes(1, 20.0), [(0.0, 8.0), (11.0, 19.0)]);
        assert_eq!(strokes(2, 6.0), [(0.0, 2.0), (5.0, 6.0)]);
        assert_eq!(strokes(0, 20.0), []);
    }

    #[test]
    fn bars_marks_and_lines_of_different_styles_differ() {
        let drawn = |style| {
            let mut figure = Figure::new(100.0);
            line(&mut figure, ((0.0, 0.0), (50.0, 0.0)), INK, 1.0, style);
            cut_bar(&mut figure, ((0.0, 0.0), (50.0, 9.0)), PAPER, style);
            let bars = figure.shapes.len();
            cut_mark(&mut figure, (5.0, 5.0), PAPER, style);
            (figure.shapes[..bars].to_vec(), figure.shapes[bars..].to_vec())
        };
        for style in 0..5 {
            for other in 0..style {
                let (a, b) = (drawn(style), drawn(other));
                assert!(a.0 != b.0 && a.1 != b.1, "{style} and {other}");
            }
        }
    }

    #[test]
    fn only_a_run_with_other_links_than_loopback_has_a_key() {
        let row = |link: &str| Summary { link: link.to_owned(), ..Summary::default() };
        let texts = |names: &[&str]| {
            let rows: Vec<Summary> = names.iter().map(|name| row(name)).collect();
            let mut figure = Figure::new(WIDTH);
            key(&mut figure, &links(&rows));
            figure.shapes.iter().filter(|shape| matches!(shape, Shape::Text(_))).count()
        };
        assert_eq!([texts(&["loopback"]), texts(&["lan"]), texts(&["wan", "loopback"])], [0, 1, 2]);
    }
}
