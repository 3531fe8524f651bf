//! The protocol `mpc-beaver`: the textbook baseline.
//!
//! Every wire is shared additively, every product costs an opening of both factors under a Beaver triple (Beaver, "Efficient
//! Multiparty Protocols Using Circuit Randomization", 1991), and a sign is found from an opened `y + r` with the bits of
//! `r` shared (edaBits: Escudero, Ghosh, Keller, Rachuri, Scholl, CRYPTO 2020) by a binary tree of comparisons:
//!
//! | step | openings | what a party sends |
//! |---|---|---|
//! | linear layer: `x - A`, with `C = A B` dealt and `W + B` opened once | 1 | L bits an input |
//! | ReLU: `y + r` | 1 | L bits |
//! | ... `[y + r < r]` by pairs of bits | log2(L-1), rounded up | 4 bits a pair |
//! | ... the sign, masked by a bit that is shared in both ways | 1 | 1 bit |
//! | ... sign times value | 1 | 2L bits |
//! | square: `y + r`, `t - a`, `t^2 - b`, result `+ r` | 4 | L bits each |
//! | logits | 1 | those that are needed of L bits |
//!
//! Guards are as in [`masked`](crate::masked): the data owner's masked sums go with its next message. Logits are truncated on the shares, one
//! rounded down and one up, so that a result is off by less than one unit and the coin is the data owner's own share.
//!
//! Truncation is that of [`masked`](crate::masked): on the opened `y + r`, never on shares. A party that holds what the
//! other's part of an opening adds up to goes on at once, so messages alternate as in `masked`, and there is one more of them than
//! there are openings.
//!
//! # Why each message is uniform to its receiver
//! Whatever is opened carries a mask of which each party knows one half, expanded from its own seed for this alone: the
//! sum is uniform to either. Weights are masked by `B`, which only their owner and the dealer know and which masks nothing
//! else. The dealer's corrections are as in [`masked`](crate::masked).

mod comparison;
mod dealing;
mod evaluation;
mod preparation;
mod schedule;

/// Beaver triples, as a protocol.
#[derive(Clone, Copy, Debug)]
pub struct Beaver;
