//! Secret sharing through the real executable: three processes, one of which is killed, stops or lags.

use std::time::{Duration, Instant};

use crate::bench::{self, Bench};
use veilbench_results::{Phase, RunData, Sample, Status, validate};

const ROLES: [&str; 3] = ["data-owner", "model-owner", "dealer"];

/// A session of a minute or more, most of which its parties wait for each other online, or offline for the dealer's keys.
fn slow(victim: usize) -> Vec<&'static str> {
    let cell: &[&str] = match ROLES[victim] {
        "dealer" => &["-b", "^mpc-fss$", "-n", "^malaria-cnn$", "--batch", "10", "--link", "200mbit/1ms"],
        _ => &["-b", "^mpc$", "-n", "mnist-cnn", "--batch", "1", "--link", "1gbit/100ms"],
    };
    [cell, &["--images", "200", "--repetitions", "1"]].concat()
}

/// The commit mark of the only session, when nobody of it is left.
fn mark(bench: &Bench, parties: &[u32]) -> Sample {
    bench::assert_gone(parties);
    assert!(validate(&bench.out()).unwrap().is_empty());
    let data = RunData::load(&bench.out()).unwrap();
    let mut marks = data.samples.iter().filter(|row| row.is_commit_mark());
    let mark = marks.next().unwrap().clone();
    assert!(marks.next().is_none());
    mark
}

/// A party may die when nobody waits for it, between two batches: then its own end is all there is to say.
fn kills_until_a_link_is_named(victim: usize) {
    let named = format!("link to {}: the peer closed the connection", ROLES[victim]);
    let mut details: Vec<String> = Vec::new();
    while !details.iter().any(|detail| detail.contains(&named)) {
        assert!(details.len() < 6, "nobody noticed that the {} was gone: {details:#?}", ROLES[victim]);
        let bench = Bench::new();
        let mut child = bench.spawn(&slow(victim));
        let parties = bench.wait_for_parties(child.id(), ROLES.len());
        std::thread::sleep(Duration::from_millis(1200 + 130 * details.len() as u64));
        bench::kill(parties[victim]);
        let killed = Instant::now();
        let status = bench::wait(&mut child, Duration::from_secs(30));
        assert_eq!(status.code(), Some(1));
        assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
        let mark = mark(&bench, &parties);
        assert_eq!(mark.status, Status::Error);
        assert!(mark.detail.contains(&format!("{}: ended by signal: 9", ROLES[victim])), "{}", mark.detail);
        details.push(mark.detail);
    }
}

#[test]
fn a_killed_data_owner_is_an_error_row_that_names_the_link() {
    kills_until_a_link_is_named(0);
}

#[test]
fn a_killed_model_owner_is_an_error_row_that_names_the_link() {
    kills_until_a_link_is_named(1);
}

#[test]
fn a_killed_dealer_is_an_error_row_that_names_the_link() {
    kills_until_a_link_is_named(2);
}

/// Whoever waits for it says so when the session's time is over, and the harness that it has heard nothing. A party may
/// stop when nobody waits for it: then that nothing was heard is all there is to say.
fn stops_until_a_link_is_named(victim: usize) {
    let named = format!("link to {}: still awaited when the time was over", ROLES[victim]);
    let mut details: Vec<String> = Vec::new();
    while !details.iter().any(|detail| detail.contains(&named)) {
        assert!(details.len() < 4, "nobody missed the {}: {details:#?}", ROLES[victim]);
        let bench = Bench::new();
        let mut child = bench.spawn(&[&slow(victim)[..], &["--timeout", "6s"]].concat());
        let parties = bench.wait_for_parties(child.id(), ROLES.len());
        std::thread::sleep(Duration::from_millis(1300 * details.len() as u64));
        bench::stop(parties[victim]);
        let stopped = Instant::now();
        let status = bench::wait(&mut child, Duration::from_secs(30));
        assert_eq!(status.code(), Some(1));
        assert!(stopped.elapsed() < Duration::from_secs(10), "{:?}", stopped.elapsed());
        let mark = mark(&bench, &parties);
        assert_eq!(mark.status, Status::Timeout);
        assert!(mark.detail.contains(&format!("; {}: silent", ROLES[victim])), "{}", mark.detail);
        details.push(mark.detail);
    }
}

#[test]
fn a_stopped_data_owner_is_a_timeout_row_that_names_the_link() {
    stops_until_a_link_is_named(0);
}

#[test]
fn a_stopped_model_owner_is_a_timeout_row_that_names_the_link() {
    stops_until_a_link_is_named(1);
}

#[test]
fn a_stopped_dealer_is_a_timeout_row_that_names_the_link() {
    stops_until_a_link_is_named(2);
}

/// Within the timeout a lag is only slow, and the answers are the same.
#[test]
fn a_party_that_lags_within_the_timeout_is_waited_for() {
    for victim in 0..ROLES.len() {
        let bench = Bench::new();
        let cell = ["-b", "^mpc$", "-n", "mnist-cnn", "--images", "4", "--batch", "1", "--repetitions", "1"];
        let mut child = bench.spawn(&[&cell[..], &["--link", "1gbit/100ms", "--timeout", "60s"]].concat());
        let parties = bench.wait_for_parties(child.id(), ROLES.len());
        bench::stop(parties[victim]);
        std::thread::sleep(Duration::from_secs(2));
        bench::go_on(parties[victim]);
        assert_eq!(bench::wait(&mut child, Duration::from_secs(60)).code(), Some(0));
        let mark = mark(&bench, &parties);
        assert_eq!((mark.status, &*mark.detail), (Status::Ok, ""), "{}", ROLES[victim]);
        let data = RunData::load(&bench.out()).unwrap();
        assert_eq!(data.answers.len(), 4);
        assert!(data.answers.iter().all(|answer| answer.clear == answer.private));
    }
}

const ROUND_TRIP_NS: u64 = 40_000_000;
const BITS_PER_SECOND: u64 = 100_000_000;

/// What rounds and bytes take on the wide-area profile.
fn in_transit_ns(row: &Sample) -> u64 {
    row.rounds.unwrap() * ROUND_TRIP_NS / 2 + row.sent_bytes.unwrap() * 8_000_000_000 / BITS_PER_SECOND
}

/// Online phases of a few images on both links.
fn online_on(links: [&str; 2], backend: &str) -> Vec<Sample> {
    let bench = Bench::new();
    let cell = ["-b", backend, "-n", "mnist-cnn", "--images", "8", "--batch", "1", "--repetitions", "1"];
    let output = bench.run(&[&cell[..], &["--link", links[0], "--link", links[1]]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let data = RunData::load(&bench.out()).unwrap();
    let online = data.samples.into_iter().filter(|row| row.phase == Phase::Online && row.role == "all");
    online.filter(|row| row.span.is_empty() && row.warm).collect()
}

/// Never faster than rounds and bytes allow; and the fastest image, which other work on the machine delayed least, no more than a
/// tenth above that and what it takes on loopback.
#[test]
fn on_the_wide_area_profile_time_is_that_of_compute_rounds_and_bytes() {
    for backend in ["^mpc$", "^mpc-fss$", "^mpc-beaver$"] {
        let mut ratios = Vec::new();
        loop {
            let rows = online_on(["wan", "loopback"], backend);
            let [wan, loopback] = ["wan", "loopback"].map(|link| {
                let mut rows: Vec<&Sample> = rows.iter().filter(|row| row.link == link).collect();
                rows.sort_by_key(|row| row.wall_ns);
                rows
            });
            assert!(wan.len() > 4 && loopback.len() > 4);
            assert!(
                wan.iter().all(|row| row.wall_ns.unwrap() >= in_transit_ns(row)),
                "{backend} is too fast"
            );
            let compute = loopback[0].wall_ns.unwrap();
            let ratio = wan[0].wall_ns.unwrap() as f64 / (compute + in_transit_ns(wan[0])) as f64;
            if ratio <= 1.1 {
                break;
            }
            ratios.push(ratio);
            assert!(ratios.len() < 4, "{backend} takes {ratios:?} of what was expected");
        }
    }
}
