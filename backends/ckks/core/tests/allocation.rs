//! What operations on ciphertexts ask of the allocator, once they have run: nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fixture;

use fixture::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
// SAFETY: every call is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The allocations of an action on this thread when it runs for the third time.
fn allocations(action: impl Fn()) -> usize {
    action();
    action();
    let before = ALLOCATIONS.with(Cell::get);
    action();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn operations_take_no_new_memory() {
    // Digits of one prime, of two, and of three with a short last one.
    for (data, special, digits) in [
        (&[50, 40, 40][..], &[50][..], 3),
        (&[50, 40, 40, 40], &[50, 50], 2),
        (&[50, 30, 30, 30, 30, 30, 30, 30], &[50, 50, 50], 3),
    ] {
        let context = insecure(4096, data, special, digits);
        let mut owner = Owner::new(&context, &request(&[1]), 41);
        let level = context.parameters().max_level();
        let scale = 2f64.powi(25);
        let x = values(context.parameters().slots(), 1);
        let (a, b) = (owner.encrypt(&x, scale, level), owner.encrypt(&x, scale, level));
        let plaintext = context.encode(&x, scale, level).unwrap();
        let e = &owner.evaluator;
        let product = e.multiply(&a, &b).unwrap();
        let hoisted = e.hoist(&a).unwrap();
        let operations: [(&str, &dyn Fn()); 9] = [
            ("add", &|| drop(e.add(&a, &b).unwrap())),
            ("multiply by a plaintext", &|| drop(e.multiply_plain(&a, &plaintext).unwrap())),
            ("multiply", &|| drop(e.multiply(&a, &b).unwrap())),
            ("square", &|| drop(e.square(&a).unwrap())),
            ("square a pair", &|| drop(e.sum_of_pair_squares(&[&a]).unwrap())),
            ("rescale", &|| drop(e.rescale(&product).unwrap())),
            ("rotate", &|| drop(e.rotate(&a, 1).unwrap())),
            ("conjugate", &|| drop(e.conjugate(&a).unwrap())),
            ("rotate, hoisted", &|| drop(hoisted.rotate(1).unwrap())),
        ];
        for (name, operation) in operations {
            assert_eq!(allocations(operation), 0, "{name}, {} data primes, {digits} digits", data.len());
        }
    }
}
