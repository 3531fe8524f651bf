//! The `metadata_props` of a model file.
//!
//! | key | value |
//! |---|---|
//! | `veilbench.layers` | JSON list of the layers' names, first to last |
//! | `veilbench.input_range` | lowest and highest value of the normalised input: two numbers |
//! | `veilbench.range.<layer>` | likewise of the layer's output |
//! | `veilbench.dataset` | id of the data set |
//! | `veilbench.classes` | JSON list of class names in logit order |
//! | `veilbench.normalisation.mean` | one number a channel |
//! | `veilbench.normalisation.deviation` | likewise |
//! | `veilbench.note.<key>` | a note: seed, recipe, accuracy, licence |
//!
//! Numbers are written with spaces between them, so that they read back as the same `f32`; commas and JSON
//! lists are read too.

use std::collections::{BTreeMap, HashSet};

use tract_onnx::pb::StringStringEntryProto;

use crate::import::quote;
use crate::{Architecture, Metadata, Network, Normalisation, Range};

const LAYERS: &str = "veilbench.layers";
const INPUT_RANGE: &str = "veilbench.input_range";
const RANGE: &str = "veilbench.range.";
pub(crate) const DATASET: &str = "veilbench.dataset";
pub(crate) const CLASSES: &str = "veilbench.classes";
pub(crate) const MEAN: &str = "veilbench.normalisation.mean";
pub(crate) const DEVIATION: &str = "veilbench.normalisation.deviation";
const NOTE: &str = "veilbench.note.";

/// The properties of a network, in a fixed order.
pub(super) fn write(network: &Network) -> Vec<StringStringEntryProto> {
    let Network { architecture, metadata, .. } = network;
    let names: Vec<&str> = architecture.layers.iter().map(|layer| layer.name.as_str()).collect();
    let mut properties = vec![(LAYERS.to_owned(), list(&names))];
    let range = |range: Range| numbers(&[range.low, range.high]);
    properties.extend(architecture.input_range.map(|input| (INPUT_RANGE.to_owned(), range(input))));
    for layer in &architecture.layers {
        properties.extend(layer.range.map(|output| (format!("{RANGE}{}", layer.name), range(output))));
    }
    properties.extend(metadata.dataset.clone().map(|dataset| (DATASET.to_owned(), dataset)));
    if !metadata.classes.is_empty() {
        properties.push((CLASSES.to_owned(), list(&metadata.classes)));
    }
    if let Some(Normalisation { mean, deviation }) = &metadata.normalisation {
        properties.push((MEAN.to_owned(), numbers(mean)));
        properties.push((DEVIATION.to_owned(), numbers(deviation)));
    }
    properties.extend(metadata.notes.iter().map(|(key, note)| (format!("{NOTE}{key}"), note.clone())));
    properties.into_iter().map(|(key, value)| StringStringEntryProto { key, value }).collect()
}

/// What the properties of a model file say, and a property that could not be understood.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    layers: HashSet<String>,
    input_range: Option<Range>,
    ranges: BTreeMap<String, Range>,
    /// The network's metadata.
    pub(crate) metadata: Metadata,
}

impl Properties {
    /// Reads the properties of a file; ones that are not veilbench's become notes under their own
    /// key.
    ///
    /// # Errors
    /// Which property cannot be read, what it holds and what is expected.
    pub(crate) fn read(entries: &[StringStringEntryProto]) -> Result<Self, String> {
        let mut properties = Self::default();
        let (mut mean, mut deviation) = (None, None);
        for StringStringEntryProto { key, value } in entries {
            let understood = match key.as_str() {
                LAYERS => parse_list(value).map(|names| properties.layers.extend(names)),
                INPUT_RANGE => parse_range(value).map(|range| properties.input_range = Some(range)),
                DATASET => {
                    properties.metadata.dataset = Some(value.clone());
                    Some(())
                }
                CLASSES => parse_list(value).map(|classes| properties.metadata.classes = classes),
                MEAN => parse_numbers(value).map(|values| mean = Some(values)),
                DEVIATION => parse_numbers(value).map(|values| deviation = Some(values)),
                _ => {
                    if let Some(layer) = key.strip_prefix(RANGE) {
                        parse_range(value).map(|range| {
                            properties.ranges.insert(layer.to_owned(), range);
                        })
                    } else {
                        let key = key.strip_prefix(NOTE).unwrap_or(key);
                        properties.metadata.notes.insert(key.to_owned(), value.clone());
                        Some(())
                    }
                }
            };
            understood.ok_or_else(|| {
                let expected = expected(key);
                let (key, value) = (quote(key), quote(value));
                format!("its metadata property {key} holds {value}: expected {expected}")
            })?;
        }
        properties.metadata.normalisation = match (mean, deviation) {
            (Some(mean), Some(deviation)) => Some(Normalisation { mean, deviation }),
            (None, None) => None,
            (Some(_), None) => return Err(missing(MEAN, DEVIATION)),
            (None, Some(_)) => return Err(missing(DEVIATION, MEAN)),
        };
        Ok(properties)
    }

    /// True if veilbench wrote the file.
    pub(crate) fn is_ours(&self) -> bool {
        !self.layers.is_empty()
    }

    /// True if a layer of the written network has this name.
    pub(crate) fn names_layer(&self, name: &str) -> bool {
        self.layers.contains(name)
    }

    /// Fills the ranges of an architecture.
    pub(crate) fn fill_ranges(&self, architecture: &mut Architecture) {
        architecture.input_range = self.input_range;
        for layer in &mut architecture.layers {
            layer.range = self.ranges.get(&layer.name).copied();
        }
    }
}

pub(crate) fn list<S: AsRef<str>>(items: &[S]) -> String {
    serde_json::Value::from(items.iter().map(AsRef::as_ref).collect::<Vec<&str>>()).to_string()
}

fn parse_list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

pub(crate) fn numbers(values: &[f32]) -> String {
    values.iter().map(f32::to_string).collect::<Vec<_>>().join(" ")
}

/// Finite numbers with blanks or commas between them, or a JSON list of them.
pub fn parse_numbers(text: &str) -> Option<Vec<f32>> {
    let text = text.trim();
    let inside = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'))?;
    let numbers: Vec<f32> = inside
        .split(',')
        .flat_map(|part| {
            // A comma with nothing beside it parses as no number.
            let part = part.trim();
            part.split(char::is_whitespace).filter(move |word| part.is_empty() || !word.is_empty())
        })
        .map(|number| number.parse().ok())
        .collect::<Option<_>>()?;
    numbers.iter().all(|number| number.is_finite()).then_some(numbers)
}

fn parse_range(text: &str) -> Option<Range> {
    match parse_numbers(text)?[..] {
        [low, high] if low <= high => Some(Range { low, high }),
        _ => None,
    }
}

/// Format of a property's value.
fn expected(key: &str) -> &'static str {
    match key {
        LAYERS | CLASSES => r#"a JSON list of names, such as ["benign", "malignant"]"#,
        MEAN | DEVIATION => {
            "a finite number per channel, such as 0.485 0.456 0.406 (blanks, commas or a JSON list)"
        }
        _ => {
            "the lowest and the highest value, finite and in that order, such as -1.5 2 (blanks, a comma or a JSON list)"
        }
    }
}

fn missing(there: &str, missing: &str) -> String {
    let expected = expected(missing);
    format!("its metadata has the property {there} but not {missing}: add it, {expected}, or remove both")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: &[(&str, &str)]) -> Result<Properties, String> {
        let entry =
            |&(key, value): &(&str, &str)| StringStringEntryProto { key: key.into(), value: value.into() };
        Properties::read(&properties.iter().map(entry).collect::<Vec<_>>())
    }

    #[test]
    fn numbers_may_be_written_with_blanks_commas_or_as_a_json_list() {
        for text in ["1 2.5 -3", "1,2.5,-3", "1, 2.5, -3", "[1, 2.5, -3]", " [1,2.5 ,-3] "] {
            assert_eq!(parse_numbers(text), Some(vec![1.0, 2.5, -3.0]), "{text}");
        }
        for text in ["", "1,,2", "1,", "[1 2", "1]", "one", "NaN", "inf"] {
            assert_eq!(parse_numbers(text), None, "{text}");
        }
    }

    #[test]
    fn a_mean_without_a_deviation_says_what_to_add() {
        let error = read(&[(MEAN, "0.1307")]).unwrap_err();
        for part in [MEAN, DEVIATION, "a finite number per channel", "remove both"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn an_unreadable_property_is_named_quoted_cut_short_and_told_its_format() {
        let long = "x".repeat(500);
        let cases =
            [(MEAN, "number per channel"), (CLASSES, "JSON list of names"), ("veilbench.range.y", "lowest")];
        for (key, expected) in cases {
            let error = read(&[(key, &long)]).unwrap_err();
            assert!(error.contains(key) && error.contains("\"xxx") && error.contains(expected), "{error}");
            assert!(error.len() < 400, "{error}");
        }
    }

    #[test]
    fn a_range_from_high_to_low_or_without_end_is_refused() {
        for range in ["2 1", "0 inf", "NaN 1", "1", "1 2 3"] {
            let error = read(&[("veilbench.range.h", range)]).unwrap_err();
            assert!(error.contains("finite and in that order"), "{error}");
        }
    }
}
