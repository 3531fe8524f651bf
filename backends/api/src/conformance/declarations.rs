//! Checks of what a backend says about itself.

use std::collections::HashSet;

use super::{Check, Verdict, ensure, test_networks};
use crate::{Backend, Job, LinkProfile, Plan, PrivateInput};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "the profile names the backend, its roles and what each learns", run: profile },
    Check { name: "plans are repeatable and survive serialisation", run: plans },
    Check { name: "at least one test network is supported and refusals give a reason", run: support },
];

fn profile(backend: &dyn Backend) -> Result<Verdict, String> {
    let profile = backend.profile();
    let plain = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    ensure!(plain(&profile.name), "name {:?} is not lower-case letters, digits and dashes", profile.name);
    ensure!(!profile.summary.is_empty(), "the summary is empty");
    let names: HashSet<_> = profile.roles.iter().map(|role| &role.name).collect();
    ensure!(names.len() == profile.roles.len(), "two roles share a name");
    ensure!(profile.roles.len() <= 64, "{} roles are too many", profile.roles.len());
    ensure!(names.iter().all(|name| plain(name) && *name != "all"), "a role name is not usable in files");
    for input in [PrivateInput::Images, PrivateInput::Network] {
        let holders = profile.roles.iter().filter(|role| role.private_input == input).count();
        ensure!(holders == 1, "{holders} roles hold {input:?}, one must");
    }
    let protection = &profile.protection;
    ensure!(!protection.label.is_empty(), "the protection has no label");
    let learners: Vec<_> = protection.learns.iter().map(|leakage| &leakage.role).collect();
    let roles: Vec<_> = profile.roles.iter().map(|role| &role.name).collect();
    ensure!(learners == roles, "the protection speaks of {learners:?}, the roles are {roles:?}");
    Ok(Verdict::Kept)
}

fn plans(backend: &dyn Backend) -> Result<Verdict, String> {
    for network in test_networks::all() {
        let job = Job::new(2, 1, LinkProfile::loopback());
        let plan = backend.plan(&network.architecture, &job);
        ensure!(plan == backend.plan(&network.architecture, &job), "two plans of one job differ");
        if let Ok(plan) = plan {
            let text = serde_json::to_string(&plan).map_err(|error| error.to_string())?;
            let back: Plan = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            ensure!(back == plan, "a plan changes when it is written and read");
        }
    }
    Ok(Verdict::Kept)
}

fn support(backend: &dyn Backend) -> Result<Verdict, String> {
    let mut supported = 0;
    for network in test_networks::all() {
        let job = Job::new(1, 1, LinkProfile::loopback());
        match backend.plan(&network.architecture, &job) {
            Ok(_) => supported += 1,
            Err(unsupported) => {
                let name = &network.architecture.name;
                ensure!(!unsupported.reason.is_empty(), "{name} is refused without a reason");
                if let Some(layer) = &unsupported.layer {
                    let known = network.architecture.layers.iter().any(|known| known.name == *layer);
                    ensure!(known, "{name} is refused for layer {layer:?}, which it has not");
                }
            }
        }
    }
    ensure!(supported > 0, "no test network is supported");
    Ok(Verdict::Kept)
}
