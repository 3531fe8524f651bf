//! Transforms between coefficients and values, by the fastest path of the processor.

#[cfg(target_arch = "x86_64")]
use super::Instructions;
use super::Kernels;
use crate::modulus::{Factor, Modulus};
use tfhe_ntt::prime64::Plan;

/// The negacyclic transforms modulo one prime, to values at powers of a primitive `2N`-th root in bit-reversed order.
///
/// `tfhe-ntt` defines the results. The kernels for AVX-512 IFMA are held to it by tests, value for value.
#[derive(Debug)]
pub struct Transforms {
    kernels: Kernels,
    modulus: Modulus,
    degree: usize,
    code: Code,
}

#[derive(Debug)]
enum Code {
    Library(Box<Plan>),
    /// Only on a processor with AVX-512 F, DQ and IFMA.
    #[cfg(target_arch = "x86_64")]
    Lanes(super::avx512_ntt::Tables),
}

impl Code {
    #[cfg(target_arch = "x86_64")]
    fn new(kernels: Kernels, plan: Plan, m: &Modulus) -> Self {
        let degree = plan.ntt_size();
        if kernels.instructions() != Instructions::Avx512Ifma || degree < super::avx512_ntt::MIN_DEGREE {
            return Self::Library(Box::new(plan));
        }
        // The first value of `X` is the root it was evaluated at.
        let mut x = vec![0; degree];
        x[1] = 1;
        plan.fwd(&mut x);
        Self::Lanes(super::avx512_ntt::Tables::new(m, degree, x[0]))
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn new(_: Kernels, plan: Plan, _: &Modulus) -> Self {
        Self::Library(Box::new(plan))
    }
}

impl Transforms {
    /// `None` unless the prime is 1 modulo twice the degree.
    pub fn new(kernels: Kernels, degree: usize, m: &Modulus) -> Option<Self> {
        let plan = Plan::try_new(degree, m.value())?;
        Some(Self { kernels, modulus: *m, degree, code: Code::new(kernels, plan, m) })
    }

    /// From reduced coefficients.
    pub fn forward(&self, row: &mut [u64]) {
        assert_eq!(row.len(), self.degree);
        match &self.code {
            Code::Library(plan) => plan.fwd(row),
            #[cfg(target_arch = "x86_64")]
            Code::Lanes(tables) => {
                #[expect(unsafe_code, reason = "instructions that the compiler may not assume")]
                // SAFETY: such tables are made only on a processor with AVX-512 F, DQ and IFMA.
                unsafe {
                    super::avx512_ntt::forward(&self.modulus, tables, row);
                }
            }
        }
    }

    /// To reduced coefficients, times `N` and `factor`.
    pub fn inverse(&self, row: &mut [u64], factor: Factor) {
        assert_eq!(row.len(), self.degree);
        match &self.code {
            Code::Library(plan) => {
                plan.inv(row);
                self.kernels.scale_assign(&self.modulus, row, factor);
            }
            #[cfg(target_arch = "x86_64")]
            Code::Lanes(tables) => {
                #[expect(unsafe_code, reason = "instructions that the compiler may not assume")]
                // SAFETY: such tables are made only on a processor with AVX-512 F, DQ and IFMA.
                unsafe {
                    super::avx512_ntt::inverse(&self.modulus, tables, row, factor);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Instructions;
    use proptest::prelude::*;

    /// The largest prime of that many bits that has roots of unity of order `2 degree`.
    fn prime(bits: u32, degree: usize) -> Modulus {
        let step = 2 * degree as u64;
        let candidates = (1..(1 << bits) / step).rev().map(|multiple| multiple * step + 1);
        let prime = candidates.filter(|&p| p < 1 << bits).find(|&p| Plan::try_new(degree, p).is_some());
        Modulus::new(prime.expect("there are such primes"))
    }

    #[test]
    fn all_paths_are_equal_at_every_degree() {
        for log2_degree in 5..=16 {
            let degree = 1 << log2_degree;
            for bits in [25, 27, 41, 46, 47, 50] {
                let m = prime(bits, degree);
                let p = m.value();
                let plan = Plan::try_new(degree, p).expect("it has roots");
                let factor = m.factor(p - 3);
                let mut state = 1u64;
                let mut random = || {
                    state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                    (state >> 14) % p
                };
                let rows = [
                    vec![p - 1; degree],
                    (0..degree).map(|i| if i % 2 == 0 { p - 1 } else { 0 }).collect(),
                    (0..degree).map(|_| random()).collect(),
                ];
                for row in rows {
                    let mut expected = row.clone();
                    plan.fwd(&mut expected);
                    let mut back = row.clone();
                    plan.inv(&mut back);
                    let back: Vec<u64> = back.iter().map(|&value| m.multiply(value, factor.value)).collect();
                    for kernels in Instructions::ALL.into_iter().filter_map(Kernels::new) {
                        let transforms = Transforms::new(kernels, degree, &m).expect("it has roots");
                        let mut transformed = row.clone();
                        transforms.forward(&mut transformed);
                        assert_eq!(transformed, expected, "{kernels:?}, degree {degree}, {bits} bits");
                        let mut transformed = row.clone();
                        transforms.inverse(&mut transformed, factor);
                        assert_eq!(transformed, back, "{kernels:?}, degree {degree}, {bits} bits, inverse");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn products_are_negacyclic_convolutions(
            a in prop::collection::vec(0..1u64 << 27, 128),
            b in prop::collection::vec(0..1u64 << 27, 128),
        ) {
            let m = prime(50, 128);
            let reduced = |row: &[u64]| row.iter().map(|&value| value % m.value()).collect::<Vec<u64>>();
            let (a, b) = (reduced(&a), reduced(&b));
            let mut expected = vec![0; 128];
            for (i, &x) in a.iter().enumerate() {
                for (j, &y) in b.iter().enumerate() {
                    let (place, product) = ((i + j) % 128, m.multiply(x, y));
                    let term = if i + j < 128 { product } else { m.subtract(0, product) };
                    expected[place] = (expected[place] + term) % m.value();
                }
            }
            for kernels in Instructions::ALL.into_iter().filter_map(Kernels::new) {
                let transforms = Transforms::new(kernels, 128, &m).expect("it has roots");
                let [mut left, mut right] = [a.clone(), b.clone()];
                transforms.forward(&mut left);
                transforms.forward(&mut right);
                for (left, &right) in left.iter_mut().zip(&right) {
                    *left = m.multiply(*left, right);
                }
                transforms.inverse(&mut left, m.factor(m.invert(128)));
                prop_assert_eq!(&left, &expected);
            }
        }
    }
}
