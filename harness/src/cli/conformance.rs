//! `veilbench conformance`.

use std::io::Write;

use clap::Args;
use veilbench_api::Backend;
use veilbench_api::conformance::{Verdict, suite};

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
            Ok(Verdict::Kept) => writeln!(out, "  ok        {}", check.name)?,
            Ok(Verdict::NotSeen(reason)) => writeln!(out, "  not seen  {}: {reason}", check.name)?,
            Err(reason) => {
                broken += 1;
                writeln!(out, "  BROKEN    {}: {reason}", check.name)?;
            }
        }
        out.flush()?;
    }
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use veilbench_api::{CountedBy, Job, Learned, Party, Plan, Profile, RoleContext, Unsupported};
    use veilbench_backends::clear::Clear;
    use veilbench_networks::Architecture;

    /// The baseline, which says that its model owner learns no images, and of whose messages somebody counts the bytes.
    struct Boastful(CountedBy);

    impl Backend for Boastful {
        fn profile(&self) -> Profile {
            let mut profile = Clear.profile();
            profile.protection.learns[1].images = Learned::No;
            profile
        }

        fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
            Ok(Plan { counted_by: self.0, ..Clear.plan(architecture, job)? })
        }

        fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, veilbench_api::Error> {
            Clear.join(role)
        }
    }

    /// How many promises are broken, and the lines of those that a word stands before.
    fn checked(counted_by: CountedBy, word: &str) -> (usize, Vec<String>) {
        let mut out = Vec::new();
        let broken = check(&Boastful(counted_by), "boastful", &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        (broken, text.lines().filter(|line| line.starts_with(word)).map(str::to_owned).collect())
    }

    #[test]
    fn a_broken_promise_is_named_with_its_reason() {
        let (broken, lines) = checked(CountedBy::Link, "  BROKEN");
        assert_eq!((broken, lines.len()), (1, 1), "{lines:?}");
        assert!(lines[0].contains("model-owner is sent pixels"), "{lines:?}");
        assert_eq!(checked(CountedBy::Link, "  not seen").1, [""; 0]);
    }

    #[test]
    fn a_promise_about_messages_that_pass_by_the_links_is_neither_kept_nor_broken() {
        for counted_by in [CountedBy::Kernel, CountedBy::SelfReported] {
            let (broken, lines) = checked(counted_by, "  not seen");
            assert_eq!((broken, lines.len()), (0, 4), "{lines:?}");
            let reason = format!("(`bytes = \"{}\"`)", counted_by.as_str());
            assert!(lines.iter().all(|line| line.ends_with(&reason)), "{lines:?}");
            for what in ["rounds and bytes", "message sizes", "no message carries a secret", "truncated"] {
                assert!(lines.iter().any(|line| line.contains(what)), "{what}: {lines:?}");
            }
        }
    }
}
