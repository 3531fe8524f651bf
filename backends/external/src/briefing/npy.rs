//! The `.npy` format, version 1.0, for one array of little-endian `f32` in C order (NumPy Enhancement Proposal 1).

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Bytes before the array begins are a multiple of this.
const ALIGNMENT: usize = 64;

/// Files are for the user alone.
pub(crate) const MODE: u32 = 0o600;

/// Writes an array of `shape` to a new file.
pub(crate) fn write(path: &Path, shape: &[usize], values: &[f32]) -> io::Result<()> {
    let mut file = BufWriter::new(OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?);
    file.write_all(&header(shape))?;
    for value in values {
        file.write_all(&value.to_le_bytes())?;
    }
    file.flush()
}

/// Magic, version, length and the dictionary that describes the array, padded with spaces and ended by a line break.
fn header(shape: &[usize]) -> Vec<u8> {
    let dimensions = match shape {
        [only] => format!("{only},"),
        several => several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    };
    let mut dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({dimensions}), }}");
    let fixed = 6 + 2 + 2;
    let padding = (ALIGNMENT - (fixed + dictionary.len() + 1) % ALIGNMENT) % ALIGNMENT;
    dictionary.extend(std::iter::repeat_n(' ', padding));
    dictionary.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((dictionary.len() as u16).to_le_bytes());
    bytes.extend(dictionary.into_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_numpy_writes() {
        // numpy.lib.format.write_array_header_1_0 for float32 arrays of these shapes.
        let expected = |shape: &str| {
            let dictionary = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
            let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
            bytes.extend(format!("{dictionary:<117}\n").into_bytes());
            bytes
        };
        assert_eq!(header(&[4, 3]), expected("(4, 3)"));
        assert_eq!(header(&[7]), expected("(7,)"));
        assert_eq!(header(&[4, 3]).len() % ALIGNMENT, 0);
    }
}
