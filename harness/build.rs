//! Records what the executable is built from: commit, compiler, versions of direct dependencies.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn main() {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the folder of the package");
    let root = Path::new(&folder).join("..");
    let git = |arguments: &[&str]| -> Option<String> {
        let output = Command::new("git").arg("-C").arg(&root).args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let revision = git(&["rev-parse", "HEAD"]).unwrap_or_default();
    let dirty = git(&["status", "--porcelain"]).map(|changes| !changes.is_empty());
    let rustc =
        Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into())).arg("--version").output();
    let rustc = rustc.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
    println!("cargo::rustc-env=VEILBENCH_GIT_REVISION={revision}");
    println!(
        "cargo::rustc-env=VEILBENCH_GIT_DIRTY={}",
        dirty.map_or(String::new(), |dirty| dirty.to_string())
    );
    println!("cargo::rustc-env=VEILBENCH_RUSTC={}", rustc.trim());
    println!(
        "cargo::rustc-env=VEILBENCH_CRATES={}",
        direct_dependencies(&root).expect("every member has a manifest")
    );

    // Not `results` as a whole: runs are written there.
    for watched in
        ["Cargo.toml", "Cargo.lock", "harness", "backends", "networks", "datasets", "results/src", "report"]
    {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }
    if let Some(folder) = git(&["rev-parse", "--absolute-git-dir"]) {
        println!("cargo::rerun-if-changed={folder}/HEAD");
        println!("cargo::rerun-if-changed={folder}/index");
    }
}

/// The crates of the workspace that the executable is linked from.
const MEMBERS: [&str; 18] = [
    "harness",
    "backends",
    "backends/api",
    "backends/clear",
    "backends/ckks/core",
    "backends/ckks/inference",
    "backends/mpc/core",
    "backends/external",
    "backends/mpc/inference",
    "backends/mpc/ot",
    "backends/mpc/two_party",
    "backends/ring",
    "backends/tee/core",
    "backends/tee/inference",
    "networks",
    "datasets",
    "results",
    "report",
];

/// `name version` of everything these crates name as a dependency, but not for their tests, joined by commas.
fn direct_dependencies(root: &Path) -> Option<String> {
    let mut named = BTreeSet::new();
    for member in MEMBERS {
        let manifest = std::fs::read_to_string(root.join(member).join("Cargo.toml")).ok()?;
        let dependencies = manifest
            .lines()
            .skip_while(|line| *line != "[dependencies]")
            .skip(1)
            .take_while(|line| !line.starts_with('['))
            .filter_map(|line| line.split([' ', '.']).next().filter(|name| !name.is_empty()));
        named.extend(dependencies.map(str::to_owned));
    }
    let lock = std::fs::read_to_string(root.join("Cargo.lock")).ok()?;
    let versions = lock.split("[[package]]").filter_map(|package| {
        let field = |key: &str| package.lines().find_map(|line| line.strip_prefix(key)?.strip_suffix('"'));
        let name = field("name = \"")?;
        let external = package.contains("source = ");
        (external && named.contains(name)).then(|| Some(format!("{name} {}", field("version = \"")?)))?
    });
    Some(versions.collect::<Vec<_>>().join(","))
}
