//! Every registered backend keeps every promise: a test each, so that they run side by side.

use veilbench_backends::{all, conformance};

macro_rules! conforms {
    ($($test:ident: $name:literal,)*) => {
        /// Backends that have a test below.
        const TESTED: &[&str] = &[$($name),*];

        $(
            #[test]
            fn $test() {
                let backend = all().into_iter().find(|backend| backend.profile().name == $name).unwrap();
                conformance::check(backend.as_ref()).unwrap();
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
