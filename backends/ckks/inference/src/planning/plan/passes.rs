//! Plans of one pass, remembered: those between which a chain's is chosen, and that of a graph or a deep network.

use std::sync::OnceLock;

use veilbench_api::Unsupported;
use veilbench_networks::Architecture;

use super::{CkksPlan, PassPlan};
use crate::circuits::circuit::Circuit;
use crate::deep;
use crate::planning::rates;
use crate::planning::release::Release;
use crate::planning::remembered::{Known, remembered};

/// The plans for one architecture: for one image, and for slots full of them.
#[derive(Clone)]
pub(super) struct Plans {
    pub(super) latency: Option<PassPlan>,
    pub(super) throughput: PassPlan,
}

/// The plans for a chain, with two images in every slot if slots hold images and `pairs` is set.
pub(super) fn plans(
    architecture: &Architecture,
    pairs: bool,
    release: Option<Release>,
) -> Result<Plans, Unsupported> {
    static KNOWN: Known<Plans> = OnceLock::new();
    remembered(&KNOWN, &(architecture, pairs, release, rates::are_adopted()), || {
        let circuit = Circuit::new(architecture, None)?;
        Ok(Plans {
            throughput: CkksPlan::throughput(architecture, &circuit, rates::here(), pairs, release)?,
            latency: CkksPlan::latency_pass(&circuit, rates::here(), release),
        })
    })
}

/// The plan for a graph, or for a deep chain.
pub(super) fn deep_pass(
    architecture: &Architecture,
    images: usize,
    bits: u32,
) -> Result<PassPlan, Unsupported> {
    static KNOWN: Known<PassPlan> = OnceLock::new();
    remembered(&KNOWN, &(architecture, images, bits, rates::are_adopted()), || {
        let (plan, [work, here], image_bytes) =
            deep::planning::plan(architecture, images, bits, rates::here())?;
        Ok(PassPlan { plan, work, here, image_bytes })
    })
}
