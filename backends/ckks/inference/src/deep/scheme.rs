//! Which primes a deep circuit is computed with.
//!
//! All data primes but the first have one length, the longest that the security table leaves room for: a bit more is a bit more
//! precision and costs no time. As in [`Scheme`], every map ends at one scale, a few bits above the primes.

use veilbench_api::Unsupported;

use crate::deep::lowering::Deep;
use crate::planning::scheme::{HEADROOM_BITS, PRIME_BITS, Scheme, lower_input_bits};
use veilbench_ckks::max_modulus_bits;

/// By how many bits the scale of maps exceeds the primes: it puts the rounding of results and that of weights in balance.
const GAIN: u32 = 3;

/// Lengths of data primes. Longer ones would be more precise than any network needs, shorter ones drown deep circuits.
const LEAST_BITS: u32 = 29;
const MOST_BITS: u32 = 36;

/// Precision that more digits than necessary are not spent beyond.
const AMPLE_BITS: u32 = 33;

/// Most primes of a digit: their products are summed before they are reduced.
const MOST_DIGIT_PRIMES: usize = 11;

/// Bits by which the special primes exceed a digit, so that the noise of key switches is far below rounding.
const SPECIAL_GAIN: u32 = 4;

const DEGREES: [usize; 4] = [8192, 16_384, 32_768, 65_536];

/// The scheme for a circuit whose widest values take this many slots: of the smallest ring with ample precision, or of the largest.
///
/// # Errors
/// [`Unsupported`], naming the first layer that no level is left for.
pub(crate) fn choose(deep: &Deep, slots: usize) -> Result<Scheme, Unsupported> {
    let depth = deep.depth();
    let lower = lower_input_bits(deep.input_magnitude);
    let fitting = || DEGREES.into_iter().filter(|degree| degree / 2 >= slots);
    let ample = fitting().find_map(|degree| of_degree(degree, depth, lower, AMPLE_BITS));
    let scheme =
        ample.or_else(|| fitting().rev().find_map(|degree| of_degree(degree, depth, lower, LEAST_BITS)));
    scheme.ok_or_else(|| too_deep(deep, lower))
}

/// With the fewest digits whose primes are long enough, or else with the longest primes.
fn of_degree(degree: usize, depth: usize, lower_input_bits: i32, least_bits: u32) -> Option<Scheme> {
    let with = |digit_primes: usize| {
        let mut lengths = (least_bits..=MOST_BITS).rev();
        lengths.find_map(|bits| scheme(degree, depth, bits, digit_primes, lower_input_bits))
    };
    (1..=MOST_DIGIT_PRIMES.min(depth + 1)).rev().find_map(with)
}

fn scheme(
    degree: usize,
    depth: usize,
    bits: u32,
    digit_primes: usize,
    lower_input_bits: i32,
) -> Option<Scheme> {
    let base = bits + GAIN + HEADROOM_BITS;
    let data: Vec<u32> = std::iter::once(base).chain((0..depth).map(|_| bits)).collect();
    let digits = data.len().div_ceil(digit_primes);
    // As many in every digit as the evaluator puts there.
    let digit: u32 = data.iter().take(data.len().div_ceil(digits)).sum();
    let special_bits = digit + SPECIAL_GAIN;
    let count = special_bits.div_ceil(PRIME_BITS);
    if data.iter().sum::<u32>() + special_bits > max_modulus_bits(degree)? {
        return None;
    }
    let scheme = Scheme {
        degree,
        data_prime_bits: data,
        special_prime_bits: (0..count).map(|index| (special_bits + index) / count).rev().collect(),
        digits,
        long_digits: false,
        map_scale_bits: bits + GAIN,
        input_scale_bits: (bits + 2 * GAIN).checked_add_signed(-lower_input_bits)?,
        pairs: None,
    };
    scheme.parameters().ok().map(|_| scheme)
}

fn too_deep(deep: &Deep, lower: i32) -> Unsupported {
    let depth = deep.depth();
    let degree = DEGREES[DEGREES.len() - 1];
    let most =
        (1..depth).rev().find(|&depth| of_degree(degree, depth, lower, LEAST_BITS).is_some()).unwrap_or(0);
    let longest = deep.series.iter().max_by_key(|(_, series)| series.depth());
    let (each, less) = match longest {
        None => ("two for a layer and its activation".to_owned(), ""),
        Some((layer, series)) => (
            format!(
                "{} of them for {layer} alone, a polynomial of degree {}",
                series.depth(),
                series.degree()
            ),
            " less precision (--set ckks.precision), smaller ranges,",
        ),
    };
    let first = deep.wires.iter().find(|wire| wire.depth > most);
    Unsupported {
        layer: first.map(|wire| wire.name.clone()),
        reason: format!(
            "the network takes {depth} levels, {each}, and the largest ring has room for {most} with 128 bits of security: use \
             fewer layers or activations, shorter branches,{less} or see ckks-client-aided"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_primes_of_33_bits_and_more_fit_the_largest_ring() {
        let scheme = of_degree(65_536, 39, 2, LEAST_BITS).expect("it fits");
        assert_eq!((scheme.data_prime_bits.len(), scheme.digits), (40, 4));
        assert!(scheme.data_prime_bits[1] >= AMPLE_BITS, "{scheme:?}");
        let bits: u32 = scheme.data_prime_bits.iter().chain(&scheme.special_prime_bits).sum();
        assert!(bits <= 1747, "{bits}");
        assert_eq!(scheme.parameters().expect("it is sound").security_bits(), Some(128));
        assert_eq!(of_degree(65_536, 60, 2, LEAST_BITS), None);
    }

    #[test]
    fn every_depth_up_to_the_largest_has_a_scheme_of_ample_precision_or_more_digits() {
        for depth in 1..40 {
            let scheme = of_degree(65_536, depth, 0, LEAST_BITS).expect("it fits");
            assert_eq!(scheme.depth(), depth);
        }
    }
}
