//! Plans of the protocol that the data owner helps with, beside what the machine has.

use veilbench_networks::zoo;

use super::*;
use veilbench_api::LinkProfile;

#[test]
fn a_machine_with_too_little_memory_is_told_how_much_is_needed() {
    let architecture = zoo::load("malaria-cnn").unwrap().architecture;
    let mut job = Job::new(1, 1, LinkProfile::loopback());
    job.settings.insert("layout".into(), "slots".into());
    let roomy = plan(&architecture, &job, usize::MAX).unwrap();
    let needed = roomy.prediction.as_ref().unwrap().session_peak_rss_bytes.unwrap() as usize;
    assert!(needed < 8 << 30, "{needed}");
    assert_eq!(plan(&architecture, &job, needed).unwrap(), roomy);
    let refused = plan(&architecture, &job, needed - 1).unwrap_err().to_string();
    assert!(refused.contains(&format!("it needs {} MB of memory", needed >> 20)), "{refused}");
}

#[test]
fn a_machine_with_too_little_memory_for_one_layout_gets_the_other() {
    let architecture = zoo::load("mnist-mlp").unwrap().architecture;
    let needed = |layout: &str, batch: usize| {
        let mut job = Job::new(batch, 1, LinkProfile::loopback());
        job.settings.insert("layout".into(), layout.into());
        let plan = plan(&architecture, &job, usize::MAX).unwrap();
        (plan.prediction.as_ref().unwrap().session_peak_rss_bytes.unwrap() as usize, plan)
    };
    for batch in [1, 2048] {
        let [(slots, by_slots), (packed, across), (_, chosen)] =
            ["slots", "packed", "auto"].map(|layout| needed(layout, batch));
        let (less, other) = if slots < packed { (slots, by_slots) } else { (packed, across) };
        let job = Job::new(batch, 1, LinkProfile::loopback());
        assert_eq!(plan(&architecture, &job, slots.max(packed)).unwrap(), chosen);
        assert_eq!(plan(&architecture, &job, less).unwrap(), other, "a batch of {batch}");
        let refused = plan(&architecture, &job, less - 1).unwrap_err().to_string();
        assert!(refused.contains(&format!("it needs {} MB of memory", less >> 20)), "{refused}");
    }
}
