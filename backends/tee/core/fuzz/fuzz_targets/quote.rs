//! Good evidence with one field changed: quote, certificates, revocation lists, TCB info, QE identity. What a client
//! accepts then is still the report that was signed, for its own challenge.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veilbench_tee_fuzz::{EVIDENCE, changed, judge};

/// Header and report, which are signed.
const SIGNED: usize = 48 + 384;

fuzz_target!(|bytes: &[u8]| {
    let Some((field, script)) = bytes.split_first() else { return };
    let mut evidence = EVIDENCE.clone();
    let collateral = &mut evidence.collateral;
    let text = |text: &String| String::from_utf8_lossy(&changed(text.as_bytes(), script)).into_owned();
    match field % 11 {
        0 => evidence.quote = changed(&evidence.quote, script),
        1 => collateral.pck_crl_issuer_chain = text(&collateral.pck_crl_issuer_chain),
        2 => collateral.root_ca_crl = changed(&collateral.root_ca_crl, script),
        3 => collateral.pck_crl = changed(&collateral.pck_crl, script),
        4 => collateral.tcb_info_issuer_chain = text(&collateral.tcb_info_issuer_chain),
        5 => collateral.tcb_info = text(&collateral.tcb_info),
        6 => collateral.tcb_info_signature = changed(&collateral.tcb_info_signature, script),
        7 => collateral.qe_identity_issuer_chain = text(&collateral.qe_identity_issuer_chain),
        8 => collateral.qe_identity = text(&collateral.qe_identity),
        9 => collateral.qe_identity_signature = changed(&collateral.qe_identity_signature, script),
        _ => evidence.protections = text(&evidence.protections),
    }
    match judge(&evidence) {
        Ok(attested) => {
            assert_eq!(evidence.quote[..SIGNED], EVIDENCE.quote[..SIGNED]);
            assert_eq!(evidence.protections, EVIDENCE.protections);
            assert_eq!(evidence.collateral.tcb_info, EVIDENCE.collateral.tcb_info);
            assert_eq!(evidence.collateral.qe_identity, EVIDENCE.collateral.qe_identity);
            assert_eq!(attested.public_key, EVIDENCE.public_key);
        }
        Err(error) => assert!(evidence != *EVIDENCE, "{error}"),
    }
});
