//! Shards through the real executable: measured apart, stopped, gone on with, merged; and the scripts that do it.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]

mod bench;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bench::{Bench, Output, interrupt, wait};
use image::GrayImage;
use veilbench_datasets::{Split, Store};
use veilbench_networks::zoo;
use veilbench_results::{Answer, RunData, Sample, SessionKey, Traffic, validate};

/// Two networks with two batches: four comparisons, each of one backend with one thread and with two.
const MATRIX: &[&str] = &[
    "-b",
    "clear",
    "-n",
    "mnist-mlp|mnist-cnn",
    "--images",
    "6",
    "--batch",
    "2,3",
    "--threads",
    "1,2",
    "--repetitions",
    "2",
];

fn shard(bench: &Bench, index: &str, out: &str, matrix: &[&str]) -> Output {
    bench.command(&[&["run", "--shard", index, "--out", out], matrix].concat())
}

fn load(bench: &Bench, name: &str) -> RunData {
    RunData::load(&bench.folder().join(name)).unwrap()
}

/// What of a run does not depend on when and where it was measured, in an order of its own.
fn figures(data: &RunData) -> (Vec<Sample>, Vec<Traffic>, Vec<Answer>) {
    let bare = |sample: &Sample| Sample {
        run: String::new(),
        machine: String::new(),
        rows_sha256: String::new(),
        run_sha256: String::new(),
        wall_ns: None,
        cpu_ns: None,
        start_ns: None,
        others_cpu_ns: None,
        steal_ns: None,
        involuntary_switches: None,
        peak_rss_bytes: None,
        ..sample.clone()
    };
    let mut samples: Vec<Sample> = data.samples.iter().map(bare).collect();
    samples.sort_by_key(|row| {
        let names = [&row.cell, &row.span, &row.role].map(Clone::clone);
        (names, row.repetition, row.iteration, row.phase)
    });
    let mut traffic: Vec<Traffic> =
        data.traffic.iter().map(|row| Traffic { run: String::new(), ..row.clone() }).collect();
    traffic.sort_by_key(|row| {
        let names = [&row.cell, &row.from, &row.to].map(Clone::clone);
        (names, row.repetition, row.iteration, row.phase)
    });
    let mut answers: Vec<Answer> =
        data.answers.iter().map(|row| Answer { run: String::new(), ..row.clone() }).collect();
    answers.sort_by_key(|row| (row.cell.clone(), row.repetition, row.iteration, row.image));
    (samples, traffic, answers)
}

/// Every file of a folder and of those in it, by its path from there.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut files, mut due) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(path) = due.pop() {
        if path.is_dir() {
            due.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn shards_merged_are_the_run_that_measured_all_of_them_but_for_times() {
    let bench = Bench::new();
    assert_eq!(bench.run(MATRIX).code, 0);
    for index in ["1/3", "2/3", "3/3"] {
        let out = format!("shards/{}", &index[..1]);
        let output = shard(&bench, index, &out, MATRIX);
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    let merged = bench.command(&["merge", "shards/3", "shards/1", "shards/2", "--into", "merged"]);
    assert_eq!(merged.code, 0, "{}", merged.stderr);
    assert!(merged.stdout.contains("16 sessions merged, measured on one machine"), "{}", merged.stdout);
    assert_eq!(validate(&bench.folder().join("merged")).unwrap(), []);
    let again = ["merge", "shards/2", "shards/3", "shards/1", "--into", "in another order/merged"];
    fs::create_dir(bench.folder().join("in another order")).unwrap();
    assert_eq!(bench.command(&again).code, 0);
    let [files, others] = ["merged", "in another order/merged"].map(|name| files(&bench.folder().join(name)));
    assert!(
        ["summary.csv", "summary.md", "plots"]
            .iter()
            .all(|name| files.keys().any(|file| file.starts_with(name)))
    );
    assert_eq!(files.keys().collect::<Vec<_>>(), others.keys().collect::<Vec<_>>());
    assert!(files.iter().all(|(name, bytes)| others[name] == *bytes), "derived files depend on the order");
    let (whole, merged) = (load(&bench, "run"), load(&bench, "merged"));
    assert_eq!(figures(&whole), figures(&merged));
    assert_eq!(whole.run.plans, merged.run.plans);
    assert_eq!((&whole.run.networks, &whole.run.datasets), (&merged.run.networks, &merged.run.datasets));
    assert_eq!(whole.run.backends, merged.run.backends);
    let parts = ["shards/1", "shards/2", "shards/3"].map(|name| load(&bench, name));
    let sizes = parts.map(|part| part.samples.iter().filter(|sample| sample.is_commit_mark()).count());
    assert!(sizes.iter().sum::<usize>() == 16 && sizes.iter().all(|size| [4, 8].contains(size)), "{sizes:?}");
}

/// The first embedded digits as a user would bring them, a folder per class, and a network of the zoo in a file.
fn own_images_and_model(bench: &Bench) {
    let digits = veilbench_datasets::load(&Store::new("none", "none"), "mnist-sample", Split::Test).unwrap();
    for index in 0..40 {
        let folder = bench.folder().join("digits").join(&digits.classes[usize::from(digits.labels[index])]);
        fs::create_dir_all(&folder).unwrap();
        let image = GrayImage::from_raw(28, 28, digits.image(index).to_vec()).unwrap();
        image.save(folder.join(format!("{index}.png"))).unwrap();
    }
    fs::write(bench.folder().join("my.onnx"), zoo::bytes("mnist-mlp").unwrap()).unwrap();
}

#[test]
fn shards_of_own_images_merge_and_other_images_of_the_same_name_do_not() {
    let bench = Bench::new();
    own_images_and_model(&bench);
    let own = ["-b", "clear", "--model", "my.onnx", "--data", "digits", "--images", "8", "--batch", "2,4,8"];
    let own = [&own[..], &["--repetitions", "1"]].concat();
    assert_eq!(bench.run(&own).code, 0);
    for index in ["1/2", "2/2"] {
        let output = shard(&bench, index, &format!("shards/{}", &index[..1]), &own);
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    let merged = bench.command(&["merge", "shards/1", "shards/2", "--into", "merged"]);
    assert_eq!(merged.code, 0, "{}", merged.stderr);
    assert_eq!(figures(&load(&bench, "run")), figures(&load(&bench, "merged")));
    let zero = fs::read_dir(bench.folder().join("digits/0")).unwrap().next().unwrap().unwrap().path();
    fs::remove_file(zero).unwrap();
    assert_eq!(shard(&bench, "2/2", "shards/3", &own).code, 0);
    let refused = bench.command(&["merge", "shards/1", "shards/3", "--into", "other"]);
    assert!(refused.code == 3 && refused.stderr.contains("digits"), "{} {}", refused.code, refused.stderr);
}

#[test]
fn more_shards_than_comparisons_leave_some_empty_and_merge_all_the_same() {
    let bench = Bench::new();
    let one = ["-b", "clear", "-n", "mnist-mlp", "--images", "2", "--batch", "2", "--repetitions", "1"];
    for index in ["1/2", "2/2"] {
        let output = shard(&bench, index, &format!("shards/{}", &index[..1]), &one);
        assert_eq!(output.code, 0, "{}", output.stderr);
        let is_empty = output.stdout.starts_with("0 sessions measured");
        let note = format!("note: shard {index} has nothing to measure: the matrix has 1 cell\n");
        assert_eq!(output.stderr.contains(&note), is_empty, "{} {}", output.stdout, output.stderr);
    }
    let merged = bench.command(&["merge", "shards/1", "shards/2", "--into", "merged"]);
    assert_eq!(merged.code, 0, "{}", merged.stderr);
    assert_eq!(load(&bench, "merged").samples.iter().filter(|sample| sample.is_commit_mark()).count(), 1);
}

/// Sessions of about a second each: forty round trips of 20 ms and more.
const SLOW: &[&str] = &[
    "-b",
    "clear",
    "-n",
    "mnist-mlp",
    "--images",
    "40",
    "--batch",
    "1",
    "--repetitions",
    "3",
    "--link",
    "100mbit/20ms",
];

#[test]
fn a_shard_that_is_stopped_goes_on_and_no_other_plan_or_part_takes_its_folder() {
    let bench = Bench::new();
    let mut child = bench.spawn(&[SLOW, &["--shard", "1/1"]].concat());
    bench.wait_for_sessions(1);
    interrupt(child.id());
    assert_eq!(wait(&mut child, Duration::from_secs(20)).code(), Some(130));
    let merged = bench.command(&["merge", "run", "--into", "merged"]);
    assert_eq!(merged.code, 1, "{}", merged.stdout);
    assert!(merged.stdout.contains("of 1 cell missing"), "{}", merged.stdout);

    let other = bench.run(&[SLOW, &["--shard", "1/2"]].concat());
    assert!(other.code == 3 && other.stderr.contains("shard 1 of 1, plan"), "{}", other.stderr);
    let unsharded = bench.run(SLOW);
    assert!(unsharded.code == 3 && unsharded.stderr.contains("this is no shard"), "{}", unsharded.stderr);

    let output = bench.run(&[SLOW, &["--shard", "1/1"]].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let merged = bench.command(&["merge", "run", "--into", "merged"]);
    assert_eq!(merged.code, 0, "{}{}", merged.stdout, merged.stderr);
    let marks: Vec<SessionKey> = load(&bench, "merged")
        .samples
        .iter()
        .filter(|sample| sample.is_commit_mark())
        .map(|mark| SessionKey { cell: mark.cell.clone(), repetition: mark.repetition })
        .collect();
    assert_eq!((marks.len(), marks.iter().collect::<BTreeSet<_>>().len()), (3, 3));
}

#[test]
fn shards_of_different_matrices_say_what_differs() {
    let bench = Bench::new();
    let matrix =
        |images| ["-b", "clear", "-n", "mnist-mlp", "--images", images, "--batch", "2", "--repetitions", "1"];
    assert_eq!(shard(&bench, "1/2", "a", &matrix("2")).code, 0);
    assert_eq!(shard(&bench, "2/2", "b", &matrix("4")).code, 0);
    let refused = bench.command(&["merge", "a", "b", "--into", "merged"]);
    assert_eq!(refused.code, 3);
    assert!(
        refused.stderr.contains("another set of cells") && refused.stderr.contains("another plan"),
        "{}",
        refused.stderr
    );
    assert!(!bench.folder().join("merged").exists());
    let unnamed = bench.command(&["run", "--shard", "auto/2", "--out", "c"]);
    assert!(unnamed.code == 2 && unnamed.stderr.contains("SLURM_ARRAY_TASK_ID"), "{}", unnamed.stderr);
}

/// Whether bash reads a script whole, and every script within it.
fn reads(script: &str) -> bool {
    let mut bash =
        Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    // An unfinished heredoc is a warning.
    output.status.success() && output.stderr.is_empty()
}

#[test]
fn a_script_for_slurm_holds_scripts_that_bash_reads_with_every_option_as_it_was_given() {
    let bench = Bench::new();
    let options =
        ["submit", "slurm", "--shards", "8", "--at-once", "3", "--time", "2:00:00", "--out", "my runs/x"];
    let run = ["-b", "clear", "-n", "mnist-.*|it's", "--set", "ckks.layout=latency", "--images", "6"];
    let output = bench.command(&[&options[..], &run].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let script = &output.stdout;
    assert!(reads(script), "{script}");
    for line in [
        "#SBATCH --array=1-8%3",
        "#SBATCH --exclusive",
        "#SBATCH --requeue",
        "#SBATCH --signal=B:INT@60",
        "#SBATCH --time=2:00:00",
    ] {
        assert!(script.contains(&format!("\n{line}\n")), "{script}");
    }
    assert!(
        script.contains(r#"-b clear -n "mnist-.*|it's" --set 'ckks.layout=latency' --images 6 &"#),
        "{script}"
    );
    assert!(
        script.contains("task=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\n"),
        "one task of the array, not all"
    );
    assert!(
        script.contains("--dependency=\"afterany:$array\"")
            && script.contains("merge 'my runs/x.shards'/*/ --into 'my runs/x'")
    );
    let shard = script.split("<<'END_OF_SHARD'\n").nth(1).unwrap().split("END_OF_SHARD").next().unwrap();
    assert!(shard.starts_with("#!/usr/bin/env bash\n#SBATCH") && reads(shard), "{shard}");
}

#[test]
fn a_line_for_parallel_is_one_that_bash_reads() {
    let bench = Bench::new();
    let output = bench.command(&["submit", "parallel", "--shards", "4", "-b", "clear", "-n", "a b"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(reads(&output.stdout) && output.stdout.lines().count() == 2, "{}", output.stdout);
    assert!(
        output.stdout.contains("seq 4 | parallel --quote --jobs 1") && output.stdout.contains("--shard {}/4")
    );
    assert!(output.stdout.contains("-b clear -n 'a b'; "), "{}", output.stdout);
}

#[test]
fn options_that_run_does_not_take_or_the_script_decides_are_refused() {
    let bench = Bench::new();
    for (wrong, said) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["-b", "clear", "--out", "x"], "--out is for `run` alone"),
        (&["-b", "clear", "--shard", "1/2"], "--shard is for `run` alone"),
        (&["-b", "clear", "--fresh"], "--fresh is for `run` alone"),
        (&["-b", "("], "error"),
    ] {
        let output = bench.command(&[&["submit", "kubernetes", "--shards", "2", "--"], wrong].concat());
        assert!(output.code == 2 && output.stderr.contains(said), "{wrong:?}: {}", output.stderr);
        assert_eq!(output.stdout, "");
    }
    let help = bench.command(&["submit", "slurm", "--shards", "2", "-b", "clear", "--help"]);
    assert!(help.code == 0 && help.stdout.contains("--repetitions"), "{}{}", help.stdout, help.stderr);
}

#[test]
fn fewer_shards_at_once_are_fewer_machines_of_gnu_parallel() {
    let bench = Bench::new();
    let line = |more: &[&str]| {
        let output =
            bench.command(&[&["submit", "parallel", "--shards", "4"], more, &["-b", "clear"]].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(reads(&output.stdout), "{}", output.stdout);
        output.stdout
    };
    // What bash makes of the machines in the line.
    let machines = |line: &str, hosts: &str| {
        let word = line.split("--sshlogin ").nth(1).unwrap().split(" --workdir").next().unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-c", &format!("printf %s {word}")]).env_remove("HOSTS");
        if !hosts.is_empty() {
            bash.env("HOSTS", hosts);
        }
        String::from_utf8(bash.output().unwrap().stdout).unwrap()
    };
    let (all, two) = (line(&[]), line(&["--at-once", "2"]));
    assert_eq!((machines(&all, ""), machines(&two, "")), (":".into(), ":".into()));
    assert_eq!(machines(&all, "alice,bob,carol"), "alice,bob,carol");
    assert_eq!(machines(&two, "alice,bob,carol"), "alice,bob");
}

/// GNU parallel would put words of its own in place of `{}`, `{2}`, `{.}` and their like in a pattern.
#[test]
fn braces_that_gnu_parallel_would_change_are_refused_for_it_alone() {
    let bench = Bench::new();
    let braced = ["-n", "mnist-.{2,3}", "-b", "clear"];
    let output = bench.command(&[&["submit", "parallel", "--shards", "4"][..], &braced].concat());
    assert!(output.code == 2 && output.stderr.contains("mnist-.{2,3}"), "{}", output.stderr);
    assert!(output.stdout.is_empty() && output.stderr.contains("GNU parallel"), "{}", output.stderr);
    let folder = bench.command(&["submit", "parallel", "--shards", "4", "--out", "a{#}", "-b", "clear"]);
    assert!(folder.code == 2 && folder.stderr.contains("a{#}"), "{}", folder.stderr);
    let slurm = bench.command(&[&["submit", "slurm", "--shards", "4"][..], &braced].concat());
    assert!(slurm.code == 0 && slurm.stdout.contains("'mnist-.{2,3}'"), "{}{}", slurm.stdout, slurm.stderr);
}

#[test]
fn a_folder_of_shards_merges_and_names_the_shard_that_was_never_begun() {
    let bench = Bench::new();
    for index in ["1/3", "2/3"] {
        let output = shard(&bench, index, &format!("shards/{}", &index[..1]), MATRIX);
        assert_eq!(output.code, 0, "{}", output.stderr);
    }
    fs::create_dir(bench.folder().join("shards/3")).unwrap();
    let partial = bench.command(&["merge", "shards", "--into", "shards/merged"]);
    assert!(
        partial.code == 1 && partial.stdout.contains("no folder of shard 3"),
        "{}{}",
        partial.stdout,
        partial.stderr
    );
    assert_eq!(shard(&bench, "3/3", "shards/3", MATRIX).code, 0);
    let whole = bench.command(&["merge", "shards", "--into", "shards/merged"]);
    assert!(
        whole.code == 0 && whole.stdout.contains("16 sessions merged"),
        "{}{}",
        whole.stdout,
        whole.stderr
    );
    let none = bench.command(&["merge", "nowhere", "--into", "other"]);
    assert_eq!(none.code, 3, "{}", none.stdout);
    let manifest = bench.command(&["submit", "kubernetes", "--shards", "3", "-b", "clear"]).stdout;
    let merge = r#"args: ["merge", "results/runs/merged.shards", "--into", "results/runs/merged"]"#;
    assert!(manifest.contains(merge), "{manifest}");
}

#[test]
fn shards_whose_networks_are_calibrated_on_other_images_do_not_merge() {
    let bench = Bench::new();
    own_images_and_model(&bench);
    let own = ["-b", "clear", "--model", "my.onnx", "--data", "digits", "--images", "8", "--batch", "2,4"];
    let calibrated = |count| [&own[..], &["--repetitions", "1", "--calibrate", count]].concat();
    assert_eq!(shard(&bench, "1/2", "a", &calibrated("20")).code, 0);
    assert_eq!(shard(&bench, "2/2", "b", &calibrated("20")).code, 0);
    assert_eq!(shard(&bench, "2/2", "c", &calibrated("21")).code, 0);
    assert_eq!(bench.command(&["merge", "a", "b", "--into", "merged"]).code, 0);
    let refused = bench.command(&["merge", "a", "c", "--into", "other"]);
    assert!(
        refused.code == 3 && refused.stderr.contains("images that calibrate network `my`"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("another plan"), "{}", refused.stderr);
}
