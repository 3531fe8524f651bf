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
//! # Rings by layer
//! With [`Width::Bits`](crate::circuit::Width) every layer is computed in a ring of as many bits as it needs: the dealer deals what a layer
//! hands on modulo the ring of the next. Of `y + r'` that is truncated by `f` bits next, the model owner sends the top `L - f` only, and
//! nothing else of it is looked at by either party:
//! - `t = (y >> f) + e`, as [truncation](crate::circuit::Gate) makes it, is under the mask `r' >> f` in the ring of `L - f` bits. A ReLU is
//!   `max(t, 0)`, so the sign of `t` is what is found, in `L - f - 1` bits; `y` may be negative and `t` zero, of which the maximum with zero
//!   is the same. In one ring and under the same masks the results are those of whole bytes to the bit.
//! - The comparison function gives one bit, which is opened under a mask as the tree's is. The model owner's goes by itself, behind
//!   `y + r'`: both parties evaluate at once, and the rounds are as many as without.
//! - Of a polynomial the model owner sends its share, the data owner puts both together and answers with one bit: whether the ring wraps.
//!
//! | step | who sends | bits a value |
//! |---|---|---|
//! | linear layer | model owner | L - f |
//! | comparison tree of k leaves, L - f <= 7 k + 1, round 1 | both | 2 (k - 1) |
//! | masked sign | both | 1 |
//! | held wire, in the next layer's ring of L' bits | data owner | L' |
//! | polynomial, in the widest ring of S bits | model owner, data owner | S, 1 |
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
//! - The top bits of `y + r'` are under those of `r'`, which is uniform to the data owner.
//! - Whether the ring wraps in a polynomial's truncation is the top bit of a value under a mask of which the model owner knows a part.
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
mod sign_keys;

/// Masked wires, as a protocol.
#[derive(Clone, Copy, Debug)]
pub struct Masked;
