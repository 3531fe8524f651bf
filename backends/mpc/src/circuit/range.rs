//! The ring a calibrated network needs.

use super::{Circuit, Gate, Pool};
use crate::ring::Ring;

impl Circuit {
    /// The narrowest ring that holds every value within the calibrated magnitudes and their margin, from public data
    /// alone; compile again for it. `None` if a linear or quadratic layer has no calibration or 8 bytes are not enough.
    pub fn calibrated_ring(&self) -> Option<Ring> {
        let (x_bits, w_bits) = (self.format.activation_bits, self.format.weight_bits);
        let unit = |bits: u32| f64::from(bits).exp2();
        let summed = |pools: &[Pool]| pools.iter().map(|pool| pool.area() as f64).product::<f64>();
        let mut wire = self.format.input_magnitude * unit(x_bits);
        let mut largest = unit(x_bits + w_bits);
        for (gate, bound) in self.gates.iter().zip(&self.bounds) {
            let opened = match gate {
                Gate::Linear { .. } => (*bound)? * unit(x_bits + w_bits),
                Gate::Sum(pool) => wire * pool.area() as f64,
                Gate::Max { .. } => 2.0 * wire,
                Gate::Relu { shift, pools, .. } => (wire / unit(*shift) + 1.0) * summed(pools),
                Gate::Quadratic { pools, .. } => (*bound)? * unit(2 * x_bits + w_bits) * summed(pools),
                Gate::Truncate { shift, .. } => wire / unit(*shift) + 1.0,
                Gate::Output { .. } => wire,
            };
            largest = largest.max(opened);
            wire = match gate {
                Gate::Max { .. } => wire,
                Gate::Quadratic { square_shift, .. } => opened / unit(*square_shift) + 1.0,
                _ => opened,
            };
        }
        // One bit for the sign, one for the offset of truncation, one for errors of the last place.
        let bits = largest.log2().ceil() as u32 + 3;
        Ring::new(bits.div_ceil(8).max(2)).ok()
    }
}
