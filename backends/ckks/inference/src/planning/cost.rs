//! How long things take, in nanoseconds.
//!
//! The constants were fitted in November 2026 to what `cargo bench -p veilbench-ckks --bench operations` and whole runs of
//! the networks that ship took on two cores of a virtual AMD EPYC with AVX-512 IFMA. Which model of processor that was,
//! and with which commands the runs were started, is not on record: predictions are for that machine alone.

use crate::circuits::circuit::Circuit;
use crate::circuits::map::{AffineMap, DenseBlock};
use crate::circuits::program::{LatencyLayer, PackedCircuit};
use crate::planning::schedule::{Schedule, Step};
use crate::planning::scheme::Scheme;
use veilbench_api::Job;
use veilbench_ckks::ChainOutline;

/// A transform of one limb with its share of the base conversion around it, for each coefficient, by degree: rows of
/// the largest ring no longer fit the second-level cache together with their roots.
const TRANSFORM: [(usize, f64); 4] = [(4096, 0.93), (8192, 0.99), (16_384, 1.12), (32_768, 1.75)];

/// A product in an inner product with a rotation key, which comes from memory.
const KEY_PRODUCT: f64 = 0.55;

/// A product in an inner product with the relinearisation key where that is used over and over.
const CACHED_KEY_PRODUCT: f64 = 0.22;

/// A product with an encoded weight, which comes from memory and serves two products.
const WEIGHT_PRODUCT: f64 = 0.5;

/// Reducing a rounded coefficient of a weight, and bringing it into the form that products take.
const WEIGHT_ROUNDED: f64 = 1.2;

/// How much of the work on a single ciphertext threads share.
const LIMBS_PARALLEL: f64 = 0.9;

/// Squaring one limb of one of the three parts, and adding it up.
const SQUARE_TERM: f64 = 0.6;

/// A product of a number and a coefficient within a long weighted sum, one of [`SUMS_ABREAST`] that share their inputs.
const SUM_PRODUCT: f64 = 0.034;

/// The same in a sum that is computed alone.
const LONE_SUM_PRODUCT: f64 = 0.1;

/// Sums that are computed abreast.
const SUMS_ABREAST: usize = 4;

/// Reducing the sum of [`SUM_TERMS`] such products.
const SUM_REDUCED: f64 = 0.15;

/// Products that are summed before they are reduced.
const SUM_TERMS: usize = 12;

/// Writing one coefficient of a result to memory of its own.
const RESULT: f64 = 2.8;

/// Rescaling that coefficient into a new result, and adding the bias to a copy of it, beside the transforms.
const RESCALED: f64 = 1.0;

/// The first use of a byte of memory, which the kernel clears.
const FIRST_USE: f64 = 0.35;

/// Encoding a coefficient of a fresh ciphertext.
const ENCODE: f64 = 7.0;

/// Sampling, encrypting and writing one coefficient of a limb.
const ENCRYPT: f64 = 12.5;

/// Reading and expanding one coefficient of a limb.
const RECEIVE: f64 = 8.5;

/// Reading, decrypting and decoding a coefficient.
const DECRYPT: f64 = 19.0;

/// Reading a byte of ciphertexts from memory, where those of a block of a map are more than the cache holds.
const READ: f64 = 0.07;

/// The third-level cache of the reference machine.
const CACHE_BYTES: usize = 32 << 20;

/// Passing on one byte between processes of one machine, at either end.
const COPY: f64 = 0.2;

/// Cores of the reference machine, which both parties share.
const CORES: usize = 2;

/// How much of the work on slots full of images threads share: every ciphertext is a task of its own.
const BATCH_PARALLEL: f64 = 0.95;

/// How much more processor time it takes where both parties have a thread for every core, and wait for the same
/// memory.
const CONTENTION: f64 = 1.1;

/// Counts the cost of operations under a scheme, on so many threads.
pub(crate) struct Cost<'a> {
    scheme: &'a Scheme,
    degree: f64,
    transform: f64,
    threads: usize,
}

impl<'a> Cost<'a> {
    pub(crate) fn new(scheme: &'a Scheme, threads: usize) -> Self {
        let known = TRANSFORM.iter().find(|(degree, _)| *degree >= scheme.degree);
        let transform = known.map_or(TRANSFORM[TRANSFORM.len() - 1].1, |(_, each)| *each);
        Self { scheme, degree: scheme.degree as f64, transform, threads: threads.clamp(1, CORES) }
    }

    fn transforms(&self, count: usize) -> f64 {
        count as f64 * self.degree * self.transform
    }

    fn extended(&self, level: usize) -> usize {
        level + 1 + self.scheme.special_prime_bits.len()
    }

    /// Cutting a polynomial into digits modulo all primes.
    fn decompose(&self, level: usize) -> f64 {
        self.transforms(self.scheme.digits(level) * self.extended(level))
    }

    /// The inner product of digits with a key.
    fn inner(&self, level: usize, each: f64) -> f64 {
        (2 * self.scheme.digits(level) * self.extended(level)) as f64 * self.degree * each
    }

    /// The division by the special primes.
    fn divide(&self, level: usize) -> f64 {
        self.transforms(2 * self.extended(level))
    }

    pub(crate) fn rotate(&self, level: usize) -> f64 {
        self.decompose(level) + self.inner(level, KEY_PRODUCT) + self.divide(level)
    }

    pub(crate) fn rescale(&self, level: usize) -> f64 {
        self.transforms(2 * (level + 1))
    }

    /// A sum of so many squares, rescaled.
    fn squares(&self, level: usize, terms: usize, key_product: f64) -> f64 {
        self.decompose(level)
            + self.inner(level, key_product)
            + self.divide(level)
            + self.rescale(level)
            + (3 * terms * (level + 1)) as f64 * self.degree * SQUARE_TERM
    }

    /// Reading a fresh ciphertext.
    pub(crate) fn receive(&self) -> f64 {
        RECEIVE * self.degree * (self.scheme.depth() + 1) as f64
    }

    pub(crate) fn encrypt(&self) -> f64 {
        (ENCODE + ENCRYPT * (self.scheme.depth() + 1) as f64) * self.degree
    }

    /// Reading, decrypting and decoding a result.
    pub(crate) fn decrypt(&self) -> f64 {
        self.degree * DECRYPT
    }

    /// A product of two ciphertexts, rescaled.
    pub(crate) fn product(&self, level: usize) -> f64 {
        self.squares(level, 1, KEY_PRODUCT)
    }

    /// A map whose weights are transformed as they are used, of diagonals that repeat after some slots.
    pub(crate) fn streamed(&self, chain: &ChainOutline, length: usize, inputs: usize, level: usize) -> f64 {
        let limbs = (chain.diagonals() * (level + 1)) as f64;
        let weights = limbs * 2.0 * length as f64 * (self.transform + WEIGHT_ROUNDED);
        inputs as f64 * self.decompose(level)
            + chain.baby_steps() as f64 * (self.inner(level, KEY_PRODUCT) + self.divide(level))
            + chain.giant_steps() as f64 * self.rotate(level)
            + weights
            + 2.0 * limbs * self.degree * WEIGHT_PRODUCT
    }

    /// Work on one ciphertext after another, whose limbs threads share.
    pub(crate) fn limbs_shared(&self, ns: f64) -> f64 {
        ns * (1.0 - LIMBS_PARALLEL + LIMBS_PARALLEL / self.threads as f64)
    }

    /// Tasks of equal length, shared among the threads.
    fn tasks(&self, count: usize, together: f64) -> f64 {
        together * count.div_ceil(self.threads) as f64 / count.max(1) as f64
    }

    /// One image, every layer: names with nanoseconds of the model owner.
    pub(crate) fn latency_layers(&self, program: &PackedCircuit) -> Vec<(String, f64)> {
        let mut level = self.scheme.depth();
        let mut layers = Vec::new();
        for layer in &program.layers {
            layers.push((layer.name.clone(), self.latency_layer(layer, level)));
            level = level.saturating_sub(2);
        }
        layers
    }

    /// The results of a transform are shared among threads; what surrounds them, rotation by rotation, is not.
    fn latency_layer(&self, layer: &LatencyLayer, level: usize) -> f64 {
        let outline = &layer.outline;
        let (inputs, results) = (layer.inputs, layer.diagonals.len());
        let mut giants =
            outline.giant_steps() as f64 * (self.decompose(level) + self.inner(level, KEY_PRODUCT));
        giants +=
            self.divide(level) * if outline.is_chained() { outline.giant_steps() } else { results } as f64;
        giants += (2 * outline.diagonals() * (level + 1)) as f64 * self.degree * WEIGHT_PRODUCT;
        let mut time = self.tasks(results, giants);
        time += (inputs * layer.pre_rotations.len()) as f64 * self.rotate(level);
        time += inputs as f64 * self.decompose(level);
        time += outline.baby_steps() as f64 * (self.inner(level, KEY_PRODUCT) + self.divide(level));
        time += results as f64 * self.rescale(level);
        time += (results * layer.post_rotations.len()) as f64 * self.rotate(level);
        if layer.square {
            time += results as f64 * self.squares(level - 1, 1, KEY_PRODUCT);
        }
        time
    }

    /// One image from pixels to logits: the parties wait for each other.
    pub(crate) fn latency(&self, program: &PackedCircuit) -> Work {
        let evaluate: f64 = self.latency_layers(program).iter().map(|(_, time)| time).sum();
        let inputs = program.input.len();
        let receive = self.tasks(inputs, inputs as f64 * self.receive());
        Work {
            client_ns: inputs as f64 * self.encrypt() + self.degree * DECRYPT,
            server_ns: receive + evaluate,
            streamed: None,
        }
    }

    /// A dense piece of a map at a level: its products, sums and rescaled results.
    fn block(&self, block: &DenseBlock, level: usize) -> f64 {
        let coefficients = 2.0 * (level + 1) as f64 * self.degree;
        let (inputs, outputs) = (block.inputs.len(), block.outputs.len() as f64);
        let reduced = inputs.div_ceil(SUM_TERMS) as f64;
        let lone = block.outputs.len() % SUMS_ABREAST;
        let abreast = block.outputs.len() - lone;
        let products = inputs as f64 * (abreast as f64 * SUM_PRODUCT + lone as f64 * LONE_SUM_PRODUCT);
        let bytes = inputs * self.scheme.memory_bytes(level);
        let read = if bytes > CACHE_BYTES { bytes as f64 * READ } else { 0.0 };
        let rescaled = 2.0 * level as f64 * self.degree * RESCALED;
        let results = coefficients * RESULT + self.rescale(level) + rescaled;
        read + coefficients * (products + outputs * reduced * SUM_REDUCED) + outputs * results
    }

    /// A ciphertext full of images, every layer: names with nanoseconds of one thread of the model owner.
    pub(crate) fn throughput_layers(&self, circuit: &Circuit, schedule: &Schedule) -> Vec<(String, f64)> {
        let mut times = vec![0.0; circuit.stages.len()];
        for (stage, time) in schedule.steps.iter().filter_map(|step| self.step(circuit, step)) {
            times[stage] += time;
        }
        circuit.stages.iter().map(|stage| stage.name.clone()).zip(times).collect()
    }

    /// The stage that a step computes a part of, and nanoseconds of one thread.
    fn step(&self, circuit: &Circuit, step: &Step) -> Option<(usize, f64)> {
        let depth = self.scheme.depth();
        match step {
            Step::Receive(_) => None,
            Step::DenseBlock { stage, block } => {
                Some((*stage, self.block(&circuit.stages[*stage].map.blocks[*block], depth - 2 * stage)))
            }
            Step::Squares { stage, sums } => {
                let terms = circuit.stages[*stage].activation.as_ref().map_or(1, |own| own.terms);
                let level = depth - 2 * stage - 1;
                Some((*stage, sums.len() as f64 * self.squares(level, terms, CACHED_KEY_PRODUCT)))
            }
        }
    }

    /// A ciphertext full of images from pixels to logits: while ciphertexts come, both parties work at once. `held` bytes of
    /// ciphertexts are in memory together.
    pub(crate) fn throughput(&self, circuit: &Circuit, schedule: &Schedule, held: usize) -> Work {
        let time = |steps: &[Step]| -> f64 {
            steps.iter().filter_map(|step| self.step(circuit, step)).map(|(_, time)| time).sum()
        };
        let is_receipt = |step: &Step| matches!(step, Step::Receive(_));
        let all_there = schedule.steps.iter().rposition(is_receipt).map_or(0, |last| last + 1);
        let (early, late) = schedule.steps.split_at(all_there);
        let inputs = schedule.messages().map(<[u32]>::len).sum::<usize>() as f64;
        let classes = circuit.stages.last().map_or(0, |last| last.map.outputs()) as f64;
        let copied = inputs * self.scheme.wire_bytes(self.scheme.depth(), true) as f64 * COPY;
        let tail_ns = self.share(time(late));
        let received = self.share(inputs * self.receive() + time(early) + held as f64 * FIRST_USE);
        Work {
            client_ns: self.share(inputs * self.encrypt() + classes * self.degree * DECRYPT) + copied,
            server_ns: received + copied + tail_ns,
            streamed: Some(tail_ns),
        }
    }

    /// Work on many ciphertexts, on all threads.
    fn share(&self, ns: f64) -> f64 {
        let contention = if self.threads == 1 { 1.0 } else { CONTENTION };
        ns * contention * (1.0 - BATCH_PARALLEL + BATCH_PARALLEL / self.threads as f64)
    }

    /// One linear layer between fresh ciphertexts that come and results that go back, both message by message.
    pub(crate) fn exchange(&self, map: &AffineMap) -> Exchange {
        let (inputs, outputs) = (map.inputs as f64, map.outputs() as f64);
        let layer: f64 = map.blocks.iter().map(|block| self.block(block, self.scheme.depth())).sum();
        let bytes = |count: usize, level, seeded| count * self.scheme.wire_bytes(level, seeded);
        let up_bytes = bytes(map.inputs, self.scheme.depth(), true);
        let down_bytes = bytes(map.outputs(), 0, false);
        let copy = |bytes: usize| bytes as f64 * COPY;
        Exchange {
            encrypt_ns: self.share(inputs * self.encrypt()) + copy(up_bytes),
            receive_ns: self.share(inputs * self.receive()) + copy(up_bytes),
            layer_ns: self.share(layer + outputs * self.degree * RECEIVE) + down_bytes as f64 * FIRST_USE,
            decrypt_ns: self.share(outputs * self.degree * DECRYPT) + copy(down_bytes),
            up_bytes,
            down_bytes,
        }
    }
}

/// The time a link takes to pass on so many bytes, nanoseconds.
fn transmit(job: &Job, bytes: usize) -> f64 {
    job.link.bits_per_second().map_or(0.0, |rate| bytes as f64 * 8e9 / rate as f64)
}

/// The round trip of a job's link, nanoseconds.
fn trip(job: &Job) -> f64 {
    job.link.round_trip().map_or(0.0, |trip| trip.as_nanos() as f64)
}

/// What one pass, an image or slots full of them, takes of each party: nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) client_ns: f64,
    pub(crate) server_ns: f64,
    /// If both parties and the link work at once while ciphertexts come: the part of the server's work that needs all of them.
    pub(crate) streamed: Option<f64>,
}

impl Work {
    /// Wall time of a pass, given how many bytes go up and down.
    pub(crate) fn wall_ns(&self, job: &Job, [up, down]: [usize; 2]) -> f64 {
        let Self { client_ns, server_ns, streamed } = *self;
        let Some(tail_ns) = streamed else {
            return client_ns + server_ns + transmit(job, up) + transmit(job, down) + trip(job);
        };
        let threads = job.threads.clamp(1, CORES) as f64;
        let received = server_ns - tail_ns;
        let compute = client_ns.max(received).max((client_ns + received) * threads / CORES as f64);
        compute.max(transmit(job, up)) + tail_ns + transmit(job, down) + trip(job)
    }
}

/// What one linear layer takes whose inputs the data owner encrypts and whose results it decrypts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    encrypt_ns: f64,
    receive_ns: f64,
    layer_ns: f64,
    decrypt_ns: f64,
    pub(crate) up_bytes: usize,
    pub(crate) down_bytes: usize,
}

impl Exchange {
    /// Wall time: while ciphertexts go up, both parties and the link work at once, and so do the link and the data
    /// owner while results come down; in between the model owner works alone.
    pub(crate) fn wall_ns(&self, job: &Job) -> f64 {
        let threads = job.threads.clamp(1, CORES) as f64;
        let both = (self.encrypt_ns + self.receive_ns) * threads / CORES as f64;
        let up = self.encrypt_ns.max(self.receive_ns).max(both).max(transmit(job, self.up_bytes));
        let down = self.decrypt_ns.max(transmit(job, self.down_bytes));
        up + self.layer_ns + down + trip(job)
    }
}
