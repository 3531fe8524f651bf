//! Sharing work on rows of residues among threads, where that pays.
//!
//! The threads are those of the ambient pool of rayon: the pool that the caller runs in, the global one outside of
//! any. With one thread everything runs where it is called. Rows do not depend on each other, so the results are the
//! same however many threads there are.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, IntoParallelRefIterator, ParallelIterator};

/// Below this many words, waking another thread takes longer than what it saves.
const MIN_WORDS: usize = 1 << 17;

/// Runs `work` on every item; together they touch about `words` residues.
pub fn for_each<T: Send>(words: usize, items: impl IntoIterator<Item = T>, work: impl Fn(T) + Sync + Send) {
    if words < MIN_WORDS || rayon::current_num_threads() == 1 {
        items.into_iter().for_each(work);
    } else {
        let items: Vec<T> = items.into_iter().collect();
        items.into_par_iter().with_max_len(1).for_each(work);
    }
}

/// What `work` makes of every item, in their order; together they touch about `words` residues.
pub fn map<T: Sync, R: Send>(words: usize, items: &[T], work: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
    if words < MIN_WORDS || rayon::current_num_threads() == 1 {
        items.iter().map(work).collect()
    } else {
        items.par_iter().with_max_len(1).map(work).collect()
    }
}

/// How many threads there are to share work among.
pub fn threads() -> usize {
    rayon::current_num_threads()
}
