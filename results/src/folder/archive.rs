//! Tables that were compressed to be kept: `samples.csv.gz` stands for `samples.csv`.

use crate::Error;
use flate2::bufread::MultiGzDecoder;
use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

/// The most that a compressed table may hold, bytes.
const LIMIT_BYTES: u64 = 4 << 30;

/// Where a table is if it is compressed.
pub(crate) fn path(folder: &Path, file: &str) -> PathBuf {
    folder.join(format!("{file}.gz"))
}

/// The bytes of a table, plain or else compressed; `None` if there is neither.
///
/// # Errors
/// It cannot be read, or holds more than 4 GiB.
pub(crate) fn bytes(folder: &Path, file: &str) -> Result<Option<Vec<u8>>, Error> {
    let plain = folder.join(file);
    if plain.exists() {
        return fs::read(&plain).map(Some).map_err(Error::io("read", plain));
    }
    let packed = path(folder, file);
    if !packed.exists() {
        return Ok(None);
    }
    let inflate = || {
        let mut bytes = Vec::new();
        let packed = BufReader::new(File::open(&packed)?);
        MultiGzDecoder::new(packed).take(LIMIT_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LIMIT_BYTES {
            return Err(io::Error::other(format!("it holds more than {LIMIT_BYTES} bytes")));
        }
        Ok(bytes)
    };
    inflate().map(Some).map_err(Error::io("read", &packed))
}
