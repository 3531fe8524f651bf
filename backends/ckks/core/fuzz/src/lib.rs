//! What the fuzz targets share: a small context, and one encoded object for each decoder to start from.

use std::sync::{Arc, LazyLock};
use veilbench_ckks::*;

/// The context that objects are decoded for.
pub static CONTEXT: LazyLock<Context> = LazyLock::new(|| {
    let request = ParameterRequest {
        degree: 16,
        data_prime_bits: &[50, 33, 27],
        special_prime_bits: &[50, 34],
        digits: 2,
    };
    Context::new(Parameters::new_insecure(&request).expect("the primes exist"))
});

/// Valid objects by the name of their target.
pub fn objects() -> Result<Vec<(&'static str, Vec<u8>)>> {
    let context = &*CONTEXT;
    let mut random = Randomness::insecure_from_seed([1; 32]);
    let secret = SecretKey::generate(context, &mut random);
    let plaintext = context.encode(&[0.5, -0.25], 2f64.powi(30), 1)?;
    let seeded = secret.encrypt(&plaintext, &mut random)?;
    let ciphertext = seeded.clone().expand(context)?;
    let public = PublicKey::generate(&secret, &mut random);
    let levels = KeyLevels { rotations: [(2, 0)].into(), ..KeyLevels::default() };
    let pair_squares = Some(PairSquares { level: 1, sums: true });
    let rotations = [1, 2].into();
    let long = LongDigits { rotations: [(2, 1)].into(), ..LongDigits::default() };
    let request =
        KeyRequest { relinearisation: true, conjugation: true, rotations, pair_squares, levels, long };
    let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random);
    let lowest = secret.encrypt(&context.encode(&[0.5], 2f64.powi(30), 0)?, &mut random)?;
    let evaluator = Evaluator::new(context, Arc::new(keys.clone().expand(context)?))?;
    let folded = evaluator.fold(&lowest.expand(context)?, 4)?;
    Ok(vec![
        ("parameters", context.parameters().to_bytes()),
        ("ciphertext", ciphertext.to_bytes(context)?),
        ("seeded_ciphertext", seeded.to_bytes(context)?),
        ("folded_ciphertext", folded.to_bytes(context)?),
        ("public_key", public.to_bytes(context)?),
        ("evaluation_keys", keys.to_bytes(context)?),
    ])
}
