//! What a party is told at the start: all that its role may know, and nothing else.

pub(crate) mod architecture;
mod npy;
pub(crate) mod weights;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::briefing::weights::WeightPaths;

/// The first message to a party.
#[derive(Debug, Serialize)]
pub(crate) struct Briefing<'a> {
    pub(crate) protocol: u32,
    pub(crate) backend: &'a str,
    pub(crate) role: &'a str,
    /// All roles, in the order of the manifest.
    pub(crate) roles: Vec<&'a str>,
    /// `images`, `weights` or `nothing`.
    pub(crate) holds: &'static str,
    pub(crate) architecture: Value,
    /// Most images in one batch.
    pub(crate) batch: usize,
    /// Threads the party may use.
    pub(crate) threads: usize,
    /// Every option with its value, chosen or default.
    pub(crate) options: BTreeMap<&'a str, &'a str>,
    /// Where each role is reached, in a session with a network of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) addresses: Option<BTreeMap<&'a str, String>>,
    /// Files of the network, only for the role that holds the weights.
    pub(crate) weights: Option<&'a WeightPaths>,
}
