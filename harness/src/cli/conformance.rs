//! `veilbench conformance`.

use std::io::Write;

use clap::Args;
use veilbench_api::Backend;
use veilbench_api::conformance::suite;

use crate::error::{EXIT_FAILED, EXIT_OK, Error};
use crate::external::BackendFiles;

#[derive(Args, Debug)]
pub(super) struct Conformance {
    /// Backends to check [default: all]
    #[arg(value_name = "BACKEND")]
    names: Vec<String>,
    #[command(flatten)]
    backend_files: BackendFiles,
}

impl Conformance {
    pub(super) fn run(&self, backends: Vec<Box<dyn Backend>>) -> Result<u8, Error> {
        let backends = &self.backend_files.add_to(backends)?;
        let known: Vec<String> = backends.iter().map(|backend| backend.profile().name.into_owned()).collect();
        if let Some(name) = self.names.iter().find(|name| !known.contains(name)) {
            return Err(Error::NoBackend { name: name.clone(), known });
        }
        let mut out = std::io::stdout().lock();
        let mut broken = 0;
        for (backend, name) in backends.iter().zip(&known) {
            if self.names.is_empty() || self.names.contains(name) {
                broken += check(backend.as_ref(), name, &mut out)?;
            }
        }
        Ok(if broken == 0 { EXIT_OK } else { EXIT_FAILED })
    }
}

/// Runs every check on one backend, prints a line for each, and returns how many promises it breaks.
fn check(backend: &dyn Backend, name: &str, out: &mut dyn Write) -> Result<usize, Error> {
    writeln!(out, "{name}")?;
    let mut broken = 0;
    for check in suite() {
        match (check.run)(backend) {
            Ok(()) => writeln!(out, "  ok      {}", check.name)?,
            Err(reason) => {
                broken += 1;
                writeln!(out, "  BROKEN  {}: {reason}", check.name)?;
            }
        }
        out.flush()?;
    }
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilbench_api::{Job, Learned, Party, Plan, Profile, RoleContext, Unsupported};
    use veilbench_backends::clear::Clear;
    use veilbench_networks::Architecture;

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

        fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, veilbench_api::Error> {
            Clear.join(role)
        }
    }

    #[test]
    fn a_broken_promise_is_named_with_its_reason() {
        let mut out = Vec::new();
        assert_eq!(check(&Boastful, "boastful", &mut out).unwrap(), 1);
        let text = String::from_utf8(out).unwrap();
        let broken: Vec<_> = text.lines().filter(|line| line.contains("BROKEN")).collect();
        assert_eq!(broken.len(), 1, "{text}");
        assert!(broken[0].contains("model-owner is sent pixels"), "{text}");
    }
}
