//! What reaches a client before it trusts anybody. Whatever parses must encode to the same bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veilbench_tee::{Evidence, Release};
use veilbench_tee_fuzz::judge;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(release) = Release::from_bytes(bytes) {
        assert_eq!(release.to_bytes(), bytes);
    }
    if let Ok(evidence) = Evidence::from_bytes(bytes) {
        assert_eq!(evidence.to_bytes(), bytes);
        // Its key is of another process than this one's, so the report data differ even if nothing was changed.
        let _ = judge(&evidence);
    }
});
