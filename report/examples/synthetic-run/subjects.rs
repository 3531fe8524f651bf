//! Backends and networks that do not exist.

/// A made-up way to run a network.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    pub(crate) technology: &'static str,
    pub(crate) protects: &'static str,
    pub(crate) security_bits: Option<u32>,
    pub(crate) simulated: bool,
    pub(crate) roles: &'static [&'static str],
    /// Online nanoseconds for one unit of work of a batch of one, and for each further image.
    pub(crate) fixed_ns: u64,
    pub(crate) image_ns: u64,
    /// Online bytes of an image and its rounds for each layer.
    pub(crate) bytes: u64,
    pub(crate) rounds: u64,
    /// Share of the online costs that the offline phase has, in percent.
    pub(crate) offline: u64,
    pub(crate) setup_bytes: u64,
}

pub(crate) const HONEST: &str = "semi-honest; two parties and a dealer that do not collude";
pub(crate) const CLIENT_KEY: &str = "semi-honest server without a key; the client learns the logits";

pub(crate) const BACKENDS: [Backend; 7] = [
    Backend {
        name: "clear",
        technology: "none",
        protects: "nothing: the server sees every image",
        security_bits: None,
        simulated: false,
        roles: &["data-owner", "model-owner"],
        fixed_ns: 60_000,
        image_ns: 40_000,
        bytes: 3_200,
        rounds: 0,
        offline: 0,
        setup_bytes: 0,
    },
    Backend {
        name: "tee",
        technology: "tee",
        protects: "enclave hardware and its vendor are trusted",
        security_bits: Some(128),
        simulated: true,
        roles: &["data-owner", "enclave-host"],
        fixed_ns: 240_000,
        image_ns: 60_000,
        bytes: 3_300,
        rounds: 0,
        offline: 0,
        setup_bytes: 700_000,
    },
    Backend {
        name: "mpc",
        technology: "mpc",
        protects: HONEST,
        security_bits: None,
        simulated: false,
        roles: &["data-owner", "model-owner", "dealer"],
        fixed_ns: 9_000_000,
        image_ns: 3_000_000,
        bytes: 900_000,
        rounds: 12,
        offline: 300,
        setup_bytes: 2_000,
    },
    Backend {
        name: "mpc-fss",
        technology: "mpc",
        protects: HONEST,
        security_bits: None,
        simulated: false,
        roles: &["data-owner", "model-owner", "dealer"],
        fixed_ns: 5_000_000,
        image_ns: 5_500_000,
        bytes: 60_000,
        rounds: 2,
        offline: 900,
        setup_bytes: 2_000,
    },
    Backend {
        name: "ckks",
        technology: "ckks",
        protects: CLIENT_KEY,
        security_bits: Some(128),
        simulated: false,
        roles: &["data-owner", "model-owner"],
        fixed_ns: 900_000_000,
        image_ns: 850_000_000,
        bytes: 1_600_000,
        rounds: 0,
        offline: 0,
        setup_bytes: 240_000_000,
    },
    Backend {
        name: "ckks-batched",
        technology: "ckks",
        protects: CLIENT_KEY,
        security_bits: Some(128),
        simulated: false,
        roles: &["data-owner", "model-owner"],
        fixed_ns: 4_200_000_000,
        image_ns: 2_000_000,
        bytes: 2_100_000,
        rounds: 0,
        offline: 0,
        setup_bytes: 90_000_000,
    },
    Backend {
        name: "hybrid",
        technology: "ckks+mpc",
        protects: "semi-honest; client and one server",
        security_bits: Some(110),
        simulated: false,
        roles: &["data-owner", "model-owner"],
        fixed_ns: 150_000_000,
        image_ns: 90_000_000,
        bytes: 1_000_000,
        rounds: 2,
        offline: 60,
        setup_bytes: 60_000_000,
    },
];

/// Name, data set, relative work and layers.
pub(crate) type Network = (&'static str, &'static str, u64, &'static [&'static str]);

pub(crate) const NETWORKS: [Network; 8] = [
    ("mnist-mlp", "mnist", 2, &["fc1", "relu1", "fc2", "relu2", "fc3"]),
    ("mnist-mlp-poly", "mnist", 2, &["fc1", "act1", "fc2", "act2", "fc3"]),
    ("malaria-cnn-poly", "malaria", 20, &["conv1", "act1", "conv2", "act2", "fc1", "act3", "fc2"]),
    ("malaria-cnn", "malaria", 20, &["conv1", "relu1", "conv2", "relu2", "fc1", "relu3", "fc2"]),
    ("mnist-cnn", "mnist", 3, &["conv1", "relu1", "fc1"]),
    ("mnist-cnn-poly", "mnist", 3, &["conv1", "act1", "fc1"]),
    ("melanoma-lenet", "melanoma-sample", 9, &["conv1", "relu1", "conv2", "relu2", "fc1"]),
    ("melanoma-lenet-poly", "melanoma-sample", 9, &["conv1", "act1", "conv2", "act2", "fc1"]),
];
