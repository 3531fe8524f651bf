//! Powers of two that bring what a layer writes to a size that fixed point holds well.
//!
//! A scale multiplies the parameters of a linear or quadratic layer, passes ReLUs and pools unchanged and is divided out of the next
//! parameters, or of the logits by their reader. It follows from public magnitudes alone. Wires that are added or put side by side
//! have one scale, that of the largest of them; the image has none, nor has what is joined with it.

use std::ops::RangeInclusive;

use crate::Error;
use crate::program::{Operation, Program};

/// Logarithms of magnitudes that need no scale.
const COMFORTABLE: RangeInclusive<i32> = -1..=10;
/// The largest of wires that are joined.
const MOST_JOINED: i32 = 12;
/// Below this a layer is taken to write nothing but zeros.
const SMALLEST: i32 = -40;
/// Coefficients of squares are at least as large as two to minus this, as far as magnitudes tell.
const SMALLEST_COEFFICIENT: i32 = 6;
/// Values of a mean whose divisor takes so many digits of the weights that it moves to that they are scaled up by it.
const LARGE_MEAN: usize = 16;
/// Magnitudes, once scaled, that keep their digits.
const KEPT: RangeInclusive<f64> = 1.0 / 64.0..=4096.0;

/// Wires that have one scale.
#[derive(Clone, Copy, Default)]
struct Group {
    /// Logarithm of the largest magnitude in it.
    largest: Option<i32>,
    /// Logarithm of the smallest magnitude of a polynomial that squares one of its wires.
    squared: Option<i32>,
    /// Logarithm of the divisor of a large mean that moves to the weights of its layer.
    divisor: i32,
    /// Whether knots, which are near one, are compared with one of its wires.
    is_compared: bool,
    /// Whether the image is in it.
    is_fixed: bool,
    /// Whether wires meet in it.
    is_joined: bool,
}

impl Group {
    fn with(self, other: Self) -> Self {
        let least = |a: Option<i32>, b: Option<i32>| a.into_iter().chain(b).min();
        Self {
            largest: self.largest.max(other.largest),
            squared: least(self.squared, other.squared),
            divisor: self.divisor.max(other.divisor),
            is_compared: self.is_compared || other.is_compared,
            is_fixed: self.is_fixed || other.is_fixed,
            is_joined: self.is_joined || other.is_joined,
        }
    }

    /// Logarithm of the scale.
    fn scale(self) -> i32 {
        let Some(own) = self.largest.filter(|_| !self.is_fixed) else { return 0 };
        // Smaller wires of a group need the room below.
        let most = if self.is_joined { MOST_JOINED } else { *COMFORTABLE.end() };
        let scaled = |power: i32| power.clamp(*COMFORTABLE.start(), most);
        // A layer that writes up to 2^-2 is brought to 1.
        let alone = |power: i32| if power < *COMFORTABLE.start() { 0 } else { scaled(power) };
        let most =
            self.squared.map_or(i32::MAX, |square| (alone(square) + SMALLEST_COEFFICIENT).div_euclid(2));
        let scale = alone(own).min(most) - own;
        if self.is_compared {
            scale.min(0)
        } else if self.is_joined || self.squared.is_some() {
            scale
        } else {
            scale + self.divisor.min(COMFORTABLE.end() - (own + scale)).max(0)
        }
    }
}

/// The groups of a network: of the image, which is wire 0, and of layers, which are numbered from 1.
struct Groups {
    parents: Vec<usize>,
    groups: Vec<Group>,
}

impl Groups {
    fn new(layers: usize) -> Self {
        let mut groups = vec![Group::default(); layers + 1];
        groups[0].is_fixed = true;
        Self { parents: (0..=layers).collect(), groups }
    }

    fn find(&self, mut wire: usize) -> usize {
        while self.parents[wire] != wire {
            wire = self.parents[wire];
        }
        wire
    }

    fn note(&mut self, wire: usize, what: Group) {
        let root = self.find(wire);
        self.groups[root] = self.groups[root].with(what);
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        if a != b {
            self.parents[b] = a;
            self.note(a, Group { is_joined: true, ..self.groups[b] });
        }
    }
}

/// Logarithm of what a layer is expected to write, unless that is nothing but zeros.
fn power(program: &Program, layer: usize) -> Option<i32> {
    let magnitude = program.magnitudes.get(layer).copied().flatten()?;
    let power = magnitude.max(f64::MIN_POSITIVE).log2().ceil() as i32;
    (power >= SMALLEST).then_some(power)
}

fn is_scaled(layer: &Operation) -> bool {
    matches!(layer, Operation::Dense { .. } | Operation::Conv2d(_) | Operation::Quadratic)
}

/// The logarithm of every layer's scale.
pub(super) fn scales_log2(program: &Program) -> Vec<i32> {
    let layers = &program.operations;
    let mut groups = Groups::new(layers.len());
    let (mut wire, mut area, mut kept) = (0, 1usize, Vec::new());
    for (at, layer) in layers.iter().enumerate() {
        let own = power(program, at);
        let largest = Group { largest: own, ..Group::default() };
        match layer {
            Operation::Quadratic => groups.note(wire, Group { squared: own, ..Group::default() }),
            Operation::Spread(_) => groups.note(wire, Group { is_compared: true, ..Group::default() }),
            Operation::AveragePool(window) => area = area.saturating_mul(window.area()),
            Operation::Keep => kept.push((wire, area)),
            Operation::Recall(number) => (wire, area) = kept.get(*number).copied().unwrap_or((wire, area)),
            Operation::Add(number) | Operation::Concat(number) => {
                groups.join(wire, kept.get(*number).map_or(wire, |(kept, _)| *kept));
                groups.note(wire, largest);
            }
            _ => {}
        }
        if is_scaled(layer) {
            wire = at + 1;
            let divisor = std::mem::replace(&mut area, 1);
            let divisor = if divisor < LARGE_MEAN { 0 } else { divisor.ilog2() as i32 };
            groups.note(wire, Group { divisor, ..largest });
        }
    }
    let scale = |(at, layer): (usize, &Operation)| {
        if is_scaled(layer) { groups.groups[groups.find(at + 1)].scale() } else { 0 }
    };
    layers.iter().enumerate().map(scale).collect()
}

/// A layer far below those whose scale it shares would lose its digits, or all of them. What is added at once may: the sum has them.
///
/// # Errors
/// [`Error::Unsupported`] with the first such layer.
pub(super) fn refuse_lost(program: &Program, scales: &[i32]) -> Result<(), Error> {
    let layers = &program.operations;
    if !layers.contains(&Operation::Keep) {
        return Ok(());
    }
    for (at, layer) in layers.iter().enumerate() {
        let magnitude = program.magnitudes.get(at).copied().flatten();
        // What is nothing but zeros has no digits to lose.
        let Some(magnitude) = magnitude.filter(|_| power(program, at).is_some()) else { continue };
        let is_added = matches!(layers.get(at + 1), Some(Operation::Add(_)));
        let written = magnitude * f64::from(scales[at]).exp2();
        if !is_scaled(layer) || KEPT.contains(&written) || (is_added && written < 1.0) {
            continue;
        }
        let reason = format!(
            "its values reach {magnitude:.1e} and are joined with others, with which they share one scale: it keeps digits of \
             layers that reach 1/64 to 4096, and this one would reach {written:.1e}; scale its weights, and those that follow \
             the other way"
        );
        return Err(Error::Unsupported { layer: at, reason });
    }
    Ok(())
}
