//! What is left in memory that was freed: an allocator keeps a copy of every block as it is given back.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;
mod residues;

use fixture::*;
use residues::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use veilbench_ckks::*;

const DEGREE: usize = 64;

thread_local! {
    static ARMED: Cell<bool> = const { Cell::new(false) };
    static FREED: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

struct Keeping;

#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
// SAFETY: every call is passed on to the system's allocator; a block is only read before it is freed.
unsafe impl GlobalAlloc for Keeping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if layout.size() >= 8 * 32 && layout.align() >= 8 && ARMED.try_with(Cell::get).unwrap_or(false) {
            ARMED.with(|armed| armed.set(false));
            // SAFETY: the block is still allocated, aligned for words, and blocks of this crate are initialised.
            let words = unsafe { std::slice::from_raw_parts(pointer.cast::<u64>(), layout.size() / 8) };
            FREED.with(|freed| freed.borrow_mut().push(words.to_vec()));
            ARMED.with(|armed| armed.set(true));
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Keeping = Keeping;

fn recording<T>(action: impl FnOnce() -> T) -> (T, Vec<Vec<u64>>) {
    FREED.with(|freed| freed.borrow_mut().clear());
    ARMED.with(|armed| armed.set(true));
    let result = action();
    ARMED.with(|armed| armed.set(false));
    (result, FREED.with(|freed| std::mem::take(&mut *freed.borrow_mut())))
}

fn holds(freed: &[Vec<u64>], rows: &[Vec<u64>]) -> bool {
    freed.iter().any(|block| rows.iter().any(|row| block.windows(8).any(|window| window == &row[8..16])))
}

fn looks_small(block: &[u64], bound: u64) -> bool {
    block.len() == DEGREE
        && block.iter().any(|&w| w != 0)
        && block.iter().all(|&w| (w as i64).unsigned_abs() <= bound)
}

/// Whether a block is as long as a polynomial and was not wiped.
fn is_row(block: &[u64]) -> bool {
    block.len() == DEGREE && block.iter().any(|&word| word != 0)
}

#[test]
fn encoding_frees_nothing_of_what_it_encodes() {
    let context = insecure(DEGREE, &[50, 40, 40], &[50], 3);
    let values = values(DEGREE / 2, 7);
    // Coefficients within a word, beyond one, and too long for the modulus.
    for (bits, fits) in [(30, true), (80, true), (128, false)] {
        let (encoded, freed) = recording(|| context.encode(&values, 2f64.powi(bits), 2).map(drop));
        assert_eq!(encoded.is_ok(), fits, "scale 2^{bits}");
        assert!(freed.len() >= 2, "{} blocks freed at scale 2^{bits}", freed.len());
        assert!(freed.iter().flatten().all(|&word| word == 0), "scale 2^{bits}");
    }
}

#[test]
fn freed_memory_holds_neither_the_key_nor_what_the_key_follows_from() {
    let context = insecure(DEGREE, &[50, 40, 40], &[50], 3);
    let mut owner = Owner::new(&context, &request(&[1]), 1);
    let template = owner.encrypt(&[0.5], 2f64.powi(80), 2).to_bytes(&context).unwrap();
    // Decrypting (0, 1) gives the key itself.
    let key = {
        let unit = constant(&context, &template, [0, 1]);
        residues(&owner, &template, &owner.secret.decrypt(&unit).unwrap())
    };

    // Beyond a word, so that no step of decoding meets zeros alone.
    let plaintext = context.encode(&values(32, 1), 2f64.powi(80), 2).unwrap();
    let ciphertext = owner.secret.encrypt(&plaintext, &mut owner.random).unwrap().expand(&context).unwrap();
    let decrypted = residues(&owner, &template, &owner.secret.decrypt(&ciphertext).unwrap());

    let ((), freed) = recording(|| {
        let public = PublicKey::generate(&owner.secret, &mut owner.random);
        drop(public.encrypt(&context, &plaintext, &mut owner.random).unwrap());
        drop(owner.secret.encrypt(&plaintext, &mut owner.random).unwrap());
        let pair_squares = Some(PairSquares { level: 1, sums: true });
        let request = KeyRequest { pair_squares, ..request(&[1, 2]) };
        drop(SeededEvaluationKeys::generate(&owner.secret, &request, &mut owner.random));
        drop(SecretKey::generate(&context, &mut owner.random));
    });
    println!("{} blocks freed by keys and encryptions", freed.len());
    assert!(!holds(&freed, &key), "the key, by keys and encryptions");
    assert!(!freed.iter().any(|block| looks_small(block, 21)), "small coefficients");
    // Errors, and products of masks with the key.
    assert!(!freed.iter().any(|block| is_row(block)), "a row of residues or coefficients");

    let sent = owner.secret.encrypt(&plaintext, &mut owner.random).unwrap().expand(&context).unwrap();
    let bytes = sent.to_bytes(&context).unwrap();
    let sent_rows = unpack(&bytes[47..], DEGREE, context.parameters().data_primes());
    let (decoded, freed) = recording(|| context.decode(&owner.secret.decrypt(&ciphertext).unwrap()).unwrap());
    assert!((decoded[0] - values(32, 1)[0]).abs() < 1e-6);
    println!("{} blocks freed by decrypting", freed.len());
    assert!(!holds(&freed, &key), "the key, by decrypting");
    // c0 + c1 s with its noise is one equation from s, in any form.
    assert!(!holds(&freed, &decrypted), "a decrypted polynomial");
    assert!(freed.len() > 2 && freed.iter().flatten().all(|&word| word == 0), "what decoding computes");
    // With the last of them goes the pool that polynomials take their memory from.
    let ((), freed) = recording(|| drop((owner, plaintext, ciphertext, sent, context)));
    println!("{} blocks freed at the end", freed.len());
    assert!(holds(&freed, &sent_rows), "what need not be wiped was not found either: the pool was not freed");
    assert!(!holds(&freed, &key), "the key, by dropping it");
    assert!(!holds(&freed, &decrypted), "a decrypted polynomial, in the pool");
}
