//! What one decrypted result is worth to whoever also has the ciphertext (Li and Micciancio, 2021).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;
mod residues;

use fixture::*;
use residues::*;

#[test]
fn one_decoded_result_and_its_ciphertext_give_the_whole_key() {
    let context = secure(8192, &[50, 40, 40], &[50], 3);
    let mut owner = Owner::new(&context, &request(&[]), 1);
    let scale = 2f64.powi(40);
    let ciphertext = owner.encrypt(&values(4096, 1), scale, 2);
    let bytes = ciphertext.to_bytes(&context).unwrap();

    // All that the attacker gets: the ciphertext, and doubles as the owner decodes them.
    let (real, imaginary) = context.decode_complex(&owner.secret.decrypt(&ciphertext).unwrap()).unwrap();

    let again = context.encode_complex(&real, &imaginary, scale, 2).unwrap();
    let noisy = residues(&owner, &bytes, &again);
    let primes = context.parameters().data_primes();
    let part = (bytes.len() - 47) / 2;
    let [c0, c1] = [&bytes[47..47 + part], &bytes[47 + part..]].map(|half| unpack(half, 8192, primes));
    let p = u128::from(primes[0]);
    let power = |base: u64, mut e: u128| {
        let (mut square, mut result) = (u128::from(base), 1);
        while e > 0 {
            if e & 1 == 1 {
                result = result * square % p;
            }
            square = square * square % p;
            e >>= 1;
        }
        result
    };
    let recovered: Vec<u64> = (0..8192)
        .map(|i| ((p + u128::from(noisy[0][i]) - u128::from(c0[0][i])) * power(c1[0][i], p - 2) % p) as u64)
        .collect();

    let key = owner.secret.decrypt(&constant(&context, &bytes, [0, 1])).unwrap();
    let wrong = recovered.iter().zip(&residues(&owner, &bytes, &key)[0]).filter(|(a, b)| a != b).count();
    assert_eq!(wrong, 0, "residues of the key that were not recovered");
}
