//! Two images in every slot where slots are images: as a pair in its real and imaginary parts.
//!
//! Weights are real, so every layer acts on both alike. An image more for every ciphertext costs a key for conjugations, two for sums
//! of squares, and a bit: errors of an image are those of both parts.

use serde::{Deserialize, Serialize};
use veilbench_api::{Job, Setting, Unsupported};

use crate::circuits::circuit::Circuit;
use crate::planning::plan::LAYOUT;

/// What a slot holds where slots are images.
pub(crate) const SLOTS: Setting = Setting {
    key: "slots",
    values: &["auto", "real", "complex"],
    summary: "in the throughput layout: an image in every slot (real), two in its real and imaginary parts (complex), or two where a batch has \
              more images than slots and that is predicted to be faster (auto)",
};

/// What a job asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Whichever is faster.
    Either,
    /// An image in every slot.
    Single,
    /// Two images in every slot.
    Pairs,
}

/// What is squared of slots that hold two images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pairs {
    /// Single values.
    Squares,
    /// Sums over pools alone.
    SumsOfSquares,
    /// Single values and sums over pools.
    Both,
}

impl Pairs {
    pub(crate) fn of(circuit: &Circuit) -> Self {
        let sums = || circuit.stages.iter().flat_map(|stage| &stage.activation).flat_map(|own| &own.sums);
        match (sums().any(|sum| sum.len() == 1), sums().any(|sum| sum.len() > 1)) {
            (_, false) => Self::Squares,
            (false, true) => Self::SumsOfSquares,
            (true, true) => Self::Both,
        }
    }

    /// Whether keys for sums are needed.
    pub(crate) fn has_sums(self) -> bool {
        self != Self::Squares
    }

    /// Whether values are conjugated at their own scale, where a key switch counts as much as a rescaling: single ones are. Sums are
    /// switched at the scale of products.
    pub(crate) fn conjugates_values(self) -> bool {
        self != Self::SumsOfSquares
    }
}

/// What slots are to hold.
///
/// # Errors
/// [`Unsupported`] for another value, and where images are asked for across the slots.
pub(crate) fn wanted(job: &Job) -> Result<Wanted, Unsupported> {
    let refused = |reason: String| Err(Unsupported { layer: None, reason });
    match (job.setting(&SLOTS), job.setting(&LAYOUT)) {
        ("auto", _) => Ok(Wanted::Either),
        ("real", _) => Ok(Wanted::Single),
        ("complex", "latency") => refused(
            "the setting slots=complex is of the throughput layout: set layout to throughput or auto, or leave slots out"
                .into(),
        ),
        ("complex", _) => Ok(Wanted::Pairs),
        (other, _) => {
            refused(format!("the setting slots is {other:?}, not one of {}", SLOTS.values.join(", ")))
        }
    }
}

/// The refusal of two images in a slot for a network that has no throughput layout.
pub(crate) fn not_for(refused: &Unsupported) -> Unsupported {
    let reason = format!(
        "{}; the setting slots=complex is of the throughput layout alone: leave slots out for a layout for graphs and deep networks",
        refused.reason
    );
    Unsupported { layer: refused.layer.clone(), reason }
}
