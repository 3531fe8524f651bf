//! Commands in the documents: every one parses, those that only show something run, those that measure have cells, and the files
//! they name are there. And sources: each says at its head what it is for.
//! The two commands of the README that build and test everything are the gate's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use bench::Bench;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file of the repository whose name ends so, with its text.
fn files(ending: &str) -> BTreeMap<PathBuf, String> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![root()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            let made = name.starts_with('.') || ["target", "node_modules", "runs"].contains(&&*name);
            if entry.file_type().unwrap().is_dir() && !made {
                folders.push(path);
            } else if name.ends_with(ending) {
                files.insert(path.clone(), fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

/// Every document of the repository, with its text: none may say what no test has read.
fn documents() -> BTreeMap<PathBuf, String> {
    let documents = files(".md");
    assert!(documents.len() > 15, "{:?}", documents.keys());
    documents
}

/// Arguments of every veilbench command of a document, of its code blocks and within its sentences.
fn commands(text: &str) -> Vec<Vec<String>> {
    let (mut found, mut in_block) = (Vec::new(), false);
    let mut prose = String::new();
    for line in text.lines() {
        if line.starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.extend(command(line.trim_start_matches("//! ").trim_start_matches("$ ")));
        } else {
            prose += line;
            prose.push(' ');
        }
    }
    // What stands between one pair of backquotes: every second part.
    found.extend(prose.split('`').skip(1).step_by(2).filter_map(command));
    found
}

/// The arguments, if it is a command of the program with at least one.
fn command(line: &str) -> Option<Vec<String>> {
    let starts = ["veilbench ", "cargo run --release -- ", "cargo run --release --example own_backend -- "];
    let rest = starts.iter().find_map(|start| line.strip_prefix(start))?;
    let words = shlex::split(rest).unwrap_or_else(|| panic!("a quote is not closed: {line}"));
    (words.first()?.starts_with(|first: char| first.is_ascii_lowercase())).then_some(words)
}

#[test]
fn every_command_of_the_documents_is_one() {
    let bench = Bench::new();
    let mut seen = 0;
    for (document, text) in documents() {
        for command in commands(&text) {
            // The last word asks for help instead of work, after all others were understood.
            let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
            let output = bench.command(&arguments);
            let document = document.display();
            assert_eq!(output.code, 0, "{document}: veilbench {}\n{}", command.join(" "), output.stderr);
            seen += 1;
        }
    }
    assert!(seen > 40, "only {seen} commands were found: the documents are not read as they are written");
}

/// What runs in place of a command: itself if it only shows something, and for measurements the list of their cells. Nothing for a
/// command with a file of the reader's own, a name in capitals, other hosts, a part of a matrix, the machine itself to
/// measure, or systems that have to be installed.
fn shown(mut command: Vec<String>) -> Option<Vec<String>> {
    let placeholder = |word: &String| {
        word.ends_with(".onnx")
            || ["--host", "--shard", "--backend-file", "--calibrate-machine", "install", "peers"]
                .contains(&&**word)
            || word.chars().all(|c| c.is_ascii_uppercase())
    };
    match command[0].as_str() {
        "submit" => return Some(command),
        "run" => command[0] = "list".to_owned(),
        "backends" | "list" | "plan" | "networks" => {}
        "data" if command[1] == "list" => {}
        _ => return None,
    }
    (!command.iter().any(placeholder)).then_some(command)
}

#[test]
fn commands_that_show_something_run_and_those_that_measure_have_cells() {
    let bench = Bench::new();
    let commands: BTreeSet<Vec<String>> =
        documents().values().flat_map(|text| commands(text)).filter_map(shown).collect();
    assert!(commands.len() >= 12, "{commands:?}");
    for command in commands {
        let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
        let output = bench.command(&arguments);
        assert_eq!(output.code, 0, "{}\n{}", command.join(" "), output.stderr);
        assert!(!output.stdout.is_empty(), "{} shows nothing", command.join(" "));
    }
}

#[test]
fn the_tables_in_the_readme_are_what_their_commands_make_of_the_runs() {
    let bench = Bench::new();
    let readme = bench.folder().join("README.md");
    fs::copy(root().join("README.md"), &readme).unwrap();
    for run in ["results/runs/reference", "results/runs/peers"] {
        let (shipped, copy) = (root().join(run), bench.folder().join(run));
        fs::create_dir_all(&copy).unwrap();
        for name in ["run.json", "samples.csv.gz", "traffic.csv.gz", "answers.csv.gz"] {
            fs::copy(shipped.join(name), copy.join(name)).unwrap();
        }
        let output = bench.command(&["report", run, "--splice", "README.md"]);
        assert_eq!(output.code, 0, "{}", output.stderr);
        let summary = |folder: &Path| fs::read_to_string(folder.join("summary.md")).unwrap();
        assert_eq!(summary(&copy), summary(&shipped), "{run}");
    }
    assert_eq!(fs::read_to_string(&readme).unwrap(), fs::read_to_string(root().join("README.md")).unwrap());
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    for (document, text) in documents() {
        for target in
            text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
        {
            let file = target.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                let there = document.parent().unwrap().join(file).exists();
                assert!(there, "{} links to {target}", document.display());
            }
        }
    }
}

#[test]
fn every_source_file_says_at_its_head_what_it_is_for() {
    let sources = files(".rs");
    assert!(sources.len() > 500, "only {} sources were found", sources.len());
    for (source, text) in sources {
        assert!(
            text.starts_with("//! "),
            "{} begins without a line that says what it is for",
            source.display()
        );
    }
}

/// A path of the repository, as prose names it.
fn is_path(word: &str) -> bool {
    let folders = ["harness/", "backends/", "networks/", "datasets/", "results/", "report/"];
    folders.iter().any(|folder| word.starts_with(folder))
        && word.chars().all(|c| c.is_ascii_alphanumeric() || "/-_.".contains(c))
}

#[test]
fn paths_that_the_documents_name_exist() {
    let mut seen = 0;
    for document in ["README.md", "CONTRIBUTING.md", "backends/README.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for path in text.split('`').skip(1).step_by(2).filter(|word| is_path(word)) {
            assert!(root().join(path).exists() || path == "results/runs/", "{document} names {path}");
            seen += 1;
        }
    }
    assert!(seen >= 15, "only {seen} paths were found");
}
