//! Where imaginary slots are chosen, and what they save.

use super::*;
use veilbench_networks::zoo::{self, Activation, Order};
use veilbench_networks::{Conv2d, Dense, Layer, Op, Polynomial, Range, Shape, Window};

fn ranged(mut architecture: Architecture) -> Architecture {
    let range = Some(Range { low: -1.0, high: 1.0 });
    architecture.input_range = range;
    architecture.layers.iter_mut().for_each(|layer| layer.range = range);
    architecture
}

/// A convolution of every channel with every channel on images of 8 x 8 pixels, a square, and a dense layer.
fn one_convolution(channels: usize) -> Architecture {
    let image = Shape::Image { channels, height: 8, width: 8 };
    let window = Window { kernel: [3; 2], stride: [1; 2], padding: [1; 4] };
    let conv = Conv2d { inputs: channels, outputs: channels, groups: 1, dilation: [1; 2], window };
    let square = Op::Polynomial(Polynomial { channels, degree: 2 });
    let dense = Op::Dense(Dense { inputs: image.len(), outputs: 3 });
    let layers = vec![
        Layer::new("conv1", Op::Conv2d(conv), image),
        Layer::new("act1", square, image),
        Layer::new("flatten", Op::Flatten, Shape::Flat(image.len())),
        Layer::new("fc1", dense, Shape::Flat(3)),
    ];
    ranged(Architecture { name: "convolution".into(), input: image, input_range: None, layers })
}

#[test]
fn every_convolution_of_a_resnet_20_has_imaginary_slots_and_its_dense_layer_has_not() {
    let polynomial = Activation::Polynomial { degree: 2 };
    let architecture = ranged(zoo::residual("wide", Order::PreActivation, polynomial, zoo::WIDTH));
    let program = Program::new(&architecture, 1, 1, 10).expect("it is supported");
    for (wire, outline) in program.deep.wires.iter().zip(&program.outlines) {
        let Some(outline) = outline else { continue };
        assert_eq!(outline.is_complex(), wire.name != "fc1", "{}", wire.name);
    }
    // That of the widest stage, and that at the highest level where anything is conjugated.
    assert!(program.rotations().contains_key(&8192));
    assert_eq!(program.conjugation_level(), Some(program.deep.depth()));
}

#[test]
fn slots_stay_real_where_two_key_switches_are_more_than_is_saved() {
    let chosen = |channels: usize| {
        let program = Program::new(&one_convolution(channels), 1, 1, 10).expect("it is supported");
        program.outlines.iter().flatten().map(Outline::is_complex).collect::<Vec<_>>()
    };
    // Nine diagonals would become five.
    assert!(!chosen(1).contains(&true));
    assert!(chosen(16).contains(&true));
}

#[test]
fn imaginary_slots_halve_the_products_of_a_resnet_20_and_save_a_fifth_of_its_key_switches() {
    let polynomial = Activation::Polynomial { degree: 2 };
    let architecture = ranged(zoo::residual("wide", Order::PreActivation, polynomial, zoo::WIDTH));
    let program = Program::new(&architecture, 1, 1, 10).expect("it is supported");
    // Diagonals, and halves of hoisted rotations.
    let (mut real, mut chosen) = ([0; 2], [0; 2]);
    let add = |sums: &mut [usize; 2], outline: &Outline| {
        let chain = &outline.chain;
        sums[0] += chain.diagonals();
        sums[1] += 2 * chain.baby_steps() + 5 * (chain.giant_steps() + outline.key_switches());
    };
    for (wire, outline) in program.outlines.iter().enumerate() {
        let (Some(outline), Origin::Map(terms)) = (outline, &program.deep.wires[wire].origin) else {
            continue;
        };
        let maps: Vec<AffineMap> =
            terms.iter().map(|term| program.deep.branch(&architecture, None, term, 1.0)).collect();
        let imaginary = vec![None; terms.len()];
        let operands = program.operands(terms, &maps, &imaginary);
        let shifts = diagonals::shifts(&operands, &program.layouts[wire]);
        let chain = ChainOutline::new(&shifts, 1);
        add(&mut chosen, outline);
        add(&mut real, &Outline { chain, imaginary, ..outline.clone() });
    }
    println!("real slots: {real:?}, chosen: {chosen:?}");
    assert!(20 * chosen[0] < 11 * real[0], "{chosen:?} of {real:?}");
    assert!(5 * chosen[1] < 4 * real[1], "{chosen:?} of {real:?}");
}
