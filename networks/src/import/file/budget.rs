//! Bounds on the memory an import may take, from the bytes of the file alone.

use prost::DecodeError;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::import::error::Reason;

/// Bytes an import may allocate for tensors: so many times the file's size, ...
const TIMES_FILE: usize = 16;
/// ... plus this.
const ALLOWANCE: usize = 64 << 20;

/// Bytes of a file that are not weights. An empty node takes two bytes and some hundred when
/// decoded, so these are bounded more tightly than the file.
const STRUCTURE: usize = 16 << 20;

/// What is left to allocate.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(file_bytes: usize) -> Self {
        Self { bytes: file_bytes.saturating_mul(TIMES_FILE).saturating_add(ALLOWANCE) }
    }

    /// Takes the room of this many values of 8 bytes.
    pub(crate) fn spend(&mut self, values: usize) -> Result<(), Reason> {
        let left = values.checked_mul(8).and_then(|bytes| self.bytes.checked_sub(bytes));
        self.bytes = left.ok_or("the model asks for far more memory than its file has data")?;
        Ok(())
    }
}

/// The messages of a file in which weights lie, by field number.
enum Message {
    Tensor,
    Other(&'static [(u32, Message)]),
}

const GRAPH_FIELD: u32 = 7;
const MODEL: Message = Message::Other(&[(GRAPH_FIELD, GRAPH)]);
const GRAPH: Message = Message::Other(&[(1, NODE), (5, Message::Tensor)]);
const NODE: Message = Message::Other(&[(5, ATTRIBUTE)]);
const ATTRIBUTE: Message = Message::Other(&[(5, Message::Tensor)]);

/// Lists of a tensor that decode to no more bytes than they have: floats, raw data, doubles.
const WEIGHTS: [u32; 3] = [4, 9, 10];

/// Refuses a file that would decode to far more memory than it has bytes.
pub(crate) fn check_structure(bytes: &[u8]) -> Result<(), String> {
    match structure(bytes, &MODEL).map_err(|error| error.to_string())? {
        0..=STRUCTURE => Ok(()),
        found => Err(format!("{found} of its bytes are not weights, at most {STRUCTURE} are accepted")),
    }
}

/// Bytes that are not weights. The recursion is as deep as [`Message`] is.
fn structure(mut bytes: &[u8], message: &Message) -> Result<usize, DecodeError> {
    let mut count = 0;
    while !bytes.is_empty() {
        let before = bytes.len();
        let (field, wire_type) = decode_key(&mut bytes)?;
        let length = match wire_type {
            WireType::Varint => decode_varint(&mut bytes).map(|_| 0)?,
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            WireType::LengthDelimited => decode_varint(&mut bytes)?,
            WireType::StartGroup | WireType::EndGroup => 0,
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
        let header = before - bytes.len();
        let (body, rest) = bytes.split_at(length);
        bytes = rest;
        count += header;
        count += match message {
            Message::Tensor if wire_type == WireType::LengthDelimited && WEIGHTS.contains(&field) => 0,
            Message::Other(inner) => match inner.iter().find(|(number, _)| *number == field) {
                Some((_, inner)) if wire_type == WireType::LengthDelimited => structure(body, inner)?,
                _ => length,
            },
            Message::Tensor => length,
        };
    }
    Ok(count)
}
