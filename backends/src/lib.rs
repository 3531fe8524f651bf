//! The built-in backends.

pub use veilbench_ckks_inference as ckks;
pub use veilbench_clear as clear;
pub use veilbench_mpc_inference as mpc;
pub use veilbench_tee_inference as tee;

use veilbench_api::Backend;

/// Returns every built-in backend, in the order reports list them.
pub fn all() -> Vec<Box<dyn Backend>> {
    vec![
        Box::new(clear::Clear),
        Box::new(tee::Tee),
        Box::new(mpc::comparison_tree()),
        Box::new(mpc::fss()),
        Box::new(mpc::beaver()),
        Box::new(mpc::TwoParty),
        Box::new(ckks::Ckks),
        Box::new(ckks::CkksClientAided),
    ]
}
