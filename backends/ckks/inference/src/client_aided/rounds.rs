//! A round: values of the data owner through a linear map of the model owner.

use veilbench_networks::{Range, Shape, Source};

use crate::circuits::circuit::Stage;
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

    /// The map alone, between values in units.
    pub(super) fn into_stage(self) -> Stage {
        let range = Range { low: -1.0, high: 1.0 };
        Stage { name: self.name, map: self.map, activation: None, shape: self.shape, range }
    }

    /// How far the guard may be from the results, in units.
    pub(super) fn tolerance(&self, scheme: &Scheme) -> f64 {
        let deviation = |reads| deviation(scheme, reads, false);
        let (guard, result) = (deviation(self.map.inputs), deviation(self.fan_in));
        tolerance(guard, result, self.shape.len())
    }
}

/// Standard deviation of the errors of a round's results, in units, if each reads so many values; `vectors` if they are
/// across the slots.
pub(super) fn deviation(scheme: &Scheme, reads: usize, vectors: bool) -> f64 {
    logit_deviation(scheme, &[Inputs { count: reads, magnitude: 1.0, fresh: true }], vectors, 1.0)
}
