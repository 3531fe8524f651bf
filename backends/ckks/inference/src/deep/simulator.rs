//! A program on plain slots: what ciphertexts would hold without noise.

use veilbench_networks::Network;

use crate::deep::lowering::Origin;
use crate::deep::program::{MOST_SLOTS, Program};

#[cfg(test)]
pub(crate) mod oracle;

/// The slots of every wire for one image, or for as many as are computed together, one after another.
pub(crate) fn wires(program: &Program, network: &Network, images: &[f32]) -> Vec<Vec<f64>> {
    let (architecture, parameters) = (&network.architecture, &network.parameters[..]);
    let mut held: Vec<Vec<f64>> = Vec::new();
    for (wire, own) in program.deep.wires.iter().enumerate() {
        let layout = &program.layouts[wire];
        let slots = match (&own.origin, &program.outlines[wire]) {
            (Origin::Image | Origin::Map(_), None) | (Origin::Image, _) => {
                let values: Vec<f64> = images.iter().map(|&value| f64::from(value)).collect();
                layout.spread(&values, MOST_SLOTS)
            }
            (Origin::Product { of, layer }, _) => {
                let shifts =
                    program.layouts[*of].spread(&program.deep.shifts(*of, *layer, parameters), MOST_SLOTS);
                held[*of].iter().zip(shifts).map(|(x, shift)| x * (x + shift)).collect()
            }
            (&Origin::Series { of, series }, _) => {
                let (_, series) = &program.deep.series[series];
                held[of].iter().map(|&x| series.at(x)).collect()
            }
            (Origin::Map(terms), Some(outline)) => {
                let ([real, imaginary], bias) = program.weights(architecture, parameters, wire, terms);
                let mut sum = vec![0.0; MOST_SLOTS];
                // The real part of a product is that of the real parts less that of the imaginary ones.
                for (diagonals, factor) in [(real, 1.0), (imaginary, -1.0)] {
                    for ((input, shift), diagonal) in diagonals {
                        let half = outline.imaginary[input].filter(|_| factor < 0.0).unwrap_or(0);
                        let from = held[terms[input].wire].iter().cycle().skip((shift + half) as usize);
                        for ((sum, value), weight) in sum.iter_mut().zip(from).zip(diagonal.iter().cycle()) {
                            *sum += factor * value * weight;
                        }
                    }
                }
                if outline.is_complex() {
                    // A number and its conjugate are twice its real part.
                    sum.iter_mut().for_each(|sum| *sum *= 2.0);
                }
                for fold in &outline.folds {
                    let mut rotated = sum.clone();
                    rotated.rotate_left(*fold as usize);
                    sum.iter_mut().zip(rotated).for_each(|(sum, value)| *sum += value);
                }
                let bias = layout.spread(&bias, MOST_SLOTS);
                sum.iter().zip(bias).map(|(sum, bias)| sum + bias).collect()
            }
        };
        held.push(slots);
    }
    held
}
