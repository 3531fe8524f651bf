//! Shaped links against the closed form. Alone in its executable, so that no other test takes its cores.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]

use std::thread;
use std::time::{Duration, Instant};

use veilbench_api::LinkProfile;
use veilbench_api::link::{Link, pair};

/// A message may come late because the machine is busy, but never early: every run is held against the
/// lower bound, and the fastest of at most this many against the upper one.
const REPETITIONS: u32 = 20;
/// What keeps a machine busy may do so for longer than a run: each waits this much longer than the one before.
const PAUSE: Duration = Duration::from_millis(25);

fn ends(profile: &LinkProfile) -> (Link, Link) {
    let [(left, _), (right, _)] = pair(profile, Duration::from_secs(10)).unwrap();
    (left, right)
}

fn within_two_percent(expected: f64, run: impl Fn() -> Duration) {
    let mut fastest = f64::INFINITY;
    for repetition in 0..REPETITIONS {
        thread::sleep(PAUSE * repetition);
        let ratio = run().as_secs_f64() / expected;
        assert!(ratio > 0.98, "took {ratio:.4} of the {expected:.6} s that were due");
        fastest = fastest.min(ratio);
        if fastest < 1.02 {
            return;
        }
    }
    panic!("took {fastest:.4} times the {expected:.6} s that were due");
}

#[test]
fn a_queue_of_messages_takes_their_transmission_and_half_a_round_trip() {
    let profile: LinkProfile = "100mbit/40ms".parse().unwrap();
    for (messages, bytes) in [(1, 1_000), (1, 1_000_000), (20, 50_000)] {
        let expected = (messages * bytes * 8) as f64 / 100e6 + 0.020;
        within_two_percent(expected, || {
            let (mut left, mut right) = ends(&profile);
            let start = Instant::now();
            thread::scope(|scope| {
                scope.spawn(move || {
                    let payload = vec![0; bytes];
                    (0..messages).for_each(|_| left.send(&payload).unwrap());
                });
                (0..messages).for_each(|_| drop(right.receive().unwrap()));
                start.elapsed()
            })
        });
    }
}

#[test]
fn both_directions_have_the_whole_rate_and_rounds_add_up() {
    let profile = LinkProfile::wan();
    within_two_percent(5.0 * (0.020 + 0.008), || {
        let (mut left, mut right) = ends(&profile);
        let start = Instant::now();
        let exchange = |link: &mut Link| {
            for _ in 0..5 {
                link.send(&[0; 100_000]).unwrap();
                link.receive().unwrap();
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| exchange(&mut right));
            exchange(&mut left);
        });
        start.elapsed()
    });
}

#[test]
fn the_lan_profile_costs_half_a_millisecond_a_round_trip() {
    within_two_percent(0.010, || {
        let (mut left, mut right) = ends(&LinkProfile::lan());
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..20 {
                    let message = right.receive().unwrap();
                    right.send(&message).unwrap();
                }
            });
            for _ in 0..20 {
                left.send(&[1; 8]).unwrap();
                left.receive().unwrap();
            }
        });
        start.elapsed()
    });
}
