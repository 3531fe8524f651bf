//! Commands in the documents: every one parses, those that only show something run, and the files they name are there.
//! The two commands of the README that build and test everything are the gate's.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;

use std::fs;
use std::path::{Path, PathBuf};

use bench::Bench;

const DOCUMENTS: [&str; 13] = [
    "README.md",
    "CONTRIBUTING.md",
    "harness/README.md",
    "harness/GLOSSARY.md",
    "backends/README.md",
    "backends/ckks/core/README.md",
    "backends/mpc/core/README.md",
    "backends/tee/core/README.md",
    "networks/README.md",
    "networks/train/README.md",
    "datasets/README.md",
    "results/README.md",
    "report/README.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
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
    let words = words(rest.split(" #").next().unwrap());
    (words.first()?.starts_with(|first: char| first.is_ascii_lowercase())).then_some(words)
}

/// Words as a shell would split them, with single quotes.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            other => word.push(other),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

#[test]
fn every_command_of_the_documents_is_one() {
    let bench = Bench::new();
    let mut seen = 0;
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for command in commands(&text) {
            // The last word asks for help instead of work, after all others were understood.
            let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
            let output = bench.command(&arguments);
            assert_eq!(output.code, 0, "{document}: veilbench {}\n{}", command.join(" "), output.stderr);
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} commands were found: the documents are not read as they are written");
}

#[test]
fn commands_that_only_show_something_run() {
    let bench = Bench::new();
    let mut ran = 0;
    for document in DOCUMENTS {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for command in commands(&text) {
            let shows = matches!(command[0].as_str(), "backends" | "list" | "plan" | "networks")
                || command.starts_with(&["data".to_owned(), "list".to_owned()]);
            // A file of the reader's own, or a name in capitals.
            let is_placeholder =
                |word: &String| word.ends_with(".onnx") || word.chars().all(|c| c.is_ascii_uppercase());
            let placeholder = command.iter().any(is_placeholder);
            if shows && !placeholder {
                let arguments: Vec<&str> = command.iter().map(String::as_str).collect();
                let output = bench.command(&arguments);
                assert_eq!(output.code, 0, "{document}: {}\n{}", command.join(" "), output.stderr);
                ran += 1;
            }
        }
    }
    assert!(ran >= 4, "only {ran} commands ran");
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    for document in DOCUMENTS {
        let path = root().join(document);
        let text = fs::read_to_string(&path).unwrap();
        for target in
            text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
        {
            let file = target.split('#').next().unwrap();
            if !file.is_empty() && !file.contains("://") {
                assert!(path.parent().unwrap().join(file).exists(), "{document} links to {target}");
            }
        }
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
