//! Shares that the data owner has before its images: those of linear layers follow from masks, and what is local keeps them so. Its choices
//! in comparisons and truncations of them leave ahead of the images.

use veilbench_mpc::circuit::Gate;
use veilbench_ring::wiped::Wiped;

use super::plan::{Constants, local};
use crate::Error;

/// Whether the data owner has, for each gate, its shares of what it reads before the images.
pub(super) fn of_gates(gates: &[Gate]) -> Vec<bool> {
    let (mut wire, mut kept) = (false, Vec::new());
    let read = |gate: &Gate| {
        let read = wire;
        match gate {
            Gate::Linear { .. } => wire = true,
            Gate::Relu { .. } | Gate::Max { .. } | Gate::Truncate { .. } | Gate::Quadratic { .. } => {
                wire = false;
            }
            Gate::Keep { .. } => kept.push(wire),
            Gate::Recall { kept: number, .. } => wire = kept[*number],
            Gate::Add { kept: number, .. } | Gate::Concat { kept: number, .. } => wire &= kept[*number],
            Gate::Sum(_) | Gate::Spread { .. } | Gate::Output { .. } => {}
        }
        read
    };
    gates.iter().map(read).collect()
}

/// The data owner's shares while a batch is prepared. What waits is wiped.
#[derive(Default)]
pub(super) struct Shares {
    /// Of what the next gate reads, if they are settled.
    wire: Option<Wiped<u64>>,
    /// Of what was kept; none where they are not.
    kept: Vec<Wiped<u64>>,
}

impl Shares {
    /// Shares of what the next gate reads, if they are settled.
    pub(super) fn wire(&self) -> Option<&[u64]> {
        self.wire.as_ref().map(|wire| wire.as_slice())
    }

    /// Passes a linear gate, whose shares are these.
    pub(super) fn set(&mut self, shares: Wiped<u64>) {
        self.wire = Some(shares);
    }

    /// Passes any other gate.
    pub(super) fn pass(&mut self, index: usize, gate: &Gate) -> Result<(), Error> {
        match gate {
            Gate::Linear { .. }
            | Gate::Relu { .. }
            | Gate::Max { .. }
            | Gate::Truncate { .. }
            | Gate::Quadratic { .. } => self.wire = None,
            Gate::Keep { .. } => self.kept.push(self.wire.clone().unwrap_or_default()),
            Gate::Recall { kept: number, .. } => {
                self.wire = Some(self.kept[*number].clone()).filter(|shares| !shares.is_empty());
            }
            Gate::Add { kept: number, .. } | Gate::Concat { kept: number, .. }
                if self.kept[*number].is_empty() =>
            {
                self.wire = None;
            }
            _ => {
                if let Some(wire) = &mut self.wire {
                    local((index, gate), Constants::Zeros, wire, &mut self.kept)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilbench_mpc::linear::LinearShape;

    #[test]
    fn products_and_what_is_local_behind_them_are_settled_and_nothing_behind_activations_is() {
        let dense = || Gate::Linear { shape: LinearShape::Dense { inputs: 1, outputs: 1 } };
        let relu = || Gate::Relu { units: 1, shift: 1, pools: Vec::new(), guard: None };
        let keep = || Gate::Keep { units: 1, open: true };
        let add = |kept| Gate::Add { kept, units: 1, shift: 0 };
        let recall = |kept| Gate::Recall { kept, units: 1 };
        let gates = [
            keep(),
            dense(),
            keep(),
            relu(),
            keep(),
            dense(),
            add(1),
            relu(),
            dense(),
            add(2),
            recall(1),
            relu(),
        ];
        let expected = [false, false, true, true, false, false, true, true, false, true, false, true];
        assert_eq!(of_gates(&gates), expected);
        let mut shares = Shares::default();
        for (index, (gate, is_settled)) in gates.iter().zip(expected).enumerate() {
            assert_eq!(shares.wire().is_some(), is_settled, "gate {index}");
            match gate {
                Gate::Linear { .. } => shares.set(vec![index as u64].into()),
                _ => shares.pass(index, gate).unwrap(),
            }
        }
    }
}
