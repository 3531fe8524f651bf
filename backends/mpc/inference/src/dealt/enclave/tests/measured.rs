//! What the measurement of a dealer's enclave covers, and what owners say that cannot measure.

use std::process::Command;
use std::{env, fs};

use super::*;
use veilbench_mpc::masked::Masked;

/// Asks every role for its configuration.
struct Configured<'a, P>(&'a Mpc<P>, Mutex<Vec<Configuration>>);

impl<P: Dealing> Backend for Configured<'_, P> {
    fn profile(&self) -> Profile {
        self.0.profile()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        self.0.plan(architecture, job)
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        self.1.lock().unwrap().push(configuration(&role, self.0.name)?);
        Ok(Box::new(Served))
    }
}

/// What all roles make of a session of so many images, and the parameters of its plan.
fn measured<P: Dealing>(
    backend: &Mpc<P>,
    network: &str,
    setting: (&str, &str),
    batch: usize,
) -> (Configuration, serde_json::Value) {
    let network = zoo::load(network).unwrap();
    let configured = Configured(backend, Mutex::default());
    let mut session = LocalSession::new(&configured, &network, batch);
    session.job.settings = Settings::from([(setting.0.to_owned(), setting.1.to_owned())]);
    let parameters = backend.plan(&network.architecture, &session.job).unwrap().parameters;
    session.run(&[]).unwrap();
    let of_roles = configured.1.into_inner().unwrap();
    assert_eq!(of_roles.len(), 3);
    assert!(of_roles.iter().all(|of_role| *of_role == of_roles[0]), "{of_roles:?}");
    (of_roles[0], parameters)
}

/// All roles of a session make the same of it, and of another one another.
#[test]
fn plans_settings_and_networks_are_measured() {
    let of = |network, setting, batch| measured::<Masked>(&comparison_tree(), network, setting, batch);
    let process = (DEALT_BY.key, "process");
    let (usual, in_process) = of("mnist-mlp", process, 1);
    let (enclave, in_enclave) = of("mnist-mlp", (DEALT_BY.key, "enclave"), 1);
    let other_network = of("mnist-cnn", process, 1).0;
    let wide = of("mnist-mlp", ("ring", "wide"), 1).0;
    let larger_batch = of("mnist-mlp", process, 2).0;
    let seen = [usual, enclave, other_network, wide, larger_batch];
    for (at, one) in seen.iter().enumerate() {
        assert!(seen[..at].iter().all(|other| other != one), "{seen:?}");
    }
    assert_ne!(usual.architecture, other_network.architecture);
    // Of one network alone the plan differs, and in it what is dealt.
    assert!(usual.architecture == wide.architecture && usual.model != wide.model);
    // Of one plan the settings.
    assert!(in_process == in_enclave && usual.model != enclave.model);
}

#[test]
fn the_protocol_is_measured() {
    let (network, setting) = ("mnist-mlp", (DEALT_BY.key, "enclave"));
    let seen = [
        measured(&comparison_tree(), network, setting, 1).0.architecture,
        measured(&fss(), network, setting, 1).0.architecture,
        measured(&beaver(), network, setting, 1).0.architecture,
    ];
    assert!(seen[0] != seen[1] && seen[0] != seen[2] && seen[1] != seen[2], "{seen:?}");
}

/// A library that the process below has loaded.
const LIBRARY: &str = "VEILBENCH_TEST_LOADED_LIBRARY";

/// A process that runs code of a file that is gone cannot say what it runs: no peer is to blame.
#[test]
fn a_program_that_cannot_be_measured_is_nobody_elses_failure() {
    let Some(library) = env::var_os(LIBRARY) else {
        let mappings = fs::read_to_string("/proc/self/maps").unwrap();
        let mut loaded = mappings.lines().filter_map(|mapping| mapping.split_whitespace().last());
        let loaded = loaded.find(|file| file.contains("/libgcc_s")).unwrap();
        let name = format!("veilbench-{}-libgcc_s.so.1", std::process::id());
        let copy = env::temp_dir().join(name);
        fs::copy(loaded, &copy).unwrap();
        let test =
            "dealt::enclave::tests::measured::a_program_that_cannot_be_measured_is_nobody_elses_failure";
        let mut again = Command::new(env::current_exe().unwrap());
        again.args([test, "--exact", "--nocapture"]).env(LIBRARY, &copy).env("LD_PRELOAD", &copy);
        let done = again.output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{said}{:?}", done.stderr);
        assert!(!copy.exists(), "the test in the other process did not run");
        return;
    };
    fs::remove_file(library).unwrap();
    let network = test_networks::all().remove(0);
    let backend = honest(comparison_tree());
    let mut session = LocalSession::new(&backend, &network, 2);
    session.timeout = Duration::from_secs(10);
    let done = session.run(&[test_networks::images(&network, 2, 3)]).unwrap();
    for role in done {
        assert!(matches!(role.error, Some(Error::Engine { .. })), "{:?}", role.error);
    }
}
