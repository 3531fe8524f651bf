//! How long things take, from what the engine's benchmarks and whole runs measured on the reference machine (two
//! cores of an AMD EPYC with AVX-512 IFMA): nanoseconds of one thread.

use super::circuit::Circuit;
use super::program::Program;
use super::schedule::{Schedule, Step};
use super::scheme::Scheme;
use crate::Job;

/// A transform of one limb, for each coefficient and `log2` of the degree.
const TRANSFORM: f64 = 0.066;

/// A product in an inner product that reads keys or encoded weights.
const KEY_PRODUCT: f64 = 0.78;

/// A product of a number and a coefficient within a long weighted sum.
const SUM_PRODUCT: f64 = 0.105;

/// Writing one coefficient of a result.
const RESULT: f64 = 1.3;

/// Sampling, encoding, encrypting and writing one coefficient of a limb.
const ENCRYPT: f64 = 14.0;

/// Reading and expanding one coefficient of a limb.
const RECEIVE: f64 = 11.0;

/// Decrypting and decoding a coefficient.
const DECRYPT: f64 = 30.0;

/// Cores of the reference machine, which both parties share.
const CORES: usize = 2;

/// How much of the work on one image threads share: a second one took nothing to a quarter off the networks that ship.
const LATENCY_PARALLEL: f64 = 0.2;

/// How much of the work on slots full of images threads share: every ciphertext is a task of its own.
pub(super) const BATCH_PARALLEL: f64 = 0.95;

/// Counts the cost of operations under a scheme.
pub(super) struct Cost<'a> {
    scheme: &'a Scheme,
    degree: f64,
}

impl<'a> Cost<'a> {
    pub(super) fn new(scheme: &'a Scheme) -> Self {
        Self { scheme, degree: scheme.degree as f64 }
    }

    fn transforms(&self, count: usize) -> f64 {
        count as f64 * TRANSFORM * self.degree * self.degree.log2()
    }

    fn key_products(&self, count: usize) -> f64 {
        count as f64 * self.degree * KEY_PRODUCT
    }

    fn extended(&self, level: usize) -> usize {
        level + 1 + self.scheme.special_prime_bits.len()
    }

    /// Cutting a polynomial into digits modulo all primes.
    fn decompose(&self, level: usize) -> f64 {
        self.transforms(self.scheme.digits(level) * self.extended(level))
    }

    /// The inner product with a key and the division by the special primes.
    fn switch(&self, level: usize) -> f64 {
        let special = self.scheme.special_prime_bits.len();
        self.key_products(2 * self.scheme.digits(level) * self.extended(level))
            + self.transforms(2 * (special + level + 1))
    }

    fn rotate(&self, level: usize) -> f64 {
        self.decompose(level) + self.switch(level)
    }

    fn rescale(&self, level: usize) -> f64 {
        self.transforms(2 * (level + 1)) + (2 * (level + 1)) as f64 * self.degree * RESULT / 2.0
    }

    fn square(&self, level: usize, terms: usize) -> f64 {
        self.rotate(level) + self.rescale(level) + self.key_products(2 * terms * (level + 1))
    }

    fn fresh(&self, each: f64) -> f64 {
        each * self.degree * (self.scheme.depth() + 1) as f64
    }

    fn decrypt(&self) -> f64 {
        DECRYPT * self.degree
    }

    /// One image, every layer: names with nanoseconds of the model owner.
    pub(super) fn latency_layers(&self, program: &Program) -> Vec<(String, f64)> {
        let mut level = self.scheme.depth();
        let mut layers = Vec::new();
        for layer in &program.layers {
            let outline = &layer.outline;
            let (ciphertexts, results) = (layer.inputs, layer.diagonals.len());
            let mut time = (ciphertexts * layer.gather.len()) as f64 * self.rotate(level);
            time +=
                ciphertexts as f64 * self.decompose(level) + outline.baby_steps() as f64 * self.switch(level);
            time += outline.giant_steps() as f64 * self.rotate(level);
            time += self.key_products(2 * outline.diagonals() * (level + 1));
            time += results as f64 * self.rescale(level);
            time += (results * layer.folds.len()) as f64 * self.rotate(level);
            if layer.square {
                time += results as f64 * self.square(level - 1, 1);
            }
            level = level.saturating_sub(2);
            layers.push((layer.name.clone(), time));
        }
        layers
    }

    /// One image from pixels to logits: the parties wait for each other.
    pub(super) fn latency(&self, program: &Program) -> Work {
        let evaluate: f64 = self.latency_layers(program).iter().map(|(_, time)| time).sum();
        let inputs = program.input.len() as f64;
        Work {
            client_ns: inputs * self.fresh(ENCRYPT) + self.decrypt(),
            server_ns: inputs * self.fresh(RECEIVE) + evaluate,
            streamed: false,
            parallel: LATENCY_PARALLEL,
        }
    }

    /// A ciphertext full of images, every layer: names with nanoseconds of the model owner.
    pub(super) fn throughput_layers(&self, circuit: &Circuit, schedule: &Schedule) -> Vec<(String, f64)> {
        let depth = self.scheme.depth();
        let mut times = vec![0.0; circuit.stages.len()];
        for step in &schedule.steps {
            match step {
                Step::Receive(_) => {}
                Step::Block { stage, block } => {
                    let (block, level) = (&circuit.stages[*stage].map.blocks[*block], depth - 2 * stage);
                    let coefficients = 2.0 * (level + 1) as f64 * self.degree;
                    times[*stage] += block.weights.len() as f64 * coefficients * SUM_PRODUCT;
                    times[*stage] +=
                        block.outputs.len() as f64 * (coefficients * RESULT + self.rescale(level));
                }
                Step::Squares { stage, sums } => {
                    let terms = circuit.stages[*stage].activation.as_ref().map_or(1, |own| own.terms);
                    times[*stage] += sums.len() as f64 * self.square(depth - 2 * stage - 1, terms);
                }
            }
        }
        circuit.stages.iter().map(|stage| stage.name.clone()).zip(times).collect()
    }

    /// A ciphertext full of images from pixels to logits: both parties work at once.
    pub(super) fn throughput(&self, circuit: &Circuit, schedule: &Schedule) -> Work {
        let evaluate: f64 = self.throughput_layers(circuit, schedule).iter().map(|(_, time)| time).sum();
        let inputs = schedule.messages().map(<[u32]>::len).sum::<usize>() as f64;
        Work {
            client_ns: inputs * self.fresh(ENCRYPT) + self.decrypt(),
            server_ns: inputs * self.fresh(RECEIVE) + evaluate,
            streamed: true,
            parallel: BATCH_PARALLEL,
        }
    }
}

/// What one pass, an image or slots full of them, takes of each party's processor: nanoseconds of one thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) client_ns: f64,
    pub(super) server_ns: f64,
    /// Whether both parties, and the link, work at once.
    pub(super) streamed: bool,
    /// How much of it threads share, from 0 to 1.
    pub(super) parallel: f64,
}

impl Work {
    /// Wall time of a pass, given how many bytes go up and down.
    pub(super) fn wall_ns(&self, job: &Job, [up, down]: [usize; 2]) -> f64 {
        let transmit =
            |bytes: usize| job.link.bits_per_second().map_or(0.0, |rate| bytes as f64 * 8e9 / rate as f64);
        let trip = job.link.round_trip().map_or(0.0, |trip| trip.as_nanos() as f64);
        let threads = job.threads.min(CORES) as f64;
        let Self { client_ns, server_ns, streamed, parallel } = *self;
        let share = |ns: f64| ns * (1.0 - parallel + parallel / threads);
        if !streamed {
            return share(client_ns + server_ns) + transmit(up) + transmit(down) + trip;
        }
        let compute = share(client_ns).max(share(server_ns)).max((client_ns + server_ns) / CORES as f64);
        compute.max(transmit(up)) + transmit(down) + trip
    }
}
