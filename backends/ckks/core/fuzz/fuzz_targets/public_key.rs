//! Bytes as a public key.

#![no_main]

use libfuzzer_sys::fuzz_target;
use veilbench_ckks::{PublicKey, Randomness};
use veilbench_ckks_fuzz::CONTEXT;

fuzz_target!(|bytes: &[u8]| {
    let Ok(key) = PublicKey::from_bytes(&CONTEXT, bytes) else { return };
    // There is one encoding of an object, and whatever decodes can be used.
    assert_eq!(key.to_bytes(&CONTEXT).expect("it belongs to the context"), bytes);
    let plaintext = CONTEXT.encode(&[0.5], 1024.0, 0).expect("it fits");
    let mut random = Randomness::insecure_from_seed([2; 32]);
    key.encrypt(&CONTEXT, &plaintext, &mut random).expect("it belongs to the context");
});
