//! The parameter sets that are measured.

use veilbench_ckks::{Context, ParameterRequest, Parameters};

pub(crate) struct Set {
    pub(crate) name: &'static str,
    degree: usize,
    data: &'static [u32],
    special: &'static [u32],
    digits: usize,
}

impl Set {
    pub(crate) fn context(&self) -> Context {
        let request = ParameterRequest {
            degree: self.degree,
            data_prime_bits: self.data,
            special_prime_bits: self.special,
            digits: self.digits,
        };
        Context::new(Parameters::new(&request).expect("the sets are secure"))
    }
}

pub(crate) const SETS: [Set; 5] = [
    Set { name: "8192-3", degree: 8192, data: &[50, 50, 50], special: &[50], digits: 3 },
    Set {
        name: "16384-8",
        degree: 16_384,
        data: &[50, 40, 40, 40, 40, 40, 40, 40],
        special: &[50, 50],
        digits: 4,
    },
    Set { name: "16384-6", degree: 16_384, data: &[50; 6], special: &[50, 50], digits: 3 },
    Set {
        name: "32768-15",
        degree: 32_768,
        data: &[50, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41, 41],
        special: &[44; 5],
        digits: 3,
    },
    Set {
        name: "32768-18",
        degree: 32_768,
        data: &[50, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40, 40],
        special: &[45; 3],
        digits: 6,
    },
];
