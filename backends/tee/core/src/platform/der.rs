//! The little DER that an extension of a certificate needs.

pub(crate) const ENUMERATED: u8 = 0x0A;
pub(crate) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(crate) const OCTET_STRING: u8 = 0x04;
const INTEGER: u8 = 0x02;
const SEQUENCE: u8 = 0x30;

/// Tag, length in its shortest form, contents of at most 65,535 bytes.
pub(crate) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len();
    let mut bytes = vec![tag];
    match length {
        0..=0x7F => bytes.push(length as u8),
        0x80..=0xFF => bytes.extend([0x81, length as u8]),
        _ => bytes.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    bytes.extend_from_slice(contents);
    bytes
}

pub(crate) fn sequence(elements: &[Vec<u8>]) -> Vec<u8> {
    element(SEQUENCE, &elements.concat())
}

/// A number below 128.
pub(crate) fn integer(value: u8) -> Vec<u8> {
    element(INTEGER, &[value & 0x7F])
}
