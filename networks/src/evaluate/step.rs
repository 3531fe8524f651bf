//! One layer of the evaluator, and the outputs of layers that wait for the layers that read them.

use super::{Real, kernels};
use crate::{Network, Op, Parameters, Shape, Source};

/// A layer with its parameters in the evaluator's precision.
#[derive(Debug)]
pub(super) struct Step<T> {
    pub(super) name: String,
    op: Op,
    /// What it reads, in order.
    sources: Vec<Source>,
    /// Those of them that no later layer reads.
    last_uses: Vec<Source>,
    /// Shape of its first input.
    input: Shape,
    pub(super) output: Shape,
    /// Weights, coefficients or slopes.
    weights: Vec<T>,
    bias: Vec<T>,
}

/// The layers of a checked network.
pub(super) fn steps<T: Real>(network: &Network) -> Vec<Step<T>> {
    let architecture = &network.architecture;
    let convert = |values: &[f32]| -> Vec<T> { values.iter().map(|&value| T::from_f32(value)).collect() };
    let layers = architecture.steps().zip(&network.parameters).zip(architecture.last_uses());
    let mut steps = Vec::with_capacity(architecture.layers.len());
    for (((input, layer), own), last_uses) in layers {
        let (weights, bias) = match own {
            Parameters::None => (Vec::new(), Vec::new()),
            Parameters::Affine { weights, bias } => (convert(weights), convert(bias)),
            Parameters::Polynomial { coefficients } => (convert(coefficients), Vec::new()),
            Parameters::Slopes { slopes } => (convert(slopes), Vec::new()),
        };
        let (name, sources) = (layer.name.clone(), architecture.sources(steps.len()));
        steps.push(Step {
            name,
            op: layer.op,
            sources,
            last_uses,
            input,
            output: layer.output,
            weights,
            bias,
        });
    }
    steps
}

/// The values of one image that are still to be read: the image's, then each layer's.
pub(super) struct Live<T> {
    values: Vec<Option<Vec<T>>>,
}

impl<T: Real> Live<T> {
    pub(super) fn new(image: Vec<T>, layers: usize) -> Self {
        let mut values = vec![None; layers + 1];
        values[0] = Some(image);
        Self { values }
    }

    /// Keeps a layer's output.
    pub(super) fn keep(&mut self, layer: usize, values: Vec<T>) {
        self.values[layer + 1] = Some(values);
    }

    /// The output of the last layer.
    pub(super) fn into_last(mut self) -> Vec<T> {
        self.values.pop().flatten().unwrap_or_default()
    }

    fn slot(source: Source) -> usize {
        match source {
            Source::Image => 0,
            Source::Layer(index) => index + 1,
        }
    }

    fn get(&self, source: Source) -> &[T] {
        self.values[Self::slot(source)].as_deref().unwrap_or_default()
    }

    fn forget(&mut self, source: Source) -> Option<Vec<T>> {
        self.values[Self::slot(source)].take()
    }
}

impl<T: Real> Step<T> {
    /// The layer's output; forgets what no later layer reads.
    pub(super) fn apply(&self, live: &mut Live<T>) -> Vec<T> {
        let output = if self.is_in_place() { self.in_place(live) } else { self.elsewhere(live) };
        for &source in &self.last_uses {
            live.forget(source);
        }
        output
    }

    /// Whether the output takes the place of the first input.
    fn is_in_place(&self) -> bool {
        self.op.is_activation() || matches!(self.op, Op::Flatten | Op::Add)
    }

    fn in_place(&self, live: &mut Live<T>) -> Vec<T> {
        let first = self.sources[0];
        let own = if self.last_uses.contains(&first) { live.forget(first) } else { None };
        let mut values = own.unwrap_or_else(|| live.get(first).to_vec());
        let per_channel = self.input.values_per_channel();
        match self.op {
            Op::Relu => kernels::relu(&mut values),
            Op::Polynomial(polynomial) => {
                kernels::polynomial(polynomial.degree, per_channel, &self.weights, &mut values);
            }
            Op::Activation(kind) => kernels::activation(kind, per_channel, &self.weights, &mut values),
            Op::Add => {
                for &other in &self.sources[1..] {
                    kernels::add(&mut values, live.get(other));
                }
            }
            _ => {}
        }
        values
    }

    fn elsewhere(&self, live: &Live<T>) -> Vec<T> {
        let x = live.get(self.sources[0]);
        match (&self.op, self.input) {
            (Op::Dense(_), _) => kernels::dense(x, &self.weights, &self.bias),
            (Op::Conv2d(conv), Shape::Image { height, width, .. }) => {
                kernels::conv2d(conv, [height, width], x, &self.weights, &self.bias)
            }
            (Op::AveragePool(window), Shape::Image { height, width, .. }) => {
                kernels::average_pool(window, [height, width], x)
            }
            (Op::MaxPool(window), Shape::Image { height, width, .. }) => {
                kernels::max_pool(window, [height, width], x)
            }
            // Channels are the outermost axis of an image.
            (Op::Concat, _) => self.sources.iter().flat_map(|&source| live.get(source)).copied().collect(),
            _ => unreachable!("a checked network has windows over images only"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Architecture, Layer, Metadata};

    #[test]
    fn of_a_long_residual_network_no_more_than_a_join_needs_is_kept() {
        let image = Shape::Image { channels: 1, height: 2, width: 2 };
        let mut layers = vec![Layer::new("first", Op::Relu, image)];
        for block in 0..20 {
            let start = layers.len() - 1;
            layers.push(Layer::new(format!("act{block}"), Op::Relu, image));
            let inputs = [Source::Layer(start + 1), Source::Layer(start)];
            layers.push(Layer::new(format!("join{block}"), Op::Add, image).reading(inputs));
        }
        let architecture = Architecture { name: "test".into(), input: image, input_range: None, layers };
        let parameters = vec![Parameters::None; architecture.layers.len()];
        let network = Network { architecture, parameters, metadata: Metadata::default() };
        assert_eq!(network.check(), Ok(()));
        let mut live = Live::new(vec![1.0_f64, -1.0, 2.0, 0.5], network.parameters.len());
        for (index, step) in steps(&network).iter().enumerate() {
            let values = step.apply(&mut live);
            live.keep(index, values);
            let kept = live.values.iter().flatten().count();
            assert!(kept <= 2, "{kept} outputs are kept at {}", step.name);
        }
        let doubled = f64::from(1 << 20);
        assert_eq!(live.into_last(), [doubled, 0.0, 2.0 * doubled, 0.5 * doubled]);
    }
}
