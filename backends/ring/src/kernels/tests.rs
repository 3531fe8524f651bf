//! Every path of every kernel against the portable one and against big integers.

use super::{
    BLOCK, GROUP, Instructions, Kernels, LAZY_TERMS, PermutedBlock, SHORT_TERMS, ShortModulus, Stream, pack,
    residue_terms,
};
use crate::modulus::Modulus;
use proptest::prelude::*;

const LENGTH: usize = 4 * BLOCK;

/// Odd moduli of every length the parameters allow; primality does not matter to element-wise arithmetic.
const MODULI: [u64; 6] =
    [(1 << 50) - 27, (1 << 49) + 9, (1 << 45) - 55, (1 << 34) - 41, (1 << 27) - 39, (1 << 20) + 7];

/// Moduli of every number of products that fits a word: all, some, a few, one.
const SHORT_MODULI: [u64; 7] =
    [4_294_967_291, 3_000_000_001, (1 << 31) - 1, (1 << 30) - 35, (1 << 29) - 3, (1 << 20) + 7, 131];

fn paths() -> Vec<Kernels> {
    let paths: Vec<_> = Instructions::ALL.into_iter().filter_map(Kernels::new).collect();
    println!("paths: {paths:?}");
    paths
}

fn modulus() -> impl Strategy<Value = Modulus> {
    prop::sample::select(&MODULI[..]).prop_map(Modulus::new)
}

/// Residues of which many sit at the ends of the range, where lazy sums would overflow.
fn residues(m: Modulus) -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(residue(m), LENGTH)
}

fn residue(m: Modulus) -> impl Strategy<Value = u64> {
    let p = m.value();
    prop_oneof![0..p, Just(p - 1), Just(0), Just(p / 2), Just(p / 2 + 1)]
}

fn operands(count: usize) -> impl Strategy<Value = (Modulus, Vec<Vec<u64>>)> {
    modulus().prop_flat_map(move |m| (Just(m), prop::collection::vec(residues(m), count)))
}

fn wide(m: &Modulus, value: u128) -> u64 {
    (value % u128::from(m.value())) as u64
}

fn expect(m: &Modulus, f: impl Fn(usize) -> u128) -> Vec<u64> {
    (0..LENGTH).map(|i| wide(m, f(i))).collect()
}

fn slices(vectors: &[Vec<u64>]) -> Vec<&[u64]> {
    vectors.iter().map(Vec::as_slice).collect()
}

/// A stream whose numbers keep so many bytes: all of residues.
fn packed(stream: &[u64], width: usize) -> Vec<u64> {
    let mut words = vec![0; stream.len() / BLOCK * width];
    for (words, block) in words.chunks_exact_mut(width).zip(stream.as_chunks::<BLOCK>().0) {
        pack(&block.map(|number| number & (u64::MAX >> (64 - 8 * width))), 8 * width, words);
    }
    words
}

#[test]
fn the_largest_sums_modulo_short_primes_are_exact() {
    for p in SHORT_MODULI {
        let m = Modulus::new(p);
        let short = ShortModulus::new(&m).expect("a short modulus");
        for terms in 1..=SHORT_TERMS {
            // Prepared weights that are the largest, whatever weights they stand for.
            let (largest, weights) = ([p - 1; LENGTH], [p - 1; SHORT_TERMS]);
            let sum = m.signed(i128::from(p - 1) * i128::from(p - 1) * terms as i128);
            for kernels in paths() {
                let mut out = [0; LENGTH];
                kernels.short_sums(&short, &vec![&largest[..]; terms], [&weights[..terms]], [&mut out[..]]);
                let scaled = out.map(|out| wide(&m, u128::from(out) << 64));
                assert_eq!(scaled, [sum; LENGTH], "{terms} terms modulo {p}, {kernels:?}");
                assert!(out.iter().all(|&out| out < p), "{terms} terms modulo {p}, {kernels:?}");
            }
        }
    }
}

#[test]
fn long_primes_are_no_short_ones() {
    assert!(ShortModulus::new(&Modulus::new((1 << 32) + 15)).is_none());
    assert!(ShortModulus::new(&Modulus::new((1 << 50) - 27)).is_none());
}

proptest! {
    #[test]
    fn sums_and_products_are_exact((m, v) in operands(3)) {
        let (p, [a, b, c]) = (u128::from(m.value()), [0, 1, 2]);
        let at = |vector: usize, i: usize| u128::from(v[vector][i]);
        let factor = m.factor(v[b][0]);
        let scalar = at(b, 0);
        for kernels in paths() {
            let run = |operation: &dyn Fn(&mut [u64])| {
                let mut out = v[a].clone();
                operation(&mut out);
                out
            };
            prop_assert_eq!(run(&|x| kernels.add_assign(&m, x, &v[b])), expect(&m, |i| at(a, i) + at(b, i)));
            prop_assert_eq!(run(&|x| kernels.subtract_assign(&m, x, &v[b])), expect(&m, |i| p + at(a, i) - at(b, i)));
            prop_assert_eq!(run(&|x| kernels.negate(&m, x)), expect(&m, |i| p - at(a, i)));
            prop_assert_eq!(run(&|x| kernels.add_constant(&m, x, v[b][0])), expect(&m, |i| at(a, i) + scalar));
            prop_assert_eq!(run(&|x| kernels.multiply_assign(&m, x, &v[b])), expect(&m, |i| at(a, i) * at(b, i)));
            prop_assert_eq!(
                run(&|x| kernels.multiply_add(&m, x, &v[b], &v[c])),
                expect(&m, |i| at(a, i) + at(b, i) * at(c, i))
            );
            prop_assert_eq!(run(&|x| kernels.scale_assign(&m, x, factor)), expect(&m, |i| at(a, i) * scalar));
            prop_assert_eq!(
                run(&|x| kernels.scale_add(&m, x, &v[c], factor)),
                expect(&m, |i| at(a, i) + at(c, i) * scalar)
            );
            prop_assert_eq!(
                run(&|x| kernels.subtract_scale_add(&m, x, &v[b], &v[c], factor)),
                expect(&m, |i| at(a, i) + (p + at(b, i) - at(c, i)) * scalar)
            );
            prop_assert_eq!(
                run(&|x| kernels.subtract_scale(&m, x, &v[c], factor)),
                expect(&m, |i| (p + at(a, i) - at(c, i)) * scalar)
            );
        }
    }

    #[test]
    fn tensor_products_are_exact((m, v) in operands(4)) {
        let at = |vector: usize, i: usize| u128::from(v[vector][i]);
        for kernels in paths() {
            let mut out = [const { [0; LENGTH] }; 3];
            let [d0, d1, d2] = &mut out;
            kernels.tensor(&m, [&v[0], &v[1]], [&v[2], &v[3]], [d0, d1, d2]);
            prop_assert_eq!(out[0].to_vec(), expect(&m, |i| at(0, i) * at(2, i)));
            prop_assert_eq!(out[1].to_vec(), expect(&m, |i| at(0, i) * at(3, i) + at(1, i) * at(2, i)));
            prop_assert_eq!(out[2].to_vec(), expect(&m, |i| at(1, i) * at(3, i)));
            let [d0, d1, d2] = &mut out;
            kernels.square(&m, [&v[0], &v[1]], [d0, d1, d2]);
            prop_assert_eq!(out[0].to_vec(), expect(&m, |i| at(0, i) * at(0, i)));
            prop_assert_eq!(out[1].to_vec(), expect(&m, |i| 2 * at(0, i) * at(1, i)));
            prop_assert_eq!(out[2].to_vec(), expect(&m, |i| at(1, i) * at(1, i)));
        }
    }

    #[test]
    fn dot_products_of_any_length_are_exact((m, v) in operands(3 * (2 * LAZY_TERMS + 1)), terms in 1..=2 * LAZY_TERMS + 1) {
        let montgomery = |v: &[Vec<u64>]| -> Vec<Vec<u64>> {
            v.iter().map(|v| v.iter().map(|&x| m.montgomery(x)).collect()).collect()
        };
        let (values, keys) = (&v[..terms], [&v[terms..2 * terms], &v[2 * terms..3 * terms]]);
        let prepared = keys.map(montgomery);
        let expected = keys.map(|keys| {
            expect(&m, |i| {
                values.iter().zip(keys).fold(0, |sum, (a, b)| {
                    u128::from(wide(&m, sum + u128::from(a[i]) * u128::from(b[i])))
                })
            })
        });
        // One more key than values, as at lower levels.
        let unused = vec![u64::MAX; LENGTH];
        let blocks = || (0..LENGTH).step_by(BLOCK).map(|start| start..start + BLOCK);
        let key = |half: usize, term: usize| prepared[half].get(term).unwrap_or(&unused);
        let stream: Vec<u64> = blocks()
            .flat_map(|block| (0..=terms).map(move |term| (block.clone(), term)))
            .flat_map(|(block, term)| [&key(0, term)[block.clone()], &key(1, term)[block]].concat())
            .collect();
        // The same keys last first, and the values in a stream.
        let reversed: Vec<u64> = blocks()
            .flat_map(|block| (0..=terms).rev().map(move |term| (block.clone(), term)))
            .flat_map(|(block, term)| [&key(0, term)[block.clone()], &key(1, term)[block]].concat())
            .collect();
        let value_stream: Vec<u64> =
            blocks().flat_map(|block| values.iter().flat_map(move |value| value[block.clone()].to_vec())).collect();
        let picks: Vec<usize> = (1..=terms).rev().collect();
        for kernels in paths() {
            for width in (m.bits() as usize).div_ceil(8).max(4)..=BLOCK {
                let (keys, values_packed) = (packed(&stream, width), packed(&value_stream, width));
                let mut out = [const { [0; LENGTH] }; 2];
                let [first, second] = &mut out;
                let keys = (Stream::packed(&keys, width), terms + 1);
                kernels.dot_stream(&m, &slices(values), keys, first, second);
                prop_assert_eq!(out.map(Vec::from), expected.clone());
                let mut out = [const { [0; LENGTH] }; 2];
                let [first, second] = &mut out;
                let values_packed = (Stream::packed(&values_packed, width), &picks[..]);
                kernels.dot_picked(&m, values_packed, (&reversed, terms + 1), first, second);
                prop_assert_eq!(out.map(Vec::from), expected.clone());
            }
        }
    }

    #[test]
    fn weighted_sums_of_foreign_residues_are_exact(
        m in modulus(),
        sources in prop::collection::vec(residues(Modulus::new(MODULI[0])), 1..=LAZY_TERMS),
    ) {
        let weights: Vec<u64> = (0..sources.len() as u64).map(|i| m.value() - 1 - i).collect();
        let prepared: Vec<u64> = weights.iter().map(|&weight| m.montgomery(weight)).collect();
        for kernels in paths() {
            let mut out = [0; LENGTH];
            kernels.combine(&m, &slices(&sources), &prepared, &mut out);
            let expected = expect(&m, |i| {
                sources.iter().zip(&weights).map(|(s, &w)| u128::from(s[i]) * u128::from(w)).sum()
            });
            prop_assert_eq!(out.to_vec(), expected);
            let targets = [0, 1, 2, 3].map(|target| Modulus::new(MODULI[target]));
            let weights = targets.map(|m| (0..sources.len() as u64).map(|i| m.value() - 1 - i).collect::<Vec<_>>());
            let mut grouped = [const { [0; LENGTH] }; GROUP];
            let (sources, [m0, m1, m2, m3], [w0, w1, w2, w3]) = (slices(&sources), &targets, &weights);
            let [out0, out1, out2, out3] = grouped.each_mut().map(|out| out.as_mut_slice());
            kernels.combine_group(&sources, [m0, m1], [w0, w1], [&mut *out0, &mut *out1]);
            let two = [out0.to_vec(), out1.to_vec()];
            kernels.combine_group(&sources, [m0, m1, m2], [w0, w1, w2], [&mut *out0, &mut *out1, &mut *out2]);
            let three = [out0.to_vec(), out1.to_vec(), out2.to_vec()];
            kernels.combine_group(&sources, [m0, m1, m2, m3], [w0, w1, w2, w3], [out0, out1, out2, out3]);
            prop_assert!(two.iter().zip(&grouped).all(|(a, b)| a[..] == b[..]));
            prop_assert!(three.iter().zip(&grouped).all(|(a, b)| a[..] == b[..]));
            for ((m, weights), grouped) in targets.iter().zip(&weights).zip(grouped) {
                let mut single = [0; LENGTH];
                kernels.combine(m, &sources, weights, &mut single);
                prop_assert_eq!(single, grouped);
            }
        }
    }

    #[test]
    fn sums_modulo_short_primes_are_exact(
        (m, sources, weights) in prop::sample::select(&SHORT_MODULI[..]).prop_map(Modulus::new).prop_flat_map(|m| {
            let sources = prop::collection::vec(residues(m), 1..=SHORT_TERMS);
            (Just(m), sources, prop::collection::vec(prop::collection::vec(residue(m), SHORT_TERMS), GROUP))
        }),
    ) {
        let short = ShortModulus::new(&m).expect("a short modulus");
        let weights: Vec<Vec<u64>> = weights.iter().map(|row| row[..sources.len()].to_vec()).collect();
        let prepared: Vec<Vec<u64>> =
            weights.iter().map(|row| row.iter().map(|&weight| short.prepare(weight)).collect()).collect();
        for kernels in paths() {
            let mut grouped = [const { [0; LENGTH] }; GROUP];
            let rows = std::array::from_fn(|row| &prepared[row][..]);
            kernels.short_sums(&short, &slices(&sources), rows, grouped.each_mut().map(|out| &mut out[..]));
            for (row, grouped) in weights.iter().zip(&grouped) {
                let expected = expect(&m, |i| {
                    sources.iter().zip(row).map(|(s, &w)| u128::from(s[i]) * u128::from(w)).sum()
                });
                prop_assert_eq!(&grouped[..], expected);
            }
            let mut alone = [0; LENGTH];
            kernels.short_sums(&short, &slices(&sources), [&prepared[0][..]], [&mut alone[..]]);
            prop_assert_eq!(alone, grouped[0]);
        }
    }

    #[test]
    fn the_overflow_count_is_the_nearest_integer_and_the_same_on_every_path(
        sources in prop::collection::vec(residues(Modulus::new(MODULI[0])), 1..=LAZY_TERMS),
    ) {
        let reciprocals = vec![1.0 / MODULI[0] as f64; sources.len()];
        let mut previous = None;
        for kernels in paths() {
            let mut out = [0; LENGTH];
            kernels.overflow(&slices(&sources), &reciprocals, &mut out);
            for (i, &count) in out.iter().enumerate() {
                let sum: u128 = sources.iter().map(|s| u128::from(s[i])).sum();
                let distance = (sum as f64 / MODULI[0] as f64 - count as f64).abs();
                prop_assert!(distance < 0.5 + 1e-9, "{distance}");
            }
            prop_assert_eq!(*previous.get_or_insert(out), out);
        }
    }

    #[test]
    fn factors_take_any_number_of_52_bits(
        m in modulus(),
        values in prop::collection::vec(prop_oneof![0u64..1 << 52, Just((1 << 52) - 1)], LENGTH),
        factor in any::<u64>(),
    ) {
        for factor in [m.value() - 1, factor % m.value(), 1] {
            for kernels in paths() {
                let mut out = values.clone();
                kernels.scale_assign(&m, &mut out, m.factor(factor));
                let expected = expect(&m, |i| u128::from(values[i]) * u128::from(factor));
                prop_assert_eq!(&out, &expected);
                let mut sum = vec![m.value() - 1; LENGTH];
                kernels.scale_add(&m, &mut sum, &values, m.factor(factor));
                let expected = expect(&m, |i| u128::from(m.value() - 1) + u128::from(expected[i]));
                prop_assert_eq!(sum, expected);
            }
        }
    }

    #[test]
    fn signed_numbers_have_their_residues(
        m in modulus(),
        values in prop::collection::vec(
            prop_oneof![-(1i64 << 50) + 1..1 << 50, -3i64..=3, Just((1 << 50) - 1), Just(1 - (1 << 50))],
            LENGTH,
        ),
    ) {
        for kernels in paths() {
            let mut out = [0; LENGTH];
            kernels.reduce_signed(&m, &values, &mut out);
            let expected: Vec<u64> = values.iter().map(|&v| m.signed(i128::from(v))).collect();
            prop_assert_eq!(out.to_vec(), expected);
        }
    }

    #[test]
    fn recentring_shifts_the_upper_half(v in residues(Modulus::new(MODULI[0])), shift in any::<u64>()) {
        let half = MODULI[0].div_ceil(2);
        for kernels in paths() {
            let mut out = [0; LENGTH];
            kernels.recentre(&v, half, shift, &mut out);
            for (&out, &v) in out.iter().zip(&v) {
                prop_assert_eq!(out, if v >= half { v.wrapping_add(shift) } else { v });
            }
        }
    }

    #[test]
    fn permutations_follow_their_table(
        (m, v) in operands(3),
        table in prop::collection::vec((0..(LENGTH / BLOCK) as u32, any::<[u8; BLOCK]>()), LENGTH / BLOCK),
    ) {
        let table: Vec<_> = table
            .into_iter()
            .map(|(source, lanes)| PermutedBlock { source, lanes: u64::from_le_bytes(lanes.map(|lane| lane % 8)) })
            .collect();
        let source = |i: usize| {
            let entry = table[i / BLOCK];
            entry.source as usize * BLOCK + usize::from(entry.lanes.to_le_bytes()[i % BLOCK])
        };
        let factor = m.factor(m.value() - 2);
        for kernels in paths() {
            let mut out = [0; LENGTH];
            kernels.permute(&table, &v[0], &mut out);
            prop_assert_eq!(out.to_vec(), expect(&m, |i| u128::from(v[0][source(i)])));
            kernels.permute_subtract_scale_add(&m, &table, [&v[0], &v[1], &v[2]], factor, &mut out);
            let expected = expect(&m, |i| {
                let [a, b, c] = [0, 1, 2].map(|vector: usize| u128::from(v[vector][source(i)]));
                (u128::from(m.value()) + a - b) * u128::from(factor.value) + c
            });
            prop_assert_eq!(out.to_vec(), expected);
        }
    }
}

#[test]
fn packed_blocks_have_residues_of_so_many_bytes_in_order() {
    let block = [1, 2, 3, 4, 5, 6, 7, 0xF8];
    let mut words = [u64::MAX; 5];
    pack(&block, 40, &mut words);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    for (residue, bytes) in block.into_iter().zip(bytes.chunks_exact(5)) {
        assert_eq!(bytes, [residue as u8, 0, 0, 0, 0]);
    }
    for m in MODULI.map(Modulus::new) {
        for kernels in paths_quietly() {
            let width = kernels.stream_width(m.bits());
            assert!(m.bits() as usize <= 8 * width && (4..=8).contains(&width), "{kernels:?}");
        }
    }
}

#[test]
fn residues_at_the_ends_of_every_prime_length_are_reduced_exactly() {
    for bits in 18..=50u32 {
        for value in [(1u64 << (bits - 1)) + 1, (1 << (bits - 1)) + 3, (1 << bits) - 1, (1 << bits) - 3] {
            let m = Modulus::new(value);
            let p = value;
            let ends = [0, 1, 2, p / 2 - 1, p / 2, p / 2 + 1, p - 2, p - 1];
            let lazy = [0, 1, p, 2 * p - 1, (1 << 51) - 1, 1 << 51, (1 << 52) - 2, (1 << 52) - 1];
            let radix_inverse = m.invert_any((1u128 << 52) % u128::from(p));
            for &b in &ends {
                let b_row = [b; BLOCK];
                for kernels in paths_quietly() {
                    let mut product = ends;
                    kernels.multiply_assign(&m, &mut product, &b_row);
                    let mut scaled = lazy;
                    kernels.scale_assign(&m, &mut scaled, m.factor(b));
                    let mut sums = [[0; BLOCK]; 2];
                    let [first, second] = &mut sums;
                    // The largest values and keys, in every number up to the lazy limit and beyond.
                    let most = residue_terms(&m);
                    for terms in [1, LAZY_TERMS - 1, LAZY_TERMS, LAZY_TERMS + 1, most, most + 1, 2 * most] {
                        let width = kernels.stream_width(m.bits());
                        let keys = packed(&vec![p - 1; 2 * terms * BLOCK], width);
                        let rows = vec![&ends[..]; terms];
                        kernels.dot_stream(&m, &rows, (Stream::packed(&keys, width), terms), first, second);
                        for (i, &end) in ends.iter().enumerate() {
                            let exact = u128::from(end) * u128::from(p - 1) * terms as u128 % u128::from(p);
                            assert_eq!(
                                u128::from(first[i]),
                                exact * radix_inverse % u128::from(p),
                                "{p} {terms}"
                            );
                            assert_eq!(first[i], second[i]);
                        }
                    }
                    // As many of the largest residues as are summed before they are reduced.
                    let most = kernels.residue_terms(&m);
                    assert!((LAZY_TERMS..=SHORT_TERMS).contains(&most));
                    let mut summed = [0; BLOCK];
                    kernels.residue_sums(
                        &m,
                        &vec![&ends[..]; most],
                        [&vec![p - 1; most][..]],
                        [&mut summed[..]],
                    );
                    for (sum, &end) in summed.into_iter().zip(&ends) {
                        let exact = u128::from(end) * u128::from(p - 1) * most as u128 % u128::from(p);
                        assert_eq!(u128::from(sum), exact * radix_inverse % u128::from(p), "{p} {most}");
                    }
                    // Sources of other primes reach 2^50 whatever this prime is.
                    let largest = [(1u64 << 50) - 1; BLOCK];
                    let mut combined = [0; BLOCK];
                    kernels.combine(&m, &[&largest[..]; LAZY_TERMS], &[p - 1; LAZY_TERMS], &mut combined);
                    let exact = ((1u128 << 50) - 1) * u128::from(p - 1) * LAZY_TERMS as u128 % u128::from(p);
                    assert_eq!(u128::from(combined[0]), exact * radix_inverse % u128::from(p));
                    for i in 0..BLOCK {
                        let exact = |x: u64| (u128::from(x) * u128::from(b) % u128::from(p)) as u64;
                        assert_eq!(product[i], exact(ends[i]), "{p}: {} * {b}", ends[i]);
                        assert_eq!(scaled[i], exact(lazy[i]), "{p}: {} * {b}", lazy[i]);
                    }
                }
            }
        }
    }
}

fn paths_quietly() -> Vec<Kernels> {
    Instructions::ALL.into_iter().filter_map(Kernels::new).collect()
}

impl Modulus {
    /// The inverse modulo an odd number that need not be prime, by Euclid.
    fn invert_any(&self, value: u128) -> u128 {
        let p = i128::from(self.value());
        let (mut a, mut b, mut x, mut y) = (value as i128, p, 1i128, 0i128);
        while b != 0 {
            let q = a / b;
            (a, b) = (b, a - q * b);
            (x, y) = (y, x - q * y);
        }
        assert_eq!(a, 1);
        x.rem_euclid(p) as u128
    }
}
