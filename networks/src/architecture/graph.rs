//! What reads what.

use serde::{Deserialize, Serialize};

use super::{Architecture, Layer, Range, Shape};

/// What a layer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The network's input.
    Image,
    /// The output of the layer of this index.
    Layer(usize),
}

impl Source {
    /// The layer before that of an index, or the image.
    pub fn before(index: usize) -> Self {
        index.checked_sub(1).map_or(Source::Image, Source::Layer)
    }
}

impl Architecture {
    /// What the layer of an index reads, in order: what it states, or the layer before it.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn sources(&self, index: usize) -> Vec<Source> {
        let stated = &self.layers[index].inputs;
        if stated.is_empty() { vec![Source::before(index)] } else { stated.clone() }
    }

    /// Shape of what a source gives, or `None` if there is no such layer.
    pub fn shape_of(&self, source: Source) -> Option<Shape> {
        match source {
            Source::Image => Some(self.input),
            Source::Layer(index) => self.layers.get(index).map(|layer| layer.output),
        }
    }

    /// Calibrated range of what a source gives, if it is stated.
    pub fn range_of(&self, source: Source) -> Option<Range> {
        match source {
            Source::Image => self.input_range,
            Source::Layer(index) => self.layers.get(index)?.range,
        }
    }

    /// Every layer with the shape of its first input (of a [checked](Architecture::check) architecture). The
    /// inputs of one layer agree in all but the channels of a concatenation.
    pub fn steps(&self) -> impl Iterator<Item = (Shape, &Layer)> {
        self.layers.iter().enumerate().map(|(index, layer)| {
            let first = layer.inputs.first().copied().unwrap_or(Source::before(index));
            (self.shape_of(first).unwrap_or(self.input), layer)
        })
    }

    /// The first layer that does not read just the one before it; `None` if the network is a chain.
    pub fn first_branch(&self) -> Option<&Layer> {
        let is_chained = |index| self.sources(index) == [Source::before(index)];
        self.layers.iter().enumerate().find(|&(index, _)| !is_chained(index)).map(|(_, layer)| layer)
    }

    /// For every layer, the sources that no later layer reads: what may be forgotten once it is computed.
    pub fn last_uses(&self) -> Vec<Vec<Source>> {
        let mut last = vec![Vec::new(); self.layers.len()];
        let mut seen = std::collections::HashSet::new();
        for index in (0..self.layers.len()).rev() {
            for source in self.sources(index) {
                if seen.insert(source) {
                    last[index].push(source);
                }
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Op;

    const IMAGE: Shape = Shape::Image { channels: 1, height: 2, width: 2 };

    fn residual() -> Architecture {
        let layers = vec![
            Layer::new("a", Op::Relu, IMAGE),
            Layer::new("b", Op::Relu, IMAGE),
            Layer::new("join", Op::Add, IMAGE).reading([Source::Layer(1), Source::Layer(0)]),
            Layer::new("c", Op::Relu, IMAGE),
        ];
        Architecture { name: "test".into(), input: IMAGE, input_range: None, layers }
    }

    #[test]
    fn a_layer_without_stated_inputs_reads_the_one_before() {
        let network = residual();
        assert_eq!(network.sources(0), [Source::Image]);
        assert_eq!(network.sources(3), [Source::Layer(2)]);
        assert_eq!(network.sources(2), [Source::Layer(1), Source::Layer(0)]);
        assert_eq!(network.first_branch().map(|layer| layer.name.as_str()), Some("join"));
    }

    #[test]
    fn a_value_is_forgotten_with_its_last_reader() {
        let last = residual().last_uses();
        assert_eq!(last[0], [Source::Image]);
        assert!(last[1].is_empty());
        assert_eq!(last[2], [Source::Layer(1), Source::Layer(0)]);
    }

    #[test]
    fn a_chain_is_serialised_without_inputs_and_a_join_with_them() {
        let network = residual();
        let text = serde_json::to_string(&network).expect("it is plain data");
        assert_eq!(text.matches("inputs").count(), 1, "{text}");
        assert!(text.contains(r#""inputs":[{"layer":1},{"layer":0}]"#), "{text}");
        assert_eq!(serde_json::from_str::<Architecture>(&text).expect("it was just written"), network);
    }
}
