//! Bytes as parameters.

#![no_main]

use libfuzzer_sys::fuzz_target;
use veilbench_ckks::{Context, Parameters, max_modulus_bits};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(parameters) = Parameters::from_bytes(bytes) {
        let limit = max_modulus_bits(parameters.degree()).expect("a degree of the table");
        assert!(parameters.modulus_bits() <= f64::from(limit));
    }
    let Ok(parameters) = Parameters::from_bytes_insecure(bytes) else { return };
    assert_eq!(parameters.to_bytes(), bytes);
    // Larger tables take too long for a fuzzer.
    if parameters.degree() <= 256 {
        Context::new(parameters);
    }
});
