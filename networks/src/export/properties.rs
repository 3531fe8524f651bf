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
//! Numbers are separated by spaces and written so that they read back as the same `f32`.

use std::collections::{BTreeMap, HashSet};

use tract_onnx::pb::StringStringEntryProto;

use crate::{Architecture, Metadata, Network, Normalisation, Range};

const LAYERS: &str = "veilbench.layers";
const INPUT_RANGE: &str = "veilbench.input_range";
const RANGE: &str = "veilbench.range.";
const DATASET: &str = "veilbench.dataset";
const CLASSES: &str = "veilbench.classes";
const MEAN: &str = "veilbench.normalisation.mean";
const DEVIATION: &str = "veilbench.normalisation.deviation";
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
    /// key. Fails with the key whose value cannot be understood.
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
            understood.ok_or_else(|| key.clone())?;
        }
        properties.metadata.normalisation = match (mean, deviation) {
            (Some(mean), Some(deviation)) => Some(Normalisation { mean, deviation }),
            (None, None) => None,
            (Some(_), None) => return Err(DEVIATION.into()),
            (None, Some(_)) => return Err(MEAN.into()),
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

fn list<S: AsRef<str>>(items: &[S]) -> String {
    serde_json::Value::from(items.iter().map(AsRef::as_ref).collect::<Vec<&str>>()).to_string()
}

fn parse_list(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

fn numbers(values: &[f32]) -> String {
    values.iter().map(f32::to_string).collect::<Vec<_>>().join(" ")
}

fn parse_numbers(text: &str) -> Option<Vec<f32>> {
    text.split_whitespace().map(|number| number.parse().ok()).collect()
}

fn parse_range(text: &str) -> Option<Range> {
    match parse_numbers(text)?[..] {
        [low, high] => Some(Range { low, high }),
        _ => None,
    }
}
