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

pub(crate) use panels::{dataset, failure, machine};

use crate::{Error, figure::Figure, render::render};
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

/// Draws every plot as SVG and PNG into a folder that exists.
pub(crate) fn draw_all(folder: &Path, run: &Run, rows: &[Summary]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for (stem, plot) in PLOTS {
        files.extend(render(&plot(run, rows), &folder.join(stem))?);
    }
    Ok(files)
}
