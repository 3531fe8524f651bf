//! How long things take, in nanoseconds.
//!
//! What single steps take is in [`Rates`]; how threads share them, and how much fits a cache, stands here and is that of the
//! reference machine.

mod across;

use crate::circuits::circuit::Circuit;
use crate::circuits::map::{AffineMap, DenseBlock};
use crate::circuits::program::{LatencyLayer, PackedCircuit};
use crate::planning::rates::Rates;
use crate::planning::schedule::{Schedule, Step};
use crate::planning::scheme::Scheme;
use veilbench_api::Job;
use veilbench_ckks::ChainOutline;

/// How much of the work on a single ciphertext threads share.
const LIMBS_PARALLEL: f64 = 0.9;

/// Sums that are computed abreast.
const SUMS_ABREAST: usize = 4;

/// Products that are summed before they are reduced.
const SUM_TERMS: usize = 12;

/// The third-level cache of the reference machine.
const CACHE_BYTES: usize = 32 << 20;

/// Cores of the reference machine, which both parties share.
const CORES: usize = 2;

/// How much of the work on slots full of images threads share: every ciphertext is a task of its own.
const BATCH_PARALLEL: f64 = 0.95;

/// How much more processor time it takes where both parties have a thread for every core, and wait for the same
/// memory.
const CONTENTION: f64 = 1.1;

/// Counts the cost of operations under a scheme, on this many threads of a machine with such rates.
pub(crate) struct Cost<'a> {
    rates: &'a Rates,
    scheme: &'a Scheme,
    degree: f64,
    transform: f64,
    key_product: f64,
    threads: usize,
}

impl<'a> Cost<'a> {
    pub(crate) fn new(rates: &'a Rates, scheme: &'a Scheme, threads: usize) -> Self {
        let (transform, key_product) = rates.of_ring(scheme.degree);
        let threads = threads.clamp(1, CORES);
        Self { rates, scheme, degree: scheme.degree as f64, transform, key_product, threads }
    }

    fn transforms(&self, count: usize) -> f64 {
        count as f64 * self.degree * self.transform
    }

    fn extended(&self, level: usize) -> usize {
        level + 1 + self.scheme.special_prime_bits.len()
    }

    /// Cutting a polynomial into digits modulo all primes.
    fn decompose(&self, level: usize, is_product: bool) -> f64 {
        self.transforms(self.scheme.digits(level, is_product) * self.extended(level))
    }

    /// The inner product of digits with a key.
    fn inner(&self, level: usize, is_product: bool, each: f64) -> f64 {
        (2 * self.scheme.digits(level, is_product) * self.extended(level)) as f64 * self.degree * each
    }

    /// The division by the special primes.
    fn divide(&self, level: usize) -> f64 {
        self.transforms(2 * self.extended(level))
    }

    /// A rotation of a product before it is rescaled, or else of a value.
    pub(crate) fn rotate(&self, level: usize, is_product: bool) -> f64 {
        self.decompose(level, is_product)
            + self.inner(level, is_product, self.key_product)
            + self.divide(level)
    }

    pub(crate) fn rescale(&self, level: usize) -> f64 {
        self.transforms(2 * (level + 1))
    }

    /// A sum of this many squares, rescaled. Of pairs, one is conjugated first, and the sum of several is cut into digits as three
    /// polynomials that meet four keys.
    fn squares(&self, level: usize, terms: usize, key_product: f64) -> f64 {
        let [cuts, products, divisions, parts] = match self.scheme.pairs {
            None => [1.0, 1.0, 1.0, 3.0],
            Some(_) if terms == 1 => [2.0, 2.0, 2.0, 6.0],
            Some(_) => [3.0, 4.0, 1.0, 8.0],
        };
        cuts * self.decompose(level, true)
            + products * self.inner(level, true, key_product)
            + divisions * self.divide(level)
            + self.rescale(level)
            + parts * (terms * (level + 1)) as f64 * self.degree * self.rates.square_term
    }

    /// Reading a fresh ciphertext.
    pub(crate) fn receive(&self) -> f64 {
        self.rates.receive * self.degree * (self.scheme.depth() + 1) as f64
    }

    pub(crate) fn encrypt(&self) -> f64 {
        (self.rates.encode + self.rates.encrypt * (self.scheme.depth() + 1) as f64) * self.degree
    }

    /// Reading, decrypting and decoding a result.
    pub(crate) fn decrypt(&self) -> f64 {
        self.degree * self.rates.decrypt
    }

    /// A product of two ciphertexts, rescaled.
    pub(crate) fn product(&self, level: usize) -> f64 {
        self.squares(level, 1, self.key_product)
    }

    /// A map whose weights are transformed as they are used, of diagonals that repeat after some slots.
    pub(crate) fn streamed(&self, chain: &ChainOutline, length: usize, inputs: usize, level: usize) -> f64 {
        let limbs = (chain.diagonals() * (level + 1)) as f64;
        let weights = limbs * 2.0 * length as f64 * (self.transform + self.rates.weight_rounded);
        inputs as f64 * self.decompose(level, false)
            + chain.baby_steps() as f64 * (self.inner(level, false, self.key_product) + self.divide(level))
            + chain.giant_steps() as f64 * self.rotate(level, true)
            + weights
            + 2.0 * limbs * self.degree * self.rates.weight_product
    }

    /// The product with `i`, one transform for each prime.
    pub(crate) fn multiply_by_i(&self, level: usize) -> f64 {
        self.transforms(level + 1)
    }

    /// A layer across the slots, of which the key switches and products were counted.
    pub(crate) fn whole_layer(&self, ns: f64) -> f64 {
        ns * self.rates.whole_layer
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
            layers.push((layer.name.clone(), self.whole_layer(self.latency_layer(layer, level))));
            level = level.saturating_sub(2);
        }
        layers
    }

    /// The results of a transform are shared among threads; what surrounds them, rotation by rotation, is not.
    fn latency_layer(&self, layer: &LatencyLayer, level: usize) -> f64 {
        let outline = &layer.outline;
        let (inputs, results) = (layer.inputs, layer.diagonals.len());
        let mut giants = outline.giant_steps() as f64
            * (self.decompose(level, true) + self.inner(level, true, self.key_product));
        giants +=
            self.divide(level) * if outline.is_chained() { outline.giant_steps() } else { results } as f64;
        giants += (2 * outline.diagonals() * (level + 1)) as f64 * self.degree * self.rates.weight_product;
        let mut time = self.tasks(results, giants);
        time += (inputs * layer.pre_rotations.len()) as f64 * self.rotate(level, false);
        time += inputs as f64 * self.decompose(level, false);
        time +=
            outline.baby_steps() as f64 * (self.inner(level, false, self.key_product) + self.divide(level));
        time += results as f64 * self.rescale(level);
        time += (results * layer.post_rotations.len()) as f64 * self.rotate(level, true);
        if layer.square {
            time += results as f64 * self.squares(level - 1, 1, self.key_product);
        }
        time
    }

    /// One image from pixels to logits: the parties wait for each other.
    pub(crate) fn latency(&self, program: &PackedCircuit, halved: bool) -> Work {
        let evaluate: f64 = self.latency_layers(program).iter().map(|(_, time)| time).sum();
        let inputs = program.input.len();
        let results = program.layers.last().map_or(0, |layer| layer.diagonals.len());
        let halvings = if halved { results } else { 0 };
        let receive = self.tasks(inputs, inputs as f64 * self.receive());
        Work {
            client_ns: inputs as f64 * self.encrypt() + self.degree * self.rates.decrypt,
            server_ns: receive + evaluate + halvings as f64 * self.rotate(0, false),
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
        let products = inputs as f64
            * (abreast as f64 * self.rates.sum_product + lone as f64 * self.rates.lone_sum_product);
        let bytes = inputs * self.scheme.memory_bytes(level);
        let read = if bytes > CACHE_BYTES { bytes as f64 * self.rates.read } else { 0.0 };
        let rescaled = 2.0 * level as f64 * self.degree * self.rates.rescaled;
        let results = coefficients * self.rates.result + self.rescale(level) + rescaled;
        read + coefficients * (products + outputs * reduced * self.rates.sum_reduced) + outputs * results
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
            Step::Blocks { stage, blocks } => {
                let blocks = &circuit.stages[*stage].map.blocks[blocks.clone()];
                Some((*stage, blocks.iter().map(|block| self.block(block, depth - 2 * stage)).sum()))
            }
            Step::Squares { stage, sums } => {
                let terms = circuit.stages[*stage].activation.as_ref().map_or(1, |own| own.terms);
                let level = depth - 2 * stage - 1;
                Some((*stage, sums.len() as f64 * self.squares(level, terms, self.rates.cached_key_product)))
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
        let copied = inputs * self.scheme.wire_bytes(self.scheme.depth(), true) as f64 * self.rates.copy;
        let tail_ns = self.share(time(late));
        let received = self.share(inputs * self.receive() + time(early) + held as f64 * self.rates.first_use);
        Work {
            client_ns: self.share(inputs * self.encrypt() + classes * self.degree * self.rates.decrypt)
                + copied,
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
        let copy = |bytes: usize| bytes as f64 * self.rates.copy;
        Exchange {
            encrypt_ns: self.share(inputs * self.encrypt()) + copy(up_bytes),
            receive_ns: self.share(inputs * self.receive()) + copy(up_bytes),
            layer_ns: self.share(layer + outputs * self.degree * self.rates.receive)
                + down_bytes as f64 * self.rates.first_use,
            decrypt_ns: self.share(outputs * self.degree * self.rates.decrypt) + copy(down_bytes),
            up_bytes,
            down_bytes,
        }
    }
}

/// The time a link takes to pass on this many bytes, nanoseconds.
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
