//! In which order ciphertexts come, are computed and are let go, so that few are in memory at once.
//!
//! The last map pulls what it needs; whatever a finished block of outputs completes is squared at once. Both sides
//! derive the order from the architecture alone.

use crate::circuits::circuit::Circuit;

/// Most ciphertexts of a message.
pub(crate) const MESSAGE_CIPHERTEXTS: usize = 16;

/// One step of the computing side.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// These inputs arrive, in one message.
    Receive(Vec<u32>),
    /// A block of a stage's map is computed.
    DenseBlock {
        /// Which stage of the circuit.
        stage: usize,
        /// Which block of its map.
        block: usize,
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
                Step::DenseBlock { stage, block } => {
                    let (block, level) = (&circuit.stages[*stage].map.blocks[*block], depth - 2 * stage);
                    now += block.outputs.len() * bytes(level - 1);
                    peak = peak.max(now);
                    for &input in &block.inputs {
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
    /// For every stage the block of every output of its map.
    block_of: Vec<Vec<u32>>,
    block_done: Vec<Vec<bool>>,
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
            block_of: Vec::new(),
            block_done: Vec::new(),
            readers: Vec::new(),
            missing: Vec::new(),
            received: vec![false; circuit.stages.first().map_or(0, |stage| stage.map.inputs)],
        };
        for stage in &circuit.stages {
            let mut block_of = vec![0; stage.map.outputs()];
            for (index, block) in stage.map.blocks.iter().enumerate() {
                block.outputs.iter().for_each(|&output| block_of[output as usize] = index as u32);
            }
            let mut readers = vec![Vec::new(); stage.map.outputs()];
            let sums = stage.activation.as_ref().map_or(&[][..], |activation| &activation.sums);
            for (sum, values) in sums.iter().enumerate() {
                values.iter().for_each(|&value| readers[value as usize].push(sum as u32));
            }
            builder.block_of.push(block_of);
            builder.block_done.push(vec![false; stage.map.blocks.len()]);
            builder.missing.push(sums.iter().map(|values| values.len() as u32).collect());
            builder.readers.push(readers);
        }
        builder
    }

    fn run(mut self) -> Schedule {
        let last = self.circuit.stages.len() - 1;
        for block in 0..self.circuit.stages[last].map.blocks.len() {
            self.block(last, block);
        }
        let mut input_uses: Vec<Vec<u32>> =
            self.circuit.stages.iter().map(|stage| vec![0; stage.map.inputs]).collect();
        let mut output_uses: Vec<Vec<u32>> =
            self.circuit.stages.iter().map(|stage| vec![0; stage.map.outputs()]).collect();
        for step in &self.steps {
            match step {
                Step::Receive(_) => {}
                Step::DenseBlock { stage, block } => {
                    let inputs = &self.circuit.stages[*stage].map.blocks[*block].inputs;
                    inputs.iter().for_each(|&input| input_uses[*stage][input as usize] += 1);
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

    /// Computes a block after everything it needs. The recursion is as deep as there are stages.
    fn block(&mut self, stage: usize, block: usize) {
        if std::mem::replace(&mut self.block_done[stage][block], true) {
            return;
        }
        let circuit = self.circuit;
        let inputs = &circuit.stages[stage].map.blocks[block].inputs;
        match stage.checked_sub(1) {
            None => {
                let mut new = inputs.clone();
                new.retain(|&input| !std::mem::replace(&mut self.received[input as usize], true));
                let messages = new.chunks(MESSAGE_CIPHERTEXTS).map(|ids| Step::Receive(ids.to_vec()));
                self.steps.extend(messages);
            }
            Some(before) => {
                let sums = circuit.stages[before].activation.as_ref().map_or(&[][..], |own| &own.sums);
                for &value in inputs.iter().flat_map(|&input| &sums[input as usize]) {
                    self.block(before, self.block_of[before][value as usize] as usize);
                }
            }
        }
        self.steps.push(Step::DenseBlock { stage, block });
        let mut complete = Vec::new();
        for &output in &circuit.stages[stage].map.blocks[block].outputs {
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
