//! What is constant about a backend: its name, its roles, what each of them holds, and where it comes from.

use std::borrow::Cow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use veilbench_networks::Architecture;

use crate::{Learned, Protection};

/// What is constant about a backend.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    /// Lower-case, unique, stable: `clear`, `mpc`, `ckks-client-aided`.
    pub name: Cow<'static, str>,
    /// One line for people.
    pub summary: Cow<'static, str>,
    /// The family it belongs to.
    pub technology: Technology,
    /// One process each. Exactly one holds the images and one the weights.
    pub roles: Vec<Role>,
    /// Who must be trusted with what.
    #[serde(rename = "threat_model")]
    pub protection: Protection,
}

impl Profile {
    /// The architecture as a role is told it: with calibrated ranges only if its leakage says that it learns them.
    pub fn briefed(&self, role: usize, architecture: &Architecture) -> Architecture {
        match self.protection.learns.get(role).map(|leakage| &leakage.ranges) {
            Some(Learned::Yes) => architecture.clone(),
            _ => architecture.without_ranges(),
        }
    }
}

/// The family a backend belongs to; reports never rank across families in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Technology {
    /// No protection: baseline and oracle.
    None,
    /// Trusted execution environment.
    Tee,
    /// Secure multi-party computation.
    Mpc,
    /// Homomorphic encryption.
    Fhe,
}

impl Technology {
    /// The name used in files.
    pub fn name(self) -> &'static str {
        match self {
            Technology::None => "none",
            Technology::Tee => "tee",
            Technology::Mpc => "mpc",
            Technology::Fhe => "fhe",
        }
    }
}

/// A participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Lower-case, unique within the backend: `data-owner`, `model-owner`, `dealer`.
    pub name: Cow<'static, str>,
    /// What the harness hands to its process, and to no other.
    #[serde(rename = "holds")]
    pub private_input: PrivateInput,
}

impl Role {
    /// The role that holds the images and receives the logits.
    pub const fn data_owner() -> Self {
        Self { name: Cow::Borrowed("data-owner"), private_input: PrivateInput::Images }
    }

    /// The role that holds the weights.
    pub const fn model_owner() -> Self {
        Self { name: Cow::Borrowed("model-owner"), private_input: PrivateInput::Network }
    }

    /// A role that holds neither.
    pub const fn third(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), private_input: PrivateInput::Nothing }
    }
}

/// The secret a role starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrivateInput {
    /// The images.
    Images,
    /// The network with its weights.
    #[serde(rename = "weights")]
    Network,
    /// Neither.
    Nothing,
}

/// Folders of a backend that is not compiled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its own folder.
    pub folder: PathBuf,
    /// The folder of what is installed for backends.
    pub environments: PathBuf,
    /// SHA-256 of the files in its folder that say what is measured, hexadecimal.
    pub files_sha256: String,
}
