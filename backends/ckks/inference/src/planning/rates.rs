//! What single steps of a computation take on a machine, in nanoseconds.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use veilbench_api::Error;

/// Nanoseconds of one thread, for each coefficient unless said otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rates {
    /// By ascending degree.
    pub(crate) rings: Vec<RingRates>,
    /// A product in an inner product with the relinearisation key where that is used over and over.
    pub(crate) cached_key_product: f64,
    /// How many times longer a layer across the slots takes than its key switches and products one by one: sums of rotations are permuted, and
    /// nothing stays in a cache.
    pub(crate) whole_layer: f64,
    /// A product with an encoded weight, which comes from memory and serves two products.
    pub(crate) weight_product: f64,
    /// Reducing a rounded coefficient of a weight, and bringing it into the form that products take.
    pub(crate) weight_rounded: f64,
    /// Squaring one limb of one of the three parts, and adding it up.
    pub(crate) square_term: f64,
    /// A product of a number and a coefficient within a long weighted sum, one of several that share their inputs.
    pub(crate) sum_product: f64,
    /// The same in a sum that is computed alone.
    pub(crate) lone_sum_product: f64,
    /// Reducing the sum of a dozen such products.
    pub(crate) sum_reduced: f64,
    /// Writing a result to memory of its own.
    pub(crate) result: f64,
    /// Rescaling that coefficient into a new result, and adding the bias to a copy of it, beside the transforms.
    pub(crate) rescaled: f64,
    /// The first use of a byte of memory, which the kernel clears.
    pub(crate) first_use: f64,
    /// Encoding a coefficient of a fresh ciphertext.
    pub(crate) encode: f64,
    /// Sampling, encrypting and writing one coefficient of a limb.
    pub(crate) encrypt: f64,
    /// Reading and expanding one coefficient of a limb.
    pub(crate) receive: f64,
    /// Reading, decrypting and decoding a coefficient.
    pub(crate) decrypt: f64,
    /// Reading a byte of ciphertexts from memory, where those of a block of a map are more than the cache holds.
    pub(crate) read: f64,
    /// Passing on one byte between processes of one machine, at either end.
    pub(crate) copy: f64,
}

/// What depends on the degree of the ring: rows of the largest no longer fit the second-level cache together with their roots.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RingRates {
    pub(crate) degree: usize,
    /// A transform of one limb with its share of the base conversion around it.
    pub(crate) transform: f64,
    /// A product in an inner product with a rotation key, which comes from memory.
    pub(crate) key_product: f64,
}

/// Those of the reference machine, from which every choice is made, so that a network is computed in one way on all machines.
///
/// Fitted in November 2026 to what `cargo bench -p veilbench-ckks --bench operations` and whole runs of the networks that ship took on
/// two cores of a virtual AMD EPYC with AVX-512 IFMA. Which model of processor that was, and with which commands the runs were started, is
/// not on record.
pub(crate) fn reference() -> &'static Rates {
    static REFERENCE: OnceLock<Rates> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let ring = |(degree, transform)| RingRates { degree, transform, key_product: 0.55 };
        Rates {
            rings: [(4096, 0.93), (8192, 0.99), (16_384, 1.12), (32_768, 1.75)].map(ring).to_vec(),
            cached_key_product: 0.22,
            whole_layer: 1.0,
            weight_product: 0.5,
            weight_rounded: 1.2,
            square_term: 0.6,
            sum_product: 0.034,
            lone_sum_product: 0.1,
            sum_reduced: 0.15,
            result: 2.8,
            rescaled: 1.0,
            first_use: 0.35,
            encode: 7.0,
            encrypt: 12.5,
            receive: 8.5,
            decrypt: 19.0,
            read: 0.07,
            copy: 0.2,
        }
    })
}

static HERE: OnceLock<Rates> = OnceLock::new();

/// Those that predictions are made from: of this machine if they were [adopted](adopt), or else the [reference]'s.
pub(crate) fn here() -> &'static Rates {
    HERE.get().unwrap_or_else(|| reference())
}

/// Whether rates of this machine were adopted.
pub(crate) fn are_adopted() -> bool {
    HERE.get().is_some()
}

/// Where the rates of predictions come from.
pub(crate) fn source() -> &'static str {
    if are_adopted() {
        "measured on this machine by `veilbench plan --calibrate-machine`"
    } else {
        "two cores of a virtual AMD EPYC with AVX-512 IFMA of no recorded model, `cargo bench -p veilbench-ckks --bench operations` and \
         whole runs, November 2026; `veilbench plan --calibrate-machine` measures this machine"
    }
}

/// Makes rates those of this machine; the first ones stay.
///
/// # Errors
/// [`Error::Input`] for what are no rates.
pub(crate) fn adopt(measured: &serde_json::Value) -> Result<(), Error> {
    let rates: Rates = serde_json::from_value(measured.clone())
        .map_err(|error| Error::Input(format!("these are no rates of the CKKS backends: {error}")))?;
    rates.check()?;
    HERE.get_or_init(|| rates);
    Ok(())
}

impl Rates {
    /// A transform and a product with a key, in a ring.
    pub(crate) fn of_ring(&self, degree: usize) -> (f64, f64) {
        let ring = self.rings.iter().find(|ring| ring.degree >= degree).or(self.rings.last());
        ring.map_or((0.0, 0.0), |ring| (ring.transform, ring.key_product))
    }

    fn check(&self) -> Result<(), Error> {
        let rings = self.rings.iter().flat_map(|ring| [ring.transform, ring.key_product]);
        let others = [
            self.cached_key_product,
            self.whole_layer,
            self.weight_product,
            self.weight_rounded,
            self.square_term,
            self.sum_product,
            self.lone_sum_product,
            self.sum_reduced,
            self.result,
            self.rescaled,
            self.first_use,
            self.encode,
            self.encrypt,
            self.receive,
            self.decrypt,
            self.read,
            self.copy,
        ];
        let is_sound = |rate: f64| rate.is_finite() && rate > 0.0;
        if !self.rings.is_empty() && rings.chain(others).all(is_sound) {
            return Ok(());
        }
        Err(Error::Input("a rate of the CKKS backends is no time: measure them anew".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_are_no_rates_is_refused() {
        assert!(reference().check().is_ok());
        let mut value = serde_json::to_value(reference()).expect("they are numbers");
        value["encode"] = (-1.0).into();
        assert!(adopt(&value).is_err());
        for value in [serde_json::json!(null), serde_json::json!({ "rings": [] })] {
            assert!(adopt(&value).is_err(), "{value}");
        }
        assert!(!are_adopted());
    }
}
