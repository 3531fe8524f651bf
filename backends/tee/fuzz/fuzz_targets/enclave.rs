//! What a host hands to an enclave: its launch, key exchanges, records and sealed models; and what it takes back.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use veilbench_tee::*;

static ENCLAVE: LazyLock<Enclave> = LazyLock::new(|| {
    let (image, model) = (Measurement::of(b"image"), Measurement::of(b"model"));
    let configuration = Configuration { architecture: model, model, batch: 1, threads: 1 };
    let release = SimulatedPublisher::default().sign(Measurement::of_enclave(&image, &configuration), model);
    let processor = SimulatedProcessor::new();
    let token = processor.launch(&image, &configuration, &release).expect("it measures as released");
    let launch = Launch { token, image, configuration, model_owner: [0; 32], data_owner: [0; 32] };
    Enclave::start(&processor, &launch, &|_| String::new()).expect("it was launched").0
});

fuzz_target!(|bytes: &[u8]| {
    let _ = Launch::from_bytes(bytes);
    let _ = Introduction::from_bytes(bytes);
    let _ = ENCLAVE.accept(Client::DataOwner, &mut bytes.to_vec(), 1 << 10);
    let _ = ENCLAVE.accept(Client::ModelOwner, &mut bytes.to_vec(), 1 << 10);
    let _ = ENCLAVE.unseal_model(bytes);
});
