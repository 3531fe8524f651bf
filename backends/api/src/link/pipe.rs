//! One direction of a party's connection to the network: a rate that all its links share.

use std::sync::{Arc, Mutex, PoisonError};

/// Intervals that are remembered: more than messages are under way at once.
const REMEMBERED: usize = 256;

/// Times at which one direction is busy, in nanoseconds of the monotonic clock. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pipe {
    /// Ascending, without overlaps.
    busy: Arc<Mutex<Vec<(u64, u64)>>>,
}

impl Pipe {
    /// Takes the first `length_ns` in a row that are free from `earliest_ns` on, and says when they end.
    ///
    /// Messages are asked for in the order in which they are read, which need not be that of their times: one that
    /// came early finds its early gap.
    pub(super) fn reserve(&self, earliest_ns: u64, length_ns: u64) -> u64 {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let mut start = earliest_ns;
        let mut place = busy.partition_point(|&(_, end)| end <= start);
        while let Some(&(next, end)) = busy.get(place)
            && next < start.saturating_add(length_ns)
        {
            start = end;
            place += 1;
        }
        let end = start.saturating_add(length_ns);
        if length_ns > 0 {
            match place.checked_sub(1).map(|before| &mut busy[before]) {
                Some(before) if before.1 == start => before.1 = end,
                _ => busy.insert(place, (start, end)),
            }
            if busy.len() > REMEMBERED {
                busy.remove(0);
            }
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_queue_behind_each_other_and_an_early_one_finds_its_gap() {
        let pipe = Pipe::default();
        assert_eq!(pipe.reserve(100, 50), 150);
        assert_eq!(pipe.clone().reserve(110, 50), 200, "behind the first, by whichever link");
        assert_eq!(pipe.reserve(10, 90), 100, "read later, but there before the others");
        assert_eq!(pipe.reserve(0, 20), 220, "a gap of 10 is too short");
        assert_eq!(pipe.reserve(0, 10), 10);
        assert_eq!(pipe.reserve(1_000, 0), 1_000, "a message without bytes takes no time");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let pipe = Pipe::default();
        for message in 0..1_000 {
            pipe.reserve(message * 10, 1);
        }
        assert!(pipe.busy.lock().unwrap().len() <= REMEMBERED);
    }
}
