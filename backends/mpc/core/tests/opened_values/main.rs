//! What the parties can put together: values that both masked, and what a receiver can compute from its own part.
//!
//! A message that is uniform by itself may open a secret together with the other party's, or with what its receiver knows. So
//! sessions on one image and one model are repeated in which all that one party draws stays the same and all that the others
//! draw is fresh: whatever that party can compute without knowing the image or the weights must then be uniform, and other in
//! every session. The same is asked of batches of one session, where only the batch changes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod computed;
mod neighbours;
mod networks;
mod parties;
#[path = "../session/mod.rs"]
mod session;

use computed::quantity;
use session::uniform::{DRAWS, Tally};
use veilbench_mpc::random::Seed;

/// What the checks above find where a mask is missing, and that they find nothing in numbers that are uniform.
#[test]
fn constants_biased_bits_and_repetitions_are_found_and_uniform_numbers_are_not() {
    let findings = |number: &dyn Fn(u64) -> u64, bits| {
        let mut tally = Tally::default();
        let mut stream = Seed::from_bytes([3; 16]).stream(0);
        for _ in 0..DRAWS {
            let values = stream.words(1000).into_iter().map(number).collect();
            tally.add(&[quantity("numbers", bits, values)]);
        }
        tally.findings().len()
    };
    assert_eq!(findings(&|word| word, 64), 0);
    assert_eq!(findings(&|word| word & 1, 1), 0);
    assert_eq!(findings(&|_| 7, 64), 1);
    assert_eq!(findings(&|word| word & word >> 1 & 1, 1), 1);
    assert_eq!(findings(&|word| word >> 56, 8), 0);
    assert_eq!(findings(&|word| (word >> 56) * 0x0101_0101_0101_0101, 64), 1);

    let mut tally = Tally::default();
    let mut stream = Seed::from_bytes([4; 16]).stream(0);
    for _ in 0..DRAWS {
        let mask = stream.words(1)[0];
        tally.add(&[quantity("one", 64, vec![mask ^ 5]), quantity("other", 64, vec![mask ^ 9])]);
    }
    assert_eq!((tally.findings().len(), tally.shared_masks().len()), (0, 1));
}
