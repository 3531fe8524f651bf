//! Metadata written into an ONNX file whose every other byte stays as it is.
//!
//! A file is a protobuf message, whose fields may stand in any order and of which entries of a repeated field may be cut out and
//! put at the end. So nothing but `metadata_props` is decoded: weights, and fields that are newer than this program, are
//! carried over unread.
//! Source: Protocol Buffers, "Encoding"; `onnx.proto`, `ModelProto`.

use std::fmt;
use std::str::FromStr;

use prost::Message;
use thiserror::Error;
use tract_onnx::pb::StringStringEntryProto;

use crate::export::properties::{CLASSES, DATASET, DEVIATION, MEAN, list, numbers};
use crate::{Metadata, Normalisation};

pub use crate::export::properties::parse_numbers;

/// Key of the order of channels, `rgb` or `bgr`.
pub const CHANNELS: &str = "veilbench.channels";

/// Number of the field `metadata_props` of a model, and its type: bytes of a known length.
const METADATA_PROPS: u64 = 14 << 3 | 2;

/// Order of the channels that a network takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Red first.
    #[default]
    Rgb,
    /// Blue first, as in OpenCV.
    Bgr,
}

impl fmt::Display for ChannelOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChannelOrder::Rgb => "rgb",
            ChannelOrder::Bgr => "bgr",
        })
    }
}

impl FromStr for ChannelOrder {
    type Err = AnnotateError;

    fn from_str(text: &str) -> Result<Self, AnnotateError> {
        match text.trim().to_lowercase().as_str() {
            "rgb" => Ok(ChannelOrder::Rgb),
            "bgr" => Ok(ChannelOrder::Bgr),
            _ => Err(AnnotateError::Order { found: crate::text::shown(text) }),
        }
    }
}

impl ChannelOrder {
    /// The order that metadata states, red first if it states none.
    ///
    /// # Errors
    /// [`AnnotateError::Order`] if it states neither `rgb` nor `bgr`.
    pub fn of(metadata: &Metadata) -> Result<Self, AnnotateError> {
        metadata.notes.get(CHANNELS).map_or(Ok(ChannelOrder::Rgb), |order| order.parse())
    }
}

/// What to write. What is `None` or empty stays as it is in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotation {
    /// Id of the data set.
    pub dataset: Option<String>,
    /// Class names in logit order.
    pub classes: Vec<String>,
    /// Preparation of the pixels.
    pub normalisation: Option<Normalisation>,
    /// Order of the channels.
    pub channels: Option<ChannelOrder>,
}

/// Why a file was not annotated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AnnotateError {
    /// It is no protobuf message.
    #[error("it is not an ONNX file, or damaged: at byte {at} {reason}")]
    Damaged {
        /// Where.
        at: usize,
        /// What is wrong there.
        reason: String,
    },
    /// Neither of the two orders there are.
    #[error("the order of channels is `{found}`: expected rgb or bgr")]
    Order {
        /// What stands there.
        found: String,
    },
}

impl Annotation {
    fn entries(&self) -> Vec<StringStringEntryProto> {
        let mut entries = Vec::new();
        entries.extend(self.dataset.clone().map(|dataset| (DATASET, dataset)));
        if !self.classes.is_empty() {
            entries.push((CLASSES, list(&self.classes)));
        }
        if let Some(Normalisation { mean, deviation }) = &self.normalisation {
            entries.push((MEAN, numbers(mean)));
            entries.push((DEVIATION, numbers(deviation)));
        }
        entries.extend(self.channels.map(|order| (CHANNELS, order.to_string())));
        entries.into_iter().map(|(key, value)| StringStringEntryProto { key: key.into(), value }).collect()
    }
}

/// The bytes of a model file with this metadata in place of what it had under the same keys.
///
/// # Errors
/// [`AnnotateError::Damaged`] if the bytes are no protobuf message.
pub fn annotate(bytes: &[u8], annotation: &Annotation) -> Result<Vec<u8>, AnnotateError> {
    let entries = annotation.entries();
    let mut annotated = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let field = Field::at(bytes, at)?;
        let is_replaced = field.tag == METADATA_PROPS && {
            let entry = StringStringEntryProto::decode(&bytes[field.content..field.end])
                .map_err(|error| AnnotateError::Damaged { at, reason: error.to_string() })?;
            entries.iter().any(|new| new.key == entry.key)
        };
        if !is_replaced {
            annotated.extend_from_slice(&bytes[at..field.end]);
        }
        at = field.end;
    }
    for entry in entries {
        let entry = entry.encode_to_vec();
        prost::encoding::encode_varint(METADATA_PROPS, &mut annotated);
        prost::encoding::encode_varint(entry.len() as u64, &mut annotated);
        annotated.extend(entry);
    }
    Ok(annotated)
}

/// A field of a message.
struct Field {
    /// Its number and type.
    tag: u64,
    /// Where its content begins.
    content: usize,
    /// Where the next field begins.
    end: usize,
}

impl Field {
    fn at(bytes: &[u8], at: usize) -> Result<Self, AnnotateError> {
        let damaged = |reason: &str| AnnotateError::Damaged { at, reason: reason.into() };
        let mut rest = &bytes[at..];
        let varint = |rest: &mut &[u8]| {
            prost::encoding::decode_varint(rest).map_err(|_| damaged("a number does not end"))
        };
        let tag = varint(&mut rest)?;
        let length = match tag & 7 {
            0 => {
                let before = rest.len();
                varint(&mut rest)?;
                let length = before - rest.len();
                rest = &bytes[bytes.len() - before..];
                length as u64
            }
            1 => 8,
            2 => varint(&mut rest)?,
            5 => 4,
            _ => return Err(damaged("there is a field of a type that ONNX does not have")),
        };
        if tag >> 3 == 0 {
            return Err(damaged("there is a field without a number"));
        }
        let content = bytes.len() - rest.len();
        let fits = usize::try_from(length).ok().filter(|&length| length <= rest.len());
        let length = fits.ok_or_else(|| damaged("a field is longer than the file"))?;
        Ok(Self { tag, content, end: content + length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{import, zoo};

    fn annotation() -> Annotation {
        Annotation {
            dataset: Some("cells".into()),
            classes: vec!["healthy, \"so far\"".into(), "ill".into()],
            normalisation: Some(Normalisation {
                mean: vec![0.1, 0.2, 0.3],
                deviation: vec![1.0, 2.0, 1.0 / 255.0],
            }),
            channels: Some(ChannelOrder::Bgr),
        }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_changes() {
        let bytes = zoo::bytes("malaria-cnn").unwrap();
        let before = import::parse(bytes, "before").unwrap();
        let annotated = annotate(bytes, &annotation()).unwrap();
        let mut after = import::parse(&annotated, "after").unwrap();
        assert_eq!(ChannelOrder::of(&after.metadata), Ok(ChannelOrder::Bgr));
        assert_eq!(after.metadata.dataset.as_deref(), Some("cells"));
        assert_eq!(after.metadata.classes, annotation().classes);
        assert_eq!(after.metadata.normalisation, annotation().normalisation);
        after.metadata.notes.remove(CHANNELS);
        assert_eq!(after.metadata.notes, before.metadata.notes);
        assert_eq!((after.architecture, after.parameters), (before.architecture, before.parameters));
    }

    #[test]
    fn writing_again_replaces_and_writing_nothing_changes_no_byte() {
        let bytes = zoo::bytes("malaria-cnn").unwrap();
        assert_eq!(annotate(bytes, &Annotation::default()).unwrap(), bytes);
        let once = annotate(bytes, &annotation()).unwrap();
        assert_eq!(annotate(&once, &annotation()).unwrap(), once);
        let other = Annotation { channels: Some(ChannelOrder::Rgb), ..Annotation::default() };
        let twice = import::parse(&annotate(&once, &other).unwrap(), "twice").unwrap();
        assert_eq!(ChannelOrder::of(&twice.metadata), Ok(ChannelOrder::Rgb));
        assert_eq!(twice.metadata.classes, annotation().classes);
    }

    #[test]
    fn fields_of_every_type_are_carried_over_and_damage_is_an_error() {
        // Fields 100 to 103: a number, eight bytes, text, four bytes.
        let mut message = vec![0xa0, 0x06, 0xff, 0x01, 0xa9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8];
        message.extend([0xb2, 0x06, 2, b'h', b'i', 0xbd, 0x06, 1, 2, 3, 4]);
        let annotated = annotate(&message, &annotation()).unwrap();
        assert!(annotated.starts_with(&message) && annotated.len() > message.len());
        let whole = [4, 14, 19, message.len()];
        for length in 1..message.len() {
            assert_eq!(
                annotate(&message[..length], &annotation()).is_err(),
                !whole.contains(&length),
                "{length}"
            );
        }
        assert!(annotate(b"\x03", &annotation()).is_err(), "a group");
        assert!(annotate(b"\x72\xff\xff\xff\xff\xff\xff\xff\xff\x7f", &annotation()).is_err());
    }

    #[test]
    fn an_order_of_channels_that_is_none_is_refused() {
        let mut metadata = Metadata::default();
        assert_eq!(ChannelOrder::of(&metadata), Ok(ChannelOrder::Rgb));
        metadata.notes.insert(CHANNELS.into(), "rbg".into());
        assert!(ChannelOrder::of(&metadata).unwrap_err().to_string().contains("expected rgb or bgr"));
    }
}
