//! What a host launches an enclave with, and what it takes back from it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use veilbench_tee::{Enclave, EnclaveHello, Launch, LaunchToken, Report, SimulatedProcessor};
use veilbench_tee_fuzz::{LAUNCH, changed};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(token) = LaunchToken::from_bytes(bytes) {
        assert_eq!(token.to_bytes(), bytes);
    }
    if let Ok(report) = Report::from_bytes(bytes) {
        assert_eq!(report.to_bytes(), bytes);
    }
    if let Ok(introduction) = EnclaveHello::from_bytes(bytes) {
        assert_eq!(introduction.to_bytes(), bytes);
    }
    enter(bytes);
    enter(&changed(&LAUNCH.to_bytes(), bytes.get(1..).unwrap_or_default()));
});

/// An enclave starts with the token, image and configuration that were launched, and with no others.
fn enter(bytes: &[u8]) {
    let Ok(launch) = Launch::from_bytes(bytes) else { return };
    assert_eq!(launch.to_bytes(), bytes);
    let launched = launch.token == LAUNCH.token
        && launch.image == LAUNCH.image
        && launch.configuration == LAUNCH.configuration;
    let entered = Enclave::start(&SimulatedProcessor::new(), &launch, &|_| String::new());
    assert_eq!(entered.is_ok(), launched);
}
