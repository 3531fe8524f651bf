//! Whatever can be tried exhaustively or against an independent implementation: every rotation of small rings at
//! every level, the expansion of seeds, and scales of every length.

use crate::fixture::*;

fn shapes() -> Vec<(usize, Vec<u32>, Vec<u32>, usize)> {
    vec![
        (16, vec![50, 40, 40], vec![50], 3),
        (16, vec![50, 40, 40, 40, 40], vec![50, 50], 3),
        (32, vec![50, 40, 40, 40, 40, 40, 40], vec![50, 50, 50], 3),
        (32, vec![50, 40, 40, 40], vec![48, 47, 46, 45], 1),
        (64, vec![50, 27, 40, 27, 33], vec![50, 49], 3),
        (64, vec![50; 12], vec![50; 11], 2),
    ]
}

#[test]
fn every_rotation_and_the_conjugation_at_every_level_hoisted_or_not() {
    for (degree, data, special, digits) in shapes() {
        let context = insecure(degree, &data, &special, digits);
        let slots = context.parameters().slots();
        let all: Vec<i64> = (1..slots as i64).collect();
        let mut owner = Owner::new(&context, &request(&all), 3);
        let (re, im) = (values(slots, 1), values(slots, 2));
        for level in 0..=context.parameters().max_level() {
            let scale = 2f64.powi(35);
            let plain = context.encode_complex(&re, &im, scale, level).unwrap();
            let c = owner.secret.encrypt(&plain, &mut owner.random).unwrap().expand(&context).unwrap();
            let hoisted = owner.evaluator.hoist(&c).unwrap();
            for &steps in &all {
                let (a, b) = (owner.evaluator.rotate(&c, steps).unwrap(), hoisted.rotate(steps).unwrap());
                assert_eq!(a.to_bytes(&context).unwrap(), b.to_bytes(&context).unwrap());
                let (r, i) = context.decode_complex(&owner.secret.decrypt(&a).unwrap()).unwrap();
                for t in 0..slots {
                    let from = (t + steps as usize) % slots;
                    assert!(
                        (r[t] - re[from]).abs() < 1e-6 && (i[t] - im[from]).abs() < 1e-6,
                        "{degree} {level} {steps}"
                    );
                }
            }
            let conjugate = owner.evaluator.conjugate(&c).unwrap();
            let (r, i) = context.decode_complex(&owner.secret.decrypt(&conjugate).unwrap()).unwrap();
            for t in 0..slots {
                assert!((r[t] - re[t]).abs() < 1e-6 && (i[t] + im[t]).abs() < 1e-6);
            }
        }
    }
}

/// ChaCha20 with a 64-bit counter and a 64-bit nonce, from its specification.
fn chacha_block(key: &[u8; 32], counter: u64, nonce: u64) -> [u8; 64] {
    let mut s = [0u32; 16];
    s[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    for (word, bytes) in s[4..12].iter_mut().zip(key.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    s[12] = counter as u32;
    s[13] = (counter >> 32) as u32;
    s[14] = nonce as u32;
    s[15] = (nonce >> 32) as u32;
    let mut x = s;
    let quarter = |x: &mut [u32; 16], [a, b, c, d]: [usize; 4]| {
        for (p, q, r, by) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
            x[p] = x[p].wrapping_add(x[q]);
            x[r] = (x[r] ^ x[p]).rotate_left(by);
        }
    };
    for _ in 0..10 {
        for i in 0..4 {
            quarter(&mut x, [i, 4 + i, 8 + i, 12 + i]);
        }
        for i in 0..4 {
            quarter(&mut x, [i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4]);
        }
    }
    let mut out = [0; 64];
    for i in 0..16 {
        out[4 * i..4 * i + 4].copy_from_slice(&x[i].wrapping_add(s[i]).to_le_bytes());
    }
    out
}

#[test]
fn the_uniform_half_of_a_ciphertext_is_chacha20_of_its_seed() {
    assert_eq!(chacha_block(&[0; 32], 0, 0)[..4], [0x76, 0xb8, 0xe0, 0xad]);
    let context = insecure(1024, &[50, 33, 28], &[50], 3);
    let mut owner = Owner::new(&context, &request(&[]), 5);
    let plain = context.encode(&[0.5], 2f64.powi(30), 2).unwrap();
    let seeded = owner.secret.encrypt(&plain, &mut owner.random).unwrap();
    let bytes = seeded.to_bytes(&context).unwrap();
    let seed: [u8; 32] = bytes[47..79].try_into().unwrap();
    let full = seeded.expand(&context).unwrap().to_bytes(&context).unwrap();
    let limb_bytes = |p: u64| 1024 / 8 * (64 - p.leading_zeros() as usize);
    let primes = context.parameters().data_primes();
    let mut at = 47 + primes.iter().map(|&p| limb_bytes(p)).sum::<usize>();
    for (stream, &p) in primes.iter().enumerate() {
        let bits = 64 - p.leading_zeros() as usize;
        let packed = &full[at..at + limb_bytes(p)];
        at += limb_bytes(p);
        let bit = |i: usize| u64::from(packed[i / 8] >> (i % 8) & 1);
        let actual: Vec<u64> = (0..1024).map(|k| (0..bits).map(|b| bit(k * bits + b) << b).sum()).collect();
        let bytes: Vec<u8> =
            (0..512).flat_map(|counter| chacha_block(&seed, counter, stream as u64)).collect();
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte));
        let expected: Vec<u64> = bytes
            .chunks_exact(bits.div_ceil(8))
            .map(|bytes| number(bytes) & ((1 << bits) - 1))
            .filter(|&number| number < p)
            .take(1024)
            .collect();
        assert_eq!(actual, expected);
    }
    assert_eq!(at, full.len());
}

#[test]
fn every_scale_encodes_and_decodes_to_double_precision() {
    let context = insecure(64, &[50; 4], &[50], 4);
    let x = values(32, 9);
    for bits in 1..=97 {
        let scale = 2f64.powi(bits);
        let back = context.decode(&context.encode(&x, scale, 3).unwrap()).unwrap();
        let error = worst(&back, &x);
        assert!(error < 8.0 / scale + 1e-14, "{bits}: {error:e}");
    }
}
