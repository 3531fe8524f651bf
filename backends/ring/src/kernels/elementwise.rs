//! The kernels that are the same code for vectors of any width. A path brings its loads and stores, `Lanes` and `LazySum`.

/// The kernels for a path's `Features`, on slices as its vectors.
macro_rules! elementwise {
    ($features:literal, $vectors:ident, $vectors_mut:ident) => {
        #[target_feature(enable = $features)]
        pub(super) fn add_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
            let lanes = Lanes::new(m);
            for (a, b) in $vectors_mut(a).iter_mut().zip($vectors(b)) {
                store(a, lanes.add(load(a), load(b)));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn subtract_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
            let lanes = Lanes::new(m);
            for (a, b) in $vectors_mut(a).iter_mut().zip($vectors(b)) {
                store(a, lanes.reduce_once(lanes.lazy_subtract(load(a), load(b))));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn negate(m: &Modulus, a: &mut [u64]) {
            let lanes = Lanes::new(m);
            for a in $vectors_mut(a) {
                store(a, lanes.reduce_once(lanes.lazy_subtract(splat(0), load(a))));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn add_constant(m: &Modulus, a: &mut [u64], constant: u64) {
            let (lanes, constant) = (Lanes::new(m), splat(constant));
            for a in $vectors_mut(a) {
                store(a, lanes.add(load(a), constant));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn multiply_assign(m: &Modulus, a: &mut [u64], b: &[u64]) {
            let lanes = Lanes::new(m);
            for (a, b) in $vectors_mut(a).iter_mut().zip($vectors(b)) {
                store(a, lanes.multiply(load(a), load(b)));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn multiply_add(m: &Modulus, sum: &mut [u64], a: &[u64], b: &[u64]) {
            let lanes = Lanes::new(m);
            for ((sum, a), b) in $vectors_mut(sum).iter_mut().zip($vectors(a)).zip($vectors(b)) {
                store(sum, lanes.add(load(sum), lanes.multiply(load(a), load(b))));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn scale_assign(m: &Modulus, a: &mut [u64], factor: Factor) {
            let (lanes, factor) = (Lanes::new(m), lane_factor(factor));
            for a in $vectors_mut(a) {
                store(a, lanes.scale(load(a), factor));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn scale_add(m: &Modulus, sum: &mut [u64], a: &[u64], factor: Factor) {
            let (lanes, factor) = (Lanes::new(m), lane_factor(factor));
            for (sum, a) in $vectors_mut(sum).iter_mut().zip($vectors(a)) {
                store(sum, lanes.add(load(sum), lanes.scale(load(a), factor)));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn tensor(m: &Modulus, a: [&[u64]; 2], b: [&[u64]; 2], out: [&mut [u64]; 3]) {
            let lanes = Lanes::new(m);
            let ([a0, a1], [b0, b1]) = (a.map($vectors), b.map($vectors));
            let [d0, d1, d2] = out.map($vectors_mut);
            for i in 0..d0.len().min(a0.len()).min(a1.len()).min(b0.len()).min(b1.len()) {
                let ([a0, a1], [b0, b1]) = ([load(&a0[i]), load(&a1[i])], [load(&b0[i]), load(&b1[i])]);
                store(&mut d0[i], lanes.multiply(a0, b0));
                store(&mut d1[i], lanes.add(lanes.multiply(a0, b1), lanes.multiply(a1, b0)));
                store(&mut d2[i], lanes.multiply(a1, b1));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn square(m: &Modulus, a: [&[u64]; 2], out: [&mut [u64]; 3]) {
            let lanes = Lanes::new(m);
            let [a0, a1] = a.map($vectors);
            let [d0, d1, d2] = out.map($vectors_mut);
            for i in 0..d0.len().min(a0.len()).min(a1.len()) {
                let (a0, a1) = (load(&a0[i]), load(&a1[i]));
                let cross = lanes.multiply(a0, a1);
                store(&mut d0[i], lanes.multiply(a0, a0));
                store(&mut d1[i], lanes.add(cross, cross));
                store(&mut d2[i], lanes.multiply(a1, a1));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn combine_group<const TARGETS: usize>(
            sources: &[&[u64]],
            moduli: [&Modulus; TARGETS],
            weights: [&[u64]; TARGETS],
            out: [&mut [u64]; TARGETS],
        ) {
            let mut lanes = [Lanes::new(moduli[0]); TARGETS];
            for (lanes, m) in lanes.iter_mut().zip(moduli) {
                *lanes = Lanes::new(m);
            }
            let out = out.map($vectors_mut);
            for i in 0..out[0].len() {
                let mut sums = [LazySum::new(); TARGETS];
                for (term, source) in sources.iter().enumerate() {
                    let source = load(&$vectors(source)[i]);
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        sum.add(source, splat(weights[term]));
                    }
                }
                for target in 0..TARGETS {
                    store(&mut out[target][i], lanes[target].montgomery(sums[target], sources.len()));
                }
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn subtract_scale(m: &Modulus, a: &mut [u64], b: &[u64], factor: Factor) {
            let (lanes, factor) = (Lanes::new(m), lane_factor(factor));
            for (a, b) in $vectors_mut(a).iter_mut().zip($vectors(b)) {
                store(a, lanes.scale(lanes.lazy_subtract(load(a), load(b)), factor));
            }
        }

        #[target_feature(enable = $features)]
        pub(super) fn subtract_scale_add(m: &Modulus, sum: &mut [u64], a: &[u64], b: &[u64], factor: Factor) {
            let (lanes, factor) = (Lanes::new(m), lane_factor(factor));
            for ((sum, a), b) in $vectors_mut(sum).iter_mut().zip($vectors(a)).zip($vectors(b)) {
                let quotient = lanes.scale(lanes.lazy_subtract(load(a), load(b)), factor);
                store(sum, lanes.add(load(sum), quotient));
            }
        }
    };
}

pub(super) use elementwise;
