//! Plans and programs of inference with an image across the slots.

use veilbench_networks::zoo;

use super::super::{LAYOUT, LOGIT_ERROR};
use super::*;
use veilbench_api::{Job, LinkProfile};
use veilbench_results::Predicted;

fn job(batch: usize) -> Job {
    let mut job = Job::new(batch, 1, LinkProfile::loopback());
    job.settings.insert(LAYOUT.key.into(), "packed".into());
    job
}

fn predicted(name: &str, job: &Job) -> Predicted {
    let architecture = zoo::load(name).unwrap().architecture;
    plan(&architecture, job, usize::MAX).unwrap().prediction.unwrap()
}

#[test]
fn single_images_are_predicted_to_take_milliseconds_and_kilobytes() {
    // Milliseconds and kilobytes of an image.
    for (name, most_ms, most_kb) in [
        ("mnist-mlp", 10, 500),
        ("mnist-cnn", 15, 1000),
        ("malaria-cnn", 1500, 60_000),
        ("melanoma-lenet", 500, 5000),
    ] {
        let predicted = predicted(name, &job(1));
        let (ms, kb) =
            (predicted.online_wall_ns.unwrap() / 1_000_000, predicted.online_bytes.unwrap() / 1000);
        assert!(ms < most_ms && kb < most_kb, "{name}: {ms} ms, {kb} kB");
        assert!(predicted.session_peak_rss_bytes.unwrap() < 4 << 30, "{name}");
    }
}

#[test]
fn a_machine_with_too_little_memory_is_told_how_much_is_needed() {
    let architecture = zoo::load("mnist-mlp").unwrap().architecture;
    let needed = predicted("mnist-mlp", &job(1)).session_peak_rss_bytes.unwrap() as usize;
    assert!(plan(&architecture, &job(1), needed).is_ok());
    let refused = plan(&architecture, &job(1), 1 << 20).unwrap_err().to_string();
    assert!(refused.contains("MB of memory, this machine has 1 MB"), "{refused}");
}

#[test]
fn images_that_go_together_wait_for_the_link_once() {
    let wan = |batch| Job { link: LinkProfile::wan(), ..job(batch) };
    let wall = |job: &Job| predicted("mnist-mlp", job).online_wall_ns.unwrap();
    let trip = LinkProfile::wan().round_trip().unwrap().as_nanos() as u64;
    assert!(wall(&wan(1)) > wall(&job(1)) + 3 * trip, "a round trip for each of three layers");
    assert!(wall(&wan(IMAGES_TOGETHER)) < 2 * wall(&wan(1)));
    assert!(wall(&wan(IMAGES_TOGETHER + 1)) > wall(&wan(IMAGES_TOGETHER)) + 3 * trip);
    let bytes = |batch| predicted("mnist-mlp", &job(batch)).online_bytes.unwrap();
    assert_eq!(bytes(9), 9 * bytes(1));
}

#[test]
fn logits_are_expected_within_the_goal() {
    for name in zoo::names().filter(|name| !name.ends_with("-poly")) {
        let deviation = predicted(name, &job(1)).logit_error_deviation.unwrap();
        assert!(6.5 * deviation < 1.0 / 256.0, "{name}: {deviation:.1e}");
    }
}

#[test]
fn no_plan_states_a_larger_error_than_is_allowed() {
    let architecture = zoo::load("mnist-mlp").unwrap().architecture;
    let mut refused = Vec::new();
    for bits in 0..24 {
        let mut wide = architecture.clone();
        for range in wide.layers.iter_mut().filter_map(|layer| layer.range.as_mut()) {
            (range.low, range.high) =
                (range.low * f32::from(2u8).powi(bits), range.high * f32::from(2u8).powi(bits));
        }
        match plan(&wide, &job(1), usize::MAX) {
            Ok(plan) => {
                let stated = plan.prediction.unwrap().max_logit_error.unwrap();
                assert!(stated <= LOGIT_ERROR, "{bits} bits wider: {stated:.1e}");
            }
            Err(reason) => refused.push(reason.to_string()),
        }
    }
    let named = |own: &String| own.starts_with("layer fc1: its results are sums of so many products");
    assert!(refused.iter().any(named), "{refused:?}");
}
