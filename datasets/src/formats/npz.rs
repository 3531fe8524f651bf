//! Arrays of bytes in NumPy's `.npz` archives.

use crate::Error;
use crate::formats::npy::{Npy, Values};
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

    /// Names of the arrays in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = self.archive.file_names().filter_map(Result::ok);
        names.filter_map(|name| name.strip_suffix(".npy").map(str::to_owned)).collect()
    }

    /// The array called `name`, of at most `limit_bytes`.
    pub(crate) fn bytes(&mut self, name: &str, limit_bytes: u64) -> Result<ByteArray, Error> {
        let file = self.file(name, limit_bytes)?;
        parse(&file).map_err(|reason| self.unusable(name, &reason))
    }

    /// The list of whole numbers called `name`, each of 32 bits and none negative, of at most `limit_bytes`.
    pub(crate) fn words(&mut self, name: &str, limit_bytes: u64) -> Result<Vec<u32>, Error> {
        let file = self.file(name, limit_bytes)?;
        let array = Npy::parse(&file).and_then(|npy| npy.array());
        let words = array.and_then(|array| match array.values {
            Values::Integers(values) => values
                .into_iter()
                .map(|value| u32::try_from(value).map_err(|_| format!("{value} is no number of 32 bits")))
                .collect(),
            _ => Err("it is no list of numbers of 32 bits".into()),
        });
        words.map_err(|reason| self.unusable(name, &reason))
    }

    /// An error about one of its arrays.
    pub(crate) fn unusable(&self, name: &str, reason: &str) -> Error {
        Error::unusable(&self.path, format!("array `{name}`: {reason}"))
    }

    /// The `.npy` file of the array called `name`, of at most `limit_bytes`.
    pub(crate) fn file(&mut self, name: &str, limit_bytes: u64) -> Result<Vec<u8>, Error> {
        let path = self.path.clone();
        let unusable = |reason: String| Error::unusable(&path, format!("array `{name}`: {reason}"));
        let entry = self.archive.by_name(&format!("{name}.npy")).map_err(|e| unusable(e.to_string()))?;
        let mut file = Vec::new();
        entry.take(limit_bytes + 1).read_to_end(&mut file).map_err(|e| unusable(e.to_string()))?;
        if file.len() as u64 > limit_bytes {
            return Err(unusable(format!("it has more than {limit_bytes} bytes")));
        }
        Ok(file)
    }
}

/// Reads an `.npy` file of unsigned bytes in C order that is in memory.
fn parse(file: &[u8]) -> Result<ByteArray, String> {
    let npy = Npy::parse(file)?;
    if npy.descr != "|u1" || npy.fortran {
        let order = if npy.fortran { "Fortran" } else { "C" };
        return Err(format!("it is of `{}` in {order} order, not of `|u1` in C order", npy.descr));
    }
    npy.count(1)?;
    Ok(ByteArray { values: npy.values.to_vec(), shape: npy.shape })
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
