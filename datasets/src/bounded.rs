//! Reading files whose size is not trusted.

use crate::Error;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// All bytes of a file.
///
/// # Errors
/// [`Error::Damaged`] if there are more than `limit_bytes`.
pub(crate) fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(limit_bytes + 1).read_to_end(&mut bytes))
        .map_err(Error::io("read", path))?;
    if bytes.len() as u64 > limit_bytes {
        return Err(Error::damaged(path, format!("it has more than {limit_bytes} bytes")));
    }
    Ok(bytes)
}
