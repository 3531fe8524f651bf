//! A fingerprint of everything public, so that parties that compiled different circuits notice.

use sha2::{Digest, Sha256};

use super::scale::scales_log2;
use super::{Format, SignProtocol, Width};
use crate::program::{Operation, Program};
use veilbench_networks::Window;

/// To be raised whenever messages or randomness come to mean something else, so that parties of two revisions refuse each other.
const REVISION: usize = 7;

/// The first words of SHA-256 over the revision, the layers, the format and the calibrated magnitudes; and of what the encoding of
/// weights depends on: all but the magnitudes, of which it takes the scales.
pub(super) fn digests(program: &Program, format: &Format) -> (u64, u64) {
    let mut hash = Sha256::new();
    let mut number = |number: usize| hash.update((number as u64).to_le_bytes());
    number(REVISION);
    let input = program.input;
    let operations = program.operations.len();
    [input.channels(), input.height(), input.width(), operations].into_iter().for_each(&mut number);
    let window = |Window { kernel, stride, padding }: &Window, number: &mut dyn FnMut(usize)| {
        [*kernel, *stride].as_flattened().iter().chain(padding).for_each(|&size| number(size));
    };
    for layer in &program.operations {
        match layer {
            Operation::Dense { outputs } => {
                [0, *outputs].into_iter().for_each(&mut number);
            }
            Operation::Conv2d(conv) => {
                [1, conv.outputs, conv.groups, conv.dilation[0], conv.dilation[1]]
                    .into_iter()
                    .for_each(&mut number);
                window(&conv.window, &mut number);
            }
            Operation::SumPool(pool) => {
                number(2);
                window(pool, &mut number);
            }
            Operation::AveragePool(pool) => {
                number(3);
                window(pool, &mut number);
            }
            Operation::MaxPool(pool) => {
                number(4);
                window(pool, &mut number);
            }
            Operation::Relu => number(5),
            Operation::Quadratic => number(6),
            Operation::Flatten => number(7),
            Operation::Keep => number(8),
            Operation::Recall(kept) => [9, *kept].into_iter().for_each(&mut number),
            Operation::Hold => number(10),
            Operation::Add(kept) => [11, *kept].into_iter().for_each(&mut number),
            Operation::Concat(kept) => [12, *kept].into_iter().for_each(&mut number),
            Operation::Spread(knots) => {
                [13, knots.count(), usize::from(knots.is_bounded())].into_iter().for_each(&mut number);
                knots.units().iter().for_each(|&unit| number(unit as usize));
            }
        }
    }
    let Format { activation_bits, weight_bits, ring, width, signs, input_magnitude } = *format;
    let signs = match signs {
        SignProtocol::Tree => 0,
        SignProtocol::Function => 1,
    };
    [activation_bits as usize, weight_bits as usize, ring.bytes(), signs].into_iter().for_each(&mut number);
    if width == Width::Bits {
        number(ring.bits() as usize);
    }
    hash.update(input_magnitude.to_bits().to_le_bytes());
    for (layer, scale) in scales_log2(program).into_iter().enumerate() {
        if scale != 0 {
            hash.update((layer as u64).to_le_bytes());
            hash.update(scale.to_le_bytes());
        }
    }
    let encoding = first_word(hash.clone());
    for magnitude in &program.magnitudes {
        let bits = magnitude.map_or(u64::MAX, f64::to_bits);
        hash.update(bits.to_le_bytes());
    }
    (first_word(hash), encoding)
}

fn first_word(hash: Sha256) -> u64 {
    hash.finalize().iter().take(8).fold(0, |word, &byte| word << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Ring;
    use veilbench_networks::Shape;

    #[test]
    fn whatever_differs_shows() {
        let program = Program {
            input: Shape::image(1, 4, 6),
            operations: vec![
                Operation::Dense { outputs: 3 },
                Operation::Relu,
                Operation::Dense { outputs: 2 },
            ],
            magnitudes: Vec::new(),
        };
        let format = Format {
            activation_bits: 12,
            weight_bits: 13,
            ring: Ring::FULL,
            width: Width::Bytes,
            signs: SignProtocol::Tree,
            input_magnitude: 4.0,
        };
        let turned = Program { input: Shape::image(1, 6, 4), ..program.clone() };
        let squares = Program {
            operations: vec![
                Operation::Dense { outputs: 3 },
                Operation::Quadratic,
                Operation::Dense { outputs: 2 },
            ],
            ..program.clone()
        };
        let calibrated = Program { magnitudes: vec![Some(1.0); 3], ..program.clone() };
        let all = [
            digests(&program, &format),
            digests(&turned, &format),
            digests(&squares, &format),
            digests(&program, &Format { activation_bits: 13, weight_bits: 12, ..format }),
            digests(&program, &Format { signs: SignProtocol::Function, ..format }),
            digests(&program, &Format { input_magnitude: 4.5, ..format }),
            digests(&program, &Format { ring: Ring::new(6).unwrap(), ..format }),
            digests(&program, &Format { width: Width::Bits, ..format }),
            digests(&program, &Format { width: Width::Bits, ring: Ring::of_bits(63).unwrap(), ..format }),
            digests(&program, &Format { width: Width::Bits, ring: Ring::of_bits(62).unwrap(), ..format }),
        ];
        for (index, digest) in all.iter().enumerate() {
            assert!(all[..index].iter().all(|other| other.0 != digest.0 && other.1 != digest.1));
        }
        let (whole, encoding) = digests(&calibrated, &format);
        assert!(whole != all[0].0 && encoding == all[0].1);
    }
}
