//! Key exchanges of both clients and the sealed model, as a host hands them to an enclave. What was changed does
//! not open.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use veilbench_tee_fuzz::{GREETING, MODEL, Provisioning, changed};

thread_local! {
    static SESSION: RefCell<(Provisioning, Vec<u8>)> = RefCell::new(fresh());
}

fn fresh() -> (Provisioning, Vec<u8>) {
    let provisioning = Provisioning::begin();
    let sealed = provisioning.enclave.seal_model(MODEL).expect("there is randomness");
    (provisioning, sealed)
}

fuzz_target!(|bytes: &[u8]| SESSION.with_borrow_mut(|session| {
    let Some((which, script)) = bytes.split_first() else { return };
    let (Provisioning { enclave, clients }, sealed) = &mut *session;
    let Some((client, _, hello)) = clients.get(usize::from(which % 3)) else {
        let (stored, raw) = (changed(sealed, script), enclave.unseal_model(script));
        assert_eq!(enclave.unseal_model(&stored).is_ok(), stored == *sealed);
        assert!(raw.is_err());
        return;
    };
    assert!(enclave.accept(*client, &mut script.to_vec(), MODEL.len()).is_err());
    let mut message = changed(hello, script);
    let untouched = message == *hello;
    let accepted = enclave.accept(*client, &mut message, MODEL.len());
    assert_eq!(accepted.is_ok(), untouched);
    if let Ok((_, contents)) = accepted {
        assert!(*contents == MODEL || *contents == GREETING);
        // Each client is served once.
        *session = fresh();
    }
}));
