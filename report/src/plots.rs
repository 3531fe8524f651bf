//! The plots of a run, each a figure made from its summary alone.

mod accuracy;
mod communication;
mod frame;
mod links;
mod memory;
mod panels;
mod pareto;
mod phases;
mod runtime;
mod throughput;

pub(crate) use frame::background;
pub(crate) use panels::machine;

use crate::{
    Error,
    drawing::figure::Figure,
    drawing::render::{render_png, render_svg},
};
use std::path::{Path, PathBuf};
use veilbench_results::{Run, Summary};

/// A plot's file stem and what makes it.
type Plot = (&'static str, fn(&Run, &[Summary]) -> Figure);

const PLOTS: [Plot; 6] = [
    ("runtime", runtime::runtime),
    ("communication", communication::communication),
    ("accuracy", accuracy::accuracy),
    ("throughput", throughput::throughput),
    ("memory", memory::memory),
    ("pareto", pareto::pareto),
];

/// Draws every plot as SVG and PNG into a folder that exists; returns the files.
pub(crate) fn draw_all(folder: &Path, run: &Run, rows: &[Summary]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for (stem, plot) in PLOTS {
        let figure = plot(run, rows);
        let (svg_path, png_path) =
            (folder.join(stem).with_extension("svg"), folder.join(stem).with_extension("png"));
        render_svg(&figure, &svg_path)?;
        render_png(&figure, &png_path)?;
        files.extend([svg_path, png_path]);
    }
    Ok(files)
}
