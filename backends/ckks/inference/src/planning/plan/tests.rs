//! Plans of the networks that ship: layouts, memory, keys, times and precision.

use veilbench_networks::zoo;

use super::*;
use crate::planning::pairs::SLOTS;
use veilbench_api::LinkProfile;

fn job(batch: usize) -> Job {
    Job::new(batch, 1, LinkProfile::loopback())
}

/// A job in a layout.
fn laid_out(job: &Job, layout: &str) -> Job {
    let mut job = job.clone();
    job.settings.insert(LAYOUT.key.into(), layout.into());
    job
}

fn known(name: &str) -> Plans {
    plans(&zoo::load(name).unwrap().architecture, false, None).unwrap()
}

/// Networks with polynomials that both layouts are for; deep ones have a plan of their own.
fn shallow_twins() -> impl Iterator<Item = &'static str> {
    zoo::names().filter(|name| name.ends_with("-poly") && !name.starts_with("cifar"))
}

#[test]
fn a_machine_with_too_little_memory_is_told_how_much_is_needed() {
    let choose = |memory: usize, wanted: &str| {
        CkksPlan::choose(known("mnist-cnn-poly"), &laid_out(&job(1), wanted), memory)
            .map_err(|refused| refused.to_string())
    };
    let (latency, throughput) =
        (choose(usize::MAX, "latency").unwrap(), choose(usize::MAX, "throughput").unwrap());
    let needed = latency.predicted.session_peak_rss_bytes;
    assert!(needed < throughput.predicted.session_peak_rss_bytes);
    assert_eq!(choose(needed, "auto").unwrap(), latency);
    let refused = choose(needed - 1, "auto").unwrap_err();
    let expected =
        format!("it needs {} MB of memory, this machine has {} MB", needed >> 20, (needed - 1) >> 20);
    assert_eq!(refused, expected);
    assert!(choose(needed, "throughput").is_err(), "the layout that was asked for does not fit");
}

#[test]
fn a_plan_follows_the_setting_of_its_job_alone() {
    let architecture = zoo::load("mnist-mlp-poly").unwrap().architecture;
    let layout =
        |wanted: &str| CkksPlan::new(&architecture, &laid_out(&job(1), wanted)).map(|plan| plan.layout);
    assert_eq!(layout("latency"), Ok(Layout::Latency));
    assert_eq!(layout("throughput"), Ok(Layout::Throughput));
    assert_eq!(layout("auto"), CkksPlan::new(&architecture, &job(1)).map(|plan| plan.layout));
    let reason = layout("diagonal").unwrap_err().reason;
    assert!(reason.contains("\"diagonal\", not one of auto, latency, throughput"), "{reason}");
}

#[test]
fn every_cell_of_the_zoo_fits_eight_gibibytes_in_either_layout() {
    for name in shallow_twins() {
        let slots = known(name).throughput.plan.scheme.slots();
        for (batch, layout) in [(1, "latency"), (slots, "throughput")] {
            CkksPlan::choose(known(name), &laid_out(&job(batch), layout), 8 << 30).unwrap();
        }
        let many = CkksPlan::choose(known(name), &laid_out(&job(100_000), "throughput"), usize::MAX).unwrap();
        assert!(many.predicted.peak_rss_bytes < 8 << 30, "{name}: the model owner has one pass at a time");
        let images = 100_000 * known(name).throughput.image_bytes;
        assert!(many.predicted.session_peak_rss_bytes > many.predicted.peak_rss_bytes + images, "{name}");
    }
}

#[test]
fn keys_of_mnist_networks_stay_below_twenty_megabytes() {
    for name in ["mnist-mlp-poly", "mnist-cnn-poly"] {
        let plan = CkksPlan::choose(known(name), &laid_out(&job(1), "latency"), usize::MAX).unwrap();
        assert!(plan.predicted.setup_bytes < 20_000_000, "{name}: {}", plan.predicted.setup_bytes);
    }
}

#[test]
fn slow_links_and_many_passes_take_longer() {
    let time_of = |name: &str, job: &Job, layout: &str| {
        CkksPlan::choose(known(name), &laid_out(job, layout), usize::MAX).unwrap().predicted.online_wall_ns
    };
    let time = |job: &Job, layout: &str| time_of("mnist-cnn-poly", job, layout);
    for layout in ["latency", "throughput"] {
        let one = time(&job(1), layout);
        let wan = time(&Job { link: LinkProfile::wan(), ..job(1) }, layout);
        assert!(wan > one + 40_000_000, "{layout}: a round trip of 40 ms");
        let name = "malaria-cnn-poly";
        let two = time_of(name, &Job { threads: 2, ..job(1) }, layout);
        assert!(two < time_of(name, &job(1), layout), "{layout}: layers with several results share them");
    }
    let two = Job { threads: 2, ..job(1) };
    assert!(time(&two, "throughput") < time(&job(1), "throughput"));
    assert_eq!(time(&two, "latency"), time(&job(1), "latency"), "every layer has a single result");
    assert_eq!(time(&job(4096), "throughput"), time(&job(1), "throughput"));
    assert_eq!(time(&job(4097), "throughput"), 2 * time(&job(1), "throughput"));
}

/// One image is planned as if there were no pairs, and so is a batch that fits one ciphertext.
#[test]
fn batches_beyond_one_ciphertext_have_two_images_in_a_slot_where_that_is_predicted_to_be_faster() {
    for name in ["mnist-mlp-poly", "mnist-cnn-poly"] {
        let architecture = zoo::load(name).unwrap().architecture;
        let slots = known(name).throughput.plan.scheme.slots();
        let planned = |batch: usize, holding: Option<&str>| {
            let mut job = job(batch);
            job.settings.extend(holding.map(|holding| (SLOTS.key.to_owned(), holding.to_owned())));
            CkksPlan::new(&architecture, &job).unwrap()
        };
        for batch in [1, 100, slots] {
            assert_eq!(planned(batch, None), planned(batch, Some("real")), "{name}, {batch}");
        }
        for batch in [slots + 1, 2 * slots, 2 * slots + 1] {
            let [real, complex] = ["real", "complex"].map(|holding| planned(batch, Some(holding)));
            let is_faster = complex.predicted.reference_ns < real.predicted.reference_ns;
            assert!(is_faster || batch != 2 * slots, "{name}: half the passes take longer");
            assert_eq!(planned(batch, None), if is_faster { complex } else { real }, "{name}, {batch}");
        }
    }
}

#[test]
fn logits_of_whole_test_sets_are_expected_within_the_goal() {
    for name in shallow_twins() {
        for layout in ["latency", "throughput"] {
            let plan = CkksPlan::choose(known(name), &laid_out(&job(1), layout), usize::MAX).unwrap();
            // Weights are rounded once for all images: the largest of 20,000 logits has been seen beyond five deviations.
            let largest = 6.5 * plan.predicted.logit_error_deviation;
            assert!(largest < LOGIT_ERROR, "{name}, {layout}: {largest:.1e}");
        }
    }
}

#[test]
fn input_scales_follow_the_magnitude_within_bounds() {
    let table = [(1e-9, -16), (0.01, -5), (0.25, 0), (1.0, 2), (2.82, 3), (64.0, 8), (255.0, 8), (1e9, 8)];
    for (magnitude, bits) in table {
        assert_eq!(lower_input_bits(magnitude), bits, "{magnitude}");
    }
}

#[test]
fn large_inputs_are_encrypted_at_a_smaller_scale_and_meet_weights_of_a_larger_one() {
    let mut architecture = zoo::load("mnist-mlp-poly").unwrap().architecture;
    let scheme = |architecture: &Architecture| {
        let circuit = Circuit::new(architecture, None).unwrap();
        CkksPlan::latency(&circuit).unwrap().scheme
    };
    let small = scheme(&architecture);
    let range = architecture.input_range.as_mut().unwrap();
    (range.low, range.high) = (16.0 * range.low, 16.0 * range.high);
    let large = scheme(&architecture);
    assert_eq!(small.data_prime_bits, large.data_prime_bits);
    assert_eq!(small.input_scale_bits, large.input_scale_bits + 4);
    assert_eq!(
        small.weight_bits(small.input_scale_bits) + 4,
        large.weight_bits(large.input_scale_bits),
        "the product ends at the same scale"
    );
}
