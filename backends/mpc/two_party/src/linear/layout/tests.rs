//! Coefficients of products of polynomials against the layers they stand for.

use super::*;
use crate::linear::shapes::shapes;
use veilbench_mpc::linear::LinearMap;

/// `a * b` modulo `X^N + 1`, over the integers modulo 2^64, for polynomials with few coefficients.
fn product(sum: &mut [u64], a: &[(usize, u64)], b: &[(usize, u64)]) {
    for (i, x) in a {
        for (j, y) in b {
            let (at, term) = (i + j, x.wrapping_mul(*y));
            let (at, term) = if at < DEGREE { (at, term) } else { (at - DEGREE, term.wrapping_neg()) };
            sum[at] = sum[at].wrapping_add(term);
        }
    }
}

#[test]
fn coefficients_of_products_are_the_layers_outputs() {
    for shape in shapes() {
        let layout = Layout::new(shape, 49, Primes::new(33)).unwrap();
        let number = |index: usize, factor: u64| (index as u64 + 1).wrapping_mul(factor) >> 40;
        let values: Vec<u64> =
            (0..shape.inputs()).map(|index| number(index, 0x9e37_79b9_7f4a_7c15)).collect();
        let weights: Vec<u64> = (0..shape.weights())
            .map(|index| number(index, 0xd1b5_4a32_d192_ed03).wrapping_sub(1 << 23))
            .collect();
        let encode = |places: &[Place], values: &[u64]| -> Vec<(usize, u64)> {
            places.iter().map(|place| (place.coefficient as usize, values[place.index as usize])).collect()
        };
        let mut outputs = vec![None; shape.outputs()];
        for block in &layout.outputs {
            let mut sum = vec![0; DEGREE];
            for [input, weight] in &block.terms {
                product(
                    &mut sum,
                    &encode(&layout.inputs[*input], &values),
                    &encode(&layout.weights[*weight], &weights),
                );
            }
            for place in &block.needed {
                let before = outputs[place.index as usize].replace(sum[place.coefficient as usize]);
                assert_eq!(before, None, "{shape:?}");
            }
        }
        let outputs: Option<Vec<u64>> = outputs.into_iter().collect();
        assert_eq!(outputs, Some(LinearMap::new(shape, weights.clone()).apply(&values)), "{shape:?}");
    }
}

#[test]
fn ciphertexts_of_the_networks_that_ship_are_few() {
    let total = |shapes: &[LinearShape]| {
        let counts =
            shapes.iter().map(|shape| Layout::new(*shape, 49, Primes::new(33)).unwrap().ciphertexts());
        counts.fold([0, 0], |[up, down], [ups, downs]| [up + ups, down + downs])
    };
    let dense = |inputs, outputs| LinearShape::Dense { inputs, outputs };
    // 784-128-128-10, as mnist-mlp.
    // Fewer bytes than 5 and 14.
    assert_eq!(total(&[dense(784, 128), dense(128, 128), dense(128, 10)]), [8, 8]);
}

#[test]
fn a_kernel_that_no_ciphertext_holds_is_refused() {
    let window = Window { kernel: [65, 65], stride: [1, 1], padding: [0; 4] };
    let conv = Conv2d { inputs: 1, outputs: 1, groups: 1, dilation: [1, 1], window };
    let shape = LinearShape::Conv2d { conv, input: Shape::image(1, 65, 65), output: [1, 1] };
    assert!(matches!(
        Layout::new(shape, 49, Primes::new(33)),
        Err(Error::Kernel { values: 4225, most: 4096 })
    ));
}
