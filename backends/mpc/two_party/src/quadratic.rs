//! Polynomials of degree two of shared numbers, with the model owner's coefficients, and their squares: Gilboa's products ahead of the images, two messages behind
//! them.
//!
//! Numbers `t` are shared modulo `2^W`, W up to 64, so that `a t^2 + b t + c` with all its fractional bits fits. Ahead of the images the model owner draws `g` and the
//! data owner `r` of each, and both get shares ([`veilbench_ot::product`], the data owner's bits choose, for two products at once) of
//!
//! - `a r = p0 + p1`,
//! - `g r = q0 + q1`, if the squares are asked for,
//! - `(2 a g + b + p1) r = z0 + z1`, so that `r p0 + z0 + z1 = a r^2 + (2 a g + b) r`.
//!
//! Then the model owner sends its share of `t` less `g`, the data owner adds its own and has `t - g`, and sends `e = t - g - r`. With `w = g + e`, which the model
//! owner knows, `t = r + w`, and the sums of
//!
//! | of | data owner | model owner |
//! |---|---|---|
//! | `a t^2 + b t + c` | `r p0 + z0 + 2 e p0` | `a w^2 + b w + c + z1 + 2 e p1` |
//! | `t^2` | `r^2 + 2 r e + 2 q0` | `w^2 + 2 q1` |
//!
//! are exact modulo `2^W`.
//!
//! # Views
//! Ahead of the images those of correlated transfers ([`veilbench_ot::correlated`]): `r` under random choices at the model owner, and `a`, `g` and `2 a g + b + p1` under
//! keys at the data owner, of which it has those for its bits only. Behind them the data owner sees the model owner's share under `g`, and the model owner `t - g` under `r`,
//! both uniform modulo `2^W` and drawn for this number of this image.

use veilbench_ot::correlated::{Chosen, ReceiverOfTwo, Sender};
use veilbench_ot::extension;
use veilbench_ot::product::{Shape, choose_two, receive, send};
use veilbench_ring::random::Randomness;
use veilbench_ring::wiped::Wiped;
use zeroize::Zeroizing;

use crate::Error;
use crate::bits::{low, pack, packed_bytes, unpack};
use crate::error::{expect_count, expect_length};

/// Numbers that are prepared at once, which bounds memory: each takes W transfers for every product.
pub(crate) const PORTION: usize = 4096;

/// Public sizes of polynomials of many numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// W, of shares.
    pub(crate) bits: u32,
    pub(crate) count: usize,
    /// Whether squares are asked for besides.
    pub(crate) squares: bool,
}

/// The model owner's coefficients of every number.
pub(crate) struct Coefficients {
    pub(crate) square: Wiped<u64>,
    pub(crate) linear: Wiped<u64>,
    pub(crate) constant: Wiped<u64>,
}

/// What a party has of all numbers: its mask, `r` or `g`, and its shares of products. Wiped on drop.
pub(crate) struct Keys {
    masks: Wiped<u64>,
    /// Shares of `a r`.
    slopes: Wiped<u64>,
    /// Shares of `a r^2 + (2 a g + b) r`.
    values: Wiped<u64>,
    /// Shares of `g r`; empty if squares are not asked for.
    products: Wiped<u64>,
}

/// A party's shares of polynomials and, if asked for, squares. Wiped on drop.
pub(crate) struct Results {
    pub(crate) values: Wiped<u64>,
    pub(crate) squares: Wiped<u64>,
}

impl Keys {
    /// None yet, with room for those of so many numbers.
    pub(crate) fn with_room(sizes: Sizes) -> Self {
        let room = || Wiped::with_capacity(sizes.count);
        let products = if sizes.squares { room() } else { Wiped::default() };
        Self { masks: room(), slopes: room(), values: room(), products }
    }
}

impl Sizes {
    fn products(self) -> usize {
        2 + usize::from(self.squares)
    }

    /// The sizes of each portion.
    pub(crate) fn portions(self) -> impl Iterator<Item = Self> {
        let starts = (0..self.count).step_by(PORTION);
        starts.map(move |start| Self { count: PORTION.min(self.count - start), ..self })
    }

    /// Transfers of a product of all numbers.
    pub(crate) fn transfers(self) -> usize {
        self.bits as usize * self.count
    }

    /// Transfers of all products: two have theirs in common.
    pub(crate) fn all_transfers(self) -> usize {
        self.pairs() * self.transfers()
    }

    fn pairs(self) -> usize {
        self.products().div_ceil(2)
    }

    fn choices_bytes(self) -> usize {
        self.transfers().div_ceil(8)
    }

    fn shape(self) -> Result<Shape, Error> {
        Ok(Shape::new(self.bits, self.bits)?)
    }

    /// Bytes of the model owner's message about one product.
    fn numbers_bytes(self) -> Result<usize, Error> {
        Ok((self.shape()?.bits() * self.count).div_ceil(8))
    }

    /// Bytes of the data owner's message ahead of the images, given those of extending as many transfers as a product takes.
    pub(crate) fn request_bytes(self, extended: usize) -> usize {
        self.pairs() * (extended + self.choices_bytes())
    }

    /// Bytes of the model owner's message ahead of the images.
    pub(crate) fn answer_bytes(self) -> Result<usize, Error> {
        Ok(self.products() * self.numbers_bytes()?)
    }

    /// Bytes of the message that either party sends behind the images.
    pub(crate) fn opened_bytes(self) -> usize {
        packed_bytes(self.bits, self.count)
    }
}

/// The data owner, who waits for products.
pub(crate) struct Requested {
    sizes: Sizes,
    masks: Wiped<u64>,
    chosen: Vec<Chosen>,
}

/// Draws masks of a portion at the data owner. Returns the message to the model owner.
pub(crate) fn request(
    sizes: Sizes,
    extension: &mut extension::Receiver,
    random: &mut Randomness,
) -> Result<(Requested, Vec<u8>), Error> {
    let masks = drawn(sizes, random);
    let shape = sizes.shape()?;
    let (mut chosen, mut message) = (Vec::with_capacity(2 * sizes.pairs()), Vec::new());
    for _ in 0..sizes.pairs() {
        let (rows, corrections) = extension.extend(sizes.transfers());
        let (products, choices) = choose_two(&shape, ReceiverOfTwo::new(rows)?, &masks)?;
        message.extend(corrections);
        message.extend(choices);
        chosen.extend(products);
    }
    // Of an odd number of products the last pair has one that nobody asks for.
    chosen.truncate(sizes.products());
    Ok((Requested { sizes, masks, chosen }, message))
}

impl Requested {
    /// Takes the model owner's message, and adds to the keys of the portions before.
    pub(crate) fn finish(self, message: &[u8], keys: &mut Keys) -> Result<(), Error> {
        let Self { sizes, masks, chosen } = self;
        let (shape, bytes) = (sizes.shape()?, sizes.numbers_bytes()?);
        expect_length("products of masks", bytes * chosen.len(), message)?;
        let mut shares = Vec::with_capacity(chosen.len());
        for (chosen, numbers) in chosen.into_iter().zip(message.chunks(bytes.max(1))) {
            shares.push(receive(&shape, chosen, numbers)?);
        }
        let [slopes, values, products] = in_turn(&shares);
        let values = masks.iter().zip(slopes).zip(values);
        keys.values.extend(
            values.map(|((mask, slope), value)| {
                mask.wrapping_mul(*slope).wrapping_add(*value) & low(sizes.bits)
            }),
        );
        keys.slopes.extend_from_slice(slopes);
        keys.products.extend_from_slice(products);
        keys.masks.extend_from_slice(&masks);
        Ok(())
    }
}

/// Draws masks of a portion at the model owner, and adds to the keys of the portions before. Returns the message to the data owner.
pub(crate) fn answer(
    sizes: Sizes,
    extension: &mut extension::Sender,
    random: &mut Randomness,
    coefficients: &Coefficients,
    message: &[u8],
    keys: &mut Keys,
) -> Result<Vec<u8>, Error> {
    let at = keys.masks.len()..keys.masks.len() + sizes.count;
    let [square, linear] = [&coefficients.square, &coefficients.linear].map(|all| all.get(at.clone()));
    let (Some(square), Some(linear)) = (square, linear) else {
        return Err(Error::Count {
            what: "coefficients",
            expected: at.end,
            actual: coefficients.square.len(),
        });
    };
    let extended = extension.parameters().portion_bytes(sizes.transfers());
    expect_length("bits of masks", sizes.request_bytes(extended), message)?;
    let shape = sizes.shape()?;
    let mut answer = Vec::with_capacity(sizes.answer_bytes()?);
    let mut keys_of_products = Vec::with_capacity(2 * sizes.pairs());
    for part in message.chunks_exact(extended + sizes.choices_bytes()) {
        let (corrections, choices) = part.split_at(extended);
        let sent = Sender::of_two(extension.extend(sizes.transfers(), corrections)?)?;
        keys_of_products.extend(sent.map(|sent| (sent, choices)));
    }
    let mut keys_of_products = keys_of_products.into_iter();
    let mut product = |numbers: &[u64]| {
        let none = Error::Count { what: "transfers of products", expected: sizes.products(), actual: 0 };
        let (sent, choices) = keys_of_products.next().ok_or(none)?;
        let (shares, numbers) = send(&shape, sent, choices, numbers)?;
        answer.extend(numbers);
        Ok::<_, Error>(shares)
    };
    let masks = drawn(sizes, random);
    let slopes = product(square)?;
    let combined = square.iter().zip(linear).zip(masks.iter().zip(slopes.iter()));
    let combined = combined.map(|((square, linear), (mask, slope))| {
        square.wrapping_mul(*mask).wrapping_mul(2).wrapping_add(*linear).wrapping_add(*slope)
    });
    let values = product(&Wiped::from(combined.collect::<Vec<_>>()))?;
    if sizes.squares {
        keys.products.extend_from_slice(&product(&masks)?);
    }
    keys.slopes.extend_from_slice(&slopes);
    keys.values.extend_from_slice(&values);
    keys.masks.extend_from_slice(&masks);
    Ok(answer)
}

fn drawn(sizes: Sizes, random: &mut Randomness) -> Wiped<u64> {
    let mut masks = Wiped::new(sizes.count);
    masks.iter_mut().for_each(|mask| *mask = random.word() & low(sizes.bits));
    random.erase_past();
    masks
}

/// Shares of products in the order of messages: none of squares if these are not asked for.
fn in_turn(shares: &[Zeroizing<Vec<u64>>]) -> [&[u64]; 3] {
    [0, 1, 2].map(|at| shares.get(at).map_or(&[][..], |shares| shares.as_slice()))
}

/// The model owner's message behind the images: its shares under its masks.
pub(crate) fn mask(sizes: Sizes, keys: &Keys, shares: &[u64]) -> Result<Vec<u8>, Error> {
    expect_count("masks of numbers", shares.len(), keys.masks.len())?;
    let masked = shares.iter().zip(keys.masks.iter()).map(|(share, mask)| share.wrapping_sub(*mask));
    Ok(pack(sizes.bits, &masked.collect::<Vec<_>>()))
}

/// The data owner's results, from its shares and what the model owner has sent of its own. With them the message to the model owner.
pub(crate) fn open(
    sizes: Sizes,
    keys: &Keys,
    shares: &[u64],
    message: &[u8],
) -> Result<(Results, Vec<u8>), Error> {
    expect_count("masks of numbers", shares.len(), keys.masks.len())?;
    let masked = unpack("shares of numbers under masks", sizes.bits, shares.len(), message)?;
    let differences = masked.iter().zip(shares).zip(keys.masks.iter());
    let differences: Vec<u64> = differences
        .map(|((masked, share), mask)| masked.wrapping_add(*share).wrapping_sub(*mask) & low(sizes.bits))
        .collect();
    let slopes = keys.slopes.iter().zip(keys.values.iter());
    let values = differences.iter().zip(slopes).map(|(difference, (slope, value))| {
        difference.wrapping_mul(*slope).wrapping_mul(2).wrapping_add(*value) & low(sizes.bits)
    });
    let products = keys.masks.iter().zip(keys.products.iter());
    let squares = differences.iter().zip(products).map(|(difference, (mask, product))| {
        let both = mask.wrapping_mul(*difference).wrapping_add(*product);
        mask.wrapping_mul(*mask).wrapping_add(both.wrapping_mul(2)) & low(sizes.bits)
    });
    Ok((results(values, squares), pack(sizes.bits, &differences)))
}

/// The model owner's results, from the data owner's message.
pub(crate) fn close(
    sizes: Sizes,
    keys: &Keys,
    coefficients: &Coefficients,
    message: &[u8],
) -> Result<Results, Error> {
    let Coefficients { square, linear, constant } = coefficients;
    expect_count("coefficients", keys.masks.len(), constant.len())?;
    let differences = unpack("numbers under masks", sizes.bits, keys.masks.len(), message)?;
    let known = differences.iter().zip(keys.masks.iter());
    let known = Wiped::from(known.map(|(e, mask)| e.wrapping_add(*mask)).collect::<Vec<u64>>());
    let clear = known.iter().zip(square.iter().zip(linear.iter()).zip(constant.iter()));
    let clear = clear.map(|(known, ((square, linear), constant))| {
        square.wrapping_mul(*known).wrapping_add(*linear).wrapping_mul(*known).wrapping_add(*constant)
    });
    let shared = differences.iter().zip(keys.slopes.iter().zip(keys.values.iter()));
    let shared =
        shared.map(|(e, (slope, value))| e.wrapping_mul(*slope).wrapping_mul(2).wrapping_add(*value));
    let values = clear.zip(shared).map(|(clear, shared)| clear.wrapping_add(shared) & low(sizes.bits));
    let squares = known.iter().zip(keys.products.iter()).map(|(known, product)| {
        known.wrapping_mul(*known).wrapping_add(product.wrapping_mul(2)) & low(sizes.bits)
    });
    Ok(results(values, squares))
}

/// Of iterators that know their lengths, so that no vector grows.
fn results(values: impl Iterator<Item = u64>, squares: impl Iterator<Item = u64>) -> Results {
    let [values, squares] = [values.collect::<Vec<u64>>(), squares.collect()].map(Wiped::from);
    Results { values, squares }
}

#[cfg(test)]
mod tests;
