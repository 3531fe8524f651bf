//! Figures of the summary and of comparisons against values computed by hand.

use crate::fixture::{Costs, cell, failed, run, session};
use std::{path::Path, time::Duration};
use tempfile::TempDir;
use veilbench_report::{Settings, compare, summarise};
use veilbench_results::{Phase, Run, RunData, Session, Status, Store, Summary};

fn data(sessions: &[Session]) -> RunData {
    let folder = TempDir::new().unwrap();
    let mut store = Store::create(folder.path(), &run(5)).unwrap();
    for session in sessions {
        store.append_session(session).unwrap();
    }
    RunData::load(folder.path()).unwrap()
}

fn only(data: &RunData) -> Summary {
    let [row] = &summarise(data)[..] else { panic!("one cell was measured") };
    row.clone()
}

fn costs(online: &[u64]) -> Costs {
    Costs {
        setup: (5_000, 400),
        offline: (700, 40),
        online: online.iter().map(|ns| (*ns, 100)).collect(),
        rounds: 3,
        wrong_every: 4,
    }
}

#[test]
fn figures_are_those_computed_by_hand() {
    let cell = cell("ckks", "mnist-mlp", "mnist", 20);
    let row = only(&data(&[
        session(&cell, 0, &costs(&[9_000, 1_000, 1_200])),
        session(&cell, 1, &Costs { setup: (7_000, 400), ..costs(&[8_000, 1_100, 1_500]) }),
    ]));
    assert_eq!((row.status, row.repetitions, row.repetitions_failed), (Status::Ok, 2, 0));
    assert_eq!(row.setup_wall_ns, Some(6_000));
    assert_eq!(row.offline_wall_ns, Some(700));
    assert_eq!(row.online_wall_ns, Some(1_150), "the middle of 1000, 1100, 1200, 1500");
    assert_eq!(row.cold_online_wall_ns, Some(8_500));
    assert_eq!((row.warm_samples, row.outliers), (4, 0));
    let (low, high) = (row.online_wall_ns_low.unwrap(), row.online_wall_ns_high.unwrap());
    // Sessions of 1100 and 1300: logarithms 7.00307 and 7.17012, one degree of freedom.
    assert_eq!((low, high), (414, 3_456));
    assert_eq!(row.images_per_second, Some(20.0 * 1e9 / 1_150.0));
    assert_eq!(row.online_occupancy_ns, Some(1_150));
    assert_eq!(row.images_per_second_sustained, Some(20.0 * 1e9 / 1_850.0), "offline time counts");
    assert_eq!((row.setup_bytes, row.offline_bytes, row.online_bytes), (Some(400), Some(40), Some(100)));
    assert_eq!(row.online_bytes_max_party, Some(75));
    assert_eq!((row.setup_rounds, row.offline_rounds, row.online_rounds), (Some(1), Some(2), Some(3)));
    assert_eq!(row.peak_rss_bytes, Some(80_000_000));
    assert_eq!(row.setup_cpu_ns, Some(6_000), "two roles at half the wall-clock time each");
    assert_eq!(row.online_cpu_ns, Some(1_150));
    // Images 0 to 59 in two sessions; every fourth is wrong, and the clear network on 7 and 57.
    assert_eq!((row.answers, row.images_answered), (120, 60));
    assert_eq!((row.accuracy, row.agreement), (Some(45.0 / 60.0), Some(43.0 / 60.0)));
    let (low, high) = (row.accuracy_low.unwrap(), row.accuracy_high.unwrap());
    assert!((low - 0.6277).abs() < 1e-3 && (high - 0.8422).abs() < 1e-3, "{low} {high}");
    assert_eq!(row.max_logit_error, Some(1e-4 * 3.0));
    assert_eq!((row.technology.as_str(), row.security_bits, row.simulated), ("ckks", Some(128), Some(false)));
}

#[test]
fn synthetic_images_have_agreement_and_no_accuracy() {
    let cell = cell("clear", "melanoma-lenet", "melanoma-sample", 2);
    let row = only(&data(&[session(&cell, 0, &costs(&[1_000, 1_000]))]));
    assert_eq!((row.accuracy, row.accuracy_low, row.synthetic), (None, None, Some(true)));
    assert_eq!(row.agreement, Some(0.75), "all of images 0 to 3 but 0");
}

#[test]
fn a_cold_batch_never_stands_for_a_warm_one() {
    let row = only(&data(&[session(&cell("clear", "mnist-mlp", "mnist", 1), 0, &costs(&[9_000]))]));
    assert_eq!((row.online_wall_ns, row.images_per_second), (None, None));
    assert_eq!(row.cold_online_wall_ns, Some(9_000));
    assert!(row.detail.contains("no warm batch"));
}

#[test]
fn a_smaller_last_batch_is_left_out_of_the_figures_of_one_batch() {
    let cell = cell("clear", "mnist-mlp", "mnist", 2);
    let mut session = session(&cell, 0, &costs(&[9_000, 1_000, 10]));
    for sample in session.samples.iter_mut().filter(|sample| sample.iteration == 2) {
        sample.images = Some(1);
    }
    session.answers.pop();
    let data = data(&[session]);
    assert_eq!(data.findings, []);
    let row = only(&data);
    assert_eq!((row.online_wall_ns, row.warm_samples, row.answers), (Some(1_000), 1, 5));
    assert_eq!((row.online_wall_ns_low, row.online_wall_ns_high), (None, None), "one sample has no interval");
}

#[test]
fn failed_sessions_show_in_the_status_and_not_in_the_figures() {
    let cell = cell("mpc-3pc", "mnist-mlp", "mnist", 1);
    let whole = session(&cell, 0, &costs(&[9_000, 1_000, 1_000]));
    let mut broken = session(&cell, 1, &costs(&[1, 1, 1]));
    let mark = broken.samples.last_mut().unwrap();
    (mark.status, mark.detail) = (Status::Timeout, "no answer within 60 s".to_owned());
    let row = only(&data(&[whole, broken]));
    assert_eq!((row.status, row.detail.as_str()), (Status::Timeout, "no answer within 60 s"));
    assert_eq!((row.repetitions, row.repetitions_failed, row.online_wall_ns), (2, 1, Some(1_000)));
    let row = only(&data(&[failed(&cell, 0, Status::Unsupported, "no relu")]));
    assert_eq!((row.status, row.online_wall_ns, row.online_bytes), (Status::Unsupported, None, None));
    assert_eq!(row.bytes_counted_by, "");
}

#[test]
fn a_logit_that_is_no_number_is_not_hidden_by_others() {
    let mut session = session(&cell("clear", "mnist-mlp", "mnist", 2), 0, &costs(&[9_000, 1_000]));
    session.answers[1].max_logit_error = Some(f64::NAN);
    assert!(only(&data(&[session])).max_logit_error.unwrap().is_nan());
}

/// One cell, three sessions of twenty warm batches around the given time.
fn timed(backend: &str, ns: u64) -> Vec<Session> {
    let cell = cell(backend, "mnist-mlp", "mnist", 1);
    (0..3)
        .map(|repetition| {
            let online: Vec<u64> = (0..21).map(|index| ns + (index * 7 + repetition) % 11).collect();
            session(&cell, repetition as usize, &costs(&online))
        })
        .collect()
}

#[test]
fn under_fifty_images_no_accuracy_is_stated() {
    let few =
        only(&data(&[session(&cell("ckks", "mnist-mlp", "mnist", 2), 0, &costs(&[9_000, 1_000, 1_200]))]));
    assert_eq!((few.images_answered, few.accuracy, few.accuracy_low), (6, None, None));
    assert!(few.agreement.is_some(), "agreement is of the very answers");
}

#[test]
fn the_online_time_is_the_data_owners_and_the_others_only_occupy() {
    let cell = cell("clear", "mnist-mlp", "mnist", 1);
    let mut late = session(&cell, 0, &costs(&[9_000, 1_000, 1_000]));
    for sample in late.samples.iter_mut().filter(|sample| sample.phase == Phase::Online) {
        if sample.role != "owner" {
            sample.wall_ns = sample.wall_ns.map(|ns| ns + 500);
        }
    }
    let row = only(&data(&[late]));
    assert_eq!((row.online_wall_ns, row.online_occupancy_ns), (Some(1_000), Some(1_500)));
}

#[test]
fn a_run_against_itself_has_no_differences() {
    let run = data(&timed("clear", 1_000));
    let comparison = compare(&run, &run, Settings::default());
    assert!(!comparison.is_regression() && comparison.warnings.is_empty());
    let change = comparison.differences[0].online.unwrap();
    assert_eq!((change.ratio, change.significant), (1.0, false));
    assert_eq!(comparison.differences[0].exact, []);
}

#[test]
fn a_slower_run_is_a_regression_a_faster_one_is_not_and_noise_is_neither() {
    let before = data(&timed("clear", 1_000));
    for (ns, regression, words) in
        [(1_500, true, "slower"), (700, false, "faster"), (1_020, false, "within noise")]
    {
        let comparison = compare(&before, &data(&timed("clear", ns)), Settings::default());
        assert_eq!(comparison.is_regression(), regression, "{ns}");
        assert!(comparison.to_string().contains(words), "{comparison}");
    }
    let strict = Settings { noise: 0.01 };
    assert!(compare(&before, &data(&timed("clear", 1_020)), strict).is_regression());
}

#[test]
fn exact_figures_statuses_and_cells_that_change_are_told() {
    let cell = cell("clear", "mnist-mlp", "mnist", 20);
    let before = data(&[session(&cell, 0, &costs(&[9_000, 1_000, 1_000]))]);
    let more = Costs { rounds: 4, wrong_every: 2, ..costs(&[9_000, 1_000, 1_000]) };
    let comparison = compare(&before, &data(&[session(&cell, 0, &more)]), Settings::default());
    let names: Vec<&str> = comparison.differences[0].exact.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, ["online rounds", "accuracy", "agreement"]);
    assert!(comparison.is_regression());

    let broken = data(&[failed(&cell, 0, Status::Error, "")]);
    let comparison = compare(&before, &broken, Settings::default());
    assert!(comparison.is_regression() && comparison.to_string().contains("status ok -> error"));

    let other = data(&timed("tee", 1_000));
    let comparison = compare(&before, &other, Settings::default());
    assert_eq!((comparison.missing.len(), comparison.added.len()), (1, 1));
    assert!(comparison.is_regression());
}

#[test]
fn offline_time_that_grows_is_a_regression_too() {
    let cell = cell("clear", "mnist-mlp", "mnist", 1);
    let run = |offline| {
        let costs = Costs { offline: (offline, 0), ..costs(&[1_000; 30]) };
        data(&[session(&cell, 0, &costs), session(&cell, 1, &costs)])
    };
    let comparison = compare(&run(500_000), &run(1_000_000), Settings::default());
    let offline = comparison.differences[0].offline.unwrap();
    assert!(offline.significant && offline.ratio == 2.0 && comparison.is_regression());
    assert!(comparison.to_string().contains("; offline 500 µs -> 1 ms, x2.000 (2.000 to 2.000), slower"));
    let skew = compare(&run(15_000), &run(30_000), Settings::default());
    assert!(!skew.is_regression(), "parties that start apart are no regression: {skew}");
}

#[test]
fn another_machine_is_warned_of() {
    let before = data(&timed("clear", 1_000));
    let mut after = before.clone();
    let machine = after.run.machines.get_mut("").unwrap();
    machine.cpu_model = "Another CPU".to_owned();
    machine.cores = 64;
    let comparison = compare(&before, &after, Settings::default());
    assert_eq!(comparison.warnings.len(), 3);
    assert_eq!(comparison.warnings[0], "measured on different machines: times do not compare");
    assert!(
        comparison
            .to_string()
            .contains("warning: different processors: `Made-up CPU @ 3.00GHz` and `Another CPU`")
    );
}

/// Sessions of one cell, each on the machine named beside it.
fn placed(sessions: &[(Session, &str)]) -> RunData {
    let folder = TempDir::new().unwrap();
    let run = Run { machines: [].into(), ..run(5) };
    let mut store = Store::create(folder.path(), &run).unwrap();
    for (session, machine) in sessions {
        store.measure_on(machine, &crate::fixture::machine()).unwrap();
        store.append_session(session).unwrap();
    }
    RunData::load(folder.path()).unwrap()
}

#[test]
fn times_of_two_machines_are_never_put_together() {
    let cell = cell("clear", "mnist-mlp", "mnist", 20);
    let [fast, slow] = [1_000, 9_000].map(|ns| costs(&[ns, ns, ns]));
    let sessions = [
        (session(&cell, 0, &slow), "node-b"),
        (session(&cell, 1, &fast), "node-a"),
        (session(&cell, 2, &slow), "node-b"),
    ];
    let data = placed(&sessions);
    assert_eq!(data.findings, []);
    let row = only(&data);
    assert_eq!((row.machine.as_str(), row.online_wall_ns, row.repetitions), ("node-b", Some(9_000), 3));
    assert_eq!(row.detail, "times are of 2 sessions on node-b; 1 ran elsewhere");
    assert_eq!(row.answers, 180, "answers do not depend on the machine");
    let one = placed(&[(session(&cell, 0, &slow), "node-b"), (session(&cell, 2, &slow), "node-b")]);
    assert_eq!((only(&one).machine.as_str(), only(&one).detail.as_str()), ("", ""));
}

#[test]
fn a_comparison_of_runs_of_several_machines_says_which_cells_moved() {
    let [a, b] = [cell("clear", "mnist-mlp", "mnist", 20), cell("clear", "mnist-cnn", "mnist", 20)];
    let sessions = |first, second| {
        let costs = costs(&[1_000, 1_000, 1_000]);
        placed(&[(session(&a, 0, &costs), first), (session(&b, 0, &costs), second)])
    };
    let warned = |before: &RunData, after: &RunData| compare(before, after, Settings::default()).warnings;
    let (one, two, turned) = (sessions("m", "m"), sessions("m", "n"), sessions("n", "m"));
    assert_eq!(warned(&one, &one), [""; 0]);
    assert_eq!(
        warned(&two, &two),
        ["the first run was measured on 2 machines", "the second run was measured on 2 machines"]
    );
    let moved =
        |cells| format!("{cells} cells were measured on different machines: their times do not compare");
    assert_eq!(warned(&one, &two), ["the second run was measured on 2 machines".to_owned(), moved(1)]);
    assert_eq!(warned(&two, &turned)[2], moved(2));
    assert_eq!(warned(&one, &sessions("n", "n")), ["measured on different machines: times do not compare"]);
}

#[test]
fn a_busy_machine_is_warned_of() {
    let run = data(&timed("clear", 1_000));
    let mut busy = run.clone();
    busy.run.machines.get_mut("").unwrap().load_average = [3.0, 1.0, 1.0];
    let comparison = compare(&run, &busy, Settings::default());
    assert_eq!(comparison.warnings, ["the machine of the second run was busy: load 3.00 on 2 cores"]);
}

#[test]
fn a_hundred_thousand_rows_are_summarised_in_two_seconds() {
    let folder = TempDir::new().unwrap();
    many_rows(folder.path());
    let started = computed();
    let data = RunData::load(folder.path()).unwrap();
    let loaded = computed() - started;
    let rows = summarise(&data);
    let all = computed() - started;
    println!("{} rows loaded in {loaded:?}, {} cells in all by {all:?}", data.samples.len(), rows.len());
    assert!(data.samples.len() >= 100_000 && all < Duration::from_secs(2));
}

/// Time that this thread has had a processor: tests beside this one take none of it.
fn computed() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_whitespace().next().unwrap().parse().unwrap())
}

fn many_rows(folder: &Path) {
    let mut store = Store::create(folder, &run(5)).unwrap();
    for backend in ["clear", "tee", "mpc-dealer", "mpc-3pc", "ckks"] {
        for repetition in 0..4 {
            let online: Vec<u64> = (0..850).map(|index| 1_000_000 + index * 7_919 % 10_007).collect();
            let cell = cell(backend, "mnist-mlp", "mnist", 1);
            store.append_session(&session(&cell, repetition, &costs(&online))).unwrap();
        }
    }
}

#[test]
fn a_cell_is_as_busy_as_the_busiest_host_of_its_roles() {
    let cell = cell("clear", "mnist-mlp", "mnist", 1);
    let row = |change: fn(&mut Session)| {
        let mut measured = session(&cell, 0, &costs(&[1_000]));
        change(&mut measured);
        only(&data(&[measured])).others_cpu_share
    };
    assert_eq!(row(|_| {}), None);
    // Two cores for 1 ms each, of which other work took a tenth on one host and half on the other.
    assert_eq!(
        row(|session| {
            for (sample, others_ns) in session.samples.iter_mut().rev().skip(1).zip([1_000_000, 200_000]) {
                (sample.wall_ns, sample.others_cpu_ns) = (Some(1_000_000), Some(others_ns));
            }
        }),
        Some(0.5)
    );
    assert_eq!(
        row(|session| {
            let mark = session.samples.last_mut().unwrap();
            (mark.wall_ns, mark.others_cpu_ns) = (Some(1_000_000), Some(400_000));
        }),
        Some(0.2)
    );
}
