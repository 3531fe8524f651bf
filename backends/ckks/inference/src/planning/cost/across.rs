//! A round of one image across the slots, whose inputs the data owner encrypts and whose results it decrypts.

use super::{CORES, Cost, Exchange, transmit, trip};
use crate::circuits::program::PackedCircuit;
use veilbench_api::Job;

/// Fresh polynomials of an encryption of zero under a public key: small ones, transformed.
const FRESH_POLYNOMIALS: usize = 3;

impl Cost<'_> {
    /// One round of one image.
    pub(crate) fn across(&self, program: &PackedCircuit) -> Exchange {
        let level = self.scheme.depth();
        let inputs = program.input.len();
        let results = program.layers.last().map_or(0, |layer| layer.diagonals.len());
        let layers: f64 = self.latency_layers(program).iter().map(|(_, time)| time).sum();
        let sampled = FRESH_POLYNOMIALS as f64 * self.degree * self.rates.encrypt;
        let rerandomised = sampled + self.transforms(FRESH_POLYNOMIALS * (level + 1));
        let each = |count: usize, ns: f64| self.tasks(count, count as f64 * ns);
        Exchange {
            encrypt_ns: each(inputs, self.encrypt()),
            receive_ns: each(inputs, self.receive()),
            layer_ns: layers + results as f64 * rerandomised,
            decrypt_ns: each(results, self.decrypt()),
            up_bytes: inputs * self.scheme.wire_bytes(level, true),
            down_bytes: results * self.scheme.folded_bytes(program.period),
        }
    }
}

impl Exchange {
    /// Wall time of a round of so many images, whose messages all go up before any comes down: the data owner encrypts an
    /// image while the model owner computes the one before.
    pub(crate) fn images_ns(&self, job: &Job, images: usize) -> f64 {
        let server = self.receive_ns + self.layer_ns;
        let threads = job.threads.clamp(1, CORES) as f64;
        let both = (self.encrypt_ns + server) * threads / CORES as f64;
        let up = transmit(job, self.up_bytes);
        let each = self.encrypt_ns.max(server).max(both).max(up);
        let down = images as f64 * self.decrypt_ns.max(transmit(job, self.down_bytes));
        self.encrypt_ns + up + server + images.saturating_sub(1) as f64 * each + down + trip(job)
    }
}
