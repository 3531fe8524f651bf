//! A network as an alternation of affine maps and squares.
//!
//! Neighbouring linear layers are one map. A quadratic `a x^2 + b x + c` is `a (x + b/2a)^2 + c - b^2/4a`: the shift
//! goes into the map before it, the rest into the map after it, and what is left is a square. An average pool
//! after it is a sum of squares. Which weights result only the model owner knows; the structure is public.

use veilbench_networks::{Architecture, Op, Parameters, Range, Shape};

use crate::circuits::map::{AffineMap, window_places};
use crate::planning::precision::{Inputs, logit_deviation};
use crate::planning::ranges;
use crate::planning::scheme::Scheme;
use crate::roles::guard::Guard;
use veilbench_api::Unsupported;

/// How far beyond its calibrated range a logit may go and still be within the unit. Values in between need no margin of
/// their own: the modulus above level 0 has room for values thousands of times out of range.
pub(crate) const MARGIN: f64 = 1.25;

/// The smallest quadratic coefficient, as a share of the linear one over the range of the input: below it the
/// completed square would be a small difference of large numbers, and a curvature this slight is added instead.
const LEAST_CURVATURE: f64 = 1.0 / 4096.0;

/// One affine map and the activation after it; the last has none.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// The layers merged into it, e.g. `pool1 + conv2`.
    pub(crate) name: String,
    pub(crate) map: AffineMap,
    pub(crate) activation: Option<Activation>,
    /// Shape of the map's output.
    pub(crate) shape: Shape,
    /// Calibrated range of the map's output.
    pub(crate) range: Range,
}

/// Squares and sums of squares.
#[derive(Clone, Debug)]
pub(crate) struct Activation {
    /// The layers it stands for, e.g. `act1 + pool1`.
    pub(crate) name: String,
    /// Index of the polynomial layer.
    layer: usize,
    /// For every value of the next stage the outputs of the map whose squares it sums.
    pub(crate) sums: Vec<Vec<u32>>,
    /// What a square counts in the mean.
    share: f64,
    /// The most squares in a sum.
    pub(crate) terms: usize,
    /// Kernel of the pool, if it tiles the image: `[rows, columns]`, `[1, 1]` without a pool.
    pub(crate) tile: Option<[usize; 2]>,
    /// Shape of the sums.
    pub(crate) shape: Shape,
}

/// The whole network.
#[derive(Clone, Debug)]
pub(crate) struct Circuit {
    pub(crate) stages: Vec<Stage>,
    /// Largest magnitude of the values of an image, as calibrated.
    pub(crate) input_magnitude: f64,
}

impl Circuit {
    /// The structure, or with parameters all of it.
    ///
    /// # Errors
    /// [`Unsupported`] for layers that are neither linear nor quadratic, and without calibrated ranges or with ranges that
    /// cannot be.
    pub(crate) fn new(
        architecture: &Architecture,
        parameters: Option<&[Parameters]>,
    ) -> Result<Self, Unsupported> {
        refuse_branches(architecture)?;
        ranges::check(architecture)?;
        parameters.map_or(Ok(()), |parameters| ranges::check_weights(architecture, parameters))?;
        let layers = &architecture.layers;
        let inputs: Vec<Shape> = architecture.steps().map(|(input, _)| input).collect();
        let mut stages = Vec::new();
        let mut open = Open::new(architecture.input);
        let mut index = 0;
        while index < layers.len() {
            let (layer, input) = (&layers[index], inputs[index]);
            let own = parameters.and_then(|parameters| parameters.get(index));
            if let Some(map) = AffineMap::of(input, layer, own) {
                open.merge(&layer.name, &map, layer.output);
                index += 1;
                continue;
            }
            let unsupported = |reason: &str| {
                Err(Unsupported { layer: Some(layer.name.clone()), reason: reason.to_owned() })
            };
            match layer.op {
                Op::Polynomial(polynomial) if polynomial.degree == 2 => {}
                Op::Polynomial(polynomial) => {
                    return unsupported(&format!(
                        "polynomials of degree {} are not evaluated, only up to 2",
                        polynomial.degree
                    ));
                }
                _ => {
                    return unsupported(
                        "only linear layers, average pools, polynomials and smooth activations can be computed on \
                         ciphertexts; train the network with polynomial activations, or see ckks-client-aided",
                    );
                }
            }
            let pool = layers.get(index + 1).and_then(|next| match (next.op, input) {
                (Op::AveragePool(window), Shape::Image { height, width, .. }) => {
                    Some((next, window, [height, width]))
                }
                _ => None,
            });
            let values = 0..input.len() as u32;
            let mut activation = Activation {
                name: layer.name.clone(),
                layer: index,
                sums: values.map(|value| vec![value]).collect(),
                share: 1.0,
                terms: 1,
                tile: Some([1, 1]),
                shape: input,
            };
            if let Some((next, window, size)) = pool {
                activation.name = format!("{} + {}", layer.name, next.name);
                activation.share = 1.0 / (window.kernel[0] * window.kernel[1]) as f64;
                let (places, width) = (next.output.values_per_channel(), pool_width(next.output));
                let sum = |value: usize| {
                    let (channel, position) = (value / places, value % places);
                    window_places(&window, [1; 2], size, [position / width, position % width])
                        .into_iter()
                        .map(|(_, place)| (channel * size[0] * size[1] + place) as u32)
                        .collect()
                };
                activation.sums = (0..next.output.len()).map(sum).collect();
                activation.tile =
                    (window.stride == window.kernel && window.padding == [0; 4]).then_some(window.kernel);
                activation.terms = activation.sums.iter().map(Vec::len).max().unwrap_or(1);
                activation.shape = next.output;
                index += 1;
            }
            let range = range(architecture, activation.layer)?;
            let output = activation.shape;
            stages.push(open.close(Some(activation), range));
            open = Open::new(output);
            index += 1;
        }
        let last = range(architecture, layers.len())?;
        stages.push(open.close(None, last));
        let input_magnitude = magnitude(range(architecture, 0)?, 0.0);
        let mut circuit = Self { stages, input_magnitude };
        circuit.check()?;
        if let Some(parameters) = parameters {
            circuit.fold(parameters);
        }
        Ok(circuit)
    }

    /// No block and no sum is empty.
    fn check(&self) -> Result<(), Unsupported> {
        for stage in &self.stages {
            let blocks = stage.map.blocks.iter().any(|block| block.inputs.is_empty());
            let sums = stage.activation.iter().any(|own| own.sums.iter().any(Vec::is_empty));
            if blocks || sums {
                let reason = format!("{}: a window reads nothing but padding; use less padding", stage.name);
                return Err(Unsupported { layer: None, reason });
            }
        }
        Ok(())
    }

    /// Multiplicative depth: a level for every map and every square.
    pub(crate) fn depth(&self) -> usize {
        2 * self.stages.len() - 1
    }

    /// What one unit of a decrypted result is worth.
    pub(crate) fn logit_unit(&self) -> f64 {
        self.stages.last().map_or(1.0, |stage| MARGIN * magnitude(stage.range, 0.0))
    }

    /// The circuit with one result more, after the logits.
    pub(crate) fn guarded(mut self, guard: &Guard) -> Self {
        if let Some(last) = self.stages.last_mut() {
            guard.append(&mut last.map);
        }
        self
    }

    /// Logits of an image.
    pub(crate) fn logits(&self) -> usize {
        self.stages.last().map_or(0, |stage| stage.shape.len())
    }

    /// Bytes of an image in the clear.
    pub(crate) fn image_bytes(&self) -> usize {
        self.stages.first().map_or(0, |stage| stage.map.inputs * size_of::<f32>())
    }

    /// What every stage reads.
    pub(crate) fn inputs(&self) -> Vec<Inputs> {
        let inputs = |(index, stage): (usize, &Stage)| Inputs {
            count: stage.map.fan_in(),
            magnitude: if index == 0 { self.input_magnitude } else { 1.0 },
            fresh: index == 0,
        };
        self.stages.iter().enumerate().map(inputs).collect()
    }

    /// The standard deviation of the error of a logit under a scheme.
    pub(crate) fn logit_deviation(&self, scheme: &Scheme, vectors: bool) -> f64 {
        logit_deviation(scheme, &self.inputs(), vectors, self.logit_unit())
    }

    /// Folds what is not a square of the quadratics into the maps, so that every encrypted value is within -1 to 1
    /// for inputs within the calibrated ranges.
    fn fold(&mut self, parameters: &[Parameters]) {
        // The true value is `factor * encrypted value + offset`.
        let mut before: Vec<(f64, f64)> = Vec::new();
        let logit_unit = self.logit_unit();
        for stage in &mut self.stages {
            for block in &mut stage.map.blocks {
                if before.is_empty() {
                    break;
                }
                for (&output, row) in
                    block.outputs.iter().zip(block.weights.chunks_exact_mut(block.inputs.len()))
                {
                    for (&input, weight) in block.inputs.iter().zip(row) {
                        let (factor, offset) = before[input as usize];
                        stage.map.bias[output as usize] += *weight * offset;
                        *weight *= factor;
                    }
                }
            }
            let per_channel = stage.shape.values_per_channel();
            let Some(activation) = &stage.activation else {
                scale(&mut stage.map, |_| (0.0, 1.0 / logit_unit));
                continue;
            };
            let Some(Parameters::Polynomial { coefficients }) = parameters.get(activation.layer) else {
                continue;
            };
            let reach = magnitude(stage.range, 0.0);
            let squares: Vec<Square> = coefficients
                .as_chunks::<3>()
                .0
                .iter()
                .map(|&coefficients| Square::new(coefficients.map(f64::from), stage.range, reach))
                .collect();
            let terms = (activation.terms as f64).sqrt();
            scale(&mut stage.map, |output| {
                let square = &squares[output / per_channel];
                (square.shift, 1.0 / (square.reach * terms))
            });
            before = activation
                .sums
                .iter()
                .map(|sum| {
                    let square = &squares[sum.first().map_or(0, |&value| value as usize / per_channel)];
                    let factor = square.factor * (square.reach * terms).powi(2) * activation.share;
                    (factor, square.constant * activation.share * sum.len() as f64)
                })
                .collect();
        }
    }
}

/// `factor (x + shift)^2 + constant`, with `x + shift` within `reach`.
struct Square {
    factor: f64,
    shift: f64,
    constant: f64,
    reach: f64,
}

impl Square {
    fn new([constant, linear, quadratic]: [f64; 3], range: Range, reach: f64) -> Self {
        let least = (linear.abs() / reach).max(1e-3) * LEAST_CURVATURE;
        let factor = if quadratic.abs() < least { least.copysign(quadratic) } else { quadratic };
        let shift = linear / (2.0 * factor);
        let reach = magnitude(range, shift);
        Self { factor, shift, constant: constant - factor * shift * shift, reach }
    }
}

/// `y = (y + shift) * unit` for every output.
fn scale(map: &mut AffineMap, of: impl Fn(usize) -> (f64, f64)) {
    for block in &mut map.blocks {
        for (&output, row) in block.outputs.iter().zip(block.weights.chunks_exact_mut(block.inputs.len())) {
            let (_, unit) = of(output as usize);
            row.iter_mut().for_each(|weight| *weight *= unit);
        }
    }
    for (output, bias) in map.bias.iter_mut().enumerate() {
        let (shift, unit) = of(output);
        *bias = (*bias + shift) * unit;
    }
}

/// The largest `|x + shift|`.
pub(crate) fn magnitude(range: Range, shift: f64) -> f64 {
    let at = |end: f32| (f64::from(end) + shift).abs();
    at(range.low).max(at(range.high)).max(f64::from(f32::MIN_POSITIVE))
}

fn pool_width(shape: Shape) -> usize {
    match shape {
        Shape::Image { width, .. } => width,
        Shape::Flat(values) => values,
    }
}

/// A circuit is one path of maps and squares.
pub(crate) fn refuse_branches(architecture: &Architecture) -> Result<(), Unsupported> {
    let Some(layer) = architecture.first_branch() else { return Ok(()) };
    let reason = "on ciphertexts only a chain of layers is computed, and it does not read the layer before it alone; the \
                  backends clear and tee run any network"
        .to_owned();
    Err(Unsupported { layer: Some(layer.name.clone()), reason })
}

/// The range of the values that layer `index` reads.
fn range(architecture: &Architecture, index: usize) -> Result<Range, Unsupported> {
    let (name, range) = match index.checked_sub(1).map(|before| &architecture.layers[before]) {
        Some(layer) => (Some(layer.name.clone()), layer.range),
        None => (None, architecture.input_range),
    };
    range.ok_or_else(|| uncalibrated(name))
}

/// Why a model without the range of a layer, or of its input, is refused.
pub(crate) fn uncalibrated(layer: Option<String>) -> Unsupported {
    let input = if layer.is_none() { " for its input" } else { "" };
    let reason = format!(
        "the model carries no calibrated range{input}, from which scales are chosen; `run` and `verify` calibrate it, or \
         export it with ranges"
    );
    Unsupported { layer, reason }
}

/// A map under construction.
struct Open {
    name: String,
    map: AffineMap,
    shape: Shape,
}

impl Open {
    fn new(shape: Shape) -> Self {
        Self { name: String::new(), map: AffineMap::identity(shape.len()), shape }
    }

    fn merge(&mut self, name: &str, map: &AffineMap, shape: Shape) {
        if !self.name.is_empty() {
            self.name.push_str(" + ");
        }
        self.name.push_str(name);
        self.map = self.map.then(map);
        self.shape = shape;
    }

    fn close(self, activation: Option<Activation>, range: Range) -> Stage {
        let name = if self.name.is_empty() { "identity".to_owned() } else { self.name };
        Stage { name, map: self.map, activation, shape: self.shape, range }
    }
}
