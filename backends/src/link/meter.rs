//! Counting by the sender, and causal depth.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What one party sent to one peer, ever.
#[derive(Debug, Default)]
pub struct Traffic {
    bytes: AtomicU64,
    messages: AtomicU64,
}

impl Traffic {
    pub(super) fn count(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// Payload bytes and messages so far.
    pub fn totals(&self) -> (u64, u64) {
        (self.bytes.load(Ordering::Relaxed), self.messages.load(Ordering::Relaxed))
    }
}

/// Causal depth of one party: the longest chain of messages behind what it knows now, since the
/// phase began.
#[derive(Debug, Default)]
pub struct Meter {
    depth: AtomicU32,
    phase: AtomicU32,
}

impl Meter {
    /// The depth now.
    pub fn depth(&self) -> u32 {
        self.depth.load(Ordering::Relaxed)
    }

    /// Starts a phase.
    pub fn begin_phase(&self) {
        self.phase.fetch_add(1, Ordering::Relaxed);
        self.depth.store(0, Ordering::Relaxed);
    }

    /// Phases begun so far.
    pub(super) fn phase(&self) -> u32 {
        self.phase.load(Ordering::Relaxed)
    }

    pub(super) fn received(&self, sender_depth: u32) {
        self.depth.fetch_max(sender_depth.saturating_add(1), Ordering::Relaxed);
    }
}
