//! The four architectures, in both forms, without weights.

use crate::{
    ActivationKind, Architecture, Conv2d, Dense, Layer, Network, Op, Parameters, Polynomial, Shape, Window,
};

/// The nonlinearity of a reference network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// As in the paper.
    Relu,
    /// A polynomial for every channel.
    Polynomial {
        /// Its degree; 2 for the networks that ship.
        degree: usize,
    },
}

/// 784 - FC 128 - act - FC 128 - act - FC 10 on 28x28x1; the field's "Network A".
pub fn mnist_mlp(activation: Activation) -> Architecture {
    let chain = Chain::new("mnist-mlp", [1, 28, 28], activation).flatten();
    chain.dense(128).activation().dense(128).activation().dense(10).finish()
}

/// Conv 1->5 5x5 stride 2 - act - AvgPool2 - FC 100 - act - FC 10 on 28x28x1.
pub fn mnist_cnn(activation: Activation) -> Architecture {
    let chain = Chain::new("mnist-cnn", [1, 28, 28], activation);
    chain.conv(5, 5, 2).activation().pool().flatten().dense(100).activation().dense(10).finish()
}

/// Twice Conv 36 5x5 - act - AvgPool2, then FC 72 - act - FC 2, on 32x32x3.
pub fn malaria_cnn(activation: Activation) -> Architecture {
    let chain = Chain::new("malaria-cnn", [3, 32, 32], activation);
    let features = chain.conv(36, 5, 1).activation().pool().conv(36, 5, 1).activation().pool();
    features.flatten().dense(72).activation().dense(2).finish()
}

/// A LeNet that suits homomorphic encryption: Conv 8 5x5 stride 2 - act - AvgPool2 - Conv 16 5x5 - act - AvgPool2 -
/// FC 32 - act - FC 2 on 64x64x3: 0.94 million multiply-accumulates, no layer above 7,200 values.
pub fn melanoma_lenet(activation: Activation) -> Architecture {
    let chain = Chain::new("melanoma-lenet", [3, 64, 64], activation);
    let features = chain.conv(8, 5, 2).activation().pool().conv(16, 5, 1).activation().pool();
    features.flatten().dense(32).activation().dense(2).finish()
}

/// The architecture with small weights that are a function of `seed` alone: for tests, benchmarks and
/// as a carrier of trained weights. Useless as a classifier.
///
/// Weights are uniform in `±1/sqrt(inputs of the layer)`; polynomials are `0.1 x^2 + 0.5 x` plus as much; slopes
/// are uniform in `±0.3`.
pub fn untrained(architecture: Architecture, seed: u64) -> Network {
    let mut noise = SplitMix(seed);
    let parameters = architecture
        .layers
        .iter()
        .map(|layer| {
            if let Some(fixed) = super::fixed(layer) {
                return fixed;
            }
            let Layer { op, output, .. } = layer;
            let count = op.parameters();
            let mut uniform = |count: usize, bound: f32| -> Vec<f32> {
                (0..count).map(|_| (2.0 * noise.unit() - 1.0) * bound).collect()
            };
            match op {
                Op::Dense(_) | Op::Conv2d(_) => {
                    let outputs = output.channels();
                    let bound = 1.0 / ((count / outputs) as f32).sqrt();
                    let (weights, bias) = (uniform(count - outputs, bound), uniform(outputs, bound));
                    Parameters::Affine { weights, bias }
                }
                Op::Polynomial(polynomial) => {
                    let mut coefficients = uniform(count, 0.02);
                    for channel in coefficients.chunks_exact_mut(polynomial.degree + 1) {
                        for (coefficient, start) in channel.iter_mut().zip([0.0, 0.5, 0.1]) {
                            *coefficient += start;
                        }
                    }
                    Parameters::Polynomial { coefficients }
                }
                Op::Activation(ActivationKind::PRelu { .. }) => {
                    Parameters::Slopes { slopes: uniform(count, 0.3) }
                }
                _ => Parameters::None,
            }
        })
        .collect();
    Network { architecture, parameters, metadata: crate::Metadata::default() }
}

/// A chain under construction that names its layers `conv1`, `act1`, `pool1`, ..., `fc1`.
struct Chain {
    architecture: Architecture,
    activation: Activation,
}

impl Chain {
    fn new(name: &str, [channels, height, width]: [usize; 3], activation: Activation) -> Self {
        let suffix = match activation {
            Activation::Relu => "",
            Activation::Polynomial { .. } => "-poly",
        };
        let input = Shape::Image { channels, height, width };
        let architecture =
            Architecture { name: format!("{name}{suffix}"), input, input_range: None, layers: Vec::new() };
        Self { architecture, activation }
    }

    fn conv(self, outputs: usize, kernel: usize, stride: usize) -> Self {
        let inputs = self.architecture.output().channels();
        let window = Window { kernel: [kernel; 2], stride: [stride; 2], padding: [0; 4] };
        let conv = Conv2d { inputs, outputs, groups: 1, dilation: [1, 1], window };
        self.push("conv", Op::Conv2d(conv))
    }

    fn pool(self) -> Self {
        self.push("pool", Op::AveragePool(Window { kernel: [2, 2], stride: [2, 2], padding: [0; 4] }))
    }

    fn flatten(self) -> Self {
        self.append("flatten".into(), Op::Flatten)
    }

    fn dense(self, outputs: usize) -> Self {
        let inputs = self.architecture.output().len();
        self.push("fc", Op::Dense(Dense { inputs, outputs }))
    }

    fn activation(self) -> Self {
        let channels = self.architecture.output().channels();
        let op = match self.activation {
            Activation::Relu => Op::Relu,
            Activation::Polynomial { degree } => Op::Polynomial(Polynomial { channels, degree }),
        };
        self.push("act", op)
    }

    fn push(self, kind: &str, op: Op) -> Self {
        let alike = self.architecture.layers.iter().filter(|layer| layer.name.starts_with(kind));
        let name = format!("{kind}{}", 1 + alike.count());
        self.append(name, op)
    }

    fn append(mut self, name: String, op: Op) -> Self {
        let input = self.architecture.output();
        let Ok(output) = op.output(&[input], &name) else {
            unreachable!("the reference geometries are sound, and a test says so")
        };
        self.architecture.layers.push(Layer::new(name, op, output));
        self
    }

    fn finish(self) -> Architecture {
        self.architecture
    }
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014).
struct SplitMix(u64);

impl SplitMix {
    /// Uniform in `0..1`.
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLYNOMIAL: Activation = Activation::Polynomial { degree: 2 };

    #[test]
    fn the_reference_networks_have_the_papers_sizes() {
        let expected = [
            (mnist_mlp(Activation::Relu), 118_282, 118_016, 256),
            (mnist_cnn(Activation::Relu), 19_240, 37_000, 820),
            (malaria_cnn(Activation::Relu), 100_190, 5_421_744, 31_896),
        ];
        for (architecture, parameters, macs, activations) in expected {
            let name = &architecture.name;
            assert_eq!(architecture.check(), Ok(()), "{name}");
            assert_eq!(architecture.parameters(), parameters, "{name}");
            assert_eq!(architecture.macs(), macs, "{name}");
            assert_eq!(architecture.activations(), activations, "{name}");
        }
    }

    #[test]
    fn the_polynomial_twins_differ_in_their_activations_alone() {
        for build in [mnist_mlp, mnist_cnn, malaria_cnn, melanoma_lenet] {
            let (relu, polynomial) = (build(Activation::Relu), build(POLYNOMIAL));
            assert_eq!(polynomial.check(), Ok(()));
            assert_eq!(polynomial.name, format!("{}-poly", relu.name));
            for (relu, polynomial) in relu.layers.iter().zip(&polynomial.layers) {
                assert_eq!(relu.name, polynomial.name);
                assert_eq!(relu.output, polynomial.output);
                assert!(relu.op == polynomial.op || relu.op == Op::Relu);
            }
        }
    }

    #[test]
    fn the_melanoma_network_has_the_shapes_of_its_description() {
        let network = melanoma_lenet(Activation::Relu);
        let shapes: Vec<String> = network.layers.iter().map(|layer| layer.output.to_string()).collect();
        let features = ["8x30x30", "8x30x30", "8x15x15", "16x11x11", "16x11x11", "16x5x5"];
        assert_eq!(shapes, [&features[..], &["400", "32", "32", "2"]].concat());
        assert_eq!(network.macs(), 940_064);
    }

    #[test]
    fn untrained_networks_are_sound_and_reproducible() {
        for build in [mnist_mlp, mnist_cnn, malaria_cnn, melanoma_lenet] {
            let network = untrained(build(POLYNOMIAL), 7);
            assert_eq!(network.check(), Ok(()));
            assert_eq!(network, untrained(build(POLYNOMIAL), 7));
            assert_ne!(network, untrained(build(POLYNOMIAL), 8));
        }
    }
}
