//! Quadratic activations as products of ciphertexts, and what goes into the maps that read them.

use veilbench_networks::{Parameters, Shape};

use crate::circuits::map::AffineMap;

/// The smallest quadratic coefficient, as a share of the linear one over the range of the input: a smaller one is replaced by it.
const LEAST_CURVATURE: f64 = 1.0 / 4096.0;

/// What is left of a quadratic layer, for each of its values: `factor p + constant`, with the product `p` of `x / unit` and
/// `x / unit + shift`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quadratic {
    pub(crate) shift: f64,
    factor: f64,
    constant: f64,
}

impl Quadratic {
    fn new([constant, linear, quadratic]: [f64; 3], unit: f64) -> Self {
        let least = (linear.abs() / unit).max(1e-3 / unit) * LEAST_CURVATURE;
        let quadratic = if quadratic.abs() < least { least.copysign(quadratic) } else { quadratic };
        Self { shift: linear / quadratic / unit, factor: quadratic * unit * unit, constant }
    }
}

/// For every value the quadratic of its channel.
pub(crate) fn quadratics(parameters: &Parameters, shape: Shape, unit: f64) -> Vec<Quadratic> {
    let Parameters::Polynomial { coefficients } = parameters else { return Vec::new() };
    let rows = coefficients.as_chunks::<3>().0.iter();
    let per_channel = shape.values_per_channel();
    rows.flat_map(|row| std::iter::repeat_n(Quadratic::new(row.map(f64::from), unit), per_channel)).collect()
}

/// Puts the quadratics in front of a map.
pub(crate) fn fold(map: &mut AffineMap, rows: &[Quadratic], biased: bool) {
    for block in &mut map.blocks {
        let columns = block.inputs.len().max(1);
        for (&output, weights) in block.outputs.iter().zip(block.weights.chunks_exact_mut(columns)) {
            for (&input, weight) in block.inputs.iter().zip(weights) {
                let Quadratic { factor, constant, .. } = rows[input as usize];
                if biased {
                    map.bias[output as usize] += *weight * constant;
                }
                *weight *= factor;
            }
        }
    }
}
