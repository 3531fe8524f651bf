//! Decrypted values that are shown: what is added to them, and what they still tell.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::*;
use veilbench_ckks::{Error, Flooding};

#[test]
fn released_slots_carry_the_stated_noise_and_no_trace_of_their_errors() {
    let context = secure(8192, &[50, 40, 40], &[50], 3);
    let mut owner = Owner::new(&context, &request(&[]), 1);
    let (scale, slots) = (2f64.powi(40), context.parameters().slots());
    let exact = values(slots, 1);
    let ciphertext = owner.encrypt(&exact, scale, 2);
    let plaintext = owner.secret.decrypt(&ciphertext).unwrap();

    // A tenth more than the deviation of the real part of a slot.
    let error = 1.1 * context.fresh_noise() * (slots as f64).sqrt() / scale;
    let own: Vec<f64> =
        context.decode(&plaintext).unwrap().iter().zip(&exact).map(|(own, due)| own - due).collect();
    let mean_square = |of: &[f64]| of.iter().map(|own| own * own).sum::<f64>() / of.len() as f64;
    assert!(mean_square(&own).sqrt() < error, "{:e} {error:e}", mean_square(&own).sqrt());

    let flooding = Flooding::new(30, slots, error).unwrap();
    let released = context.decode_for_release(&plaintext, 0..slots, &flooding, &mut owner.random).unwrap();
    let noise: Vec<f64> = released.iter().zip(&exact).map(|(own, due)| own - due).collect();
    let spread = (slots as f64).sqrt();
    let ratio = mean_square(&noise) / flooding.deviation().powi(2);
    assert!((ratio - 1.0).abs() < 5.0 * 2f64.sqrt() / spread, "{ratio}");
    let product: f64 = noise.iter().zip(&own).map(|(noise, own)| noise * own).sum::<f64>() / slots as f64;
    let correlation = product / (mean_square(&noise) * mean_square(&own)).sqrt();
    assert!(correlation.abs() < 5.0 / spread, "{correlation}");

    // Other slots stay where they are.
    let few = context.decode_for_release(&plaintext, 7..17, &flooding, &mut owner.random).unwrap();
    assert_eq!(few.len(), 10);
    assert!(few.iter().zip(&exact[7..]).all(|(own, due)| (own - due).abs() < 8.0 * flooding.deviation()));
    let refused = context.decode_for_release(&plaintext, 7..slots + 1, &flooding, &mut owner.random);
    assert_eq!(refused, Err(Error::TooManyValues { values: slots - 6, slots }));
}
