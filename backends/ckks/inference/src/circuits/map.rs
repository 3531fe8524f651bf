//! Affine maps between the values of two layers, as dense blocks: what convolutions, dense layers, pools and
//! everything that merges with them come down to.

use std::collections::HashMap;

use veilbench_networks::{Conv2d, Layer, Op, Parameters, Shape, Window};

/// A dense piece of a map: some outputs that read the same inputs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DenseBlock {
    pub(crate) inputs: Vec<u32>,
    pub(crate) outputs: Vec<u32>,
    /// `outputs x inputs`, row-major.
    pub(crate) weights: Vec<f64>,
}

/// `y = W x + b`, value by value in storage order. Every output is in exactly one block.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AffineMap {
    pub(crate) inputs: usize,
    pub(crate) blocks: Vec<DenseBlock>,
    pub(crate) bias: Vec<f64>,
}

impl AffineMap {
    /// The map of a linear layer: dense, convolution, average pool, flatten or a polynomial of degree one. Without
    /// parameters every weight is 1 and every bias 0: the structure, which is public. `None` for other layers.
    pub(crate) fn of(input: Shape, layer: &Layer, parameters: Option<&Parameters>) -> Option<Self> {
        let (weights, bias) = match parameters {
            Some(Parameters::Affine { weights, bias }) => (Some(&weights[..]), Some(&bias[..])),
            Some(Parameters::Polynomial { coefficients }) => (Some(&coefficients[..]), None),
            _ => (None, None),
        };
        let weight = |index: usize| weights.map_or(1.0, |weights| f64::from(weights[index]));
        let per_channel = layer.output.values_per_channel();
        let bias_of = |value: usize| bias.map_or(0.0, |bias| f64::from(bias[value / per_channel]));
        let mut map = Self { inputs: input.len(), blocks: Vec::new(), bias: Vec::new() };
        map.bias = (0..layer.output.len()).map(bias_of).collect();
        match (layer.op, input, layer.output) {
            (Op::Dense(dense), ..) => map.blocks.push(DenseBlock {
                inputs: ids(0..dense.inputs),
                outputs: ids(0..dense.outputs),
                weights: (0..dense.inputs * dense.outputs).map(weight).collect(),
            }),
            (Op::Conv2d(conv), Shape::Image { height, width, .. }, Shape::Image { .. }) => {
                map.blocks = convolution([height, width], layer.output, &conv, weight);
            }
            (Op::AveragePool(window), Shape::Image { height, width, .. }, output) => {
                map.blocks = average([height, width], output, &window);
            }
            (Op::Flatten, ..) => map.blocks = diagonal(input.len(), |_| 1.0),
            (Op::Polynomial(polynomial), ..) if polynomial.degree < 2 => {
                let coefficients = polynomial.degree + 1;
                let coefficient = |value: usize, power| weight(value / per_channel * coefficients + power);
                let slope = |value| if polynomial.degree == 0 { 0.0 } else { coefficient(value, 1) };
                map.blocks = diagonal(input.len(), slope);
                if weights.is_some() {
                    map.bias = (0..input.len()).map(|value| coefficient(value, 0)).collect();
                }
            }
            _ => return None,
        }
        Some(map)
    }

    pub(crate) fn identity(values: usize) -> Self {
        Self { inputs: values, blocks: diagonal(values, |_| 1.0), bias: vec![0.0; values] }
    }

    /// The map of one vector.
    pub(crate) fn apply(&self, values: &[f64]) -> Vec<f64> {
        let row = |(inputs, weights): (&[u32], &[f64])| -> f64 {
            inputs.iter().zip(weights).map(|(&input, weight)| values[input as usize] * weight).sum()
        };
        self.sparse_rows().into_iter().map(row).zip(&self.bias).map(|(sum, bias)| sum + bias).collect()
    }

    pub(crate) fn outputs(&self) -> usize {
        self.bias.len()
    }

    /// The most values an output reads.
    pub(crate) fn fan_in(&self) -> usize {
        self.blocks.iter().map(|block| block.inputs.len()).max().unwrap_or(0)
    }

    /// Products of a weight and a value.
    pub(crate) fn products(&self) -> usize {
        self.blocks.iter().map(|block| block.weights.len()).sum()
    }

    /// For every output its block and its row in it.
    fn rows(&self) -> Vec<(u32, u32)> {
        let mut rows = vec![(0, 0); self.outputs()];
        for (index, block) in self.blocks.iter().enumerate() {
            for (row, &output) in block.outputs.iter().enumerate() {
                rows[output as usize] = (index as u32, row as u32);
            }
        }
        rows
    }

    /// The weights of one output with the inputs they meet, for every output in order.
    pub(crate) fn sparse_rows(&self) -> Vec<(&[u32], &[f64])> {
        let row = |(block, row): (u32, u32)| {
            let block = &self.blocks[block as usize];
            let (columns, row) = (block.inputs.len(), row as usize);
            (&block.inputs[..], &block.weights[row * columns..(row + 1) * columns])
        };
        self.rows().into_iter().map(row).collect()
    }

    /// First this map, then `second`, as one.
    pub(crate) fn then(&self, second: &AffineMap) -> AffineMap {
        if self.is_identity() {
            return second.clone();
        }
        if second.is_identity() {
            return self.clone();
        }
        let rows = self.sparse_rows();
        let mut composed = AffineMap { inputs: self.inputs, blocks: Vec::new(), bias: second.bias.clone() };
        for block in &second.blocks {
            let mut columns = HashMap::new();
            let mut inputs = Vec::new();
            for &middle in &block.inputs {
                for &input in rows[middle as usize].0 {
                    columns.entry(input).or_insert_with(|| {
                        inputs.push(input);
                        inputs.len() - 1
                    });
                }
            }
            let mut weights = vec![0.0; block.outputs.len() * inputs.len()];
            let outer = block.weights.chunks_exact(block.inputs.len().max(1));
            for ((&output, outer), sum) in
                block.outputs.iter().zip(outer).zip(weights.chunks_exact_mut(inputs.len().max(1)))
            {
                for (&middle, &factor) in block.inputs.iter().zip(outer) {
                    composed.bias[output as usize] += factor * self.bias[middle as usize];
                    let (from, inner) = rows[middle as usize];
                    for (input, weight) in from.iter().zip(inner) {
                        sum[columns[input]] += factor * weight;
                    }
                }
            }
            composed.blocks.push(DenseBlock { inputs, outputs: block.outputs.clone(), weights });
        }
        composed
    }

    fn is_identity(&self) -> bool {
        self.inputs == self.outputs()
            && self.bias.iter().all(|&bias| bias == 0.0)
            && self.blocks.iter().all(|block| block.inputs == block.outputs && block.weights == [1.0])
    }
}

fn ids(range: std::ops::Range<usize>) -> Vec<u32> {
    range.map(|id| id as u32).collect()
}

fn diagonal(values: usize, weight: impl Fn(usize) -> f64) -> Vec<DenseBlock> {
    let block = |value| DenseBlock {
        inputs: vec![value as u32],
        outputs: vec![value as u32],
        weights: vec![weight(value)],
    };
    (0..values).map(block).collect()
}

/// The places of the image a window at `(row, column)` reads, with the index of each in the window.
pub(crate) fn window_places(
    window: &Window,
    dilation: [usize; 2],
    [height, width]: [usize; 2],
    at: [usize; 2],
) -> Vec<(usize, usize)> {
    let along = |axis: usize, step: usize, size: usize| {
        (at[axis] * window.stride[axis] + step * dilation[axis])
            .checked_sub(window.padding[axis])
            .filter(|&place| place < size)
    };
    let mut places = Vec::new();
    for row in 0..window.kernel[0] {
        for column in 0..window.kernel[1] {
            if let (Some(y), Some(x)) = (along(0, row, height), along(1, column, width)) {
                places.push((row * window.kernel[1] + column, y * width + x));
            }
        }
    }
    places
}

fn convolution(
    size: [usize; 2],
    output: Shape,
    conv: &Conv2d,
    weight: impl Fn(usize) -> f64,
) -> Vec<DenseBlock> {
    let Shape::Image { height, width, .. } = output else { return Vec::new() };
    let (inputs, outputs) = (conv.inputs / conv.groups, conv.outputs / conv.groups);
    let (area, taps) = (size[0] * size[1], conv.window.kernel[0] * conv.window.kernel[1]);
    let mut blocks = Vec::with_capacity(height * width * conv.groups);
    for position in 0..height * width {
        let places = window_places(&conv.window, conv.dilation, size, [position / width, position % width]);
        for group in 0..conv.groups {
            let channels =
                || (0..inputs).flat_map(|channel| places.iter().map(move |place| (channel, place)));
            let maps = group * outputs..(group + 1) * outputs;
            blocks.push(DenseBlock {
                inputs: channels()
                    .map(|(channel, (_, place))| ((group * inputs + channel) * area + place) as u32)
                    .collect(),
                weights: maps
                    .clone()
                    .flat_map(|map| channels().map(move |at| (map, at)))
                    .map(|(map, (channel, (tap, _)))| weight((map * inputs + channel) * taps + tap))
                    .collect(),
                outputs: maps.map(|map| (map * height * width + position) as u32).collect(),
            });
        }
    }
    blocks
}

fn average(size: [usize; 2], output: Shape, window: &Window) -> Vec<DenseBlock> {
    let Shape::Image { channels, height, width } = output else { return Vec::new() };
    let share = 1.0 / (window.kernel[0] * window.kernel[1]) as f64;
    let block = |value: usize| {
        let (channel, position) = (value / (height * width), value % (height * width));
        let places = window_places(window, [1; 2], size, [position / width, position % width]);
        let inputs: Vec<u32> =
            places.iter().map(|(_, place)| (channel * size[0] * size[1] + place) as u32).collect();
        DenseBlock { weights: vec![share; inputs.len()], inputs, outputs: vec![value as u32] }
    };
    (0..channels * height * width).map(block).collect()
}
