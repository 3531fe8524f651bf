//! What a plan predicts of a batch: bytes exactly, memory from above, times within a factor of a few.

use veilbench_2pc::Error;
use veilbench_2pc::network::Plan as NetworkPlan;
use veilbench_ot::Depth;
use veilbench_results::Predicted;

use crate::planning::prediction::{kept_of_model, with_overhead};
use veilbench_api::Job;

/// Times of one core of 2.3 GHz with AVX-512, in nanoseconds, fitted to whole runs of the networks that ship. Of a setup, but for the trees of transfers.
const NS_OF_SETUP: u64 = 35_000_000;
/// Of a transfer offline, beside its trees, and for each leaf of a tree and bit of depth.
const NS_PER_TRANSFER: u64 = 70;
const NS_PER_LEAF: u64 = 2;
/// Of a transfer online.
const NS_PER_CHOICE: u64 = 40;
/// Of a ciphertext of a request or an answer at either party.
const NS_PER_CIPHERTEXT: u64 = 700_000;
/// Of a message on an unshaped link, with the wake-up of its receiver.
const NS_PER_MESSAGE: u64 = 30_000;
/// Messages of a setup.
const MESSAGES_OF_SETUP: usize = 3;

/// What is predicted, and of what it is.
pub(super) struct Predictor<'a> {
    pub(super) network: &'a NetworkPlan,
    pub(super) depth: Depth,
    /// Images that are prepared and run at once.
    pub(super) window: usize,
    pub(super) job: &'a Job,
}

/// Times of the phases in nanoseconds: of setup, and of a batch's images, of which a window is prepared offline.
pub(super) struct Times {
    setup: u64,
    offline: u64,
    online: u64,
}

impl Times {
    /// Of both phases of a batch.
    pub(super) fn batch_ns(&self) -> u64 {
        self.offline.saturating_add(self.online)
    }

    /// For a reader of the plan.
    pub(super) fn note(&self) -> String {
        let ms = |ns: u64| ns.div_ceil(1_000_000);
        format!(
            "about {} ms of setup, {} ms offline and {} ms online, if both parties have a core of 2.3 GHz, within a factor of three",
            ms(self.setup),
            ms(self.offline),
            ms(self.online)
        )
    }
}

impl Predictor<'_> {
    /// Bytes and memory. `weights` is how many the model has.
    pub(super) fn predict(&self, weights: usize) -> Result<Predicted, Error> {
        let memory = self.network.memory(self.window)?;
        let inputs = self.network.circuit().inputs();
        let images = self.job.batch.saturating_mul(inputs * size_of::<f32>());
        let data_owner = with_overhead(memory.data_owner.saturating_add(images), self.job);
        let model_owner = with_overhead(memory.model_owner, self.job).saturating_add(kept_of_model(weights));
        Ok(Predicted {
            setup_bytes: Some(self.network.setup_bytes(self.depth) as u64),
            offline_bytes: Some(self.network.offline_bytes(self.window, self.depth)? as u64),
            online_bytes: Some(self.online_bytes()? as u64),
            peak_rss_bytes: Some(data_owner.max(model_owner) as u64),
            session_peak_rss_bytes: Some(data_owner.saturating_add(model_owner) as u64),
            ..Predicted::default()
        })
    }

    /// Windows of the window's size in a batch, and the images of the last one if these are fewer.
    fn windows(&self) -> (usize, usize) {
        (self.job.batch / self.window, self.job.batch % self.window)
    }

    /// Bytes of the online phase of a batch: that of all its windows, and the preparation of all but the first.
    fn online_bytes(&self) -> Result<usize, Error> {
        let (network, (whole, rest)) = (self.network, self.windows());
        let mut bytes = whole * network.online_bytes(self.window)?
            + whole.saturating_sub(1) * network.offline_bytes(self.window, self.depth)?;
        if rest > 0 {
            bytes += network.online_bytes(rest)?;
            if whole > 0 {
                bytes += network.offline_bytes(rest, self.depth)?;
            }
        }
        Ok(bytes)
    }

    /// The time that each phase takes.
    pub(super) fn times(&self) -> Result<Times, Error> {
        let network = self.network;
        let [prepared, run] = network.messages(self.window)?;
        let offline = self
            .preparing_ns(self.window)?
            .saturating_add(self.waiting_ns(prepared, network.offline_bytes(self.window, self.depth)?));
        let late = self.job.batch.saturating_sub(self.window);
        let windows = self.job.batch.div_ceil(self.window);
        let messages = windows * run + windows.saturating_sub(1) * prepared;
        let online = self
            .preparing_ns(late)?
            .saturating_add(self.transfers()?.saturating_mul(NS_PER_CHOICE * self.job.batch as u64))
            .saturating_add(self.waiting_ns(messages, self.online_bytes()?));
        let setup =
            NS_OF_SETUP.saturating_add(self.waiting_ns(MESSAGES_OF_SETUP, network.setup_bytes(self.depth)));
        Ok(Times { setup, offline, online })
    }

    /// Transfers of an image.
    fn transfers(&self) -> Result<u64, Error> {
        let [kept, multiplied] = self.network.transfers()?;
        Ok((kept + multiplied) as u64)
    }

    fn preparing_ns(&self, images: usize) -> Result<u64, Error> {
        let levels = self.depth.levels() as u64;
        let leaves = (1 << levels) / levels;
        let of_transfers = self.transfers()?.saturating_mul(NS_PER_TRANSFER + NS_PER_LEAF * leaves);
        let ciphertexts: usize = self.network.layouts().flat_map(|layout| layout.ciphertexts()).sum();
        let of_image = of_transfers.saturating_add(ciphertexts as u64 * NS_PER_CIPHERTEXT);
        Ok(of_image.saturating_mul(images as u64))
    }

    /// Time for messages that follow each other.
    fn waiting_ns(&self, messages: usize, bytes: usize) -> u64 {
        let half_round_trip = self.job.link.round_trip().map_or(0, |time| time.as_nanos() as u64 / 2);
        let sent = self.job.link.bits_per_second().map_or(0, |rate| {
            u64::try_from(bytes as u128 * 8_000_000_000 / u128::from(rate.max(1))).unwrap_or(u64::MAX)
        });
        (messages as u64).saturating_mul(NS_PER_MESSAGE + half_round_trip).saturating_add(sent)
    }
}
