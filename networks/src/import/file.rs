//! The file itself: what it may cost to read, its weights wherever they lie, and its graph.

pub(super) mod budget;
pub(super) mod external;
pub(super) mod graph;
pub(super) mod inlining;
