//! A `backend.toml` that says something impossible is refused by field.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use veilbench_api::conformance::test_networks;
use veilbench_api::{Adversary, Backend, Job, Learned, LinkProfile, PrivateInput};
use veilbench_external::{External, Manifest, ManifestError};

fn text() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/faulty/backend.toml"))
        .unwrap()
}

fn load(text: &str) -> Result<Manifest, ManifestError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("backend.toml"), text).unwrap();
    Manifest::load(folder.path())
}

#[test]
fn the_reference_backend_reads_as_a_profile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clear-numpy");
    let backend = External::load(&folder, Path::new("/nowhere")).unwrap();
    let profile = backend.profile();
    assert_eq!((&*profile.name, profile.technology.name()), ("clear-numpy", "none"));
    let roles: Vec<_> = profile.roles.iter().map(|role| (&*role.name, role.private_input)).collect();
    assert_eq!(roles, [("data-owner", PrivateInput::Images), ("model-owner", PrivateInput::Network)]);
    assert_eq!(profile.protection.adversary, Adversary::Unprotected);
    assert_eq!(profile.protection.learns[1].images, Learned::Yes);
    assert_eq!(profile.protection.learns[0].images, Learned::No);
    assert!(!backend.is_installed());
}

#[test]
fn values_that_cannot_be_are_refused_by_field() {
    let cases = [
        ("protocol = 1", "protocol = 2", "protocol: 2"),
        ("name = \"faulty\"", "name = \"Faulty one\"", "name: `Faulty one`"),
        ("summary = \"answers", "summary = \"\" #", "summary"),
        ("name = \"data-owner\"", "name = \"model-owner\"", "roles.model-owner.name"),
        ("name = \"data-owner\"", "name = \"all\"", "roles.all.name"),
        ("holds = \"images\"", "holds = \"nothing\"", "0 roles hold the images"),
        ("command = [\"python3\", \"{folder}/roles.py\"]", "command = []", "roles.data-owner.command"),
        ("{folder}/roles.py", "{home}/roles.py", "`{home}` is neither"),
        ("learns = { logits = \"yes\" }", "learns = {}", "roles.data-owner.learns: must have `logits"),
        (
            "logits = \"yes\" }",
            "logits = { derivable = \"one query\" } }",
            "roles.data-owner.learns: must have `logits",
        ),
        ("\"relu\"", "\"softmax\"", "`softmax` is none of"),
        ("max_batch = 8", "max_batch = 0", "supports.max_batch"),
        ("max_batch = 8", "max_batch = 8\nseconds_per_image = 0", "supports.seconds_per_image"),
        ("max_batch = 8", "max_batch = 8\nseconds_per_image = { other = nan }", "supports.seconds_per_image"),
        ("silence_seconds = 3", "silence_seconds = 0", "limits"),
        ("key = \"fault\"", "key = \"the fault\"", "options.the fault.key"),
        ("\"chatter\"", "\"none\"", "options.fault.values"),
        ("licence = ", "tolerance = -1.0\nlicence = ", "tolerance"),
        (
            "licence = ",
            "install = { needs = \"a\", commands = [], environment = \"../a\" }\nlicence = ",
            "install.environment",
        ),
        ("licence = ", "security_bits = 0\nlicence = ", "security_bits"),
    ];
    for (from, to, word) in cases {
        assert!(text().contains(from), "{from}");
        let error = load(&text().replacen(from, to, 1)).unwrap_err();
        assert!(matches!(error, ManifestError::Field { .. }), "{to}: {error}");
        assert!(error.to_string().contains(word), "{to}: {error}");
    }
}

#[test]
fn unknown_fields_and_values_are_refused_by_line() {
    let cases = [
        ("technology = \"none\"", "technology = \"quantum\"", "quantum"),
        ("adversary = \"unprotected\"", "adversary = \"lazy\"", "lazy"),
        ("holds = \"images\"", "holds = \"everything\"", "everything"),
        ("learns = { logits = \"yes\" }", "learns = { logits = \"maybe\" }", "maybe"),
        ("learns = { logits = \"yes\" }", "learns = { everything = \"yes\" }", "everything"),
        ("summary = ", "bytes = \"telepathy\"\nsummary = ", "telepathy"),
        ("max_batch = 8", "max_batch = 8\nseconds_per_image = \"long\"", "seconds_per_image"),
        ("summary = ", "colour = \"red\"\nsummary = ", "colour"),
        ("max_batch = 8", "max_batch = -8", "max_batch"),
        ("[protection]", "[protection", "protection"),
    ];
    for (from, to, word) in cases {
        assert!(text().contains(from), "{from}");
        let error = load(&text().replacen(from, to, 1)).unwrap_err();
        assert!(matches!(error, ManifestError::Syntax { .. }), "{to}: {error}");
        assert!(error.to_string().contains(word), "{to}: {error}");
    }
    assert!(matches!(Manifest::load(Path::new("/nowhere")), Err(ManifestError::Read { .. })));
    let long = format!("{}\n# {}", text(), "x".repeat(1 << 16));
    assert!(matches!(load(&long), Err(ManifestError::TooLarge { .. })));
}

#[test]
fn the_time_of_an_image_is_that_of_its_network() {
    let network = test_networks::all().remove(0);
    let predicted = |times: &str| {
        let folder = tempfile::tempdir().unwrap();
        let line = format!("max_batch = 8\nseconds_per_image = {times}");
        fs::write(folder.path().join("backend.toml"), text().replacen("max_batch = 8", &line, 1)).unwrap();
        let backend = External::load(folder.path(), folder.path()).unwrap();
        let job = Job::new(2, 1, LinkProfile::loopback());
        backend.plan(&network.architecture, &job).unwrap().predicted_batch_ns
    };
    assert_eq!(predicted("3"), Some(6_000_000_000));
    assert_eq!(predicted("{ dense-relu = 0.25, other = 60 }"), Some(500_000_000));
    assert_eq!(predicted("{ mnist-mlp = 1, other = 60 }"), Some(120_000_000_000));
    assert_eq!(predicted("{ mnist-mlp = 1 }"), None);
}

#[test]
fn leakage_can_be_derivable_after_so_much() {
    let derivable = "learns = { logits = \"yes\", weights = { derivable = \"about 780 queries\" } }";
    let manifest = load(&text().replacen("learns = { logits = \"yes\" }", derivable, 1)).unwrap();
    assert_eq!(manifest.roles[0].learns.weights, Learned::derivable("about 780 queries"));
}
