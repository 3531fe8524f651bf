//! Measuring an executable piece by piece, as EADD and EEXTEND build up a hardware enclave's measurement page by page.

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::scope;

use crate::measuring::measurement::Hasher;
use crate::{Error, Measurement, Result};

/// Bytes of an image that are hashed by themselves.
const PIECE_BYTES: u64 = 1 << 20;
/// Bytes read at once.
const READ_BYTES: usize = 128 << 10;
const LABEL: &[u8] = b"veilbench-tee 1 image";

impl Measurement {
    /// Measures an executable file: the SHA-256 of a label, the file's length as 8 bytes little-endian, and the SHA-256
    /// of each MiB in order. At most `threads` threads work on it.
    ///
    /// # Errors
    /// [`Error::System`] if it cannot be read, or becomes shorter meanwhile.
    pub fn of_image(image: &File, threads: NonZero<usize>) -> Result<Self> {
        let measured = image.metadata().and_then(|metadata| {
            let bytes = metadata.len();
            let mut whole = Hasher::default();
            whole.update(LABEL);
            whole.update(&bytes.to_le_bytes());
            measure_pieces(image, bytes, threads)?.iter().for_each(|(_, piece)| whole.update(piece.bytes()));
            Ok(whole.finish())
        });
        measured.map_err(|source| Error::System { doing: "reading the enclave's image", source })
    }
}

/// All pieces with their places, in order.
fn measure_pieces(image: &File, bytes: u64, threads: NonZero<usize>) -> io::Result<Vec<(u64, Measurement)>> {
    let next = AtomicU64::new(0);
    let work = || -> io::Result<Vec<(u64, Measurement)>> {
        let (mut buffer, mut pieces) = (vec![0; READ_BYTES], Vec::new());
        loop {
            let start = next.fetch_add(PIECE_BYTES, Ordering::Relaxed);
            if start >= bytes {
                return Ok(pieces);
            }
            let end = bytes.min(start + PIECE_BYTES);
            pieces.push((start, measure_piece(image, start, end, &mut buffer)?));
        }
    };
    let mut pieces = scope(|scope| {
        let helpers: Vec<_> = (1..threads.get()).map(|_| scope.spawn(work)).collect();
        let mut pieces = work()?;
        for helper in helpers {
            let helped = helper.join().map_err(|_| io::Error::other("a thread that measures panicked"))?;
            pieces.extend(helped?);
        }
        Ok::<_, io::Error>(pieces)
    })?;
    pieces.sort_unstable_by_key(|(start, _)| *start);
    Ok(pieces)
}

fn measure_piece(image: &File, mut start: u64, end: u64, buffer: &mut [u8]) -> io::Result<Measurement> {
    let mut piece = Hasher::default();
    while start < end {
        let left = usize::try_from(end - start).unwrap_or(usize::MAX);
        let part = &mut buffer[..left.min(READ_BYTES)];
        image.read_exact_at(part, start)?;
        piece.update(part);
        start += part.len() as u64;
    }
    Ok(piece.finish())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn measured(contents: &[u8]) -> Measurement {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(contents).unwrap();
        Measurement::of_image(&file, NonZero::new(2).unwrap()).unwrap()
    }

    /// Computed with Python's hashlib.
    #[test]
    fn an_image_measures_as_its_definition_says() {
        let bytes: Vec<u8> = (0..(5 << 19) + 7).map(|i: u32| (i % 251) as u8).collect();
        assert_eq!(
            measured(b"abc").to_string(),
            "c1b9a06c13d267eff609db22b024e6cfc779cafea880aa7111f396048e1d8011"
        );
        assert_eq!(
            measured(&bytes).to_string(),
            "fffcd3fa756a9aabfa51ab749d7f4b16de7fbc74e5d0689338ff47712d7707ec"
        );
        assert_eq!(
            measured(&[]).to_string(),
            "f1c50fcc3299b5edb599b03ce5803dae6cca812467fc995aae05ccbf3b997a21"
        );
    }

    #[test]
    fn pieces_in_another_order_measure_otherwise() {
        let (one, other) = (vec![1; 1 << 20], vec![2; 1 << 20]);
        assert_ne!(measured(&[&one[..], &other].concat()), measured(&[&other[..], &one].concat()));
        assert_ne!(measured(&one), measured(&[&one[..], &[]].concat()[..one.len() - 1]));
    }
}
