//! The what-if curve: what each part of the hardware would add to a request, by size of the model.

use super::Constants;
use crate::{
    drawing::axis::Axis,
    drawing::figure::{Align, Figure},
    drawing::palette::{GRID, INK, MUTED, group_colour, tint},
    plots::{background, machine},
    text::format::{bytes, decimal_duration},
};
use veilbench_results::{ModelledSize, Run};

const WIDTH: f64 = 1100.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 900.0;
const TOP: f64 = 110.0;
const BOTTOM: f64 = 520.0;

/// Name and range of a part.
type Part = (&'static str, fn(&ModelledSize) -> (u64, u64));

const PARTS: [Part; 3] = [
    ("page swaps", |size| (size.modelled_paging_ns_low, size.modelled_paging_ns_high)),
    ("memory encryption", |size| {
        (size.modelled_memory_encryption_ns_low, size.modelled_memory_encryption_ns_high)
    }),
    ("enclave call", |size| (size.modelled_calls_ns_low, size.modelled_calls_ns_high)),
];

/// Draws the curve.
pub(super) fn curve(run: &Run, constants: &Constants, sizes: &[ModelledSize]) -> Figure {
    let mut figure = Figure::new(WIDTH);
    figure
        .text((28.0, 34.0), 21.0, INK, "MODELLED, not measured: enclave hardware by size of the model")
        .bold();
    let explained =
        "added to one request of one image, least to most; the band is the uncertainty of the constants";
    for (y, text) in [(60.0, explained.to_owned()), (80.0, format!("beside runs on {}", machine(run)))] {
        figure.text((28.0, y), 13.0, MUTED, text).fit(WIDTH - 56.0);
    }
    let most = |size: &ModelledSize| PARTS.iter().map(|(_, range)| range(size).1).max().unwrap_or(0) as f64;
    let across = Axis::logarithmic(sizes.iter().map(|size| size.modelled_model_bytes as f64));
    let up = Axis::logarithmic([1e3].into_iter().chain(sizes.iter().map(most)));
    let x = |value: f64| LEFT + across.share(value) * (RIGHT - LEFT);
    let y = |value: f64| BOTTOM - up.share(value) * (BOTTOM - TOP);

    background(&mut figure, (LEFT, TOP), (RIGHT, BOTTOM));
    for tick in across.ticks() {
        figure.line((x(tick), TOP), (x(tick), BOTTOM), GRID, 1.0);
        figure.text((x(tick), BOTTOM + 14.0), 11.5, MUTED, bytes(tick)).align(Align::Centre);
    }
    for tick in up.ticks() {
        figure.line((LEFT, y(tick)), (RIGHT, y(tick)), GRID, 1.0);
        figure.text((LEFT - 8.0, y(tick)), 11.5, MUTED, decimal_duration(tick)).align(Align::Right);
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    figure.text((middle, BOTTOM + 36.0), 12.0, MUTED, "bytes of weights").align(Align::Centre);

    for (index, (name, range)) in PARTS.iter().enumerate() {
        let points = |end: fn((u64, u64)) -> u64| -> Vec<(f64, f64)> {
            let positive = sizes.iter().filter(|size| range(size).1 > 0);
            positive.map(|size| (x(size.modelled_model_bytes as f64), y(end(range(size)) as f64))).collect()
        };
        let (low, high) = (points(|range| range.0), points(|range| range.1));
        let band: Vec<_> = low.iter().copied().chain(high.iter().rev().copied()).collect();
        figure.polygon(band, tint(group_colour(index)));
        for edge in [&low, &high] {
            for pair in edge.windows(2) {
                figure.line(pair[0], pair[1], group_colour(index), 1.5);
            }
        }
        if let Some(&(_, end)) = high.last() {
            figure.text((RIGHT + 10.0, end), 13.0, group_colour(index), *name).bold();
        }
    }
    figure.height = BOTTOM + 56.0;
    for basis in constants.bases().split("; ") {
        figure.height += 18.0;
        let at = (28.0, figure.height - 10.0);
        figure.text(at, 11.5, MUTED, basis).fit(WIDTH - 56.0);
    }
    figure.height += 14.0;
    figure
}
