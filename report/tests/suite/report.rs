//! The report of a folder: every file, the same bytes each time, for runs of every shape.

use crate::fixture::{Costs, cell, failed, run, session};
use std::{collections::BTreeSet, fs, path::PathBuf};
use tempfile::TempDir;
use veilbench_report::{Error, generate, splice, terminal_table};
use veilbench_results::{Cell, Finding, Run, Status, Store, Summary, Table};

/// A folder that stays after the test, to be looked at.
fn kept(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("report-fixtures").join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

const FILES: [&str; 21] = [
    "summary.csv",
    "summary.md",
    "tables/times.csv",
    "tables/traffic.csv",
    "tables/memory.csv",
    "tables/protection.csv",
    "tables/pareto.csv",
    "tables/break_even.csv",
    "plots/runtime.svg",
    "plots/runtime.png",
    "plots/communication.svg",
    "plots/communication.png",
    "plots/accuracy.svg",
    "plots/accuracy.png",
    "plots/throughput.svg",
    "plots/throughput.png",
    "plots/memory.svg",
    "plots/memory.png",
    "plots/pareto.svg",
    "plots/pareto.png",
    "index.html",
];

#[test]
fn runs_of_one_and_of_seven_backends_make_every_file_the_same_twice() {
    for (name, backends, batches) in [("one-backend", 1, &[1][..]), ("seven-backends", 7, &[1, 8, 64])] {
        let folder = kept(name);
        crate::fixture::write(&folder, backends, 8, batches);
        let report = generate(&folder).unwrap();
        assert_eq!(report.findings, []);
        assert_eq!(report.files, FILES.map(|file| folder.join(file)));
        let read = || FILES.map(|file| fs::read(folder.join(file)).unwrap());
        let first = read();
        for (file, bytes) in FILES.iter().zip(&first).filter(|(file, _)| file.ends_with("png")) {
            assert!(bytes.starts_with(b"\x89PNG") && bytes.len() > 20_000, "{file}");
        }
        generate(&folder).unwrap();
        assert!(read() == first);
        let summary = Table::<Summary>::read(&folder.join("summary.csv")).unwrap();
        assert_eq!(summary.findings, []);
        assert_eq!(summary.rows.len(), backends * 8 * batches.len());
    }
}

#[test]
fn a_plot_says_machine_threat_models_failures_and_which_data_are_synthetic() {
    let folder = kept("words");
    crate::fixture::write(&folder, 7, 8, &[1]);
    generate(&folder).unwrap();
    for plot in ["runtime", "communication", "accuracy", "throughput"] {
        let svg = fs::read_to_string(folder.join("plots").join(plot).with_extension("svg")).unwrap();
        for words in [
            "Made-up CPU @ 3.00GHz, 2 cores",
            "enclave hardware and its vendor are trusted; 128-bit; simulated (tee)",
            "at most one of three servers corrupt",
            "unsupported",
            "timeout",
            "melanoma-sample (synthetic)",
        ] {
            assert!(svg.contains(words), "{plot} lacks `{words}`");
        }
    }
    let svg = fs::read_to_string(folder.join("plots/accuracy.svg")).unwrap();
    assert!(svg.contains("no accuracy: synthetic images"));
}

#[test]
fn what_a_backend_does_not_run_is_said_once_for_each_network_and_twins_share_a_table() {
    let folder = kept("refusals");
    crate::fixture::write(&folder, 7, 8, &[1, 8, 64]);
    let rows = generate(&folder).unwrap().summaries;
    let refused = rows.iter().filter(|row| row.status == Status::Unsupported);
    let refused: BTreeSet<_> = refused.map(|row| (&row.backend, &row.network)).collect();
    assert_eq!(refused.len(), 8, "two backends without ReLU, four networks with it");
    let summary = fs::read_to_string(folder.join("summary.md")).unwrap();
    let page = fs::read_to_string(folder.join("index.html")).unwrap();
    let static_part = page.split_once("<noscript>").unwrap().1.split_once("</noscript>").unwrap().0;
    for text in [&*summary, static_part] {
        assert_eq!(text.matches("relu has no exact polynomial").count(), refused.len());
        assert!(!text.contains("unsupported"));
        assert!(text.contains("ckks, mnist-mlp: relu has no exact polynomial"));
    }
    let titles: Vec<&str> = summary.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let tasks = [
        "malaria-cnn · malaria",
        "melanoma-lenet · melanoma-sample (synthetic)",
        "mnist-cnn · mnist",
        "mnist-mlp · mnist",
    ];
    assert_eq!(titles, [&tasks[..], &["Protection"]].concat());
    let table = summary.split_once("## mnist-mlp").unwrap().1;
    assert!(table.contains("| clear | mnist-mlp | A |") && table.contains("| clear | mnist-mlp-poly | A |"));
}

#[test]
fn plots_tell_links_apart_and_name_them_where_there_is_another_than_loopback() {
    let costs = Costs {
        setup: (9_000, 10),
        offline: (5_000, 10),
        online: vec![(80_000, 900), (70_000, 900)],
        rounds: 1,
        wrong_every: 3,
    };
    let plots = |name: &str, links: [&str; 2]| {
        let folder = kept(name);
        let mut store = Store::create(&folder, &run(2)).unwrap();
        for (backend, link) in ["clear", "tee"].into_iter().zip(links) {
            let cell = Cell { link: link.to_owned(), ..cell(backend, "mnist-mlp", "mnist", 1) };
            store.append_session(&session(&cell, 0, &costs)).unwrap();
        }
        assert_eq!(generate(&folder).unwrap().findings, []);
        let plots = ["runtime", "communication", "accuracy", "throughput", "memory", "pareto"];
        plots.map(|plot| fs::read_to_string(folder.join("plots").join(plot).with_extension("svg")).unwrap())
    };
    let shapes = |svg: &String| {
        svg.matches("<line").count() + svg.matches("<rect").count() + svg.matches("<polyline").count()
    };
    let (one, two) = (plots("one-link", ["loopback", "loopback"]), plots("two-links", ["loopback", "wan"]));
    for (one, two) in one.iter().zip(&two) {
        assert!(!one.contains("over loopback") && two.contains("over loopback") && two.contains("over wan"));
        assert!(shapes(two) > shapes(one) + 3, "what was measured over the other link is cut");
    }
}

#[test]
fn a_run_without_a_session_has_a_report_that_says_so() {
    let folder = TempDir::new().unwrap();
    drop(Store::create(folder.path(), &run(3)).unwrap());
    assert_eq!(generate(folder.path()).unwrap().files.len(), FILES.len());
    let svg = fs::read_to_string(folder.path().join("plots/runtime.svg")).unwrap();
    assert!(svg.contains("no cell has been measured yet"));
}

#[test]
fn failures_alone_are_drawn_as_words() {
    let folder = kept("failures");
    let mut store = Store::create(&folder, &run(2)).unwrap();
    for (backend, status) in [("clear", Status::OutOfMemory), ("tee", Status::Error)] {
        let cell = cell(backend, "mnist-mlp", "mnist", 1);
        store.append_session(&failed(&cell, 0, status, "a | b <c> & d")).unwrap();
    }
    generate(&folder).unwrap();
    let svg = fs::read_to_string(folder.join("plots/runtime.svg")).unwrap();
    assert!(svg.contains("✕ out-of-memory: a | b &lt;c&gt; &amp; d"));
    let table = fs::read_to_string(folder.join("summary.md")).unwrap();
    assert!(table.contains(r"out-of-memory: a \| b \<c\> & d"));
    let page = fs::read_to_string(folder.join("index.html")).unwrap();
    assert!(
        page.contains("<td>out-of-memory: a | b &lt;c&gt; &amp; d</td>"),
        "the table for readers without scripts"
    );
    assert!(page.contains(r#""detail":"a | b \u003cc> & d""#), "the data for the script, without markup");
    assert!(!page.contains("http-equiv=\"refresh\"") && !page.contains("src=") && !page.contains("url("));
}

#[test]
fn extreme_values_are_drawn_inside_the_figure() {
    let folder = kept("extremes");
    let mut store = Store::create(&folder, &run(4)).unwrap();
    let hours = 72 * 3_600_000_000_000;
    for (backend, online) in [
        ("clear", vec![(1, 0), (1, 0), (2, 0)]),
        ("tee", vec![(hours, 4), (hours, 4), (hours + 7, 4)]),
        ("mpc-dealer", vec![(u64::MAX, u64::MAX / 8), (u64::MAX, u64::MAX / 8)]),
        ("mpc-3pc", vec![(0, 1), (0, 1), (0, 1)]),
    ] {
        let cell = cell(backend, "mnist-mlp", "mnist", 1);
        let costs = Costs { setup: (0, 0), offline: (1, 0), online, rounds: 0, wrong_every: 1 };
        store.append_session(&session(&cell, 0, &costs)).unwrap();
    }
    assert_eq!(generate(&folder).unwrap().findings, []);
    let svg = fs::read_to_string(folder.join("plots/runtime.svg")).unwrap();
    let ends = svg.split("x=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let positions: BTreeSet<i64> = ends.filter_map(|number| number.parse().ok()).collect();
    assert!(positions.first() >= Some(&0) && positions.last() <= Some(&1280), "{positions:?}");
    for words in ["1 ns", "72 h", "0 ns"] {
        assert!(svg.contains(words), "{words}");
    }
}

#[test]
fn damage_is_reported_and_the_rest_summarised() {
    let folder = kept("damage");
    crate::fixture::write(&folder, 2, 1, &[1]);
    let path = folder.join("samples.csv");
    let text = fs::read_to_string(&path).unwrap().replacen(
        "loopback,0,0,false,1,online",
        "loopback,0,0,maybe,1,online",
        1,
    );
    fs::write(&path, text).unwrap();
    let report = generate(&folder).unwrap();
    assert!(report.findings[0].message.contains("column warm"), "{:?}", report.findings);
    let table = fs::read_to_string(folder.join("summary.md")).unwrap();
    assert!(table.contains("## Damage") && table.contains("samples.csv:"));
    assert_eq!(Table::<Summary>::read(&folder.join("summary.csv")).unwrap().rows.len(), 2);
}

#[test]
fn a_description_of_another_schema_version_is_reported_by_line_and_the_rows_are_shown() {
    let folder = kept("schema");
    crate::fixture::write(&folder, 2, 1, &[1]);
    let whole = generate(&folder).unwrap().summaries;
    let path = folder.join("run.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"schema_version\": 4", "\"schema_version\": 7")).unwrap();
    let report = generate(&folder).unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!((report.findings[0].file.as_str(), report.findings[0].line), ("run.json", Some(2)));
    assert!(report.findings[0].message.contains("schema version 7"));
    assert_eq!(report.summaries, whole, "fields that read as those of this version are kept");
    fs::write(&path, "{\n  \"schema_version\": 4,\n  \"name\": [\n").unwrap();
    let report = generate(&folder).unwrap();
    let finding = report.findings.iter().find(|finding| finding.file == "run.json").unwrap();
    assert_eq!(finding.line, Some(4), "{finding}");
    assert_eq!(report.summaries.len(), whole.len());
    assert_eq!(report.summaries[0].online_wall_ns, whole[0].online_wall_ns);
    fs::remove_file(&path).unwrap();
    let report = generate(&folder).unwrap();
    assert!(report.findings.iter().any(|finding| finding.message.contains("the file is missing")));
    assert!(fs::read_to_string(folder.join("index.html")).unwrap().contains("findings in the run"));
    assert!(generate(TempDir::new().unwrap().path()).is_err(), "an empty folder is no run");
}

#[test]
fn a_row_that_is_there_twice_counts_once() {
    let folder = kept("twice");
    crate::fixture::write(&folder, 1, 1, &[4]);
    let once = generate(&folder).unwrap().summaries;
    for file in ["samples.csv", "traffic.csv", "answers.csv"] {
        let path = folder.join(file);
        let text = fs::read_to_string(&path).unwrap();
        let rows = text.split_once('\n').unwrap().1;
        fs::write(&path, format!("{text}{rows}")).unwrap();
    }
    let report = generate(&folder).unwrap();
    assert_eq!(report.summaries, once);
    for file in ["samples.csv", "traffic.csv", "answers.csv"] {
        let of_file =
            |finding: &&Finding| finding.file == file && finding.message.contains("repeats line 2,");
        assert!(report.findings.iter().find(of_file).is_some_and(|finding| finding.line > Some(2)), "{file}");
    }
}

#[test]
fn the_page_says_when_load_exceeded_the_cores_and_its_data_read_as_json() {
    let folder = kept("load");
    crate::fixture::write(&folder, 3, 2, &[1, 8]);
    let page = || fs::read_to_string(folder.join("index.html")).unwrap();
    generate(&folder).unwrap();
    assert!(!page().contains("the machine was busy"));
    let mut run = Run::load(&folder).unwrap();
    run.machines.get_mut("").unwrap().load_average = [2.5, 0.0, 0.0];
    run.name = "</script><b>".to_owned();
    run.save(&folder).unwrap();
    generate(&folder).unwrap();
    assert!(page().contains("the machine was busy when the run began: load 2.50 on 2 cores"));
    assert!(!page().contains("</script><b>") && page().contains("&lt;&#x2f;script&gt;&lt;b&gt;"));
    let (_, rest) = page().split_once("id=\"data\">").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let data: serde_json::Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["run"]["name"], "</script><b>");
    assert_eq!(data["cells"].as_array().unwrap().len(), 12);
    let cell = &data["cells"][0];
    let names = data["names"].as_array().unwrap();
    let all = cell["spans"].as_array().unwrap().iter().find(|span| {
        names[span[0].as_u64().unwrap() as usize] == "online"
            && names[span[1].as_u64().unwrap() as usize] == "all"
    });
    assert_eq!(all.unwrap()[3], cell["online_wall_ns"], "the whole phase of all roles is the summary's time");
}

#[test]
fn the_summary_goes_between_the_markers_of_a_readme_with_the_command_that_made_it() {
    let folder = kept("splice");
    crate::fixture::write(&folder, 5, 2, &[1, 8]);
    let report = generate(&folder).unwrap();
    let readme = folder.join("README.md");
    fs::write(&readme, "before\n<!-- begin veilbench report -->\n<!-- end veilbench report -->\nafter\n")
        .unwrap();
    let command = "veilbench report runs/x --splice README.md";
    assert!(splice(&readme, &report.run, &report.summaries, command).unwrap());
    let text = fs::read_to_string(&readme).unwrap();
    let (begin, end) = (format!("before\n<!-- begin veilbench report: {command} -->\n"), "after\n");
    assert!(text.starts_with(&begin) && text.ends_with(end));
    let rows = |backend: &str| -> Vec<&str> {
        text.lines().filter(|line| line.starts_with(&format!("| {backend} ("))).collect()
    };
    assert_eq!((rows("clear").len(), rows("mpc-3pc").len()), (1, 1), "a row for each backend");
    let summary = |backend: &str, network: &str| {
        let mut cells = report.summaries.iter();
        cells.find(|row| row.backend == backend && row.network == network && row.batch == 1).unwrap()
    };
    let (relu, twin) = (summary("clear", "mnist-mlp"), summary("ckks", "mnist-mlp-poly"));
    let milliseconds =
        |row: &Summary| (row.online_wall_ns.unwrap() + row.offline_wall_ns.unwrap_or(0)) as f64 / 1e6;
    let field = |row: &str| -> (f64, String) {
        let field = row.split(" | ").nth(1).unwrap();
        let (time, rest) = field.split_once(", ").unwrap();
        let (number, unit) = time.split_once(' ').unwrap();
        let scale =
            [("s", 1e3), ("ms", 1.0), ("µs", 1e-3)].into_iter().find(|(name, _)| *name == unit).unwrap().1;
        (number.parse::<f64>().unwrap() * scale, rest.to_owned())
    };
    let (time, rest) = field(rows("clear")[0]);
    assert!(
        (time / milliseconds(relu) - 1.0).abs() < 5e-3 && !rest.contains("polynomials"),
        "{time} ms, {rest}"
    );
    let (time, rest) = field(rows("ckks")[0]);
    assert!((time / milliseconds(twin) - 1.0).abs() < 5e-3, "{time} ms: all work of the image counts");
    assert!(rest.contains("with polynomials"), "where a network does not run, its twin stands: {rest}");
    assert!(text.contains("A: none, the server sees every image"));
    assert!(
        !splice(&readme, &report.run, &report.summaries, command).unwrap(),
        "nothing changes the second time"
    );
    fs::write(&readme, "no markers").unwrap();
    let refused = splice(&readme, &report.run, &report.summaries, command);
    assert!(matches!(refused, Err(Error::Markers { path }) if path == readme));
}

#[test]
fn the_tables_hold_what_the_summary_is_made_of() {
    let folder = kept("tables");
    crate::fixture::write(&folder, 3, 2, &[1, 8]);
    let rows = generate(&folder).unwrap().summaries;
    let read = |name: &str| -> Vec<csv::StringRecord> {
        let mut reader = csv::Reader::from_path(folder.join("tables").join(name)).unwrap();
        reader.records().map(Result::unwrap).collect()
    };
    let (times, traffic, memory) = (read("times.csv"), read("traffic.csv"), read("memory.csv"));
    for row in &rows {
        let of_cell = |record: &&csv::StringRecord| record[0] == row.cell;
        let online =
            times.iter().filter(of_cell).find(|time| &time[1] == "online" && &time[2] == "all").unwrap();
        assert_eq!(online[4], row.online_wall_ns.unwrap().to_string());
        let sent = traffic.iter().filter(of_cell).filter(|pair| &pair[1] == "online");
        let bytes: u64 = sent.map(|pair| pair[4].parse::<u64>().unwrap()).sum();
        assert_eq!(bytes, row.online_bytes.unwrap());
        let peaks = memory.iter().filter(of_cell).map(|role| role[2].parse::<u64>().unwrap());
        assert_eq!(peaks.max(), row.peak_rss_bytes);
    }
}

#[test]
fn rows_of_different_machines_stand_under_headings_of_their_own() {
    let folder = kept("machines");
    let mut store = Store::create(&folder, &Run { machines: [].into(), ..run(2) }).unwrap();
    for (machine, network) in [("node-a", "mnist-mlp"), ("node-b", "mnist-cnn")] {
        store.measure_on(machine, &crate::fixture::machine()).unwrap();
        for backend in ["clear", "tee"] {
            let costs = Costs {
                setup: (5_000, 400),
                offline: (700, 40),
                online: vec![(9_000, 100), (1_000, 100)],
                rounds: 3,
                wrong_every: 4,
            };
            store.append_session(&session(&cell(backend, network, "mnist", 8), 0, &costs)).unwrap();
        }
    }
    drop(store);
    let report = generate(&folder).unwrap();
    assert_eq!(report.findings, []);
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap();
    let text = read("summary.md");
    assert!(
        text.contains("2 machines, times of which do not compare (Made-up CPU @ 3.00GHz, 2 cores)"),
        "{text}"
    );
    for heading in ["mnist-cnn · mnist · on node-b", "mnist-mlp · mnist · on node-a"] {
        assert!(text.contains(&format!("## {heading}\n")), "{text}");
    }
    assert!(read("plots/runtime.svg").contains("mnist-cnn · mnist · on node-b"));
    assert!(terminal_table(&report.summaries).contains("mnist on node-a"));
    assert!(
        read("index.html").contains("measured on 2 machines: times of different machines do not compare")
    );
    let summary = read("summary.csv");
    let place = summary.lines().next().unwrap().split(',').position(|column| column == "machine").unwrap();
    assert_eq!(summary.lines().nth(1).unwrap().split(',').nth(place), Some("node-b"));
}
