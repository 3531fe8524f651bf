//! Takes the steps of a network: rounds through the model owner, all other layers in the clear.

use std::collections::HashMap;

use veilbench_ckks::SecretKey;
use veilbench_networks::evaluate::Evaluator as ClearEvaluator;
use veilbench_networks::{Architecture, Metadata, Network, Op, Parameters, Shape, Source, Tensor};

use super::exchange::{self, Exchange};
use super::packed;
use super::rounds::Round;
use super::steps::{Chain, Step, last_uses};
use crate::planning::scheme::Scheme;
use crate::roles::image_range::ImageRange;
use veilbench_api::{Error, Link, Party, Recorder};

/// A round as the data owner plays it, in either layout.
pub(super) enum ClientRound {
    Slots(exchange::ClientRound),
    Packed(packed::PackedRound),
}

/// How the data owner comes from values it has to others.
enum Work {
    Round(ClientRound),
    Clear(ClearEvaluator<f32>),
    Add,
    Concat,
}

/// A step as the data owner takes it.
pub(super) struct ClientStep {
    sources: Vec<Source>,
    /// Sources that no later step reads.
    last: Vec<Source>,
    /// The layer whose output it gives, and its shape.
    layer: usize,
    shape: Shape,
    work: Work,
}

/// The evaluator of layers without weights.
fn clear(chain: Chain) -> Result<ClearEvaluator<f32>, Error> {
    let parameters = vec![Parameters::None; chain.layers.len()];
    let architecture = Architecture {
        name: "activations".into(),
        input: chain.input,
        input_range: None,
        layers: chain.layers,
    };
    let network = Network { architecture, parameters, metadata: Metadata::default() };
    ClearEvaluator::new(&network).map_err(Error::engine("reading the activations"))
}

/// The steps as the data owner takes them, with every round as it plays it.
pub(super) fn client_steps(
    steps: Vec<Step>,
    mut play: impl FnMut(Round) -> Result<ClientRound, Error>,
) -> Result<Vec<ClientStep>, Error> {
    let last = last_uses(&steps);
    let step = |(step, last): (Step, Vec<Source>)| {
        let (sources, layer) = (step.sources(), step.layer());
        let (shape, work) = match step {
            Step::Round(round) => (round.shape, Work::Round(play(round)?)),
            Step::Clear(chain) => (chain.output(), Work::Clear(clear(chain)?)),
            Step::Join(join) if join.op == Op::Concat => (join.shape, Work::Concat),
            Step::Join(join) => (join.shape, Work::Add),
        };
        Ok(ClientStep { sources, last, layer, shape, work })
    };
    steps.into_iter().zip(last).map(step).collect()
}

pub(super) struct DataOwner {
    pub(super) server: Link,
    pub(super) secret: SecretKey,
    pub(super) scheme: Scheme,
    pub(super) steps: Vec<ClientStep>,
    /// Images that go through a round together.
    pub(super) together: usize,
    pub(super) images: ImageRange,
    pub(super) recorder: Recorder,
}

impl DataOwner {
    /// The logits of images that go through rounds together; the first of them is image `first` of the batch.
    fn classify(&mut self, images: Tensor, first: usize) -> Result<Tensor, Error> {
        let Self { server, secret, scheme, steps, recorder, .. } = self;
        let mut exchange = Exchange { server, secret, scheme, recorder };
        let count = images.images();
        let mut values = HashMap::from([(Source::Image, images)]);
        let mut output = Source::Image;
        for step in steps {
            let inputs = step.sources.iter().map(|source| values.get(source)).collect::<Option<Vec<_>>>();
            let inputs = inputs.ok_or_else(|| Error::protocol("a step reads what is not there"))?;
            let data = match &step.work {
                Work::Round(ClientRound::Slots(round)) => exchange.run(round, inputs[0], first)?,
                Work::Round(ClientRound::Packed(round)) => {
                    packed::run(&mut exchange, round, inputs[0], first)?
                }
                Work::Clear(evaluator) => recorder
                    .span("activations", || evaluator.evaluate(inputs[0]))
                    .map_err(Error::engine("applying activations"))?
                    .into_data(),
                Work::Add => sum(&inputs),
                Work::Concat => side_by_side(&inputs, count),
            };
            let result = Tensor::new(count, step.shape, data)
                .ok_or_else(|| Error::protocol("values of a layer are missing"))?;
            values.retain(|source, _| !step.last.contains(source));
            output = Source::Layer(step.layer);
            values.insert(output, result);
        }
        values.remove(&output).ok_or_else(|| Error::protocol("logits are missing"))
    }
}

/// Sum, value by value, of two tensors of one shape.
fn sum(inputs: &[&Tensor]) -> Vec<f32> {
    let mut sum = inputs[0].data().to_vec();
    for input in &inputs[1..] {
        sum.iter_mut().zip(input.data()).for_each(|(sum, value)| *sum += value);
    }
    sum
}

/// For every image, the values of all tensors one after the other.
fn side_by_side(inputs: &[&Tensor], images: usize) -> Vec<f32> {
    (0..images).flat_map(|image| inputs.iter().flat_map(move |input| input.image(image))).copied().collect()
}

impl Party for DataOwner {
    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = self.images.check(images)?.clone();
        let together = self.together;
        let mut logits = Vec::new();
        let mut shape = Shape::Flat(0);
        for first in (0..images.images()).step_by(together) {
            let answer = self.classify(images.slice(first, together.min(images.images() - first)), first)?;
            shape = answer.shape();
            logits.extend(answer.into_data());
        }
        let logits = Tensor::new(images.images(), shape, logits);
        Ok(Some(logits.ok_or_else(|| Error::protocol("logits are missing"))?))
    }
}
