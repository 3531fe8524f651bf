//! Figures and how they become SVG and PNG.

pub(crate) mod figure;
pub(crate) mod render;
