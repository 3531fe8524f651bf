//! `veilbench backends`.

use std::io::Write;

use clap::{Args, Subcommand};
use veilbench_api::{Backend, Learned, PrivateInput, Profile, Setting};
use veilbench_external::{External, Shipped};

use crate::error::{EXIT_OK, Error};
use crate::external::{self, BackendFiles};

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Backends {
    #[command(subcommand)]
    action: Option<Action>,
    /// Print profiles, protection included, as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    backend_files: BackendFiles,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Install what backends in other languages need, into folders of their own in the cache folder
    Install {
        /// Systems that come with the program, or folders with a backend.toml
        #[arg(value_name = "FOLDER|NAME", required = true)]
        names: Vec<String>,
    },
}

impl Backends {
    pub(super) fn run(&self, backends: Vec<Box<dyn Backend>>) -> Result<u8, Error> {
        match &self.action {
            Some(Action::Install { names }) => install(names),
            None => self.show(backends),
        }
    }

    fn show(&self, backends: Vec<Box<dyn Backend>>) -> Result<u8, Error> {
        let mut out = std::io::stdout().lock();
        if self.json {
            let backends = self.backend_files.add_to(backends)?;
            let profiles: Vec<_> = backends.iter().map(|backend| backend.profile()).collect();
            serde_json::to_writer_pretty(&mut out, &profiles).map_err(std::io::Error::from)?;
            writeln!(out)?;
            return Ok(EXIT_OK);
        }
        for backend in &backends {
            show(&mut out, backend.as_ref())?;
        }
        for external in self.backend_files.load()? {
            show(&mut out, &external)?;
            writeln!(out, "  {}", state(&external))?;
        }
        writeln!(
            out,
            "\nsystems that others wrote, each a backend with --backend-file NAME, all with --profile peers:"
        )?;
        for system in Shipped::all() {
            let external = external::shipped(system)?;
            let Profile { name, summary, technology, protection, .. } = external.profile();
            writeln!(out, "{name}  ({})", technology.name())?;
            writeln!(out, "  {summary}")?;
            writeln!(out, "  protection: {}", protection.label)?;
            let state = state(&external);
            if external.is_installed() {
                writeln!(out, "  {state}, under {}", external::licence(&external))?;
            } else {
                writeln!(out, "  {state}")?;
            }
        }
        Ok(EXIT_OK)
    }
}

/// Whether a backend is installed, or what that takes.
fn state(external: &External) -> String {
    match external.is_installed() {
        true => "installed".into(),
        false => format!("not installed: {}", external::amount(external)),
    }
}

fn install(names: &[String]) -> Result<u8, Error> {
    let systems = names.iter().map(|name| external::load(name)).collect::<Result<Vec<_>, _>>()?;
    let mut out = std::io::stdout().lock();
    for system in systems {
        let name = &system.manifest().name;
        if system.is_installed() {
            writeln!(out, "{name} is installed in {}", system.environment().display())?;
            continue;
        }
        writeln!(out, "installing {name}: {}", external::amount(&system))?;
        out.flush()?;
        let installed = system.install(|line| {
            let _closed = writeln!(out, "  {line}").and_then(|()| out.flush());
        });
        installed.map_err(|source| Error::Install { name: name.clone(), source })?;
        let version = system.version().ok().flatten().unwrap_or_else(|| "it states no version".into());
        writeln!(out, "installed {name}: {version}")?;
    }
    Ok(EXIT_OK)
}

fn show(out: &mut impl Write, backend: &dyn Backend) -> Result<(), Error> {
    let profile = backend.profile();
    let threat = &profile.protection;
    writeln!(out, "{}  ({})", profile.name, profile.technology.name())?;
    writeln!(out, "  {}", profile.summary)?;
    let simulated = if threat.simulated { ", simulated" } else { "" };
    writeln!(out, "  protection: {}{simulated}", threat.label)?;
    for Setting { key, values, summary } in backend.settings() {
        let default = values.first().copied().unwrap_or_default();
        writeln!(out, "  --set {}.{key}={}: {summary} [default: {default}]", profile.name, values.join("|"))?;
    }
    for sentence in &threat.trusted {
        writeln!(out, "    {sentence}")?;
    }
    for (role, leakage) in profile.roles.iter().zip(&threat.learns) {
        let owns = match role.private_input {
            PrivateInput::Images => "holds the images",
            PrivateInput::Network => "holds the weights",
            PrivateInput::Nothing => "holds nothing",
        };
        let learns: Vec<_> = leakage
            .items()
            .into_iter()
            .filter_map(|(what, learned)| match learned {
                Learned::No => None,
                Learned::Yes => Some(what.to_owned()),
                derivable @ Learned::Derivable(_) => Some(format!("{what} ({derivable})")),
            })
            .collect();
        let learns = if learns.is_empty() { "nothing".to_owned() } else { learns.join(", ") };
        writeln!(out, "    {:<14} {owns}, learns {learns}", role.name)?;
    }
    Ok(())
}
