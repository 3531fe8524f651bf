//! Protection as data: it stands in every run and next to every ranking.

use std::borrow::Cow;
use std::fmt;

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

/// Whether a role learns something beyond its own input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Learned {
    /// Nothing beyond what the answers it is given say.
    #[default]
    No,
    /// Can compute it from what it sees; the text says from how much.
    Derivable(Cow<'static, str>),
    /// Sees it.
    Yes,
}

impl Learned {
    /// Derivable `after` so much: "about 780 queries", "one batch of 2,048 images".
    pub const fn derivable(after: &'static str) -> Self {
        Self::Derivable(Cow::Borrowed(after))
    }

    /// [`Learned::Yes`] if it is seen, else [`Learned::No`].
    pub const fn seen(seen: bool) -> Self {
        if seen { Self::Yes } else { Self::No }
    }
}

impl fmt::Display for Learned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::No => f.write_str("no"),
            Self::Derivable(after) => write!(f, "derivable after {after}"),
            Self::Yes => f.write_str("yes"),
        }
    }
}

/// What one role learns beyond its own input. Every role knows the layers and their shapes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leakage {
    /// The role.
    pub role: Cow<'static, str>,
    /// The images.
    pub images: Learned,
    /// The weights.
    pub weights: Learned,
    /// Intermediate activations.
    pub activations: Learned,
    /// The logits.
    pub logits: Learned,
    /// The calibrated range of every layer: extremes of training data through the weights. A role is told
    /// them by the harness only if this says [`Learned::Yes`].
    pub ranges: Learned,
}

impl Leakage {
    /// A role that learns nothing.
    pub const fn none(role: &'static str) -> Self {
        Self {
            role: Cow::Borrowed(role),
            images: Learned::No,
            weights: Learned::No,
            activations: Learned::No,
            logits: Learned::No,
            ranges: Learned::No,
        }
    }

    /// The items by name, in the order tables list them.
    pub fn items(&self) -> [(&'static str, &Learned); 5] {
        [
            ("images", &self.images),
            ("weights", &self.weights),
            ("activations", &self.activations),
            ("logits", &self.logits),
            ("ranges", &self.ranges),
        ]
    }
}

/// Who must be trusted with what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection {
    /// A short label, equal for backends that may be ranked against each other.
    pub label: Cow<'static, str>,
    /// The strongest adversary privacy survives.
    pub adversary: Adversary,
    /// How many roles may collude without learning more.
    pub colluding: u32,
    /// What is trusted, in sentences.
    pub trusted: Vec<Cow<'static, str>>,
    /// What each role learns, in the order of the profile's roles.
    pub learns: Vec<Leakage>,
    /// Whether a protection is simulated rather than enforced.
    pub simulated: bool,
}
