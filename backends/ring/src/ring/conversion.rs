//! Numbers from the residues modulo some primes to those modulo others.

use super::Ring;
use crate::kernels::GROUP;
use crate::modulus::Factor;
use std::ops::Range;

/// The change of a number from some primes to others.
///
/// The number is taken in the centred range, so the result is that of the smallest representative. With
/// several source primes the multiple of their product that the plain sum is off by is found in doubles, as in
/// Halevi, Polyakov and Shoup, "An improved RNS variant of the BFV scheme" (2018), section 2.2; only numbers
/// within rounding error of half the product may come out as the other representative.
#[derive(Debug)]
pub struct BaseConversion {
    source: Range<usize>,
    factors: Vec<Factor>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// One source prime: half of it, and for each target what to add to the upper half.
    Single { half: u64, shifts: Vec<Shift> },
    /// `1 / q_i` of the sources, and for each target the weights in Montgomery form: `Q / q_i` of each source,
    /// then `-Q` for the overflow.
    Several { reciprocals: Vec<f64>, weights: Vec<Vec<u64>> },
}

#[derive(Debug)]
struct Shift {
    shift: u64,
    /// The shifted number may exceed the target.
    reduce: bool,
}

impl BaseConversion {
    /// From the moduli `source` of the ring to any other of its moduli.
    pub fn new(ring: &Ring, source: Range<usize>) -> Self {
        let primes: Vec<u64> = source.clone().map(|index| ring.modulus(index).value()).collect();
        let without = |skip: usize| {
            let primes = &primes;
            (0..primes.len()).filter(move |&index| index != skip).map(|index| primes[index])
        };
        let factors = source
            .clone()
            .enumerate()
            .map(|(position, index)| {
                let m = ring.modulus(index);
                let cofactor = m.invert(m.product(without(position)));
                m.factor(m.multiply(cofactor, ring.inverse_degree(index).value))
            })
            .collect();
        let kind = if let [prime] = primes[..] {
            let shift = |target: u64| {
                let reduce = prime >= 2 * target;
                let multiple = if reduce { prime.div_ceil(target) * target } else { target };
                Shift { shift: multiple.wrapping_sub(prime), reduce }
            };
            Kind::Single {
                half: prime.div_ceil(2),
                shifts: ring.moduli().iter().map(|m| shift(m.value())).collect(),
            }
        } else {
            Kind::Several {
                reciprocals: primes.iter().map(|&prime| 1.0 / prime as f64).collect(),
                weights: ring
                    .moduli()
                    .iter()
                    .map(|m| {
                        let product = m.product(primes.iter().copied());
                        let cofactors = (0..primes.len()).map(|position| m.product(without(position)));
                        cofactors.chain([m.subtract(0, product)]).map(|w| m.montgomery(w)).collect()
                    })
                    .collect(),
            }
        };
        Self { source, factors, kind }
    }

    /// Takes a row from the NTT domain to what [`BaseConversion::convert`] reads: `position` counts the source
    /// primes.
    pub fn prepare(&self, ring: &Ring, position: usize, row: &mut [u64]) {
        let index = self.source.start + position;
        ring.inverse_scaled(index, row, self.factors[position]);
    }

    /// Whether [`BaseConversion::convert`] reads the row that [`BaseConversion::count_overflow`] writes.
    pub fn needs_overflow(&self) -> bool {
        matches!(self.kind, Kind::Several { .. })
    }

    /// Finds, for every coefficient, by how many multiples of the source product the plain sum is off.
    pub fn count_overflow(&self, ring: &Ring, prepared: &[&[u64]], overflow: &mut [u64]) {
        if let Kind::Several { reciprocals, .. } = &self.kind {
            ring.kernels().overflow(prepared, reciprocals, overflow);
        }
    }

    /// The coefficients modulo one target. `rows` are the prepared source rows, followed by the overflow row
    /// if that is needed.
    pub fn convert(&self, ring: &Ring, rows: &[&[u64]], target: usize, out: &mut [u64]) {
        debug_assert!(!self.source.contains(&target));
        let (m, kernels) = (ring.modulus(target), ring.kernels());
        match &self.kind {
            Kind::Single { half, shifts } => {
                let Shift { shift, reduce } = shifts[target];
                kernels.recentre(rows[0], *half, shift, out);
                if reduce {
                    kernels.scale_assign(m, out, m.factor(1));
                }
            }
            Kind::Several { weights, .. } => kernels.combine(m, rows, &weights[target], out),
        }
    }

    /// [`BaseConversion::convert`] for many targets: `out` holds one row for each.
    pub fn convert_many(&self, ring: &Ring, sources: &[&[u64]], targets: &[usize], out: &mut [u64]) {
        let degree = ring.degree();
        let Kind::Several { weights, .. } = &self.kind else {
            for (&target, out) in targets.iter().zip(out.chunks_exact_mut(degree)) {
                self.convert(ring, sources, target, out);
            }
            return;
        };
        for (targets, out) in targets.chunks(GROUP).zip(out.chunks_mut(GROUP * degree)) {
            let mut rows = out.chunks_exact_mut(degree);
            let out = std::array::from_fn(|_| rows.next().unwrap_or_default());
            match (targets, out) {
                (&[a, b, c, d], out) => combine(ring, weights, sources, [a, b, c, d], out),
                (&[a, b, c], [first, second, third, _]) => {
                    combine(ring, weights, sources, [a, b, c], [first, second, third]);
                }
                (&[a, b], [first, second, ..]) => combine(ring, weights, sources, [a, b], [first, second]),
                (&[a], [first, ..]) => combine(ring, weights, sources, [a], [first]),
                _ => {}
            }
        }
    }
}

/// As many rows as there are targets, in one pass over the sources.
fn combine<const TARGETS: usize>(
    ring: &Ring,
    weights: &[Vec<u64>],
    sources: &[&[u64]],
    targets: [usize; TARGETS],
    out: [&mut [u64]; TARGETS],
) {
    let moduli = targets.map(|target| ring.modulus(target));
    ring.kernels().combine_group(sources, moduli, targets.map(|target| &weights[target][..]), out);
}
