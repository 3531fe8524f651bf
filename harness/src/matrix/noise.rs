//! What drawing the noise of backends said, for all cells that are computed alike.

use std::collections::BTreeMap;

use veilbench_api::{Plan, Unsupported};

/// By the backend with its settings, the network, and the parameters that were planned: batches that are computed together in another number
/// have other noise, links and threads have not.
#[derive(Default)]
pub(crate) struct NoiseDrawn {
    known: BTreeMap<(String, String, String), Result<(), Unsupported>>,
}

impl NoiseDrawn {
    /// The plan, unless drawing refuses it; `draw` is asked once for cells that are computed alike.
    pub(crate) fn check(
        &mut self,
        backend: String,
        network: &str,
        plan: Plan,
        draw: impl FnOnce(&Plan) -> Result<(), Unsupported>,
    ) -> Result<Plan, Unsupported> {
        let known = self.known.entry((backend, network.to_owned(), plan.parameters.to_string()));
        known.or_insert_with(|| draw(&plan)).clone().map(|()| plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_drawn_once_for_cells_that_are_computed_alike() {
        let mut drawn = NoiseDrawn::default();
        let mut asked = Vec::new();
        let refused = Unsupported { layer: None, reason: "too noisy together".into() };
        for (backend, network, images, batch_ns) in
            [("ckks", "deep", 1, 5), ("ckks", "deep", 1, 7), ("ckks", "deep", 2, 5), ("ckks", "other", 1, 5)]
        {
            let plan = Plan {
                parameters: serde_json::json!({ "images": images }),
                predicted_batch_ns: Some(batch_ns),
                ..Plan::default()
            };
            let answer = drawn.check(backend.into(), network, plan.clone(), |plan| {
                asked.push((network, plan.parameters["images"].as_u64()));
                if images == 2 { Err(refused.clone()) } else { Ok(()) }
            });
            assert_eq!(answer, if images == 2 { Err(refused.clone()) } else { Ok(plan) });
        }
        assert_eq!(asked, [("deep", Some(1)), ("deep", Some(2)), ("other", Some(1))]);
    }
}
