//! Figures and how they become SVG and PNG.

pub(crate) mod axis;
pub(crate) mod figure;
pub(crate) mod labels;
pub(crate) mod palette;
pub(crate) mod render;
