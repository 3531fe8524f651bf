//! The ring a calibrated network needs.

use super::{Circuit, Format, Gate, Width};
use crate::linear::LinearShape;
use crate::ring::Ring;

/// What a wire before the logits may be larger than expected, so that the model owner's proof has room: weights of the networks that
/// ship bound their wires by up to 100 times the expected magnitudes.
const HEADROOM: f64 = 128.0;
/// The same of what is computed from images that no guard bounds, for each square root of the values that a result is a sum of.
const UNGUARDED_HEADROOM: f64 = 4.0;
/// The same of logits behind a guard, which are opened as they are.
const OUTPUT_HEADROOM: f64 = 32.0;
/// In rings by layer there are no bits that whole bytes leave over, so each kind of layer has its own. What the networks that ship need, in bits:
/// an image's products 1 to 3, where they are of no more than [`IMAGE_PRODUCTS`] pixels; products of what guards of ReLUs pass 5 to 7, of 900 features 9; of what
/// guards of squares pass up to two more; logits 4 to 6, and 8 of squares.
const IMAGE_HEADROOM: f64 = 16.0;
/// The least that an image's products have room for, up to [`HEADROOM`]: rows whose magnitudes add up to so many square roots of their number, at the largest
/// inputs. Networks that were hardly trained have such rows (0.5 to 1.3), and no image that is like them. So have products behind two convolutions and more, up
/// to [`MOST_HEADROOM`], at the most that a guard lets pass: bounds widen from one to the next.
const RANDOM_ROWS: f64 = 1.3;
const MOST_HEADROOM: f64 = 16_384.0;
/// Of that for dense layers, whose groups of inputs are bounded as a whole.
const SHARE_OF_GROUPS: f64 = 0.125;
/// Sums of more products than the networks that ship have of an image get the room that is for anything unguarded.
const IMAGE_PRODUCTS: usize = 784;
const LOGIT_HEADROOM: f64 = 64.0;
const SQUARES_BEFORE: f64 = 4.0;
/// Features of a dense layer beyond which its headroom grows as their square root.
const FEATURES: f64 = 128.0;
/// What a guard lets pass beyond the expected squares, and coefficients beyond those the expected magnitudes tell.
const SQUARE_HEADROOM: f64 = 4.0;

/// One bit for the sign, one for the offset of truncation.
const SIGN_AND_OFFSET: u32 = 2;

/// What bounds a wire.
#[derive(Clone, Copy)]
struct Bound {
    /// Expected magnitude of the last product or sum.
    read: f64,
    /// Whether a guard is behind every way from the image to it.
    is_guarded: bool,
    /// How much more than expected its guard lets pass, where that is not what guards usually do: 1.
    excess: f64,
    /// Room beyond what is expected of the last product.
    headroom: f64,
    /// Whether it is the image, as it came.
    is_image: bool,
    /// Whether the guard behind which it is bounds squares.
    of_squares: bool,
    /// The most that the guard behind which it is lets pass of a value, if that bounds values.
    passed: f64,
    /// Convolutions on the way from the image.
    convolutions: usize,
}

impl Bound {
    /// The range of wires that meet.
    fn with(self, other: Self) -> Self {
        Self {
            read: self.read,
            is_guarded: self.is_guarded && other.is_guarded,
            excess: self.excess.max(other.excess),
            headroom: self.headroom.max(other.headroom),
            is_image: self.is_image && other.is_image,
            of_squares: self.of_squares || other.of_squares,
            passed: self.passed.max(other.passed),
            convolutions: self.convolutions.max(other.convolutions),
        }
    }
}

impl Circuit {
    /// The narrowest ring in which the model owner can expect to prove that nothing overflows, from public magnitudes
    /// alone; compile again for it. `None` if a linear or quadratic layer has no magnitude or 8 bytes are not enough.
    pub fn calibrated_ring(&self) -> Option<Ring> {
        let [wires, squares] = self.calibrated_rings()?;
        Some(if squares.bits() > wires.bits() { squares } else { wires })
    }

    /// The same for the values of polynomials apart from all other wires: first the ring of these, then that of polynomials.
    pub fn calibrated_rings(&self) -> Option<[Ring; 2]> {
        let mut needed = [self.format.activation_bits + self.format.weight_bits + 1, 0];
        for (gate, here) in self.gates.iter().zip(self.magnitude_bits()?) {
            let of = &mut needed[usize::from(matches!(gate, Gate::Quadratic { .. }))];
            *of = here.max(*of);
        }
        let ring =
            |needed: u32| Ring::of_bits(self.format.width.on_the_wire((needed + SIGN_AND_OFFSET).max(16)));
        let [wires, squares] = needed.map(|needed| ring(needed).ok());
        Some([wires?, squares?])
    }

    /// Of every gate the ring of the wire that it reads.
    pub(super) fn rings(&self) -> Vec<Ring> {
        let whole = vec![self.format.ring; self.gates.len()];
        let Some(needed) = self.magnitude_bits().filter(|_| self.is_by_layer()) else { return whole };
        let Format { activation_bits, weight_bits, ring: widest, .. } = self.format;
        let least = activation_bits + weight_bits + 1;
        // Layers, each from a product to what truncates it: the number of gates, and the bits that one of them needs.
        let mut layers: Vec<(usize, u32)> = Vec::new();
        // What is held between layers has the ring of the one that reads it.
        let mut held = 0;
        for (gate, needed) in self.gates.iter().zip(needed) {
            if layers.is_empty() || matches!(gate, Gate::Linear { .. }) {
                layers.push((0, least.max(held)));
            }
            let Some((count, most)) = layers.last_mut() else { continue };
            *count += 1;
            match gate {
                Gate::Relu { guard, .. } => held = needed.max(guard.map_or(0, |guard| guard.shift)),
                Gate::Quadratic { square_shift, .. } => held = needed - square_shift,
                Gate::Truncate { shift, .. } => held = *most - shift,
                Gate::Output { open: false, .. } => *most = held.max(*most),
                _ => *most = needed.max(*most),
            }
        }
        let ring = |most: u32| Ring::nearest((most + SIGN_AND_OFFSET).min(widest.bits()));
        layers.into_iter().flat_map(|(count, most)| std::iter::repeat_n(ring(most), count)).collect()
    }

    /// Of every gate the bits of the largest magnitude that the model owner may have to allow for in what it writes or, of a gate that
    /// truncates, in what is truncated; `None` if a linear or quadratic layer has no magnitude.
    fn magnitude_bits(&self) -> Option<Vec<u32>> {
        let bits = self.format.activation_bits + self.format.weight_bits;
        let is_by_layer = self.is_by_layer();
        let more = |value: f64| value.max(f64::MIN_POSITIVE).log2().ceil().max(0.0) as u32;
        let mut needed = Vec::with_capacity(self.gates.len());
        let mut wire = Bound {
            read: 1.0,
            is_guarded: false,
            excess: 1.0,
            headroom: 1.0,
            is_image: true,
            of_squares: false,
            passed: 0.0,
            convolutions: 0,
        };
        let mut kept: Vec<Bound> = Vec::new();
        for (index, gate) in self.gates.iter().enumerate() {
            let is_last = matches!(self.gates.get(index + 1), Some(Gate::Output { .. }));
            let usual = self.usual_headroom(is_last, wire.of_squares);
            let here = match gate {
                Gate::Linear { shape } => {
                    let read = self.expected[index]?;
                    let root = (shape.weights_per_output() as f64).sqrt();
                    let spread = UNGUARDED_HEADROOM * root;
                    let random = RANDOM_ROWS * root * self.scales[index] / self.divisors[index] / read;
                    let is_convolution = matches!(shape, LinearShape::Conv2d { .. });
                    let headroom = match (wire.is_guarded, wire.excess > 1.0) {
                        (false, false)
                            if is_by_layer
                                && wire.is_image
                                && shape.weights_per_output() <= IMAGE_PRODUCTS =>
                        {
                            (random * self.format.input_magnitude).clamp(IMAGE_HEADROOM, HEADROOM)
                        }
                        (true, false) if is_by_layer && wire.convolutions > 1 => {
                            let share = if is_convolution { 1.0 } else { SHARE_OF_GROUPS };
                            (usual * growth(shape)).max((random * share * wire.passed).min(MOST_HEADROOM))
                        }
                        (true, false) if self.is_by_bits() => usual * growth(shape),
                        (false, _) => HEADROOM.max(spread * wire.excess),
                        (true, true) => usual.max(spread * wire.excess),
                        (true, false) => usual,
                    };
                    let passes = self.passed_by_pieces(index);
                    let excess = (passes / read.max(f64::MIN_POSITIVE)).max(wire.excess);
                    let convolutions = wire.convolutions + usize::from(is_convolution);
                    wire = Bound { read, excess, headroom, is_image: false, convolutions, ..wire };
                    // Maxima are found by differences.
                    let is_compared = matches!(self.gates.get(index + 1), Some(Gate::Max { .. }));
                    let times = if is_by_layer && is_compared { 2.0 } else { 1.0 };
                    bits + more((times * read * headroom).max(2.0 * passes))
                }
                Gate::Quadratic { pools, guard, .. } => {
                    let written = self.expected[index]?;
                    let area = pools.iter().map(|pool| pool.area() as f64).product::<f64>();
                    let square = f64::from(self.format.activation_bits).exp2() * wire.read;
                    let passes = guard.map_or(1.0, |guard| guard.limit() as f64 / (square * square));
                    let headroom = if wire.is_guarded { SQUARE_HEADROOM * passes } else { HEADROOM };
                    bits + self.format.activation_bits + more(written * area * headroom)
                }
                Gate::Add { kept: number, .. } => {
                    wire = wire.with(kept[*number]);
                    wire.read = self.expected[index]?;
                    let headroom = if wire.is_guarded && wire.excess == 1.0 { usual } else { wire.headroom };
                    bits + more(wire.read * headroom)
                }
                Gate::Concat { kept: number, .. } => {
                    wire = wire.with(kept[*number]);
                    0
                }
                Gate::Keep { .. } => {
                    kept.push(wire);
                    0
                }
                Gate::Recall { kept: number, .. } => {
                    wire = kept[*number];
                    0
                }
                // Of a wire that is smaller than the knots these are more.
                Gate::Spread { .. } => bits + more(self.expected[index]? + wire.read * wire.headroom),
                Gate::Relu { .. } => bits + more(self.expected[index]? * usual) - self.format.weight_bits,
                Gate::Sum(_) | Gate::Max { .. } | Gate::Truncate { .. } | Gate::Output { .. } => 0,
            };
            needed.push(here);
            if let Some(guard) = gate.guard() {
                let unit = f64::from(self.format.activation_bits).exp2();
                (wire.is_guarded, wire.excess) = (true, 1.0);
                wire.of_squares = matches!(gate, Gate::Quadratic { .. });
                wire.passed = if wire.of_squares { 0.0 } else { guard.limit() as f64 / unit };
            }
            if matches!(self.before(index, 1), Some(Gate::Spread { is_bounded: true, .. })) {
                (wire.is_guarded, wire.excess, wire.passed) = (true, 1.0, 0.0);
            }
        }
        Some(needed)
    }

    /// Whether layers have rings of their own: a wire that is kept is read in more than one place, and all have one ring then.
    pub fn is_by_layer(&self) -> bool {
        self.is_by_bits() && !self.gates.iter().any(|gate| matches!(gate, Gate::Keep { .. }))
    }

    fn is_by_bits(&self) -> bool {
        self.format.width == Width::Bits
    }

    fn usual_headroom(&self, is_last: bool, of_squares: bool) -> f64 {
        match (self.is_by_bits(), is_last) {
            (false, true) => OUTPUT_HEADROOM / 2.0,
            (false, false) => HEADROOM,
            (true, _) => {
                let usual = if is_last { LOGIT_HEADROOM } else { HEADROOM };
                if of_squares { SQUARES_BEFORE * usual } else { usual }
            }
        }
    }

    fn before(&self, index: usize, gates: usize) -> Option<&Gate> {
        index.checked_sub(gates).and_then(|at| self.gates.get(at))
    }

    /// The most that the guard of a function's pieces lets pass, at the product that puts them together; 0 at others.
    fn passed_by_pieces(&self, index: usize) -> f64 {
        let pieces = self.before(index, 1).and_then(Gate::guard);
        match (self.before(index, 2), pieces) {
            (Some(Gate::Spread { .. }), Some(guard)) => {
                let unit = f64::from(self.format.activation_bits).exp2();
                guard.limit() as f64 / unit / self.divisors[index] * self.scales[index]
            }
            _ => 0.0,
        }
    }
}

/// How much more room a layer of many features needs behind a guard: all groups may be at their limits at once.
fn growth(shape: &LinearShape) -> f64 {
    match shape {
        LinearShape::Dense { inputs, .. } => (*inputs as f64 / FEATURES).sqrt().max(1.0),
        LinearShape::Conv2d { .. } => 1.0,
    }
}
