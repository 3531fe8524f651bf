//! Backends that are folders, through the real executable: the tutorial's own program, what fails in foreign code, and what is
//! not installed.

use std::fs;
use std::path::Path;

use crate::bench::{Bench, Output};
use veilbench_results::{Phase, RunData, Sample, Status};

/// One session of two images.
const BRIEF: &[&str] =
    &["-n", "mnist-mlp", "--images", "2", "--batch", "2", "--repetitions", "1", "--warmup", "0"];

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The text of the tutorial's block of a language.
fn block<'a>(tutorial: &'a str, language: &str) -> &'a str {
    let (_, rest) = tutorial.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// The folder that a reader of the tutorial has made, after a change to each file.
fn tutorial(bench: &Bench, manifest: impl Fn(&str) -> String, program: impl Fn(&str) -> String) -> String {
    let text = fs::read_to_string(root().join("backends/README.md")).unwrap();
    let (_, tutorial) = text.split_once("## Your program as a backend").unwrap();
    let folder = bench.folder().join("my-system");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("backend.toml"), manifest(block(tutorial, "toml"))).unwrap();
    fs::write(folder.join("roles.py"), program(block(tutorial, "python"))).unwrap();
    let module = root().join("backends/external/python/veilbench_party.py");
    fs::copy(module, folder.join("veilbench_party.py")).unwrap();
    "my-system".to_owned()
}

fn unchanged(text: &str) -> String {
    text.to_owned()
}

/// A run of it alone.
fn run(bench: &Bench, folder: &str) -> Output {
    bench.run(&[&["--backend-file", folder, "-b", "my-system"], BRIEF].concat())
}

/// How the one session on record ended.
fn mark(bench: &Bench) -> Sample {
    let data = RunData::load(&bench.out()).unwrap();
    let marks: Vec<_> = data.samples.into_iter().filter(Sample::is_commit_mark).collect();
    assert_eq!(marks.len(), 1, "{marks:?}");
    marks[0].clone()
}

#[test]
fn the_tutorials_program_is_a_row_like_any_other() {
    let bench = Bench::new();
    let folder = tutorial(&bench, unchanged, unchanged);
    let lines = fs::read_to_string(bench.folder().join("my-system/roles.py")).unwrap().lines().count();
    assert!(lines <= 60, "{lines} lines are more than the tutorial promises");
    let output = bench.run(&[&["--backend-file", &folder, "-b", "clear|my-system"], BRIEF].concat());
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("my-system"), "{}", output.stdout);
    let data = RunData::load(&bench.out()).unwrap();
    assert!(data.findings.is_empty(), "{:?}", data.findings);
    let backend = &data.run.backends["my-system"];
    assert_eq!((backend.technology.as_str(), backend.threat_model_summary.as_str()), ("none", "no privacy"));
    let answers: Vec<_> =
        data.answers.iter().filter(|answer| answer.cell.starts_with("my-system/")).collect();
    assert_eq!(answers.len(), 2);
    assert!(
        answers.iter().all(|answer| answer.clear == answer.private
            && answer.max_logit_error.is_some_and(|error| error < 1e-4))
    );
    let row = |phase, role: &str| {
        let mut rows = data.samples.iter().filter(|row| {
            row.cell.starts_with("my-system/")
                && row.phase == phase
                && row.role == role
                && row.span.is_empty()
        });
        rows.next().unwrap().clone()
    };
    assert_eq!(row(Phase::Online, "data-owner").sent_bytes, Some(2 * 784 * 4));
    assert_eq!(row(Phase::Online, "model-owner").sent_bytes, Some(2 * 10 * 4));
    assert_eq!(row(Phase::Online, "all").rounds, Some(2));
    // The interpreter's own, not that of the process which starts it: 118,016 products a image take Python milliseconds.
    let evaluating = row(Phase::Online, "model-owner");
    assert!(evaluating.cpu_ns.unwrap() > 2_000_000, "{evaluating:?}");
    assert!(row(Phase::Session, "model-owner").peak_rss_bytes.unwrap() > 6 << 20);
    let spans = data.samples.iter().filter(|row| row.cell.starts_with("my-system/"));
    let spans: Vec<&str> = spans.map(|row| row.span.as_str()).collect();
    assert!(spans.contains(&"evaluate") && spans.contains(&"wait"), "{spans:?}");
    let cell = answers[0].cell.clone();
    let parameters = &data.run.plans[&cell]["parameters"];
    assert_eq!(parameters["bytes"], "link");
    assert_eq!(parameters["files_sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn other_commands_know_it_too() {
    let bench = Bench::new();
    let folder = tutorial(&bench, unchanged, unchanged);
    let file = format!("{folder}/backend.toml");
    let list = bench.command(&[
        "list",
        "--backend-file",
        &file,
        "-b",
        "my-system",
        "-n",
        "mnist-.*",
        "--batch",
        "1",
    ]);
    let lines: Vec<_> = list.stdout.lines().collect();
    assert!(
        lines[0].starts_with("my-system/mnist-mlp/") && !lines[0].contains("unsupported"),
        "{}",
        list.stdout
    );
    assert!(
        list.stdout.contains("conv2d") || list.stdout.contains("is no operator of this backend"),
        "{}",
        list.stdout
    );
    let plan = bench.command(&["plan", "mnist-mlp", "-b", "my-system", "--backend-file", &folder]);
    assert!(plan.code == 0 && plan.stdout.contains("files sha256"), "{}{}", plan.stdout, plan.stderr);
    let verify = bench.command(&[
        "verify",
        "--backend-file",
        &folder,
        "-b",
        "my-system",
        "-n",
        "mnist-mlp",
        "--images",
        "3",
        "--no-odd",
    ]);
    assert!(verify.code == 0 && verify.stdout.contains("3/3 agree"), "{}{}", verify.stdout, verify.stderr);
    let shown = bench.command(&["backends", "--backend-file", &folder]);
    assert!(
        shown.stdout.contains("my-system  (none)") && shown.stdout.contains("tenseal  (fhe)"),
        "{}",
        shown.stdout
    );
    let json = bench.command(&["backends", "--json", "--backend-file", &folder]).stdout;
    let profiles: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(profiles.as_array().unwrap().last().unwrap()["name"], "my-system");
}

#[test]
fn the_tutorials_program_conforms() {
    let bench = Bench::new();
    let folder = tutorial(&bench, unchanged, unchanged);
    let output = bench.command(&["conformance", "my-system", "--backend-file", &folder]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
}

#[test]
fn failures_of_foreign_code_are_rows_that_say_what_happened() {
    let cases = [
        ("import os; os._exit(7)", Status::Error, "ended with exit status: 7"),
        ("import os; os.abort()", Status::Error, "signal: 6"),
        ("raise ValueError('no such layer')", Status::Error, "ValueError: no such layer"),
        ("raise MemoryError", Status::OutOfMemory, "out of memory"),
        ("import time; time.sleep(60)", Status::Error, "said nothing for 2 s"),
        (
            "raise veilbench_party.OutOfRange('too bright', [1])",
            Status::OutOfRange,
            "too bright; test images ",
        ),
        (
            "import subprocess; subprocess.Popen(['sleep', '600']); raise OSError('child')",
            Status::Error,
            "child",
        ),
    ];
    for (fault, status, words) in cases {
        let bench = Bench::new();
        let manifest = |text: &str| format!("{text}\n[limits]\nsilence_seconds = 2\n");
        let place = "        values = array.array(\"f\", self.session.receive(\"data-owner\"))\n";
        let program = |text: &str| {
            assert!(text.contains(place));
            text.replace(place, &format!("{place}        {fault}\n"))
        };
        let folder = tutorial(&bench, manifest, program);
        let output = run(&bench, &folder);
        assert_eq!(output.code, 1, "{fault}: {}", output.stderr);
        let mark = mark(&bench);
        assert!(
            mark.status == status && mark.detail.contains(words),
            "{fault}: {} {}",
            mark.status,
            mark.detail
        );
        // The row names the role, and the report has it.
        assert!(mark.detail.contains("model-owner: "), "{fault}: {}", mark.detail);
    }
}

#[test]
fn wrong_answers_are_measured_and_disagree() {
    let bench = Bench::new();
    let program = |text: &str| text.replace("max(value, 0.0)", "-value");
    let folder = tutorial(&bench, unchanged, program);
    assert_eq!(run(&bench, &folder).code, 0);
    let data = RunData::load(&bench.out()).unwrap();
    assert!(
        data.answers.iter().all(|answer| answer.max_logit_error.is_some_and(|error| error > 0.1)),
        "{:?}",
        data.answers
    );
    let verify = bench.command(&[
        "verify",
        "--backend-file",
        &folder,
        "-b",
        "my-system",
        "-n",
        "mnist-mlp",
        "--images",
        "3",
        "--no-odd",
    ]);
    assert!(verify.code == 1 && verify.stdout.contains("a logit is off by"), "{}", verify.stdout);
}

#[test]
fn what_is_not_installed_is_a_row_until_it_is_installed() {
    let bench = Bench::new();
    let install = "\n[install]\nneeds = \"a shell\"\ndownload_mb = 3\ndisk_mb = 7\n\
                   commands = [[\"/bin/sh\", \"-c\", \"echo fetching; touch '{environment}/there'\"]]\n";
    let folder = tutorial(&bench, |text| text.to_owned() + install, unchanged);
    let output = run(&bench, &folder);
    assert_eq!(output.code, 0, "what is not there is no failure: {}", output.stderr);
    let refused = mark(&bench);
    assert_eq!(refused.status, Status::Unsupported);
    for words in ["veilbench backends install", "needs a shell, downloads 3 MB, takes 7 MB on disk"] {
        assert!(refused.detail.contains(words), "{}", refused.detail);
    }
    let installed = bench.command(&["backends", "install", &folder]);
    assert_eq!(installed.code, 0, "{}", installed.stderr);
    assert!(
        installed.stdout.contains("downloads 3 MB") && installed.stdout.contains("  fetching"),
        "{}",
        installed.stdout
    );
    let again = bench.command(&["backends", "install", &folder]);
    assert!(again.stdout.contains("my-system is installed in"), "{}", again.stdout);
    assert_eq!(run(&bench, &folder).code, 0);
    assert_eq!(mark(&bench).status, Status::Ok);
}

#[test]
fn on_a_machine_that_is_offline_the_profile_for_systems_of_others_says_what_was_tried() {
    let bench = Bench::new();
    // Nobody listens at the first port.
    let fetch = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:1/wheel')";
    let install = format!(
        "\n[install]\nneeds = \"Python 3\"\ndownload_mb = 3\ndisk_mb = 7\ncommands = [[\"python3\", \"-c\", \"{fetch}\"]]\n"
    );
    let folder = tutorial(&bench, |text| text.to_owned() + &install, unchanged);
    let chosen = ["--profile", "peers", "--backend-file", &folder, "-b", "my-system", "-n", "mnist-mlp"];
    let output = bench.run(&chosen);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    for words in [
        "my-system is not installed: it needs Python 3, downloads 3 MB",
        "my-system could not be installed: ",
    ] {
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    assert!(!output.stderr.contains("tenseal"), "nobody chose it: {}", output.stderr);
    let refused = mark(&bench);
    assert_eq!(refused.status, Status::Unsupported);
    for words in ["`veilbench backends install", "it was tried: ", "Connection refused"] {
        assert!(refused.detail.contains(words), "{}", refused.detail);
    }
}

#[test]
fn the_profile_for_systems_of_others_has_the_papers_networks_and_twins_where_they_are_needed() {
    let bench = Bench::new();
    let listed = |more: &[&str]| {
        let list =
            bench.command(&[&["list", "--profile", "peers", "-b", "clear|ckks|tenseal"], more].concat());
        assert_eq!(list.code, 0, "{}", list.stderr);
        let names = list.stdout.lines().filter_map(|line| {
            let mut parts = line.split('/');
            Some((parts.next()?.to_owned(), parts.next()?.to_owned(), line.contains("/b1/t1/loopback/")))
        });
        names.collect::<Vec<_>>()
    };
    let cells = listed(&[]);
    let networks = |backend: &str| {
        let own = cells.iter().filter(|(name, _, alone)| name == backend && *alone);
        own.map(|(_, network, _)| network.as_str()).collect::<Vec<_>>()
    };
    let mut own = networks("clear");
    own.sort_unstable();
    assert_eq!(own, ["malaria-cnn", "mnist-cnn", "mnist-mlp"]);
    for backend in ["ckks", "tenseal"] {
        assert!(networks(backend).contains(&"mnist-mlp") && networks(backend).contains(&"mnist-mlp-poly"));
        assert_eq!(networks(backend).len(), 6, "{cells:?}");
    }
    assert_eq!(cells.len(), 15, "one image, one thread, loopback: {cells:?}");
    assert_eq!(listed(&["-n", "melanoma-lenet-poly"]).len(), 3, "who names a network gets it");
}

#[test]
fn systems_that_come_with_the_program_go_by_their_name() {
    let bench = Bench::new();
    let list = bench.command(&[
        "list",
        "--backend-file",
        "tenseal",
        "-b",
        "tenseal",
        "-n",
        ".*-poly|mnist-mlp",
        "--batch",
        "1",
    ]);
    let line = |network: &str| list.stdout.lines().find(|line| line.contains(network)).unwrap().to_owned();
    assert!(
        line("/mnist-mlp/").contains("relu is no operator")
            || line("/mnist-mlp/").contains("is no operator of this backend")
    );
    assert!(
        line("/mnist-mlp-poly/").contains("`veilbench backends install tenseal` does it"),
        "{}",
        list.stdout
    );
    assert!(line("/malaria-cnn-poly/").contains("values are more than"), "{}", list.stdout);
    let unknown = bench.command(&["list", "--backend-file", "tensail"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("clear-numpy, tenseal"), "{}", unknown.stderr);
    let taken = tutorial(&bench, |text| text.replace("my-system", "clear"), unchanged);
    let taken = bench.command(&["list", "--backend-file", &taken]);
    assert!(taken.code == 2 && taken.stderr.contains("so is another backend"), "{}", taken.stderr);
}

#[test]
fn a_changed_program_does_not_go_on_under_the_old_rows() {
    let bench = Bench::new();
    let folder = tutorial(&bench, unchanged, unchanged);
    assert_eq!(run(&bench, &folder).code, 0);
    assert_eq!(run(&bench, &folder).code, 0);
    tutorial(&bench, unchanged, |text| format!("{text}# faster now\n"));
    let output = run(&bench, &folder);
    assert!(
        output.code == 3 && output.stderr.contains("my-system is not what the sessions on record"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_program_that_changes_during_a_run_is_not_measured_as_the_one_before() {
    let bench = Bench::new();
    let edit = r#"import pathlib; pathlib.Path(__file__).with_name("later.py").touch()"#;
    let folder = tutorial(&bench, unchanged, |text| format!("{edit}\n{text}"));
    let with = ["--backend-file", &folder, "-b", "my-system"];
    let output = bench.run(&[&with[..], &BRIEF[..6], &["--repetitions", "2", "--warmup", "0"]].concat());
    assert_eq!(output.code, 1, "{}", output.stderr);
    let data = RunData::load(&bench.out()).unwrap();
    let marks: Vec<_> = data.samples.iter().filter(|row| row.is_commit_mark()).collect();
    let [.., last] = &marks[..] else { panic!("no session is on record") };
    assert_eq!(last.status, Status::Error);
    for words in ["the files of my-system have SHA-256 ", "it is another program"] {
        assert!(last.detail.contains(words), "{}", last.detail);
    }
}
