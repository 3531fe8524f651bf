//! The model owner of a deep circuit.

use serde::Serialize;
use veilbench_api::{Error, Link, Recorder};
use veilbench_ckks::{
    Ciphertext, Evaluator, PublicKey, SecretKey, StreamedTransform, Subrings, chebyshev_depth,
};
use veilbench_networks::Network;

use crate::deep::lowering::Origin;
use crate::deep::program::{Outline, Program, WATCH_LEVEL};
use crate::deep::roles::watch::Watch;
use crate::planning::scheme::Scheme;
use crate::roles::throughput::{receive, rerandomise};

/// How precise the encrypted values of a wire are, in units of its range.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct WireTrace {
    pub(crate) layer: String,
    pub(crate) level: usize,
    pub(crate) largest_value: f64,
    pub(crate) largest_error: f64,
    pub(crate) precision_bits: f64,
}

/// The model owner's half: weights as rounded coefficients.
pub(crate) struct Server {
    evaluator: Evaluator,
    /// The data owner's; answers are re-randomised with it.
    public: PublicKey,
    scheme: Scheme,
    steps: Vec<Step>,
    watch: Option<Watch>,
    recorder: Recorder,
}

struct Step {
    name: String,
    work: Work,
    level: usize,
    /// Wires that are read here for the last time.
    last_read: Vec<usize>,
}

enum Work {
    Image,
    Map { inputs: Vec<usize>, transform: Box<StreamedTransform>, outline: Outline, bias: Repeated },
    Product { of: usize, shift: Repeated },
    Series { of: usize, coefficients: Vec<f64>, watch: usize, scale: f64 },
}

/// A vector that repeats through the slots.
struct Repeated(Vec<f64>);

impl Repeated {
    fn slots(&self, slots: usize) -> Vec<f64> {
        self.0.iter().copied().cycle().take(slots).collect()
    }
}

impl Server {
    /// Rounds the weights, each map's for the level it is used at and the scales of what it reads.
    pub(crate) fn new(
        evaluator: Evaluator,
        public: PublicKey,
        scheme: Scheme,
        program: &Program,
        network: &Network,
        recorder: Recorder,
    ) -> Result<Self, Error> {
        let (architecture, parameters) = (&network.architecture, &network.parameters[..]);
        let subrings = Subrings::new(evaluator.context());
        let primes = evaluator.context().parameters().data_primes().to_vec();
        let target = f64::from(scheme.map_scale_bits).exp2();
        let mut scales: Vec<f64> = Vec::new();
        let mut steps: Vec<Step> = Vec::new();
        let Program { deep, layouts, outlines, .. } = program;
        for (wire, (own, outline)) in deep.wires.iter().zip(outlines).enumerate() {
            let level = deep.level(wire);
            // A series squares its values again and again, and so whatever their scale is off by from the primes.
            let target = if deep.is_read_by_series(wire) { primes[level] as f64 } else { target };
            let (work, scale) = match (&own.origin, outline) {
                (Origin::Map(terms), Some(outline)) => {
                    let ([real, imaginary], bias) = program.weights(architecture, parameters, wire, terms);
                    let product = target * primes[level + 1] as f64;
                    let weights: Vec<f64> = terms.iter().map(|term| product / scales[term.wire]).collect();
                    let transform = StreamedTransform::with_imaginary(
                        &subrings,
                        [&real, &imaginary],
                        outline.chain.clone(),
                        &weights,
                        level + 1,
                    )
                    .map_err(Error::engine("rounding the weights"))?;
                    let bias = Repeated(layouts[wire].spread(&bias, layouts[wire].period));
                    let inputs = terms.iter().map(|term| term.wire).collect();
                    let (transform, outline) = (Box::new(transform), outline.clone());
                    // What the evaluator computes: it multiplies first and then divides.
                    let scale = scales[terms[0].wire] * weights[0] / primes[level + 1] as f64;
                    (Work::Map { inputs, transform, outline, bias }, scale)
                }
                (Origin::Product { of, layer }, _) => {
                    let shifts = deep.shifts(*of, *layer, parameters);
                    let shift = Repeated(layouts[*of].spread(&shifts, layouts[*of].period));
                    let scale = scales[*of] * scales[*of] / primes[deep.level(*of)] as f64;
                    (Work::Product { of: *of, shift }, scale)
                }
                (&Origin::Series { of, series }, _) => {
                    let (_, series) = &deep.series[series];
                    let (coefficients, watch) = (series.coefficients.clone(), series.watch());
                    (Work::Series { of, coefficients, watch, scale: target }, target)
                }
                _ => (Work::Image, scheme.input_scale()),
            };
            scales.push(scale);
            steps.push(Step { name: own.name.clone(), work, level, last_read: Vec::new() });
        }
        forget(&mut steps);
        let watch = Watch::new(program, &scheme);
        Ok(Self { evaluator, public, scheme, steps, watch, recorder })
    }

    /// Answers one image.
    pub(crate) fn answer(&self, client: &mut Link) -> Result<(), Error> {
        let context = self.evaluator.context();
        let bytes = self.scheme.wire_bytes(self.scheme.depth(), true);
        let message = self.recorder.span("wait", || client.receive_exactly(bytes))?;
        let image = self.recorder.span("receive", || receive(context, &self.scheme, &message, 1))?;
        let image = image.into_iter().next().ok_or_else(|| Error::protocol("no ciphertext came"))?;
        let answer = self.evaluate(image, |_, _| Ok(())).map_err(Error::engine("computing a layer"))?;
        let message =
            self.evaluator.fold(&answer, self.scheme.slots()).and_then(|answer| answer.to_bytes(context));
        let message = message.map_err(Error::engine("writing a ciphertext"))?;
        self.recorder.span("send", || client.send(&message))?;
        Ok(())
    }

    /// Computes every wire in turn and returns the last.
    fn evaluate(
        &self,
        image: Ciphertext,
        mut observe: impl FnMut(usize, &Ciphertext) -> veilbench_ckks::Result<()>,
    ) -> veilbench_ckks::Result<Ciphertext> {
        let mut held: Vec<Option<Ciphertext>> = vec![Some(image)];
        let mut watched = Vec::new();
        for (index, step) in self.steps.iter().enumerate().skip(1) {
            let last = index + 1 == self.steps.len();
            let value = self
                .recorder
                .span(&format!("layer:{}", step.name), || self.step(step, &held, &mut watched, last))?;
            observe(index, &value)?;
            for &wire in &step.last_read {
                held[wire] = None;
            }
            held.push(Some(value));
        }
        let last = held.pop().flatten();
        last.ok_or(veilbench_ckks::Error::Shape { reason: "a circuit without a result".into() })
    }

    fn step(
        &self,
        step: &Step,
        held: &[Option<Ciphertext>],
        watched: &mut Vec<Ciphertext>,
        last: bool,
    ) -> veilbench_ckks::Result<Ciphertext> {
        let (evaluator, context) = (&self.evaluator, self.evaluator.context());
        let at = |wire: usize, level: usize| {
            let missing =
                || veilbench_ckks::Error::Shape { reason: "a wire that is forgotten is read".into() };
            let value = held.get(wire).and_then(Option::as_ref).ok_or_else(missing)?;
            evaluator.drop_to_level(value, level)
        };
        match &step.work {
            Work::Image => at(0, step.level),
            Work::Product { of, shift } => {
                let x = at(*of, step.level + 1)?;
                let shift = context.encode(&shift.slots(self.scheme.slots()), x.scale(), x.level())?;
                let shifted = evaluator.add_plain(&x, &shift)?;
                evaluator.rescale(&evaluator.multiply(&x, &shifted)?)
            }
            Work::Series { of, coefficients, watch, scale } => {
                let x = at(*of, step.level + chebyshev_depth(coefficients.len() - 1))?;
                let mut basis = evaluator.chebyshev(&x)?;
                let value = basis.evaluate(coefficients, *scale)?;
                if let Some(own) = &self.watch {
                    watched.push(own.sum(evaluator, basis.doubled(*watch, WATCH_LEVEL)?)?);
                }
                Ok(value)
            }
            Work::Map { inputs, transform, outline, bias } => {
                let input = |(&wire, &half): (&usize, &Option<i64>)| {
                    let x = at(wire, step.level + 1)?;
                    match half {
                        Some(half) => with_imaginary_part(evaluator, &x, half),
                        None => Ok(x),
                    }
                };
                let inputs: Vec<Ciphertext> =
                    inputs.iter().zip(&outline.imaginary).map(input).collect::<Result<_, _>>()?;
                let mut sum = evaluator.streamed_transform(transform, &inputs)?;
                drop(inputs);
                if outline.is_complex() {
                    let conjugate = evaluator.conjugate(&sum)?;
                    evaluator.add_assign(&mut sum, &conjugate)?;
                }
                for &fold in &outline.folds {
                    let rotated = evaluator.rotate(&sum, fold)?;
                    evaluator.add_assign(&mut sum, &rotated)?;
                }
                if last {
                    if let Some(own) = &self.watch {
                        own.add_to(evaluator, &mut sum, watched)?;
                    }
                    rerandomise(&self.public, context, &mut sum)?;
                }
                let mut result = evaluator.rescale(&sum)?;
                let bias =
                    context.encode(&bias.slots(self.scheme.slots()), result.scale(), result.level())?;
                evaluator.add_plain_assign(&mut result, &bias)?;
                Ok(result)
            }
        }
    }

    /// Computes one image with the data owner's key at hand and holds every wire against plain slots.
    pub(crate) fn insecure_debug_trace(
        &self,
        secret: &SecretKey,
        image: Ciphertext,
        expected: &[Vec<f64>],
    ) -> veilbench_ckks::Result<Vec<WireTrace>> {
        let context = self.evaluator.context();
        let mut layers = Vec::new();
        self.evaluate(image, |wire, value| {
            let slots = context.decode(&secret.decrypt(value)?)?;
            let due = expected[wire].iter().cycle();
            let watch = self.watch.as_ref().filter(|_| wire + 1 == self.steps.len());
            let pairs = slots.iter().zip(due.clone()).enumerate();
            let error = pairs
                .filter(|&(slot, _)| watch.is_none_or(|own| own.leaves_alone(slot)))
                .map(|(_, (slot, due))| (slot - due).abs())
                .fold(0.0, f64::max);
            layers.push(WireTrace {
                layer: self.steps[wire].name.clone(),
                level: value.level(),
                largest_value: due.take(slots.len()).fold(0.0, |most: f64, due| most.max(due.abs())),
                largest_error: error,
                precision_bits: -error.log2(),
            });
            Ok(())
        })?;
        Ok(layers)
    }
}

/// `x + i rot(x, half)`.
fn with_imaginary_part(
    evaluator: &Evaluator,
    x: &Ciphertext,
    half: i64,
) -> veilbench_ckks::Result<Ciphertext> {
    let mut sum = evaluator.multiply_by_i(&evaluator.rotate(x, half)?)?;
    evaluator.add_assign(&mut sum, x)?;
    Ok(sum)
}

/// Notes with every step what no later one reads.
fn forget(steps: &mut [Step]) {
    let mut seen = vec![false; steps.len()];
    for index in (0..steps.len()).rev() {
        let read = match &steps[index].work {
            Work::Image => Vec::new(),
            Work::Product { of, .. } | Work::Series { of, .. } => vec![*of],
            Work::Map { inputs, .. } => inputs.clone(),
        };
        for wire in read {
            if !std::mem::replace(&mut seen[wire], true) {
                steps[index].last_read.push(wire);
            }
        }
    }
}
