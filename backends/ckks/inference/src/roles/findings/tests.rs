//! Results beyond their range name the image that is to blame.

use super::*;

fn refused(findings: Findings) -> (Vec<usize>, String) {
    let Err(Error::OutOfRange { images, reason }) = findings.into_result("logits", "one by one tells") else {
        panic!("not refused")
    };
    (images, reason)
}

#[test]
fn results_within_the_limit_are_answers_and_those_beyond_it_name_their_image() {
    let mut findings = Findings::default();
    findings.note(0, [LIMIT, -LIMIT, 0.0]);
    findings.into_result("logits", "").unwrap();
    for beyond in [LIMIT + 1e-9, -LIMIT - 1e-9, f64::NAN, f64::INFINITY] {
        let mut findings = Findings::default();
        (0..3).for_each(|image| findings.note(image, [0.5, 1.0]));
        findings.note(3, [0.5, beyond, beyond]);
        findings.note(4, [0.0]);
        findings.note(7, [beyond]);
        let (images, reason) = refused(findings);
        assert_eq!(images, [3, 7], "{beyond}");
        assert!(reason.contains("2 image(s), the first of them image 3"), "{reason}");
    }
}

#[test]
fn results_that_wrapped_name_an_image_that_was_alone_and_no_other() {
    let mut findings = Findings::default();
    findings.wrapped_together(5..6);
    assert_eq!(refused(findings).0, [5]);
    let mut findings = Findings::default();
    findings.wrapped_alone(2);
    findings.wrapped_together(8..16);
    let (images, reason) = refused(findings);
    assert_eq!(images, [2]);
    assert!(reason.contains("images 8 to 15") && reason.contains("one by one tells"), "{reason}");
}
