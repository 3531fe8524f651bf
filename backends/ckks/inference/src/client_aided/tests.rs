//! Plans of the protocol that the data owner helps with, beside what the machine has.

use veilbench_networks::zoo;

use super::*;
use veilbench_api::LinkProfile;

#[test]
fn a_machine_with_too_little_memory_is_told_how_much_is_needed() {
    let architecture = zoo::load("malaria-cnn").unwrap().architecture;
    let job = Job::new(1, 1, LinkProfile::loopback());
    let roomy = plan(&architecture, &job, usize::MAX).unwrap();
    let needed = roomy.prediction.as_ref().unwrap().session_peak_rss_bytes.unwrap() as usize;
    assert!(needed < 8 << 30, "{needed}");
    assert_eq!(plan(&architecture, &job, needed).unwrap(), roomy);
    let refused = plan(&architecture, &job, needed - 1).unwrap_err().to_string();
    assert!(refused.contains(&format!("it needs {} MB of memory", needed >> 20)), "{refused}");
}
