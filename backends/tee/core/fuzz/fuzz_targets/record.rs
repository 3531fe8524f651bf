//! Records of a channel in both directions. What was changed does not open, and closes the channel.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use veilbench_tee::Channel;
use veilbench_tee_fuzz::{changed, channels};

const LIMIT: usize = 64;

thread_local! {
    static CHANNELS: RefCell<(Channel, Channel)> = RefCell::new(channels());
}

fuzz_target!(|bytes: &[u8]| CHANNELS.with_borrow_mut(|ends| {
    let Some((direction, script)) = bytes.split_first() else { return };
    let (client, enclave) = &mut *ends;
    let (from, to) = if direction % 2 == 0 { (client, enclave) } else { (enclave, client) };
    let contents = &script[..script.len().min(LIMIT)];
    let record = from.seal(contents).expect("the channel is open");
    let mut message = changed(&record, script);
    let untouched = message == record;
    match to.open(&mut message, LIMIT) {
        Ok(opened) => assert!(untouched && opened == contents),
        Err(error) => {
            assert!(!untouched, "{error}");
            assert!(to.open(&mut record.clone(), LIMIT).is_err(), "a channel is closed by its first error");
            *ends = channels();
        }
    }
}));
