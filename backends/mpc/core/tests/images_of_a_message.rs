//! Images that travel in one message have masks of their own.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod session;

use std::collections::HashMap;
use std::sync::Arc;

use session::{SessionOf, body, by_function, format, images, parameters, program, to_parties};
use veilbench_mpc::beaver::Beaver;
use veilbench_mpc::circuit::{Circuit, Format};
use veilbench_mpc::masked::Masked;
use veilbench_mpc::model::Model;
use veilbench_mpc::session::Dealing;

/// Bytes that no two places of uniform messages have in common: of a million places, with a probability of 3e-8.
const WINDOW: usize = 8;

/// Two equal images in one message: what they are masked with must tell them apart, at every place.
fn equal_images_look_different<P: Dealing>(format: Format) {
    for name in ["mnist-mlp", "mnist-cnn", "mnist-mlp-poly", "max-pools"] {
        let program = program(name);
        let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
        let model = Model::encode(&circuit, &parameters(&program, 1)).unwrap();
        let image = images(&circuit, 1, 3);
        let mut session = SessionOf::<P>::fresh(&circuit, &model);
        let sent = session.infer(&[&image[..], &image[..]].concat());
        let ahead = [to_parties(&sent.corrections), vec![sent.differences]].concat();
        let ahead = ahead.iter().filter(|message| !message.is_empty()).map(|message| body(message));
        let online = sent.to_model_owner.iter().chain(&sent.to_data_owner).map(Vec::as_slice);
        for (number, message) in online.chain(ahead).enumerate() {
            let mut places: HashMap<&[u8], usize> = HashMap::new();
            for (place, window) in message.windows(WINDOW).enumerate() {
                let before = places.insert(window, place);
                assert_eq!(before, None, "{name}, message {number}: the bytes at {place} were there before");
            }
        }
    }
}

#[test]
fn equal_images_look_different_with_the_tree() {
    equal_images_look_different::<Masked>(format(8, 10));
}

#[test]
fn equal_images_look_different_with_the_function() {
    equal_images_look_different::<Masked>(by_function(format(8, 10)));
}

#[test]
fn equal_images_look_different_with_triples() {
    equal_images_look_different::<Beaver>(format(8, 10));
}
