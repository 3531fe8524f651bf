//! Colours that remain apart for colour-blind readers (Okabe and Ito, 2008), and shapes beside them.

use crate::drawing::figure::Figure;
use plotters::style::RGBColor;

pub(crate) const INK: RGBColor = RGBColor(32, 32, 36);
pub(crate) const MUTED: RGBColor = RGBColor(104, 104, 112);
pub(crate) const GRID: RGBColor = RGBColor(226, 226, 230);
pub(crate) const PANEL: RGBColor = RGBColor(248, 248, 250);
pub(crate) const FAILURE: RGBColor = RGBColor(168, 32, 32);
pub(crate) const PAPER: RGBColor = RGBColor(255, 255, 255);

const OKABE_ITO: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(90, 90, 90),
];

/// The colour of the group with this index; colours repeat after seven, markers and names do not.
pub(crate) fn group_colour(index: usize) -> RGBColor {
    OKABE_ITO[index % OKABE_ITO.len()]
}

/// A colour mixed with white.
pub(crate) fn tint(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let lighten = |channel: u8| 255 - (255 - channel) / 3;
    RGBColor(lighten(r), lighten(g), lighten(b))
}

/// Number of different markers.
const MARKERS: usize = 7;

/// Draws the marker with this index.
pub(crate) fn marker(figure: &mut Figure, index: usize, (x, y): (f64, f64), colour: RGBColor) {
    let polygon = |figure: &mut Figure, corners: &[(f64, f64)]| {
        figure.polygon(corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect(), colour);
    };
    match index % MARKERS {
        0 => figure.circle((x, y), 5.0, colour),
        1 => figure.rectangle((x - 4.5, y - 4.5), (x + 4.5, y + 4.5), colour),
        2 => polygon(figure, &[(0.0, -6.0), (5.5, 4.5), (-5.5, 4.5)]),
        3 => polygon(figure, &[(0.0, -6.5), (6.5, 0.0), (0.0, 6.5), (-6.5, 0.0)]),
        4 => polygon(figure, &[(0.0, 6.0), (5.5, -4.5), (-5.5, -4.5)]),
        5 => {
            figure.circle((x, y), 5.5, colour);
            figure.circle((x, y), 3.0, PAPER);
        }
        _ => {
            figure.rectangle((x - 5.0, y - 5.0), (x + 5.0, y + 5.0), colour);
            figure.rectangle((x - 2.5, y - 2.5), (x + 2.5, y + 2.5), PAPER);
        }
    }
}
