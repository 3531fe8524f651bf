//! Every registered backend keeps every promise: a test each, so that they run side by side.

use veilbench_api::{
    Backend, Error, Job, Learned, Party, Plan, Profile, RoleContext, Unsupported, conformance,
};
use veilbench_backends::all;
use veilbench_backends::clear::Clear;
use veilbench_networks::Architecture;

macro_rules! conforms {
    ($($test:ident: $name:literal,)*) => {
        /// Backends that have a test below.
        const TESTED: &[&str] = &[$($name),*];

        $(
            #[test]
            fn $test() {
                let backend = all().into_iter().find(|backend| backend.profile().name == $name).unwrap();
                let not_seen = conformance::check(backend.as_ref()).unwrap();
                assert!(not_seen.is_empty(), "not put to the test: {not_seen:?}");
            }
        )*
    };
}

conforms! {
    clear_conforms: "clear",
    tee_conforms: "tee",
    mpc_conforms: "mpc",
    mpc_fss_conforms: "mpc-fss",
    mpc_beaver_conforms: "mpc-beaver",
    mpc_2pc_conforms: "mpc-2pc",
    ckks_conforms: "ckks",
    ckks_client_aided_conforms: "ckks-client-aided",
}

#[test]
fn every_backend_is_tested_and_has_a_name_of_its_own() {
    let names: Vec<_> = all().iter().map(|backend| backend.profile().name.into_owned()).collect();
    assert_eq!(names, TESTED);
    let mut different = names.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), names.len());
}

/// The baseline, which says that its model owner learns no images.
struct Boastful;

impl Backend for Boastful {
    fn profile(&self) -> Profile {
        let mut profile = Clear.profile();
        profile.protection.learns[1].images = Learned::No;
        profile
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        Clear.plan(architecture, job)
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        Clear.join(role)
    }
}

#[test]
fn the_clear_backend_would_fail_if_it_promised_privacy() {
    let failure = conformance::check(&Boastful).unwrap_err().to_string();
    assert!(failure.contains("model-owner is sent pixels"), "{failure}");
}
