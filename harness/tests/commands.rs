//! Commands other than `run`, through the real executable.

mod bench;

use bench::Bench;

#[test]
fn list_shows_the_cells_the_patterns_choose() {
    let bench = Bench::new();
    let output = bench.command(&[
        "list",
        "-b",
        "clear",
        "-n",
        "mnist-.*",
        "-N",
        ".*-poly",
        "--batch",
        "1,10",
        "--threads",
        "2",
    ]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let cells: Vec<_> = output.stdout.lines().collect();
    assert_eq!(
        cells,
        [
            "clear/mnist-mlp/mnist-sample/b1/t2/loopback/n100/s0",
            "clear/mnist-mlp/mnist-sample/b10/t2/loopback/n100/s0",
            "clear/mnist-cnn/mnist-sample/b1/t2/loopback/n100/s0",
            "clear/mnist-cnn/mnist-sample/b10/t2/loopback/n100/s0",
        ]
    );
    let links = bench.command(&[
        "list",
        "-b",
        "clear",
        "-n",
        "mnist-mlp",
        "-l",
        "lan|wan",
        "--link",
        "20mbit/5ms",
        "--batch",
        "1",
    ]);
    assert_eq!(links.stdout.lines().count(), 3, "{}", links.stdout);
    let own =
        bench.command(&["list", "-b", "clear", "-n", "mnist-mlp", "--link", "20mbit/5ms", "--batch", "1"]);
    assert_eq!(own.stdout.trim(), "clear/mnist-mlp/mnist-sample/b1/t1/20mbit+5ms/n100/s0");
}

#[test]
fn patterns_that_match_nothing_and_wrong_usage_say_so() {
    let bench = Bench::new();
    for (option, pattern, known) in
        [("backend", "nosuch", "ckks"), ("network", "mnits-.*", "mnist-mlp"), ("link", "wann", "loopback")]
    {
        let nothing = bench.command(&["list", &format!("--{option}"), pattern]);
        assert_eq!(nothing.code, 2);
        let named = nothing.stderr.contains(&format!("--{option} {pattern} matches none of"));
        assert!(named && nothing.stderr.contains(known), "{}", nothing.stderr);
    }
    let dataset = bench.command(&["list", "-n", "mnist-.*", "-d", "malaria"]);
    assert!(dataset.stderr.contains("--dataset malaria matches none of: mnist-sample"), "{}", dataset.stderr);
    let excluded = bench.command(&["list", "-b", "clear", "-B", "cl.*"]);
    assert!(excluded.code == 2 && excluded.stderr.contains("no cell matches"), "{}", excluded.stderr);
    for command in ["networks", "plan"] {
        let unknown = bench.command(&[command, "nosuch"]);
        assert_eq!(unknown.code, 2);
        let told =
            unknown.stderr.contains("neither a network of the zoo") && unknown.stderr.contains("mnist-cnn");
        assert!(told, "{}", unknown.stderr);
    }
    for wrong in [
        &["run", "--timeout", "0s"][..],
        &["list", "-b", "clear", "-n", "("],
        &["run", "--batch", "0"],
        &["run", "--link", "fast"],
        &["nosuch"],
        &[],
    ] {
        assert_eq!(bench.command(wrong).code, 2, "{wrong:?}");
    }
    let model = bench.command(&["run", "--model", "no-such-file.onnx"]);
    assert_eq!(model.code, 3);
    assert!(model.stderr.contains("no-such-file.onnx"), "{}", model.stderr);
}

#[test]
fn a_plan_takes_patterns_of_backends_and_names_those_there_are() {
    let bench = Bench::new();
    let shown = |pattern: &str| {
        let plan = bench.command(&["plan", "mnist-cnn", "-b", pattern]);
        let heads = plan.stdout.lines().filter(|line| line.contains(": mnist-cnn in batches of 1"));
        (plan.code, heads.map(|line| line.split(':').next().unwrap().to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(shown("mpc|tee"), (0, ["tee", "mpc"].map(str::to_owned).to_vec()));
    assert_eq!(shown("mpc"), (0, vec!["mpc".to_owned()]), "a pattern is for whole names");
    for misspelt in ["nosuch", "MPC"] {
        let plan = bench.command(&["plan", "mnist-cnn", "-b", misspelt]);
        let told = plan.stderr.contains(&format!("--backend {misspelt} matches none of: clear, tee"));
        assert!(plan.code == 2 && told, "{} {}", plan.code, plan.stderr);
    }
}

#[test]
fn a_plan_says_what_was_left_to_the_backend_which_link_it_is_for_and_how_long_a_batch_takes() {
    let bench = Bench::new();
    let plan = |arguments: &[&str]| bench.command(&[&["plan", "mnist-mlp"], arguments].concat()).stdout;
    for (batch, layout) in [("1", "packed"), ("4096", "slots")] {
        let told = plan(&["-b", "ckks-client-aided", "--batch", batch]);
        assert!(told.contains(&format!("  layout: {layout}\n")), "{told}");
        let fixed = plan(&["-b", "ckks-client-aided", "--set", "ckks-client-aided.layout=slots"]);
        assert!(!fixed.contains("layout"), "it was not left open: {fixed}");
    }
    let time = |link: &str| -> u64 {
        let told = plan(&["-b", "mpc", "-l", link]);
        let line = told.lines().find_map(|line| line.trim().strip_prefix("offline and online wall ns: "));
        line.and_then(|line| line.split(' ').next()).unwrap_or_else(|| panic!("{told}")).parse().unwrap()
    };
    assert!(time("wan") > 10 * time("loopback"));
    let shaped = plan(&["-b", "mpc", "--link", "20mbit/5ms", "--set", "link.tls=on"]);
    assert!(shaped.starts_with("mpc: mnist-mlp in batches of 1 over 20mbit+5ms+tls\n"), "{shaped}");
    let trace = plan(&["-b", "mpc", "--trace"]);
    assert!(trace.contains("  no trace: mpc has none to show\n"), "{trace}");
}

#[test]
fn conformance_says_of_each_promise_whether_it_is_kept() {
    let bench = Bench::new();
    let clear = bench.command(&["conformance", "clear"]);
    assert_eq!(clear.code, 0, "{}{}", clear.stdout, clear.stderr);
    assert!(clear.stdout.starts_with("clear\n") && clear.stdout.lines().count() > 10, "{}", clear.stdout);
    assert!(clear.stdout.lines().skip(1).all(|line| line.starts_with("  ok ")), "{}", clear.stdout);
    let unknown = bench.command(&["conformance", "cleer"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("there are clear, tee"), "{}", unknown.stderr);
}

#[test]
fn verify_passes_on_the_sample_and_fails_on_an_impossible_tolerance() {
    let bench = Bench::new();
    let output = bench.command(&["verify", "-b", "clear", "-n", "mnist-.*", "--images", "10"]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    assert!(output.stdout.contains("10/10 agree"), "{}", output.stdout);
    let strict = bench.command(&[
        "verify",
        "-b",
        "clear",
        "-n",
        "mnist-mlp",
        "--images",
        "10",
        "--tolerance",
        "1e-12",
    ]);
    assert_eq!(strict.code, 1);
    assert!(
        strict.stdout.contains("FAILED") && strict.stdout.contains("a logit is off by"),
        "{}",
        strict.stdout
    );
}

#[test]
fn networks_and_backends_are_described() {
    let bench = Bench::new();
    let networks = bench.command(&["networks"]).stdout;
    for name in ["mnist-mlp", "mnist-cnn-poly", "malaria-cnn", "melanoma-lenet-poly"] {
        assert!(networks.contains(name), "{networks}");
    }
    let layers = bench.command(&["networks", "mnist-cnn"]).stdout;
    let convolution = layers.lines().find(|line| line.contains("conv1")).unwrap();
    assert!(convolution.contains("5x12x12") && convolution.contains("convolution 1 -> 5, 5x5"), "{layers}");
    assert!(layers.contains("19240 parameters, 37000 multiply-accumulates, 820 activations"), "{layers}");
    let told = |backend: &str| {
        let line = layers.lines().find(|line| line.trim_start().starts_with(&format!("{backend} ")));
        line.unwrap_or_else(|| panic!("{backend}: {layers}")).to_owned()
    };
    assert!(told("clear").contains("logits within") && !told("clear").contains("bits of security"));
    assert!(told("mpc").contains("kB online") && told("mpc").contains("128 bits of security"), "{layers}");
    assert!(told("ckks").contains("not possible: layer act1"), "{layers}");
    let backends = bench.command(&["backends"]).stdout;
    assert!(backends.contains("clear") && backends.contains("sees every image"), "{backends}");
    let profiles: serde_json::Value =
        serde_json::from_str(&bench.command(&["backends", "--json"]).stdout).unwrap();
    assert_eq!(profiles[0]["name"], "clear");
}

#[test]
fn a_model_of_ones_own_is_one_more_network() {
    let bench = Bench::new();
    let file = bench.folder().join("my model.onnx");
    std::fs::write(&file, veilbench_networks::zoo::bytes("mnist-cnn").unwrap()).unwrap();
    let list = bench.command(&[
        "list",
        "-b",
        "clear",
        "-n",
        "my-model",
        "--batch",
        "1",
        "--model",
        file.to_str().unwrap(),
    ]);
    assert_eq!(list.stdout.trim(), "clear/my-model/mnist-sample/b1/t1/loopback/n100/s0", "{}", list.stderr);
    std::fs::write(&file, b"not a model").unwrap();
    let damaged = bench.command(&["list", "--model", file.to_str().unwrap()]);
    assert_eq!(damaged.code, 1, "the zoo's networks are listed all the same");
    assert!(damaged.stdout.contains("my-model  cannot be measured"), "{}", damaged.stdout);
    assert!(damaged.stdout.contains("clear/mnist-mlp/"), "{}", damaged.stdout);
}

#[test]
fn a_model_without_ranges_is_calibrated_on_training_images() {
    use veilbench_networks::{export, zoo};

    let bench = Bench::new();
    let mut network = zoo::load("mnist-mlp").unwrap();
    network.architecture.input_range = None;
    network.architecture.layers.iter_mut().for_each(|layer| layer.range = None);
    std::fs::write(bench.folder().join("bare.onnx"), export::to_bytes(&network).unwrap()).unwrap();
    let arguments =
        ["--model", "bare.onnx", "-n", "bare", "--images", "2", "--batch", "1", "--repetitions", "1"];
    let run = bench.run(&arguments);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("bare, assumed: ranges of its activations from"), "{}", run.stderr);
    let record = &veilbench_results::Run::load(&bench.out()).unwrap().networks["bare"];
    assert!(record.calibrated_images > 0);
}

#[test]
fn a_model_with_other_classes_than_its_images_is_refused() {
    use veilbench_networks::{export, zoo};

    let bench = Bench::new();
    let mut network = zoo::load("malaria-cnn").unwrap();
    network.metadata.dataset = Some("mnist".into());
    network.architecture.name = "two".into();
    std::fs::write(bench.folder().join("two.onnx"), export::to_bytes(&network).unwrap()).unwrap();
    let refused = bench.command(&["list", "--model", "two.onnx", "-n", "two"]);
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert!(refused.stdout.contains("2 classes"), "{}", refused.stdout);
}

#[test]
fn report_and_diff_work_from_the_files_alone() {
    let bench = Bench::new();
    assert_eq!(
        bench
            .run(&["-b", "clear", "-n", "mnist-mlp", "--images", "4", "--batch", "2", "--repetitions", "2"])
            .code,
        0
    );
    let out = bench.out();
    let summary = std::fs::read(out.join("summary.csv")).unwrap();
    std::fs::remove_file(out.join("summary.csv")).unwrap();
    std::fs::remove_dir_all(out.join("plots")).unwrap();
    let report = bench.command(&["report", out.to_str().unwrap()]);
    assert_eq!(report.code, 0, "{}", report.stderr);
    assert_eq!(std::fs::read(out.join("summary.csv")).unwrap(), summary);
    assert!(std::fs::read_dir(out.join("plots")).unwrap().count() >= 6);
    let diff = bench.command(&["diff", out.to_str().unwrap(), out.to_str().unwrap()]);
    assert_eq!(diff.code, 0, "{}", diff.stdout);
    let readme = out.join("README.md");
    std::fs::write(&readme, "<!-- begin veilbench report -->\n<!-- end veilbench report -->\n").unwrap();
    let splice = ["report", out.to_str().unwrap(), "--splice", readme.to_str().unwrap()];
    assert_eq!(bench.command(&splice).code, 0);
    let text = std::fs::read_to_string(&readme).unwrap();
    assert!(text.contains("report: veilbench report ") && text.contains("| mnist-mlp, "), "{text}");
    let missing = bench.command(&["report", "no-such-folder"]);
    assert_eq!(missing.code, 3);
}

#[test]
fn completions_name_the_commands() {
    let bench = Bench::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = bench.command(&["completions", shell]).stdout;
        assert!(script.contains("verify") && script.contains("repetitions"), "{shell}");
    }
}

#[test]
fn a_party_without_a_harness_ends_at_once() {
    assert_eq!(Bench::new().command(&["party"]).code, 3);
}

#[test]
fn a_trace_of_a_test_image_tells_the_precision_of_every_layer_and_of_the_logits() {
    let bench = Bench::new();
    let trace = bench.command(&["plan", "mnist-cnn-poly", "-b", "ckks", "--trace", "--image", "3"]);
    assert_eq!(trace.code, 0, "{}", trace.stderr);
    assert!(
        trace.stdout.contains("insecure-debug trace of test image 3 of mnist-sample"),
        "{}",
        trace.stdout
    );
    assert!(trace.stdout.contains("precision bits") && trace.stdout.contains("largest logit error"));
    let beyond = bench.command(&["plan", "mnist-cnn-poly", "--trace", "--image", "100000"]);
    assert!(beyond.code == 3 && beyond.stderr.contains("there is no image 100000"), "{}", beyond.stderr);
    let untraced = bench.command(&["plan", "mnist-cnn-poly", "--image", "3"]);
    assert!(untraced.code == 2 && untraced.stderr.contains("--trace"), "{}", untraced.stderr);
}

#[test]
fn a_machine_is_not_measured_for_a_misspelt_network_or_a_backend_without_rates() {
    let bench = Bench::new();
    let misspelt = bench.command(&["plan", "mnits-mlp", "--calibrate-machine"]);
    assert!(misspelt.code == 2 && misspelt.stderr.contains("neither a network"), "{}", misspelt.stderr);
    for backend in ["mpc", "ckks-client-aided"] {
        let nothing = bench.command(&["plan", "--calibrate-machine", "-b", backend]);
        let told = nothing.stderr.contains(&format!("nothing to measure of {backend}: leave --backend out"));
        assert!(nothing.code == 2 && told, "{}", nothing.stderr);
    }
    assert!(!bench.folder().join("cache/rates").exists());
}

#[test]
fn a_machine_is_measured_once_and_predicted_from() {
    let bench = Bench::new();
    let plan = ["plan", "mnist-mlp-poly", "-b", "ckks"];
    let before = bench.command(&plan);
    assert!(before.stdout.contains("EPYC") && before.stdout.contains("cargo bench"), "{}", before.stdout);
    let measured = bench.command(&["plan", "--calibrate-machine", "-b", "ckks"]);
    assert_eq!(measured.code, 0, "{}", measured.stderr);
    assert!(measured.stderr.contains("measured ckks"), "{}", measured.stderr);
    let after = bench.command(&plan);
    assert!(after.stdout.contains("times predicted from: measured on this machine"), "{}", after.stdout);
    let scheme = |text: &str| text.lines().filter(|line| line.contains("bits:")).collect::<Vec<_>>().join("");
    assert_eq!(scheme(&before.stdout), scheme(&after.stdout), "the plan itself is the same");
    let folder = bench.folder().join("cache/rates");
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let kept = std::fs::read_to_string(&file).unwrap();
    let own: serde_json::Value = serde_json::from_str(&kept).unwrap();
    // Of another machine: not taken. Without a rate, or no rates at all: told, and not taken.
    let (mut other, mut short) = (own.clone(), own);
    other["cpu_model"] = "another".into();
    short["backends"]["ckks"] = serde_json::json!({});
    for (text, told) in [(other.to_string(), false), (short.to_string(), true), (kept[..40].to_owned(), true)]
    {
        std::fs::write(&file, text).unwrap();
        let without = bench.command(&plan);
        assert_eq!((without.code, &without.stdout), (0, &before.stdout), "{}", without.stderr);
        let remedy = without.stderr.contains("rates") && without.stderr.contains("--calibrate-machine");
        assert_eq!(remedy, told, "{}", without.stderr);
    }
}

#[test]
fn a_network_of_smooth_activations_is_computed_on_ciphertexts_by_two_processes() {
    use veilbench_networks::{ActivationKind, Op, Parameters, export, zoo};

    let bench = Bench::new();
    let mut network = zoo::load("mnist-cnn-poly").unwrap();
    network.architecture.name = "smooth".into();
    network.architecture.input_range = None;
    for (layer, parameters) in network.architecture.layers.iter_mut().zip(&mut network.parameters) {
        layer.range = None;
        if matches!(layer.op, Op::Polynomial(_)) {
            (layer.op, *parameters) = (Op::Activation(ActivationKind::Sigmoid), Parameters::None);
        }
    }
    std::fs::write(bench.folder().join("smooth.onnx"), export::to_bytes(&network).unwrap()).unwrap();
    let own = ["-b", "ckks", "--model", "smooth.onnx", "-n", "smooth"];
    let run = bench.run(&[&own[..], &["--images", "2", "--batch", "1", "--repetitions", "1"]].concat());
    assert_eq!(run.code, 0, "{} {}", run.stdout, run.stderr);
    assert!(bench.sessions() > 0, "{}", run.stderr);
    let plan = bench.command(&["plan", "smooth.onnx", "-b", "ckks", "--set", "ckks.precision=8"]);
    assert!(plan.stdout.contains("note: approximated: sigmoid by a polynomial of degree"), "{}", plan.stdout);
    assert!(plan.stdout.contains("off by at most"), "{}", plan.stdout);
}

/// The backend bounds the images of a session: the profile keeps to it, and who asks for more is told.
#[test]
fn sessions_have_no_more_images_than_their_plans_allow() {
    let bench = Bench::new();
    let list = |more: &[&str]| {
        let settings = ["--set", "ckks.release=labels", "--set", "ckks.release-images=16"];
        let output =
            bench.command(&[&["list", "-b", "^ckks$", "-n", "mnist-mlp-poly"][..], &settings, more].concat());
        assert_eq!(output.code, 0, "{}", output.stderr);
        output.stdout
    };
    let cells = list(&[]);
    assert!(cells.contains("/b1/t1/loopback/n15/s0"), "one of sixteen warms up: {cells}");
    assert!(cells.contains("a batch has 100 images, where results of 16 may be shown"), "{cells}");
    let asked = list(&["--images", "16", "--batch", "1"]);
    assert!(
        asked.contains("a session of 17 images, 1 of them to warm up, where it may classify 16"),
        "{asked}"
    );
    let fitting = list(&["--images", "16", "--batch", "1", "--warmup", "0"]);
    assert!(fitting.contains("/n16/s0") && !fitting.contains("unsupported"), "{fitting}");
}
