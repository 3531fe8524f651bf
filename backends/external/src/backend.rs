//! A manifest as a [`Backend`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use veilbench_api::link::MESSAGE_LIMIT;
use veilbench_api::{
    Backend, Error, Job, Leakage, Party, Plan, Profile, Protection, Role, RoleContext, Setting, Tolerance,
    Unsupported,
};
use veilbench_networks::Architecture;

use crate::architecture::operator;
use crate::error::ManifestError;
use crate::manifest::{ENVIRONMENT, FOLDER, Manifest};
use crate::party::ExternalParty;

/// A backend that is a folder.
#[derive(Debug)]
pub struct External {
    manifest: Manifest,
    settings: &'static [Setting],
    environment: PathBuf,
}

impl External {
    /// Reads `backend.toml` of a folder. What [`install`](Self::install) makes goes to a folder of the backend's name in
    /// `environments`.
    ///
    /// # Errors
    /// [`ManifestError`], by field, if the manifest is not one.
    pub fn load(folder: &Path, environments: &Path) -> Result<Self, ManifestError> {
        let manifest = Manifest::load(folder)?;
        let environment = environments.join(&manifest.name);
        // Options are `'static` in the trait, and a program loads each backend once.
        let settings: Vec<Setting> = manifest
            .options
            .iter()
            .map(|option| Setting {
                key: leaked(&option.key),
                values: option.values.iter().map(|value| leaked(value)).collect::<Vec<_>>().leak(),
                summary: leaked(&option.summary),
            })
            .collect();
        Ok(Self { manifest, settings: settings.leak(), environment })
    }

    /// Returns what the folder says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns where [`install`](Self::install) puts what the backend needs.
    pub fn environment(&self) -> &Path {
        &self.environment
    }

    /// Puts folders in the places a command leaves for them.
    pub(crate) fn resolve(&self, command: &[String]) -> Vec<String> {
        let (folder, environment) =
            (self.manifest.folder.display().to_string(), self.environment.display().to_string());
        command.iter().map(|word| word.replace(FOLDER, &folder).replace(ENVIRONMENT, &environment)).collect()
    }

    /// Returns every option with its value under a job.
    pub(crate) fn chosen<'a>(&self, job: &'a Job) -> BTreeMap<&'static str, &'a str> {
        self.settings.iter().map(|setting| (setting.key, job.setting(setting))).collect()
    }
}

fn leaked(text: &str) -> &'static str {
    text.to_owned().leak()
}

impl Backend for External {
    fn profile(&self) -> Profile {
        let manifest = &self.manifest;
        let roles = manifest
            .roles
            .iter()
            .map(|role| Role { name: role.name.clone().into(), private_input: role.holds });
        let learns = manifest.roles.iter().map(|role| Leakage {
            role: role.name.clone().into(),
            images: role.learns.images.clone(),
            weights: role.learns.weights.clone(),
            activations: role.learns.activations.clone(),
            logits: role.learns.logits.clone(),
            ranges: role.learns.ranges.clone(),
        });
        Profile {
            name: manifest.name.clone().into(),
            summary: manifest.summary.clone().into(),
            technology: manifest.technology,
            roles: roles.collect(),
            protection: Protection {
                label: manifest.protection.label.clone().into(),
                adversary: manifest.protection.adversary,
                colluding: manifest.protection.colluding,
                trusted: manifest.protection.trusted.iter().map(|line| line.clone().into()).collect(),
                learns: learns.collect(),
                simulated: manifest.protection.simulated,
            },
        }
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let refuse = |layer: Option<&str>, reason: String| {
            Err(Unsupported { layer: layer.map(str::to_owned), reason })
        };
        let supports = &self.manifest.supports;
        for layer in &architecture.layers {
            let name = operator(&layer.op);
            if !name.is_some_and(|name| supports.operators.iter().any(|known| known == name)) {
                let reason = format!(
                    "{} is no operator of this backend: it has {}",
                    layer.op,
                    supports.operators.join(", ")
                );
                return refuse(Some(&layer.name), reason);
            }
        }
        if job.batch > supports.max_batch {
            return refuse(
                None,
                format!("batches of more than {} images are not supported", supports.max_batch),
            );
        }
        for (what, values) in
            [("batch", architecture.input.len()), ("batch's logits", architecture.classes())]
        {
            let bytes = job.batch as u128 * values as u128 * size_of::<f32>() as u128;
            if bytes > MESSAGE_LIMIT as u128 {
                return refuse(
                    None,
                    format!("a {what} of {bytes} bytes exceeds {MESSAGE_LIMIT}: ask for smaller batches"),
                );
            }
        }
        if !self.is_installed() {
            let folder = self.manifest.folder.display();
            let needs = self.manifest.install.as_ref().map_or(String::new(), |install| install.hint());
            return refuse(
                None,
                format!(
                    "{} of {folder} is not installed in {}; {needs}",
                    self.manifest.name,
                    self.environment.display()
                ),
            );
        }
        let parameters = serde_json::json!({
            "protocol": self.manifest.protocol,
            "licence": self.manifest.licence,
            "bytes": "link",
        });
        let notes = self.manifest.licence_note.iter().chain(&self.manifest.citation).cloned().collect();
        let tolerance = self.manifest.tolerance.and_then(Tolerance::new).unwrap_or_default();
        Ok(Plan {
            security_bits: self.manifest.security_bits,
            tolerance,
            parameters,
            notes,
            ..Plan::default()
        })
    }

    fn settings(&self) -> &'static [Setting] {
        self.settings
    }

    fn join(&self, context: RoleContext) -> Result<Box<dyn Party>, Error> {
        Ok(Box::new(ExternalParty::join(self, context)?))
    }
}
