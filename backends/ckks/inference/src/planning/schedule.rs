//! In which order ciphertexts come, are computed and are let go, so that few are in memory at once.
//!
//! The last map pulls what it needs; whatever a finished group of blocks completes is squared at once. Both sides
//! derive the order from the architecture alone.

use std::collections::HashSet;
use std::ops::Range;

use crate::circuits::circuit::Circuit;
use crate::circuits::map::AffineMap;

/// Most ciphertexts of a message.
pub(crate) const MESSAGE_CIPHERTEXTS: usize = 16;

/// Most results of several blocks that are computed together: so many are in memory before they are rescaled.
const GROUP_OUTPUTS: usize = 64;

/// Most inputs of such blocks: strips of so many are half of a second-level cache of a megabyte.
const GROUP_INPUTS: usize = 256;

/// One step of the computing side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// These inputs arrive, in one message.
    Receive(Vec<u32>),
    /// Neighbouring blocks of a stage's map are computed.
    Blocks {
        /// Which stage of the circuit.
        stage: usize,
        /// Which blocks of its map.
        blocks: Range<usize>,
    },
    /// These sums of squares of a stage are computed.
    Squares {
        /// Which stage of the circuit.
        stage: usize,
        /// Values of the next stage.
        sums: Vec<u32>,
    },
}

/// The order of work, and what it takes.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    pub(crate) steps: Vec<Step>,
    /// How often every input of a stage is read by blocks.
    pub(crate) input_uses: Vec<Vec<u32>>,
    /// How often every output of a stage's map is read by sums.
    pub(crate) output_uses: Vec<Vec<u32>>,
}

impl Schedule {
    pub(crate) fn new(circuit: &Circuit) -> Self {
        Builder::new(circuit).run()
    }

    /// Inputs in the order they are sent; those no layer reads are not.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &[u32]> {
        self.steps.iter().filter_map(|step| match step {
            Step::Receive(inputs) => Some(&inputs[..]),
            _ => None,
        })
    }

    /// The most bytes of ciphertexts in memory at once, where `bytes(level)` is what one takes.
    pub(crate) fn peak_bytes(&self, circuit: &Circuit, bytes: impl Fn(usize) -> usize) -> usize {
        let depth = circuit.depth();
        let (mut inputs, mut outputs) = (self.input_uses.clone(), self.output_uses.clone());
        let (mut now, mut peak) = (0, 0);
        for step in &self.steps {
            match step {
                Step::Receive(ids) => now += ids.len() * bytes(depth),
                Step::Blocks { stage, blocks } => {
                    let (blocks, level) =
                        (&circuit.stages[*stage].map.blocks[blocks.clone()], depth - 2 * stage);
                    let sums: usize = blocks.iter().map(|block| block.outputs.len()).sum();
                    peak = peak.max(now + sums * bytes(level));
                    now += sums * bytes(level - 1);
                    for &input in blocks.iter().flat_map(|block| &block.inputs) {
                        inputs[*stage][input as usize] -= 1;
                        now -= usize::from(inputs[*stage][input as usize] == 0) * bytes(level);
                    }
                }
                Step::Squares { stage, sums } => {
                    let level = depth - 2 * stage - 1;
                    now += sums.len() * bytes(level - 1);
                    peak = peak.max(now);
                    let Some(activation) = &circuit.stages[*stage].activation else { continue };
                    for &value in sums.iter().flat_map(|&sum| &activation.sums[sum as usize]) {
                        outputs[*stage][value as usize] -= 1;
                        now -= usize::from(outputs[*stage][value as usize] == 0) * bytes(level);
                    }
                }
            }
            peak = peak.max(now);
        }
        peak
    }
}

struct Builder<'a> {
    circuit: &'a Circuit,
    steps: Vec<Step>,
    /// For every stage the blocks of its map that are computed together.
    groups: Vec<Vec<Range<usize>>>,
    /// For every stage the group of every output of its map.
    group_of: Vec<Vec<u32>>,
    group_done: Vec<Vec<bool>>,
    /// For every stage and output of its map the sums that read it.
    readers: Vec<Vec<Vec<u32>>>,
    /// For every stage and sum how many squares are missing.
    missing: Vec<Vec<u32>>,
    received: Vec<bool>,
}

impl<'a> Builder<'a> {
    fn new(circuit: &'a Circuit) -> Self {
        let mut builder = Self {
            circuit,
            steps: Vec::new(),
            groups: Vec::new(),
            group_of: Vec::new(),
            group_done: Vec::new(),
            readers: Vec::new(),
            missing: Vec::new(),
            received: vec![false; circuit.stages.first().map_or(0, |stage| stage.map.inputs)],
        };
        for (stage, needed) in circuit.stages.iter().zip(needed(circuit)) {
            let groups = groups(&stage.map, &needed);
            let mut group_of = vec![0; stage.map.outputs()];
            for (index, group) in groups.iter().enumerate() {
                let outputs = stage.map.blocks[group.clone()].iter().flat_map(|block| &block.outputs);
                outputs.for_each(|&output| group_of[output as usize] = index as u32);
            }
            let mut readers = vec![Vec::new(); stage.map.outputs()];
            let sums = stage.activation.as_ref().map_or(&[][..], |activation| &activation.sums);
            for (sum, values) in sums.iter().enumerate() {
                values.iter().for_each(|&value| readers[value as usize].push(sum as u32));
            }
            builder.group_of.push(group_of);
            builder.group_done.push(vec![false; groups.len()]);
            builder.groups.push(groups);
            builder.missing.push(sums.iter().map(|values| values.len() as u32).collect());
            builder.readers.push(readers);
        }
        builder
    }

    fn run(mut self) -> Schedule {
        let last = self.circuit.stages.len() - 1;
        for group in 0..self.groups[last].len() {
            self.group(last, group);
        }
        let mut input_uses: Vec<Vec<u32>> =
            self.circuit.stages.iter().map(|stage| vec![0; stage.map.inputs]).collect();
        let mut output_uses: Vec<Vec<u32>> =
            self.circuit.stages.iter().map(|stage| vec![0; stage.map.outputs()]).collect();
        for step in &self.steps {
            match step {
                Step::Receive(_) => {}
                Step::Blocks { stage, blocks } => {
                    let blocks = &self.circuit.stages[*stage].map.blocks[blocks.clone()];
                    let inputs = blocks.iter().flat_map(|block| &block.inputs);
                    inputs.for_each(|&input| input_uses[*stage][input as usize] += 1);
                }
                Step::Squares { stage, sums } => {
                    let Some(activation) = &self.circuit.stages[*stage].activation else { continue };
                    let values = sums.iter().flat_map(|&sum| &activation.sums[sum as usize]);
                    values.for_each(|&value| output_uses[*stage][value as usize] += 1);
                }
            }
        }
        Schedule { steps: self.steps, input_uses, output_uses }
    }

    /// Computes a group of blocks after everything it needs. The recursion is as deep as there are stages.
    fn group(&mut self, stage: usize, group: usize) {
        if std::mem::replace(&mut self.group_done[stage][group], true) {
            return;
        }
        let circuit = self.circuit;
        let range = self.groups[stage][group].clone();
        let blocks = &circuit.stages[stage].map.blocks[range.clone()];
        let inputs = || blocks.iter().flat_map(|block| &block.inputs);
        match stage.checked_sub(1) {
            None => {
                let mut new: Vec<u32> = inputs().copied().collect();
                new.retain(|&input| !std::mem::replace(&mut self.received[input as usize], true));
                let messages = new.chunks(MESSAGE_CIPHERTEXTS).map(|ids| Step::Receive(ids.to_vec()));
                self.steps.extend(messages);
            }
            Some(before) => {
                let sums = circuit.stages[before].activation.as_ref().map_or(&[][..], |own| &own.sums);
                for &value in inputs().flat_map(|&input| &sums[input as usize]) {
                    self.group(before, self.group_of[before][value as usize] as usize);
                }
            }
        }
        self.steps.push(Step::Blocks { stage, blocks: range });
        let mut complete = Vec::new();
        for &output in blocks.iter().flat_map(|block| &block.outputs) {
            for &sum in &self.readers[stage][output as usize] {
                self.missing[stage][sum as usize] -= 1;
                if self.missing[stage][sum as usize] == 0 {
                    complete.push(sum);
                }
            }
        }
        if !complete.is_empty() {
            self.steps.push(Step::Squares { stage, sums: complete });
        }
    }
}

/// Of every stage the blocks that logits depend on: strides and pools pass others over.
fn needed(circuit: &Circuit) -> Vec<Vec<bool>> {
    let mut needed: Vec<Vec<bool>> =
        circuit.stages.iter().map(|stage| vec![true; stage.map.blocks.len()]).collect();
    for stage in (1..circuit.stages.len()).rev() {
        let before = &circuit.stages[stage - 1];
        let sums = before.activation.as_ref().map_or(&[][..], |activation| &activation.sums);
        let mut values = vec![false; before.map.outputs()];
        for (block, _) in circuit.stages[stage].map.blocks.iter().zip(&needed[stage]).filter(|(_, is)| **is) {
            let read = block.inputs.iter().flat_map(|&input| &sums[input as usize]);
            read.for_each(|&value| values[value as usize] = true);
        }
        let is_read = |output: &u32| values[*output as usize];
        needed[stage - 1] = before.map.blocks.iter().map(|block| block.outputs.iter().any(is_read)).collect();
    }
    needed
}

/// Neighbouring blocks that are needed and share inputs, which are then read once for all: positions of a convolution, above all.
fn groups(map: &AffineMap, needed: &[bool]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let (mut inputs, mut outputs) = (HashSet::<u32>::new(), 0);
    for (index, block) in map.blocks.iter().enumerate() {
        let new = block.inputs.iter().filter(|input| !inputs.contains(*input)).count();
        let together = needed[index] && index.checked_sub(1).is_some_and(|before| needed[before]);
        let fits =
            together && inputs.len() + new <= GROUP_INPUTS && outputs + block.outputs.len() <= GROUP_OUTPUTS;
        match groups.last_mut() {
            Some(group) if fits && new < block.inputs.len() => group.end = index + 1,
            _ => {
                groups.push(index..index + 1);
                inputs.clear();
                outputs = 0;
            }
        }
        inputs.extend(&block.inputs);
        outputs += block.outputs.len();
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuits::map::DenseBlock;
    use veilbench_api::conformance::test_networks;
    use veilbench_networks::{Conv2d, Dense, Op, Polynomial, Shape, Window, zoo};

    #[test]
    fn every_block_is_computed_once_after_what_it_reads_and_neighbours_together() {
        let architecture = zoo::load("mnist-cnn-poly").unwrap().architecture;
        let circuit = Circuit::new(&architecture, None).unwrap();
        let schedule = Schedule::new(&circuit);
        let mut there: Vec<Vec<bool>> =
            circuit.stages.iter().map(|stage| vec![false; stage.map.inputs]).collect();
        let mut outputs: Vec<Vec<bool>> =
            circuit.stages.iter().map(|stage| vec![false; stage.map.outputs()]).collect();
        let mut together = 0;
        for step in &schedule.steps {
            match step {
                Step::Receive(inputs) => {
                    assert!(inputs.len() <= MESSAGE_CIPHERTEXTS);
                    inputs.iter().for_each(|input| there[0][*input as usize] = true);
                }
                Step::Blocks { stage, blocks } => {
                    together = together.max(blocks.len());
                    for block in &circuit.stages[*stage].map.blocks[blocks.clone()] {
                        assert!(block.inputs.iter().all(|input| there[*stage][*input as usize]));
                        for output in &block.outputs {
                            let before = std::mem::replace(&mut outputs[*stage][*output as usize], true);
                            assert!(!before, "output {output} of stage {stage} is computed again");
                        }
                    }
                }
                Step::Squares { stage, sums } => {
                    let activation = circuit.stages[*stage].activation.as_ref().unwrap();
                    for sum in sums {
                        let mut values = activation.sums[*sum as usize].iter();
                        assert!(values.all(|value| outputs[*stage][*value as usize]));
                        there[stage + 1][*sum as usize] = true;
                    }
                }
            }
        }
        assert!(outputs.iter().flatten().all(|computed| *computed));
        assert_eq!(together, 12, "a row of positions, of five channels each");
    }

    #[test]
    fn nothing_is_computed_that_strides_and_pools_pass_over() {
        let conv = |inputs, outputs, kernel, stride, padding| {
            let window = Window { kernel: [kernel; 2], stride: [stride; 2], padding: [padding; 4] };
            Op::Conv2d(Conv2d { inputs, outputs, groups: 1, dilation: [1; 2], window })
        };
        let square = |channels| Op::Polynomial(Polynomial { channels, degree: 2 });
        let pool = Op::AveragePool(Window { kernel: [2; 2], stride: [2; 2], padding: [0; 4] });
        let dense = |inputs| Op::Dense(Dense { inputs, outputs: 10 });
        let strided =
            [conv(1, 4, 3, 1, 1), square(4), conv(4, 4, 1, 2, 0), square(4), Op::Flatten, dense(784)];
        let odd =
            [conv(1, 4, 4, 1, 0), square(4), pool, conv(4, 4, 3, 1, 0), square(4), Op::Flatten, dense(400)];
        for (ops, blocks) in [(&strided[..], 196), (&odd[..], 576)] {
            let network = test_networks::test_network("passed-over", Shape::image(1, 28, 28), ops);
            let circuit = Circuit::new(&network.architecture, None).unwrap();
            let schedule = Schedule::new(&circuit);
            let mut first = 0;
            for step in &schedule.steps {
                let Step::Blocks { stage, blocks } = step else { continue };
                first += if *stage == 0 { blocks.len() } else { 0 };
                let Some(_) = &circuit.stages[*stage].activation else { continue };
                for block in &circuit.stages[*stage].map.blocks[blocks.clone()] {
                    let uses = &schedule.output_uses[*stage];
                    assert!(block.outputs.iter().any(|output| uses[*output as usize] > 0));
                }
            }
            assert_eq!(first, blocks);
        }
    }

    #[test]
    fn groups_are_of_neighbours_that_share_inputs_and_have_few_results() {
        let block = |inputs: Range<u32>, outputs: Range<u32>| DenseBlock {
            weights: vec![1.0; inputs.len() * outputs.len()],
            inputs: inputs.collect(),
            outputs: outputs.collect(),
        };
        let blocks_of_groups = |blocks: Vec<DenseBlock>| -> Vec<usize> {
            let needed = vec![true; blocks.len()];
            let groups = groups(&AffineMap { inputs: 0, blocks, bias: Vec::new() }, &needed);
            assert!(groups.windows(2).all(|pair| pair[0].end == pair[1].start));
            groups.iter().map(Range::len).collect()
        };
        let positions = |each: u32| (0..40).map(|at| block(at..at + 3, at * each..(at + 1) * each)).collect();
        assert_eq!(blocks_of_groups(positions(1)), [40]);
        assert_eq!(blocks_of_groups(positions(2)), [32, 8]);
        assert_eq!(blocks_of_groups(positions(64)), [1; 40]);
        let apart = (0..4).map(|at| block(3 * at..3 * at + 3, at..at + 1)).collect();
        assert_eq!(blocks_of_groups(apart), [1; 4]);
        let wide = vec![block(0..200, 0..1), block(100..300, 1..2), block(250..300, 2..3)];
        assert_eq!(blocks_of_groups(wide), [1, 2]);
        assert_eq!(blocks_of_groups(vec![block(0..784, 0..128)]), [1]);
    }
}
