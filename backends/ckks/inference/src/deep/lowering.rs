//! A graph as linear maps of several values each, and squares.
//!
//! A linear layer takes no level until something needs its values: a branch that is joined again is one more input of the map
//! behind the join, and keeps the precision of its own. A quadratic `a x^2 + b x + c` is `a x (x + b/a) + c`: a product of two
//! ciphertexts that differ by a constant vector, whose factor and constant go into the maps that read it. A smooth activation is a
//! series of Chebyshev polynomials.

use std::collections::HashMap;

use veilbench_api::Unsupported;
use veilbench_networks::{ActivationKind, Architecture, Op, Parameters, Shape, Source};

use crate::circuits::circuit::{MARGIN, magnitude, uncalibrated};
use crate::circuits::map::{AffineMap, DenseBlock};
use crate::deep::quadratics::{fold, quadratics};
use crate::deep::series::{Series, is_smooth};
use crate::planning::ranges;

/// Branches that one map joins at most: of more, some are added before.
const MOST_TERMS: usize = 16;

/// Products of a weight and a value in a map at most: its matrix is made as a whole.
const MOST_PRODUCTS: usize = 1 << 26;

/// One linear step on the way from a wire to a map's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// A linear layer; of several branches only the first brings its bias.
    Linear { layer: usize, biased: bool },
    /// What is left of a quadratic layer behind its product.
    Quadratic { layer: usize, biased: bool },
    /// Features among those of a concatenation, from this one on.
    Place { offset: usize, all: Shape },
}

/// A branch of a map: a wire, and what is done to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) wire: usize,
    pub(crate) hops: Vec<Hop>,
}

/// How the values of a wire come about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Image,
    /// The sum of all branches.
    Map(Vec<Term>),
    /// A wire times itself and a constant, which is that of a layer.
    Product {
        of: usize,
        layer: usize,
    },
    /// One of the circuit's [series](Deep::series) of a wire.
    Series {
        of: usize,
        series: usize,
    },
}

/// Encrypted values of an image, all in one ciphertext.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) origin: Origin,
    /// What a value of one stands for.
    pub(crate) unit: f64,
    /// Levels above it on the longest way from the image.
    pub(crate) depth: usize,
}

/// The whole network. Wires are in an order in which they can be computed; the last holds the logits.
#[derive(Clone, Debug)]
pub(crate) struct Deep {
    pub(crate) wires: Vec<Wire>,
    /// Largest magnitude of a value of the image, as calibrated.
    pub(crate) input_magnitude: f64,
    /// What stands for smooth activations, with the name of the layer.
    pub(crate) series: Vec<(String, Series)>,
}

impl Deep {
    /// Reads the graph; smooth activations are approximated to this many bits.
    ///
    /// # Errors
    /// [`Unsupported`] for layers that are neither linear nor quadratic nor smooth, for smooth ones that no series is close enough to,
    /// and without calibrated ranges or with ranges that cannot be.
    pub(crate) fn new(architecture: &Architecture, bits: u32) -> Result<Self, Unsupported> {
        ranges::check(architecture)?;
        let layers = &architecture.layers;
        let read = is_read(architecture);
        let mut lowering = Lowering::new(architecture, bits)?;
        for (index, _) in read.iter().enumerate().filter(|&(_, &read)| read) {
            lowering.layer(index)?;
        }
        let Some(last) = layers.len().checked_sub(1) else {
            return Err(Unsupported { layer: None, reason: "the network has no layers".into() });
        };
        lowering.materialise(Source::Layer(last))?;
        let Lowering { wires, input_magnitude, series, .. } = lowering;
        let mut deep = Self { wires, input_magnitude, series };
        // What watches a series is added to the logits one level above the last.
        let watched = deep.series_of_wires().map(|(of, own)| deep.wires[of].depth + own.watch() + 1).max();
        if let (Some(watched), Some(last)) = (watched, deep.wires.last_mut()) {
            last.depth = last.depth.max(watched);
        }
        Ok(deep)
    }

    /// Every series with the wire that it reads.
    pub(crate) fn series_of_wires(&self) -> impl Iterator<Item = (usize, &Series)> {
        self.wires.iter().filter_map(|wire| match wire.origin {
            Origin::Series { of, series } => Some((of, &self.series[series].1)),
            _ => None,
        })
    }

    /// Whether a series reads a wire: its scale is then that of the primes.
    pub(crate) fn is_read_by_series(&self, wire: usize) -> bool {
        self.series_of_wires().any(|(of, _)| of == wire)
    }

    /// Levels from the image to the logits.
    pub(crate) fn depth(&self) -> usize {
        self.wires.last().map_or(0, |wire| wire.depth)
    }

    /// What one unit of a decrypted result is worth.
    pub(crate) fn logit_unit(&self) -> f64 {
        self.wires.last().map_or(1.0, |wire| wire.unit)
    }

    /// The level a wire is at, in units of which the image has [`Deep::depth`].
    pub(crate) fn level(&self, wire: usize) -> usize {
        self.depth() - self.wires[wire].depth.min(self.depth())
    }

    /// The map of a branch, without parameters only its structure: from the wire as encrypted to the result as encrypted, whose
    /// unit is given.
    pub(crate) fn branch(
        &self,
        architecture: &Architecture,
        parameters: Option<&[Parameters]>,
        term: &Term,
        unit: f64,
    ) -> AffineMap {
        let wire = &self.wires[term.wire];
        let mut hops = term.hops.iter();
        let quadratic = match (term.hops.first(), &wire.origin) {
            (Some(&Hop::Quadratic { layer, biased }), &Origin::Product { of, .. }) => {
                hops.next();
                let rows = parameters.map(|own| quadratics(&own[layer], wire.shape, self.wires[of].unit));
                Some((rows, biased))
            }
            _ => None,
        };
        let (mut map, mut shape) = (AffineMap::identity(wire.shape.len()), wire.shape);
        for &hop in hops {
            let next = match hop {
                Hop::Linear { layer, biased } => {
                    let (own, of) = (parameters.map(|own| &own[layer]), &architecture.layers[layer]);
                    let Some(mut next) = AffineMap::of(shape, of, own) else { continue };
                    if !biased {
                        next.bias.fill(0.0);
                    }
                    shape = of.output;
                    next
                }
                Hop::Place { offset, all } => {
                    let next = place(shape.len(), offset, all.len());
                    shape = all;
                    next
                }
                Hop::Quadratic { .. } => continue,
            };
            map = map.then(&next);
        }
        let unit_in = match (&quadratic, &wire.origin) {
            (Some(_), _) => 1.0,
            _ => wire.unit,
        };
        if let Some((Some(rows), biased)) = &quadratic {
            fold(&mut map, rows, *biased);
        }
        for block in &mut map.blocks {
            block.weights.iter_mut().for_each(|weight| *weight *= unit_in / unit);
        }
        map.bias.iter_mut().for_each(|bias| *bias /= unit);
        map
    }

    /// What the second factor of a product exceeds the first by, value by value.
    pub(crate) fn shifts(&self, of: usize, layer: usize, parameters: &[Parameters]) -> Vec<f64> {
        let wire = &self.wires[of];
        quadratics(&parameters[layer], wire.shape, wire.unit).iter().map(|row| row.shift).collect()
    }
}

/// Values among more, the others zero.
fn place(values: usize, offset: usize, total: usize) -> AffineMap {
    let block = |output: usize| {
        let own = output.checked_sub(offset).filter(|&input| input < values);
        DenseBlock {
            inputs: own.iter().map(|&input| input as u32).collect(),
            outputs: vec![output as u32],
            weights: own.iter().map(|_| 1.0).collect(),
        }
    };
    AffineMap { inputs: values, blocks: (0..total).map(block).collect(), bias: vec![0.0; total] }
}

/// Which layers the logits depend on.
fn is_read(architecture: &Architecture) -> Vec<bool> {
    let mut read = vec![false; architecture.layers.len()];
    if let Some(last) = read.last_mut() {
        *last = true;
    }
    for index in (0..read.len()).rev() {
        if !read[index] {
            continue;
        }
        for source in architecture.sources(index) {
            if let Source::Layer(layer) = source {
                read[layer] = true;
            }
        }
    }
    read
}

/// A graph on its way: for every source what it is of the wires so far.
struct Lowering<'a> {
    architecture: &'a Architecture,
    wires: Vec<Wire>,
    known: HashMap<Source, Vec<Term>>,
    products: HashMap<usize, usize>,
    /// Sources of squares.
    squared: Vec<Source>,
    /// Sources of series: they have a margin, as logits do.
    approximated: Vec<Source>,
    series: Vec<(String, Series)>,
    bits: u32,
    input_magnitude: f64,
}

impl<'a> Lowering<'a> {
    fn new(architecture: &'a Architecture, bits: u32) -> Result<Self, Unsupported> {
        let range = architecture.input_range.ok_or_else(|| uncalibrated(None))?;
        let image = Wire {
            name: "image".into(),
            shape: architecture.input,
            origin: Origin::Image,
            unit: 1.0,
            depth: 0,
        };
        let sources = |is_such: fn(Op) -> bool| -> Vec<Source> {
            let layers = architecture.layers.iter().enumerate();
            let such = layers.filter(|(_, layer)| is_such(layer.op));
            such.flat_map(|(index, _)| architecture.sources(index)).collect()
        };
        Ok(Self {
            architecture,
            wires: vec![image],
            known: HashMap::from([(Source::Image, vec![Term { wire: 0, hops: Vec::new() }])]),
            products: HashMap::new(),
            squared: sources(|op| matches!(op, Op::Polynomial(own) if own.degree == 2)),
            approximated: sources(|op| matches!(op, Op::Activation(kind) if is_smooth(kind))),
            series: Vec::new(),
            bits,
            input_magnitude: magnitude(range, 0.0),
        })
    }

    fn layer(&mut self, index: usize) -> Result<(), Unsupported> {
        let architecture = self.architecture;
        let (layer, sources) = (&architecture.layers[index], architecture.sources(index));
        let unsupported = |reason: String| Err(Unsupported { layer: Some(layer.name.clone()), reason });
        let terms = match layer.op {
            Op::Dense(_) | Op::Conv2d(_) | Op::AveragePool(_) | Op::Flatten => self.linear(index)?,
            Op::Polynomial(polynomial) if polynomial.degree < 2 => self.linear(index)?,
            Op::Polynomial(polynomial) if polynomial.degree == 2 => self.quadratic(index)?,
            Op::Polynomial(polynomial) => {
                return unsupported(format!(
                    "polynomials of degree {} are not evaluated, only up to 2",
                    polynomial.degree
                ));
            }
            Op::Activation(kind) if is_smooth(kind) => self.function(index, kind)?,
            Op::Add => sources.iter().map(|source| self.terms(*source)).collect::<Vec<_>>().concat(),
            Op::Concat => {
                let mut offset = 0;
                let mut terms = Vec::new();
                for source in sources {
                    for mut term in self.terms(source) {
                        term.hops.push(Hop::Place { offset, all: layer.output });
                        terms.push(term);
                    }
                    offset += architecture.shape_of(source).map_or(0, |shape| shape.len());
                }
                terms
            }
            _ => {
                return unsupported(
                    "only linear layers, average pools, joins, quadratics and smooth activations can be computed on ciphertexts; \
                     train the network with polynomial activations, or see ckks-client-aided"
                        .into(),
                );
            }
        };
        let crowded = terms.len() > MOST_TERMS;
        self.known.insert(Source::Layer(index), terms);
        if crowded || self.squared.contains(&Source::Layer(index)) {
            self.materialise(Source::Layer(index))?;
        }
        Ok(())
    }

    fn terms(&self, source: Source) -> Vec<Term> {
        self.known.get(&source).cloned().unwrap_or_default()
    }

    fn linear(&mut self, index: usize) -> Result<Vec<Term>, Unsupported> {
        let layer = &self.architecture.layers[index];
        let source = self.architecture.sources(index)[0];
        // Two layers with weights would be one with many more of them.
        if matches!(layer.op, Op::Dense(_) | Op::Conv2d(_))
            && self.terms(source).iter().any(|own| self.is_heavy(own))
        {
            self.materialise(source)?;
        }
        let mut terms = self.terms(source);
        for (position, term) in terms.iter_mut().enumerate() {
            term.hops.push(Hop::Linear { layer: index, biased: position == 0 });
        }
        Ok(terms)
    }

    fn is_heavy(&self, term: &Term) -> bool {
        term.hops.iter().any(|hop| {
            let Hop::Linear { layer, .. } = *hop else { return false };
            matches!(self.architecture.layers[layer].op, Op::Dense(_) | Op::Conv2d(_))
        })
    }

    fn quadratic(&mut self, index: usize) -> Result<Vec<Term>, Unsupported> {
        let of = self.materialise(self.architecture.sources(index)[0])?;
        let wire = match self.products.get(&index) {
            Some(&known) => known,
            None => {
                let Wire { shape, depth, .. } = self.wires[of];
                let name = self.architecture.layers[index].name.clone();
                let origin = Origin::Product { of, layer: index };
                self.wires.push(Wire { name, shape, origin, unit: 1.0, depth: depth + 1 });
                self.products.insert(index, self.wires.len() - 1);
                self.wires.len() - 1
            }
        };
        Ok(vec![Term { wire, hops: vec![Hop::Quadratic { layer: index, biased: true }] }])
    }

    fn function(&mut self, index: usize, kind: ActivationKind) -> Result<Vec<Term>, Unsupported> {
        let architecture = self.architecture;
        let layer = &architecture.layers[index];
        let mut of = self.materialise(architecture.sources(index)[0])?;
        if of == 0 {
            let origin = Origin::Map(vec![Term { wire: 0, hops: Vec::new() }]);
            let name = format!("image of {}", layer.name);
            let (unit, shape) = (MARGIN * self.input_magnitude, architecture.input);
            self.wires.push(Wire { name, shape, origin, unit, depth: 1 });
            of = self.wires.len() - 1;
        }
        let Wire { shape, depth, unit, .. } = self.wires[of];
        let series = Series::new(kind, unit, self.bits)
            .map_err(|reason| Unsupported { layer: Some(layer.name.clone()), reason })?;
        let (unit, depth) = (series.unit, depth + series.depth());
        let origin = Origin::Series { of, series: self.series.len() };
        self.series.push((layer.name.clone(), series));
        self.wires.push(Wire { name: layer.name.clone(), shape, origin, unit, depth });
        Ok(vec![Term { wire: self.wires.len() - 1, hops: Vec::new() }])
    }

    /// Gives a source a wire of its own, if it has none.
    fn materialise(&mut self, source: Source) -> Result<usize, Unsupported> {
        let terms = self.terms(source);
        let Source::Layer(index) = source else { return Ok(0) };
        let is_last = index + 1 == self.architecture.layers.len();
        if let [Term { wire, hops }] = &terms[..]
            && hops.is_empty()
            // A series is not zero where there is no logit.
            && !(is_last && matches!(self.wires[*wire].origin, Origin::Series { .. }))
        {
            return Ok(*wire);
        }
        let layer = &self.architecture.layers[index];
        let range = layer.range.ok_or_else(|| uncalibrated(Some(layer.name.clone())))?;
        let has_margin = is_last || self.approximated.contains(&source);
        for term in &terms {
            self.check_size(term)?;
        }
        self.wires.push(Wire {
            name: layer.name.clone(),
            shape: layer.output,
            depth: 1 + terms.iter().map(|term| self.wires[term.wire].depth).max().unwrap_or(0),
            origin: Origin::Map(terms),
            unit: magnitude(range, 0.0) * if has_margin { MARGIN } else { 1.0 },
        });
        let wire = self.wires.len() - 1;
        self.known.insert(source, vec![Term { wire, hops: Vec::new() }]);
        Ok(wire)
    }

    /// Whether the matrices of a branch can be made.
    fn check_size(&self, term: &Term) -> Result<(), Unsupported> {
        for hop in &term.hops {
            let Hop::Linear { layer, .. } = *hop else { continue };
            let layer = &self.architecture.layers[layer];
            let fan_in = match layer.op {
                Op::Dense(dense) => dense.inputs,
                Op::Conv2d(conv) => {
                    conv.inputs / conv.groups.max(1) * conv.window.kernel[0] * conv.window.kernel[1]
                }
                Op::AveragePool(window) => window.kernel[0] * window.kernel[1],
                _ => 1,
            };
            if fan_in.saturating_mul(layer.output.len()) > MOST_PRODUCTS {
                let reason = format!(
                    "it has {} products, and at most {MOST_PRODUCTS} of a layer are laid out: make it smaller",
                    fan_in.saturating_mul(layer.output.len())
                );
                return Err(Unsupported { layer: Some(layer.name.clone()), reason });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
