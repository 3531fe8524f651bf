//! A round: values of the data owner through a linear map of the model owner.

use veilbench_networks::{Shape, Source};

use crate::circuits::map::AffineMap;
use crate::planning::precision::{Inputs, logit_deviation};
use crate::planning::scheme::Scheme;
use crate::roles::guard::{Guard, tolerance};

/// A linear map at the model owner, of one layer or of several that follow each other.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) name: String,
    /// What it reads.
    pub(super) source: Source,
    /// The layer whose output it gives.
    pub(super) layer: usize,
    pub(super) map: AffineMap,
    pub(super) shape: Shape,
    /// What one unit of the encrypted inputs and outputs is worth.
    pub(super) units: [f64; 2],
    /// The most values one result reads.
    pub(super) fan_in: usize,
}

impl Round {
    /// The round with one result more, after its values.
    pub(super) fn guarded(mut self, guard: &Guard) -> Self {
        guard.append(&mut self.map);
        self
    }

    /// Standard deviation of the errors of its results, in units, if each reads so many values.
    fn deviation(&self, scheme: &Scheme, reads: usize) -> f64 {
        logit_deviation(scheme, &[Inputs { count: reads, magnitude: 1.0, fresh: true }], false, 1.0)
    }

    /// How far the guard may be from the results, in units.
    pub(super) fn tolerance(&self, scheme: &Scheme) -> f64 {
        let (guard, result) = (self.deviation(scheme, self.map.inputs), self.deviation(scheme, self.fan_in));
        tolerance(guard, result, self.shape.len())
    }
}
