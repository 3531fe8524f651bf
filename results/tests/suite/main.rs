//! Tests of the files of a run folder, on folders made for them.

mod files;
mod fixture;
mod store;
mod validate;
