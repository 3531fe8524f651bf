//! The published data sets, one file each, and what stands in for those that are not there.

pub(crate) mod cifar;
pub(crate) mod cifar_jpeg;
pub(crate) mod malaria;
pub(crate) mod melanoma;
pub(crate) mod mnist;
pub(crate) mod sample;
pub(crate) mod splits;
pub(crate) mod synthetic;
pub(crate) mod tree;
