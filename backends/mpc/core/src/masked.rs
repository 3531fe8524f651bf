//! The protocol `mpc`: masked wires, with a comparison tree of two rounds.
//!
//! Function-dependent preprocessing (Ben-Efraim, Nielsen, Omri, "Turbospeedz", 2019; Patra, Schneider, Suresh, Yalame,
//! "ABY2.0", 2021; Boyle, Gilboa, Ishai, 2019), specialised to a model owner that knows
//! the weights:
//!
//! | step | who sends | bytes a value |
//! |---|---|---|
//! | input `x + r`, `r` known to the data owner | data owner | L/8 |
//! | linear layer: `y + r'`, `r'` known to neither | model owner | L/8 an output |
//! | comparison, round 1: masked signs of the bytes of `y + r'` | both | (L/8 - 1)/4 |
//! | comparison, round 2: the masked sign | both | 1/8 |
//! | `relu(y) >> f` summed over the pooling window, plus `r''` known to the data owner | data owner | L/8 a sum |
//! | logits | model owner | those that are needed of L/8 |
//! | guards, a group: a masked sum, and whether it is in range | data owner, model owner | L/8, about 2 |
//!
//! A party runs until it needs what has not come and sends all it has as one message, so messages
//! alternate: the data owner's, the model owner's, and so on. The number of messages is the number of rounds: two, and four for
//! every ReLU layer.
//!
//! # Why each message is uniform to its receiver
//! - Weights `W + B`: `B` is expanded from the model owner's seed, masks these weights only, and the data owner
//!   sees nothing else that depends on it except through shares masked by its own expansions.
//! - Offline `D = p - (W + B) r` from the data owner: `p` is expanded from its seed and used once. The
//!   dealer sets `r' = p + s - B r` with `s` of the model owner's seed, so the data owner lacks `s` and the model owner lacks
//!   `p`: `r'` is uniform to either, also after `D`, because `r` and `p` appear together in nothing else.
//! - The dealer's corrections are `value - expansion` (or exclusive or) with an expansion of the data owner's seed
//!   that is used for nothing else.
//! - Comparison, round 1 and 2: every opened bit is hidden by a bit of the dealer's own, shared afresh.
//! - Sums: `r''` is fresh from the data owner's seed and unknown to the model owner; it never meets the data owner's
//!   view again except as its own knowledge.
//! - Copies of a value less public knots are under the value's mask, under which it is opened once, before; each copy has bits,
//!   keys and shares of its own to be compared and selected with, and is masked anew.
//! - A wire that is kept is read under its mask as often as it is read: what is made of it each time is masked anew.
//! - Comparison keys hide threshold and payload from a party with one root, as the function promises; each party expands its
//!   root from its own seed.
//! - Sums for guards are under a mask of which each party knows a part; what comes back says of the sum what [the circuit's
//!   guard](crate::circuit::Guard) is to say, and is masked but for that (`src/session/checks.rs`).
//! - Lanes that pad a byte of bits carry shares of the dealer's bits that nothing else uses.
//! - The dealer receives nothing.
//!
//! # What is computed
//! Truncation rounds up where the low bits of the public `y^` (lifted) are below those of `y`, and down elsewhere. So the
//! functionality is not rounding by secret coins: it draws a public uniform `u` for every truncated value and rounds by it.
//! Whoever learns from exact logits which way a hidden value was rounded learns one comparison of its low
//! bits with `u`; logits come with as few fractional bits as the circuit's output magnitude needs.

mod comparison;
mod dealing;
mod evaluation;
mod functional;
mod preparation;
mod schedule;
mod selection;

/// Masked wires, as a protocol.
#[derive(Clone, Copy, Debug)]
pub struct Masked;
