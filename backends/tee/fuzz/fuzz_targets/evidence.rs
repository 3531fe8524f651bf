//! What a host shows a client.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veilbench_tee::{Client, Evidence, Measurement, Policy, Release, SimulatedPublisher};

fuzz_target!(|bytes: &[u8]| {
    let _ = Release::from_bytes(bytes);
    let Ok(evidence) = Evidence::from_bytes(bytes) else { return };
    let Ok(policy) = Policy::simulated() else { return };
    let release = SimulatedPublisher::default().sign(Measurement::of(b"enclave"), Measurement::of(b"model"));
    let _ = policy.judge(Client::DataOwner, &release, &[0; 32], &evidence, 1_767_225_600);
});
