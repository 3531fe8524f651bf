//! Counting at both ends, and causal depth.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What passed between one party and one peer, ever, by this party's own count.
#[derive(Debug, Default)]
pub struct Traffic {
    local: bool,
    sent: Counter,
    received: Counter,
}

/// Payload bytes and messages of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Payload bytes.
    pub bytes: u64,
    /// Messages.
    pub messages: u64,
}

impl Count {
    /// What came since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { bytes: self.bytes - before.bytes, messages: self.messages - before.messages }
    }
}

#[derive(Debug, Default)]
struct Counter {
    bytes: AtomicU64,
    messages: AtomicU64,
}

impl Counter {
    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    fn now(&self) -> Count {
        Count { bytes: self.bytes.load(Ordering::Relaxed), messages: self.messages.load(Ordering::Relaxed) }
    }
}

impl Traffic {
    pub(super) fn new(local: bool) -> Self {
        Self { local, ..Self::default() }
    }

    /// Whether the link is memory that two parties on one machine share.
    pub fn is_local(&self) -> bool {
        self.local
    }

    pub(super) fn count_sent(&self, bytes: usize) {
        self.sent.add(bytes);
    }

    pub(super) fn count_received(&self, bytes: usize) {
        self.received.add(bytes);
    }

    /// What was sent so far.
    pub fn sent(&self) -> Count {
        self.sent.now()
    }

    /// What was received so far: messages that were taken, not what waits unread.
    pub fn received(&self) -> Count {
        self.received.now()
    }
}

/// Causal depth of one party: the longest chain of messages over the network behind what it knows,
/// since the phase began. Messages through shared memory pass depth on and do not add to it.
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

    pub(super) fn received(&self, sender_depth: u32, local: bool) {
        self.depth.fetch_max(sender_depth.saturating_add(u32::from(!local)), Ordering::Relaxed);
    }
}
