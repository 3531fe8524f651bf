//! Linear layers on shares: products of a data owner's random masks with a model owner's weights, ahead of the images.
//!
//! The data owner draws a mask `r` for every input and sends it encrypted; the model owner multiplies by its weights and answers with the
//! products under masks of its own, so that both have shares of `W r`. Online the data owner sends its share of the inputs less `r`, after which the model owner
//! knows `x - r`, computes `W (x - r) + b` in the clear, and adds its share: the order of Mishra, Lehmkuhl, Srinivasan, Zheng, Popa, "Delphi" (USENIX
//! Security 2020), with the encoding of Cheetah ([`Layout`]).
//!
//! - *Encryption*: ring learning with errors, N = 4096, Q of two primes of up to 50 bits ([`Primes`]; the table allows 106), ternary secret, centred binomial errors. Masks
//!   modulo `2^L` are encoded as `round(Q r / 2^L)`, so that wrapping modulo `2^L` is wrapping modulo Q. Half of a ciphertext is a seed.
//! - *Answer*: the model owner adds `U`, uniform modulo Q, to the first half of the product and keeps `-round(2^L U / Q)`; if the first prime has room enough, divides both halves by the
//!   second; adds a fresh encryption of zero under the data owner's public key; and sends all of the second half and only the needed coefficients of the first.
//!
//! Shares are of `W r + eps`. `eps` comes from the noise of that encryption, of deviation 240 in units of the answer's modulus, and from the errors of the request times
//! weights, all of a ciphertext's, whose norm is bounded ([`Primes::norm_bits`], `Layout::most_noise`). The truncation that follows drops the fractional bits f of weights, so that a modulus has to tell apart no more than the `L - f`
//! bits that are left, and noise: Q and the first prime have as many bits as keep `eps` at about `2^(f - 4)`. A network is refused where `eps` exceeds half
//! of what is dropped (`src/network/noise.rs`), so that a truncated value stays within one unit of the rounded one. Logits may drop less, and keep some: a linear function
//! of the last layer's weights and of noise that the data owner knows, below the precision that logits are stated to; and, larger, of the encryption's `u` and error with coefficients
//! that the data owner knows: an equation about them for each logit of a ciphertext, which a last layer of few logits leaves as hard as they are.
//!
//! # Views
//! - *Model owner*, request: ciphertexts under the data owner's key. Public key: an encryption of zero, whose uniform half comes from the model owner's own
//!   seed; one more sample of the same secret modulo Q or a divisor of it. Online: `x - r`, where `r` is uniform modulo `2^L`, of one image alone.
//! - *Data owner*, answer: the needed coefficients of the first half are uniform modulo Q whatever the weights, because `U` is, or modulo the first prime, because division by
//!   the second, rounded, takes as many numbers to each residue; the masks of two coefficients or answers are independent. The second half
//!   is `c1 + a u + e`, of a ternary `u` and error `e` drawn for this ciphertext: a sample of ring learning with errors, for `u` occurs nowhere else that is not under
//!   `U`. Coefficients of the first half that no output needs would be products of weights without a mask, and do not leave.
//! - Neither: the phase that the data owner decrypts tells it its share; the share and `U` tell the model owner nothing.

mod data_owner;
mod layout;
mod model_owner;
mod rlwe;

pub use data_owner::{Masks, Requested, SecretKey};
pub use layout::Layout;
pub use model_owner::{PublicKey, Weights};
pub use rlwe::{DEGREE, LEAST_RING_BITS, MOST_RING_BITS, Primes, Rlwe};

use crate::Error;
use crate::error::expect_length;

/// Refuses a layout of other primes than a ring's.
fn expect_primes(layout: &Layout, rlwe: &Rlwe) -> Result<(), Error> {
    let [expected, found] = [layout.primes(), rlwe.primes()];
    if expected == found {
        return Ok(());
    }
    let [expected, found] = [expected, found].map(|primes| [0, 1].map(|prime| primes.bits(prime)));
    Err(Error::Primes { expected, found })
}

#[cfg(test)]
pub(crate) mod shapes;
#[cfg(test)]
mod tests;
