//! `veilbench backends`.

use std::io::Write;

use clap::Args;
use veilbench_api::{Backend, Learned, PrivateInput, Setting};

use crate::error::{EXIT_OK, Error};

#[derive(Args, Debug)]
pub(super) struct Backends {
    /// Print profiles and threat models as JSON
    #[arg(long)]
    json: bool,
}

impl Backends {
    pub(super) fn run(&self, backends: &[Box<dyn Backend>]) -> Result<u8, Error> {
        let profiles: Vec<_> = backends.iter().map(|backend| backend.profile()).collect();
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, &profiles).map_err(std::io::Error::from)?;
            writeln!(out)?;
            return Ok(EXIT_OK);
        }
        for (backend, profile) in backends.iter().zip(profiles) {
            let threat = &profile.protection;
            writeln!(out, "{}  ({})", profile.name, profile.technology.name())?;
            writeln!(out, "  {}", profile.summary)?;
            let simulated = if threat.simulated { ", simulated" } else { "" };
            writeln!(out, "  threat model: {}{simulated}", threat.label)?;
            for Setting { key, values, summary } in backend.settings() {
                let default = values.first().copied().unwrap_or_default();
                writeln!(
                    out,
                    "  --set {}.{key}={}: {summary} [default: {default}]",
                    profile.name,
                    values.join("|")
                )?;
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
        }
        Ok(EXIT_OK)
    }
}
