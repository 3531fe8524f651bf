//! Threat models as data: they stand in every run and next to every ranking.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// How far an untrusted party may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adversary {
    /// Nobody is kept from anything.
    Unprotected,
    /// Follows the protocol and tries to learn from what it sees.
    SemiHonest,
    /// May deviate from the protocol at will.
    Malicious,
}

/// What one role learns beyond its own input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knowledge {
    /// The role.
    pub role: Cow<'static, str>,
    /// Sees the images.
    pub images: bool,
    /// Sees the weights.
    pub weights: bool,
    /// Sees intermediate activations.
    pub activations: bool,
    /// Sees the logits.
    pub logits: bool,
    /// Sees the layers, their shapes and their calibrated ranges: true of every role the harness briefs.
    pub architecture: bool,
}

/// Who must be trusted with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreatModel {
    /// A short label, equal for backends that may be ranked against each other.
    pub label: Cow<'static, str>,
    /// The strongest adversary privacy survives.
    pub adversary: Adversary,
    /// How many roles may collude without learning more.
    pub colluding: u32,
    /// What is trusted, in sentences.
    pub trusted: Vec<Cow<'static, str>>,
    /// What each role learns, in the order of the profile's roles.
    pub learns: Vec<Knowledge>,
    /// Whether a protection is simulated rather than enforced.
    pub simulated: bool,
}
