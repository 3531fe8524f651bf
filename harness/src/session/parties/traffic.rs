//! Bytes that others than veilbench's links count: asked of every party when all are done with a phase.

use std::time::Duration;

use veilbench_api::CountedBy;

use super::Parties;
use crate::session::Failure;
use crate::session::control::{Command, Event, Finished};

/// How long the kernel's counters are left to settle after a phase: acknowledgements come up to 40 ms late.
const SETTLING: Duration = Duration::from_millis(100);

impl Parties {
    /// Adds what passed in a phase that is over, where others than the links counted it.
    pub(in crate::session) async fn add_traffic(&mut self, parties: &mut [Finished]) -> Result<(), Failure> {
        if self.counted_by.is_link() {
            return Ok(());
        }
        if self.counted_by == CountedBy::Kernel {
            tokio::time::sleep(SETTLING).await;
        }
        self.broadcast(&Command::Traffic).await;
        let counted = self.gather(|answer| match answer {
            Event::Traffic(exchanged) => Some(exchanged),
            _ => None,
        });
        for (party, exchanged) in parties.iter_mut().zip(counted.await?) {
            party.metrics.exchanged = exchanged;
        }
        Ok(())
    }
}
