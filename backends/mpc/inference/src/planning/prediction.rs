//! What a plan predicts of a batch, from the counts of the circuit.

use std::ops::Range;

use veilbench_mpc::cost::{Cost, GateWindow, Memory, Traffic};

use super::batches::BatchSplit;
use crate::announcement;
use crate::dealt::enclave;
use veilbench_api::Job;
use veilbench_results::Predicted;

/// Making, moving and evaluating randomness takes about so many picoseconds for each of its bytes, measured over whole runs of the
/// networks that ship on two cores.
const PS_PER_RANDOM_BYTE: u64 = 800;
/// A product of two ring elements, measured likewise.
const PS_PER_PRODUCT: u64 = 100;
/// A message on an unshaped link, with the wake-up of its receiver.
const NS_PER_MESSAGE: u64 = 20_000;
/// A process before it holds anything: the program and its libraries, and stacks. Between 10 and 16 MB, by how much of the program
/// the kernel maps at once.
const PROCESS_BYTES: usize = 14 << 20;
/// Buffers of a role's links, besides.
const LINK_BYTES: usize = 2 << 20;
/// Copies of the weights that reading a model file leaves to the allocator, and the most that it keeps of what is freed.
const COPIES_READ: usize = 4;
const KEPT_BYTES: usize = 64 << 20;
/// One in so many bytes that a batch takes is kept by another thread, up to half of what one keeps.
const KEPT_SHARE: usize = 4;
/// One in so many bytes more: vectors that grew, values of one message.
const UNCOUNTED: usize = 16;

/// Time that the online phase takes for a value besides its randomness, in picoseconds, measured over whole runs of the networks that
/// ship on two cores.
#[derive(Clone, Copy)]
pub(crate) struct Rates {
    /// For its sign.
    pub(crate) comparison: u64,
    /// For its polynomial.
    pub(crate) square: u64,
}

/// What is predicted, and of what it is.
pub(crate) struct Predictor<'a> {
    pub(crate) cost: Cost<'a>,
    /// Randomness of an image at the party that stores more.
    pub(crate) randomness_bytes: usize,
    pub(crate) rates: Rates,
    pub(crate) cut: BatchSplit,
    /// Windows of gates of an image, of which the first is dealt offline with those images that are; one of all gates usually.
    pub(crate) gates: Vec<GateWindow>,
    pub(crate) job: &'a Job,
    /// Whether the dealer is in an enclave: attested, and with what it deals under keys.
    pub(crate) in_enclave: bool,
}

impl Predictor<'_> {
    /// The figures of a batch, and about how long both of its phases take, in nanoseconds. The time decides what fits a profile of runs;
    /// it is within a factor of a few on another machine, which is no prediction to hold a measurement against.
    pub(crate) fn predict(&self) -> (Predicted, u64) {
        let ahead = self.cut.ahead().min(self.job.batch);
        let late = self.job.batch - ahead;
        let online = self.windows(self.job.batch, |images| self.cost.online(images));
        let (first, others) = self.gates.split_at(self.gates.len().min(1));
        let dealt_ahead = self.dealt(ahead, first);
        let gates_late = self.dealt(ahead, others);
        let images_late = self.dealt(late, &self.gates);
        let dealt_late = images_late.plus(gates_late);
        let online_wall_ns = self.running_ns(online).saturating_add(self.dealing_ns(late, images_late));
        let batch_ns = online_wall_ns.saturating_add(self.dealing_ns(ahead, dealt_ahead.plus(gates_late)));
        let phases = self.memory(ahead);
        let most = phases.into_iter().fold(Memory::default(), Memory::max);
        let kept = kept_of_model(self.cost.parameters());
        let model_owner = with_overhead(most.model_owner, self.job).saturating_add(kept);
        let others = [with_overhead(most.data_owner, self.job), with_overhead(most.dealer, self.job)];
        let prediction = Predicted {
            setup_bytes: Some(self.setup().bytes as u64),
            offline_bytes: Some(dealt_ahead.bytes as u64),
            online_bytes: Some(online.bytes.saturating_add(dealt_late.bytes) as u64),
            peak_rss_bytes: Some(others.into_iter().fold(model_owner, usize::max) as u64),
            session_peak_rss_bytes: Some(others.into_iter().fold(model_owner, usize::saturating_add) as u64),
            ..Predicted::default()
        };
        (prediction, batch_ns)
    }

    /// What the messages of one window carry.
    fn window(&self, images: usize, of: impl Fn(usize) -> Traffic) -> Traffic {
        let (whole, rest) = (images / self.cut.message(), images % self.cut.message());
        let last = if rest > 0 { of(rest) } else { Traffic::default() };
        of(self.cut.message()).times(whole).plus(last)
    }

    /// What the messages of all windows of so many images carry.
    fn windows(&self, images: usize, of: impl Fn(usize) -> Traffic) -> Traffic {
        let (whole, rest) = (images / self.cut.ahead(), images % self.cut.ahead());
        self.window(self.cut.ahead(), &of).times(whole).plus(self.window(rest, &of))
    }

    /// What is dealt for so many images of some windows of gates, with what the dealer says before each.
    fn dealt(&self, images: usize, gates: &[GateWindow]) -> Traffic {
        let dealt = gates.iter().map(|window| self.dealt_for(images, &window.gates));
        dealt.fold(Traffic::default(), Traffic::plus)
    }

    fn dealt_for(&self, images: usize, gates: &Range<usize>) -> Traffic {
        let announced = Traffic { bytes: announcement(self.cut, &(0..images), gates).len(), messages: 1 };
        let windows = images.div_ceil(self.cut.ahead());
        let by_dealer = |images| self.cost.dealt_for(gates.clone(), images);
        let dealt = self.windows(images, by_dealer).plus(announced.times(windows));
        let dealt = if self.in_enclave { enclave::sealed(dealt) } else { dealt };
        dealt.plus(self.windows(images, |images| self.cost.ahead_of(gates.clone(), images)))
    }

    /// What the setup phase sends.
    fn setup(&self) -> Traffic {
        let attested = if self.in_enclave { enclave::setup() } else { Traffic::default() };
        self.cost.setup().plus(attested)
    }

    /// Time for randomness that is made, sent and stored at once, with the products of masks that belong to it.
    fn dealing_ns(&self, images: usize, dealt: Traffic) -> u64 {
        let products = (self.cost.work().products as u64).saturating_mul(PS_PER_PRODUCT);
        let randomness = (self.randomness_bytes as u64).saturating_mul(PS_PER_RANDOM_BYTE);
        let made = (images as u64).saturating_mul(products.saturating_add(randomness)) / 1_000;
        made.max(self.transmit_ns(dealt.bytes))
    }

    /// Time of the online phase but for what is dealt during it. Its messages follow each other window by window.
    fn running_ns(&self, online: Traffic) -> u64 {
        let work = self.cost.work();
        let products = (work.products as u64).saturating_mul(PS_PER_PRODUCT);
        let comparisons = (work.comparisons as u64).saturating_mul(self.rates.comparison);
        let squares = (work.squares as u64).saturating_mul(self.rates.square);
        let image_ps =
            products.saturating_add(comparisons).saturating_add(squares) / self.job.threads.max(1) as u64;
        let computed = (self.job.batch as u64).saturating_mul(image_ps) / 1_000;
        let rounds = self.job.batch.div_ceil(self.cut.ahead()) * self.cost.rounds();
        let half_round_trip = self.job.link.round_trip().map_or(0, |time| time.as_nanos() as u64 / 2);
        let waited = (rounds as u64).saturating_mul(NS_PER_MESSAGE + half_round_trip);
        computed.saturating_add(waited).saturating_add(self.transmit_ns(online.bytes))
    }

    fn transmit_ns(&self, bytes: usize) -> u64 {
        let ns = |rate: u64| bytes as u128 * 8_000_000_000 / u128::from(rate.max(1));
        self.job.link.bits_per_second().map_or(0, |rate| u64::try_from(ns(rate)).unwrap_or(u64::MAX))
    }

    /// Memory of the randomness of so many images for a window of gates.
    fn ready_memory(&self, gates: &Range<usize>, images: usize) -> Memory {
        let (whole, rest) = (images / self.cut.message(), images % self.cut.message());
        let ready = self.cost.ready_memory(gates.clone(), self.cut.message()).times(whole);
        if rest > 0 { ready.plus(self.cost.ready_memory(gates.clone(), rest)) } else { ready }
    }

    /// The most of any window of gates.
    fn most(&self, of: impl Fn(&Range<usize>) -> Memory) -> Memory {
        self.gates.iter().map(|window| of(&window.gates)).fold(Memory::default(), Memory::max)
    }

    /// Memory of each phase with so many images dealt ahead.
    fn memory(&self, ahead: usize) -> [Memory; 3] {
        let ready = self.most(|gates| self.ready_memory(gates, ahead));
        let images = Memory { data_owner: self.image_bytes(), ..Memory::default() };
        let held = self.cost.held_memory().plus(images);
        let abreast = self.job.threads.max(1).min(ahead.div_ceil(self.cut.message()));
        let images_dealt = self.cut.message().min(ahead);
        let mut dealing =
            self.most(|gates| self.cost.dealing_memory(gates.clone(), images_dealt)).times(abreast);
        let mut attesting = Memory::default();
        if self.in_enclave {
            let (data_owner, model_owner) = (enclave::MEMORY_BYTES, enclave::MEMORY_BYTES);
            attesting = Memory { data_owner, model_owner, dealer: enclave::MEMORY_BYTES };
            // The record that carries the largest message.
            dealing.dealer += dealing.model_owner;
        }
        let running = self.cost.running_memory(ahead);
        if self.gates.len() > 1 {
            // A window comes while values are under way, and randomness of the gate that is.
            dealing = dealing.plus(running).plus(self.cost.gate_memory(images_dealt));
        }
        [
            self.cost.setup_memory().plus(images).plus(attesting),
            held.plus(ready).plus(dealing),
            held.plus(ready).plus(running),
        ]
    }

    fn image_bytes(&self) -> usize {
        self.job.batch.saturating_mul(self.cost.inputs() * size_of::<f32>())
    }
}

/// What reading a model file of so many weights leaves to the allocator.
pub(crate) fn kept_of_model(weights: usize) -> usize {
    (COPIES_READ * weights * size_of::<f32>()).min(KEPT_BYTES)
}

/// What a process takes that holds so much. Threads that share a batch free memory that each of them keeps.
pub(crate) fn with_overhead(bytes: usize, job: &Job) -> usize {
    let others = if job.batch > 1 { job.threads.saturating_sub(1) } else { 0 };
    let kept = others.saturating_mul((bytes / KEPT_SHARE).min(KEPT_BYTES / 2));
    bytes.saturating_add(bytes / UNCOUNTED).saturating_add(kept).saturating_add(PROCESS_BYTES + LINK_BYTES)
}
