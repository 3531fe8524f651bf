//! Bytes as a folded ciphertext.

#![no_main]

use libfuzzer_sys::fuzz_target;
use veilbench_ckks::FoldedCiphertext;
use veilbench_ckks_fuzz::CONTEXT;

fuzz_target!(|bytes: &[u8]| {
    let Ok(object) = FoldedCiphertext::from_bytes(&CONTEXT, bytes) else { return };
    // There is one encoding of an object, and whatever decodes can be used.
    assert_eq!(object.to_bytes(&CONTEXT).expect("it belongs to the context"), bytes);
    assert!(object.period() <= CONTEXT.parameters().slots());
});
