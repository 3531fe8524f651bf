//! Parameters that are refused, and the primes of those that are not.

use super::*;

fn request<'a>(degree: usize, data: &'a [u32], special: &'a [u32], digits: usize) -> ParameterRequest<'a> {
    ParameterRequest { degree, data_prime_bits: data, special_prime_bits: special, digits }
}

#[test]
fn a_modulus_at_the_limit_of_the_table_is_accepted_and_one_prime_bit_more_is_refused() {
    let accepted = Parameters::new(&request(8192, &[50, 38, 38, 38], &[50], 4)).unwrap();
    assert_eq!(accepted.security_bits(), Some(128));
    assert!(accepted.modulus_bits() <= 214.0);
    let refused = Parameters::new(&request(8192, &[50, 38, 38, 39], &[50], 4));
    assert!(matches!(refused, Err(Error::Insecure { degree: 8192, max_bits: 214, .. })), "{refused:?}");
    let insecure = Parameters::new_insecure(&request(8192, &[50, 38, 38, 39], &[50], 4)).unwrap();
    assert_eq!(insecure.security_bits(), None);
}

#[test]
fn a_degree_without_a_table_entry_is_refused() {
    let refused = Parameters::new(&request(2048, &[30], &[30], 1));
    assert!(matches!(refused, Err(Error::Degree { degree: 2048, .. })));
}

#[test]
fn the_primes_are_distinct_and_the_same_every_time() {
    let chain = request(16_384, &[50, 40, 40, 40, 40, 40, 40, 40], &[50, 50], 4);
    let parameters = Parameters::new(&chain).unwrap();
    assert_eq!(parameters, Parameters::new(&chain).unwrap());
    assert_eq!(parameters.data_primes()[0], 1_125_899_904_679_937);
    assert_eq!((parameters.digits(), parameters.digit_primes()), (4, 2));
}

#[test]
fn impossible_chains_are_refused_with_a_reason() {
    let chains: [(&[u32], &[u32], usize); 8] = [
        (&[], &[40], 1),
        (&[40], &[], 1),
        (&[51], &[50], 1),
        (&[17], &[50], 1),
        (&[40, 40], &[40], 1),
        (&[40, 40], &[40], 3),
        (&[40, 40], &[40], 0),
        (&[20; 24], &[50; 11], 2),
    ];
    for (data, special, digits) in chains {
        let refused = Parameters::new_insecure(&request(64, data, special, digits));
        assert!(
            matches!(refused, Err(Error::PrimeChain { .. })),
            "{data:?} {special:?} {digits}: {refused:?}"
        );
    }
    let refused = Parameters::new_insecure(&request(65_536, &[18; 3], &[50], 3));
    assert!(matches!(refused, Err(Error::TooFewPrimes { bits: 18, .. })), "{refused:?}");
    for degree in [0, 8, 48, 131_072, usize::MAX] {
        let refused = Parameters::new_insecure(&request(degree, &[40], &[50], 1));
        assert!(matches!(refused, Err(Error::Degree { .. })), "{degree}");
    }
}

#[test]
fn every_part_of_a_set_changes_its_id() {
    let sets = [
        request(64, &[40, 40], &[50], 2),
        request(128, &[40, 40], &[50], 2),
        request(64, &[40, 39], &[50], 2),
        request(64, &[40, 40], &[49], 2),
        request(64, &[40, 40], &[50, 50], 1),
        request(64, &[40, 40], &[50, 50], 2),
    ];
    let ids: Vec<_> = sets.iter().map(|set| Parameters::new_insecure(set).unwrap().id()).collect();
    for (index, id) in ids.iter().enumerate() {
        assert!(!ids[..index].contains(id));
    }
}

/// The modulus sizes for 128 bits, ternary secrets and classical attacks in eprint 2024/463.
#[test]
fn every_degree_ends_where_the_guidelines_say() {
    for (degree, long, count, last, special) in [
        (4096, 35, 1, 34, 37),
        (8192, 40, 3, 44, 50),
        (16_384, 49, 7, 37, 50),
        (32_768, 49, 16, 34, 50),
        (65_536, 49, 34, 31, 50),
    ] {
        let chain = |last: u32| {
            let data: Vec<u32> = [long].into_iter().cycle().take(count).chain([last]).collect();
            Parameters::new(&request(degree, &data, &[special], data.len()))
        };
        assert_eq!(chain(last).unwrap().security_bits(), Some(128), "degree {degree}");
        assert!(matches!(chain(last + 1), Err(Error::Insecure { .. })), "degree {degree}");
    }
}
