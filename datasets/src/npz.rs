//! Arrays of bytes in NumPy's `.npz` archives.

use crate::Error;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// An open archive.
pub(crate) struct Npz {
    path: PathBuf,
    archive: ZipArchive<BufReader<File>>,
}

/// An array of unsigned bytes in C order.
pub(crate) struct ByteArray {
    pub(crate) shape: Vec<u64>,
    pub(crate) values: Vec<u8>,
}

impl Npz {
    pub(crate) fn open(path: &Path) -> Result<Npz, Error> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let archive = ZipArchive::new(BufReader::new(file))
            .map_err(|error| Error::unusable(path, error.to_string()))?;
        Ok(Npz { path: path.into(), archive })
    }

    /// The array called `name`, of at most `limit_bytes`.
    pub(crate) fn bytes(&mut self, name: &str, limit_bytes: u64) -> Result<ByteArray, Error> {
        let path = self.path.clone();
        let unusable = |reason: String| Error::unusable(&path, format!("array `{name}`: {reason}"));
        let entry = self.archive.by_name(&format!("{name}.npy")).map_err(|e| unusable(e.to_string()))?;
        let mut file = Vec::new();
        entry.take(limit_bytes + 1).read_to_end(&mut file).map_err(|e| unusable(e.to_string()))?;
        if file.len() as u64 > limit_bytes {
            return Err(unusable(format!("it has more than {limit_bytes} bytes")));
        }
        parse(&file).map_err(unusable)
    }
}

/// Reads an `.npy` file that is in memory: magic, version, length of the header, the header (a Python
/// dictionary as NumPy writes it), values.
/// Source: NumPy Enhancement Proposal 1.
fn parse(file: &[u8]) -> Result<ByteArray, String> {
    let (start, length) = match file {
        [0x93, b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => {
            (10, usize::from(u16::from_le_bytes([*a, *b])))
        }
        [0x93, b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d, ..] => {
            (12, u32::from_le_bytes([*a, *b, *c, *d]) as usize)
        }
        _ => return Err("it is not an .npy file".into()),
    };
    let (header, values) = file[start..]
        .split_at_checked(length)
        .ok_or(format!("it ends within its header of {length} bytes"))?;
    let header = std::str::from_utf8(header).map_err(|error| error.to_string())?;
    for (key, expected) in [("descr", "'|u1'"), ("fortran_order", "False")] {
        let found = value_of(header, key)?;
        if !found.starts_with(expected) {
            let found: String = found.chars().take(20).collect();
            return Err(format!("`{key}` is {found}, not {expected}"));
        }
    }
    let axes = value_of(header, "shape")?.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    let (axes, _) = axes.ok_or("`shape` is not a tuple")?;
    let axes = axes.split(',').map(str::trim).filter(|axis| !axis.is_empty());
    let shape: Vec<u64> =
        axes.map(str::parse).collect::<Result<_, _>>().map_err(|error| format!("`shape`: {error}"))?;
    let expected = shape.iter().try_fold(1u64, |size, &axis| size.checked_mul(axis));
    if expected != Some(values.len() as u64) {
        return Err(format!("its shape is {shape:?} and it has {} bytes", values.len()));
    }
    Ok(ByteArray { shape, values: values.to_vec() })
}

/// What stands behind `'key':`.
fn value_of<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let (_, rest) = header.split_once(&format!("'{key}':")).ok_or(format!("its header has no `{key}`"))?;
    Ok(rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, values: &[u8]) -> Vec<u8> {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(values);
        file
    }

    #[test]
    fn a_byte_array_is_read_with_its_shape() {
        let file = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", &[1, 2, 3, 4, 5, 6]);
        let array = parse(&file).unwrap();
        assert_eq!((array.shape, array.values), (vec![2, 3], vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn shapes_that_are_not_there_are_refused() {
        for shape in ["(2, 4)", "(9223372036854775807,)", "(4294967296, 4294967296)", "(0,)", "(-1,)"] {
            let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n");
            assert!(parse(&npy(&header, &[0; 6])).is_err(), "{shape}");
        }
    }

    #[test]
    fn other_types_orders_and_header_lengths_are_refused() {
        for (descr, order) in [("<f4", "False"), ("|i1", "False"), ("|u1", "True"), ("|O", "False")] {
            let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': (2, 3), }}\n");
            assert!(parse(&npy(&header, &[0; 6])).is_err(), "{descr} {order}");
        }
        assert!(parse(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}").is_err());
        assert!(parse(b"PK\x03\x04").is_err());
        assert!(parse(&[]).is_err());
    }
}
