//! The IDX format of MNIST: a big-endian header (magic, sizes), then bytes.
//! Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// Bytes of an IDX file, plain or gzip, told apart by the first two bytes. At most `limit` bytes.
pub(crate) fn decompressed(file: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file.starts_with(&[0x1f, 0x8b]) {
        MultiGzDecoder::new(file).take(limit + 1).read_to_end(&mut bytes)?;
    } else {
        file.take(limit + 1).read_to_end(&mut bytes)?;
    }
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("more than {limit} bytes")));
    }
    Ok(bytes)
}

/// `images x height x width` of an images file, with the sizes.
pub(crate) struct Images {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) pixels: Vec<u8>,
}

/// Reads an images file that is in memory.
pub(crate) fn images(bytes: Vec<u8>) -> Result<Images, String> {
    let [count, height, width] = sizes(&bytes, IMAGES_MAGIC)?;
    let expected = u64::from(count) * u64::from(height);
    let expected = expected.checked_mul(u64::from(width)).ok_or("the header names an impossible size")?;
    let pixels = body(bytes, 16, expected)?;
    Ok(Images { height: height as usize, width: width as usize, pixels })
}

/// Reads a labels file that is in memory; each label is below `classes`.
pub(crate) fn labels(bytes: Vec<u8>, classes: usize) -> Result<Vec<u8>, String> {
    let [count] = sizes(&bytes, LABELS_MAGIC)?;
    let labels = body(bytes, 8, u64::from(count))?;
    match labels.iter().position(|&label| usize::from(label) >= classes) {
        Some(index) => Err(format!("label {} of image {index} is not below {classes}", labels[index])),
        None => Ok(labels),
    }
}

fn sizes<const N: usize>(bytes: &[u8], magic: u32) -> Result<[u32; N], String> {
    let word = |index: usize| -> Result<u32, String> {
        let bytes = bytes.get(4 * index..4 * index + 4).ok_or("it ends within the header")?;
        Ok(bytes.iter().fold(0, |word, &byte| word << 8 | u32::from(byte)))
    };
    let found = word(0)?;
    if found != magic {
        return Err(format!("it begins with {found:#010x} instead of {magic:#010x}"));
    }
    let mut sizes = [0; N];
    for (index, size) in sizes.iter_mut().enumerate() {
        *size = word(index + 1)?;
    }
    Ok(sizes)
}

fn body(mut bytes: Vec<u8>, header: usize, expected: u64) -> Result<Vec<u8>, String> {
    let present = (bytes.len() - header) as u64;
    if present != expected {
        return Err(format!("the header promises {expected} bytes and {present} follow"));
    }
    bytes.drain(..header);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn images_are_read_row_by_row() {
        let mut file = header(&[0x0803, 2, 1, 3]);
        file.extend([1, 2, 3, 4, 5, 6]);
        let images = images(file).unwrap();
        assert_eq!((images.height, images.width, images.pixels), (1, 3, vec![1, 2, 3, 4, 5, 6]));
    }

    #[test]
    fn a_header_that_names_two_billion_images_is_refused_without_room_for_them() {
        let error = images(header(&[0x0803, 1 << 31, 28, 28])).err().unwrap();
        assert!(error.contains("0 follow"), "{error}");
        assert!(images(header(&[0x0803, u32::MAX, u32::MAX, u32::MAX])).is_err());
    }

    #[test]
    fn every_truncation_is_refused() {
        let mut file = header(&[0x0801, 3]);
        file.extend([0, 1, 9]);
        assert_eq!(labels(file.clone(), 10).unwrap(), [0, 1, 9]);
        for length in 0..file.len() {
            assert!(labels(file[..length].to_vec(), 10).is_err(), "{length} bytes");
        }
        file.push(0);
        assert!(labels(file, 10).is_err());
    }

    #[test]
    fn a_label_outside_the_classes_and_a_wrong_magic_are_refused() {
        let mut file = header(&[0x0801, 1]);
        file.push(10);
        assert!(labels(file.clone(), 10).unwrap_err().contains("label 10"));
        assert!(images(file).err().unwrap().contains("0x00000801"));
    }

    #[test]
    fn gzip_is_recognised_and_bounded() {
        use std::io::Write;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gz.write_all(&vec![0; 1 << 20]).unwrap();
        let gz = gz.finish().unwrap();
        assert_eq!(decompressed(&gz, 1 << 20).unwrap().len(), 1 << 20);
        assert!(decompressed(&gz, (1 << 20) - 1).is_err());
        assert!(decompressed(&gz[..gz.len() - 1], 1 << 20).is_err());
    }
}
