//! Transfers that an extension's rows become: of blocks, of a number times a bit, and of entries of a table.

pub mod correlated;
pub(crate) mod keys;
pub mod lookup;
pub mod transfer;
