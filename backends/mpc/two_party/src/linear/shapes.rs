//! Layers that tests run: every kind of geometry.

use veilbench_mpc::linear::LinearShape;
use veilbench_networks::{Conv2d, Shape, Window};

pub(crate) fn shapes() -> Vec<LinearShape> {
    let conv = |input: Shape, outputs, groups, dilation, [kernel, stride]: [[usize; 2]; 2], padding| {
        let window = Window { kernel, stride, padding };
        let output = window.output(input.height(), input.width(), dilation).expect("the kernel fits");
        LinearShape::Conv2d {
            conv: Conv2d { inputs: input.channels(), outputs, groups, dilation, window },
            input,
            output,
        }
    };
    vec![
        LinearShape::Dense { inputs: 1, outputs: 1 },
        LinearShape::Dense { inputs: 90, outputs: 70 },
        LinearShape::Dense { inputs: 5000, outputs: 3 },
        // As in mnist-cnn, with a stride and padding.
        conv(Shape::image(1, 28, 28), 5, 1, [1, 1], [[5, 5], [2, 2]], [0, 0, 1, 1]),
        conv(Shape::image(3, 32, 32), 7, 1, [1, 1], [[5, 5], [1, 1]], [0; 4]),
        // Tiles, in both directions, of which the last are smaller.
        conv(Shape::image(2, 90, 70), 2, 1, [1, 1], [[3, 3], [1, 1]], [1; 4]),
        // Groups, dilation and kernels that are not square.
        conv(Shape::image(4, 9, 7), 6, 2, [2, 1], [[3, 2], [1, 2]], [1, 0, 2, 1]),
        conv(Shape::image(3, 5, 40), 3, 3, [1, 3], [[1, 3], [1, 1]], [0, 3, 0, 3]),
    ]
}
