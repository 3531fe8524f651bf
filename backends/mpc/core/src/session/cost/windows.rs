//! Windows of gates: randomness of images that take too much of it is dealt a part at a time, so that no party holds all of it.
//!
//! Where a window begins follows from the order of the messages, which is public: the data owner takes it in before it sends a message, the
//! model owner before it receives that one. Neither has anything else under way then, so the window comes as what comes ahead of the
//! images does.

use std::ops::Range;

use super::{Cost, Memory};
use crate::session::schedule::begun;

/// Gates whose randomness is dealt at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateWindow {
    /// The data owner's message, from 0 and several in a row as one, before which the owners take it in. That of the first window is the
    /// images', and it is taken in ahead of them.
    pub message: usize,
    /// Indices of its gates.
    pub gates: Range<usize>,
}

impl Cost<'_> {
    /// Windows of all gates for so many images in one message: as few as there can be of which none takes more than `most` bytes at the party
    /// that stores more, but where the gates that are begun between two messages of the data owner's take more by themselves.
    pub fn windows(&self, images: usize, most: usize) -> Vec<GateWindow> {
        let bytes: Vec<usize> = self.gates().map(|index| self.gate_bytes(index, images)).collect();
        let mut windows = Vec::new();
        let mut window = GateWindow { message: 0, gates: 0..0 };
        for (message, end) in begun(&(self.transfers)(self.circuit, images)).into_iter().enumerate() {
            let taken: usize = bytes[window.gates.start..end].iter().sum();
            if taken > most && end > window.gates.end && !window.gates.is_empty() {
                let next = GateWindow { message, gates: window.gates.end..end };
                windows.push(std::mem::replace(&mut window, next));
            }
            window.gates.end = end;
        }
        window.gates.end = bytes.len();
        windows.push(window);
        windows
    }

    /// Bytes of randomness that a window of gates takes of so many images at the party that stores more.
    pub fn window_bytes(&self, gates: Range<usize>, images: usize) -> usize {
        gates.map(|index| self.gate_bytes(index, images)).sum()
    }

    /// Memory of the randomness of the gate that takes most of it, of so many images: it is still there when a window comes.
    pub fn gate_memory(&self, images: usize) -> Memory {
        let gates = self.gates().map(|index| self.ready_memory(index..index + 1, images));
        gates.fold(Memory::default(), Memory::max)
    }
}
