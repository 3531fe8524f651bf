//! Reading files whose size is not trusted.

use crate::Error;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

const BLOCK_BYTES: usize = 1 << 16;

/// All bytes of a file.
///
/// # Errors
/// [`Error::Unusable`] if there are more than `limit_bytes`.
pub(crate) fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit_bytes + 1).read_to_end(&mut bytes))
        .map_err(Error::io("read", path))?;
    if bytes.len() as u64 > limit_bytes {
        return Err(Error::unusable(path, format!("it has more than {limit_bytes} bytes")));
    }
    Ok(bytes)
}

/// SHA-256 of a file, in lower-case hexadecimal; `None` if it has more than `limit_bytes`.
pub(crate) fn sha256(path: &Path, limit_bytes: u64) -> Result<Option<String>, Error> {
    let failed = || Error::io("read", path);
    let mut file = File::open(path).map_err(failed())?.take(limit_bytes + 1);
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK_BYTES];
    let mut size = 0;
    loop {
        let count = file.read(&mut block).map_err(failed())?;
        if count == 0 {
            break;
        }
        size += count as u64;
        hash.update(&block[..count]);
    }
    Ok((size <= limit_bytes).then(|| hex::encode(hash.finalize())))
}
