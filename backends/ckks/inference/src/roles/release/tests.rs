//! Budgets that end, and labels.

use super::*;
use crate::planning::plan::CkksPlan;
use veilbench_api::conformance::test_networks;

fn budget(images: usize) -> Budget {
    let network = test_networks::supported(&crate::Ckks, 1).unwrap();
    let circuit = Circuit::new(&network.architecture, None).unwrap();
    let scheme = CkksPlan::latency(&circuit).unwrap().scheme;
    Budget::new(Release { images, reveals: Reveals::Logits }, &circuit, &scheme, true).unwrap()
}

#[test]
fn no_more_results_are_shown_under_a_key_than_their_noise_is_for() {
    let mut budget = budget(16);
    assert!(budget.take(10).is_ok() && budget.take(6).is_ok());
    let refused = budget.take(1).unwrap_err().to_string();
    assert!(refused.contains("16 images") && refused.contains("0 are left"), "{refused}");
    assert!(budget.take(0).is_ok());
    assert!(self::budget(16).take(17).is_err());
}

#[test]
fn a_plan_that_cannot_be_is_refused() {
    for images in [0, usize::MAX] {
        let network = test_networks::supported(&crate::Ckks, 1).unwrap();
        let circuit = Circuit::new(&network.architecture, None).unwrap();
        let scheme = CkksPlan::latency(&circuit).unwrap().scheme;
        let refused =
            Budget::new(Release { images, reveals: Reveals::Logits }, &circuit, &scheme, true).unwrap_err();
        assert!(refused.to_string().contains("flood"), "{refused}");
    }
}

#[test]
fn results_that_are_not_to_be_shown_stay_as_they_are_and_others_do_not() {
    let results = vec![0.5; 64];
    assert_eq!(flood(None, results.clone()).unwrap(), results);
    let flooding = budget(16).take(1).unwrap();
    let [once, again] = [(); 2].map(|()| flood(Some(&flooding), results.clone()).unwrap());
    assert!(once.iter().zip(&again).all(|(once, again)| once != again));
    let square = once.iter().map(|own| (own - 0.5).powi(2)).sum::<f64>() / 64.0;
    assert!((square.sqrt() / flooding.deviation() - 1.0).abs() < 0.5);
}

#[test]
fn a_label_is_the_first_of_the_largest_logits() {
    assert_eq!(labels(&[1.0, 3.0, 3.0, -1.0, -2.0, -3.0], 3), [1, 0]);
    assert!(labels(&[], 3).is_empty());
}
