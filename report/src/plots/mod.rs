//! The plots of a run, each a figure made from its summary alone.

mod accuracy;
mod axis;
mod communication;
mod frame;
mod palette;
mod panels;
mod phases;
mod runtime;
mod throughput;

pub(crate) use axis::Axis;
pub(crate) use frame::background;
pub(crate) use palette::{GRID, INK, MUTED, group_colour, tint};
pub(crate) use panels::{dataset, failure, machine};

use crate::{
    Error,
    figure::Figure,
    render::{render_png, render_svg},
};
use std::path::{Path, PathBuf};
use veilbench_results::{Run, Summary};

/// A plot's file stem and what makes it.
type Plot = (&'static str, fn(&Run, &[Summary]) -> Figure);

const PLOTS: [Plot; 4] = [
    ("runtime", runtime::runtime),
    ("communication", communication::communication),
    ("accuracy", accuracy::accuracy),
    ("throughput", throughput::throughput),
];

/// What [`draw_all`] made.
#[derive(Default)]
pub(crate) struct Drawn {
    pub(crate) files: Vec<PathBuf>,
    /// The text of each SVG file.
    pub(crate) svgs: Vec<String>,
}

/// Draws every plot as SVG and PNG into a folder that exists.
pub(crate) fn draw_all(folder: &Path, run: &Run, rows: &[Summary]) -> Result<Drawn, Error> {
    let mut drawn = Drawn::default();
    for (stem, plot) in PLOTS {
        let figure = plot(run, rows);
        let (svg_path, png_path) =
            (folder.join(stem).with_extension("svg"), folder.join(stem).with_extension("png"));
        drawn.svgs.push(render_svg(&figure, &svg_path)?);
        render_png(&figure, &png_path)?;
        drawn.files.extend([svg_path, png_path]);
    }
    Ok(drawn)
}
