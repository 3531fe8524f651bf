//! A manifest as a [`Backend`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde_json::Value;
use veilbench_api::link::MESSAGE_LIMIT;
use veilbench_api::{
    Backend, CountedBy, Error, Job, Leakage, LinkProfile, Origin, Party, Plan, Profile, Protection, Role,
    RoleContext, Setting, Tolerance, Unsupported,
};
use veilbench_networks::{Architecture, Op, Polynomial};

use crate::briefing::architecture::operator;
use crate::error::ManifestError;
use crate::install::digest::digest;
use crate::install::shipped::Shipped;
use crate::isolation::Network;
use crate::isolation::mesh::Mesh;
use crate::manifest::{ENVIRONMENT, FOLDER, Install, Manifest, Supports};
use crate::party::ExternalParty;

/// A backend that is a folder.
#[derive(Debug)]
pub struct External {
    manifest: Manifest,
    settings: &'static [Setting],
    environments: PathBuf,
    environment: PathBuf,
    /// What `backends install` is told to install it.
    called: String,
    /// Why it is not installed, if that was tried.
    pub(crate) trouble: Mutex<Option<String>>,
    sha256: OnceLock<String>,
    /// What the `version` command prints, asked once, or how it failed.
    pub(crate) version: Mutex<Option<Result<Option<String>, String>>>,
}

impl External {
    /// Reads `backend.toml` of a folder. What [`install`](Self::install) makes goes to a folder in `environments`, of the backend's
    /// name or of the one that its manifest gives.
    ///
    /// # Errors
    /// [`ManifestError`], by field, if the manifest is not one.
    pub fn load(folder: &Path, environments: &Path) -> Result<Self, ManifestError> {
        let manifest = Manifest::load(folder)?;
        let shared = manifest.install.as_ref().and_then(|install| install.environment.as_ref());
        let environment = environments.join(shared.unwrap_or(&manifest.name));
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
        Ok(Self {
            called: manifest.folder.display().to_string(),
            manifest,
            settings: settings.leak(),
            environments: environments.to_owned(),
            environment,
            trouble: Mutex::new(None),
            sha256: OnceLock::new(),
            version: Mutex::new(None),
        })
    }

    /// Reads a system that comes with the program, unpacked below `folders`.
    ///
    /// # Errors
    /// [`ManifestError::Read`] if it cannot be unpacked.
    pub fn shipped(system: &Shipped, folders: &Path, environments: &Path) -> Result<Self, ManifestError> {
        let folder = system
            .unpack(folders)
            .map_err(|source| ManifestError::Read { path: folders.to_owned(), source })?;
        Ok(Self { called: system.name.to_owned(), ..Self::load(&folder, environments)? })
    }

    /// Returns what the folder says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns where [`install`](Self::install) puts what the backend needs.
    pub fn environment(&self) -> &Path {
        &self.environment
    }

    /// SHA-256 of the files that say what is measured, hexadecimal.
    fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| digest(&self.manifest))
    }

    /// Holds the folder's files against those of a plan: on another host, or after a change, they may be another program.
    ///
    /// # Errors
    /// [`ManifestError::Another`], with both digests.
    pub fn check(&self, plan: &Plan) -> Result<(), ManifestError> {
        let planned = plan.parameters.get(FILES).and_then(Value::as_str).unwrap_or("none");
        if planned == self.sha256() {
            return Ok(());
        }
        Err(ManifestError::Another {
            backend: self.manifest.name.clone(),
            folder: self.manifest.folder.clone(),
            found: self.sha256().to_owned(),
            planned: planned.to_owned(),
        })
    }

    /// Puts folders in the places a command leaves for them.
    pub(crate) fn resolve(&self, command: &[String]) -> Vec<String> {
        let (folder, environment) =
            (self.manifest.folder.display().to_string(), self.environment.display().to_string());
        command.iter().map(|word| word.replace(FOLDER, &folder).replace(ENVIRONMENT, &environment)).collect()
    }

    /// Returns what makes a row of a system that is not installed.
    fn how_to_install(&self) -> String {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let amount = self.manifest.install.as_ref().map_or_else(String::new, Install::amount);
        let licence =
            self.manifest.licence_note.as_ref().map_or_else(String::new, |note| format!("; {note}"));
        let tried = trouble.as_ref().map_or_else(String::new, |why| format!("; it was tried: {why}"));
        let broken = if self.is_made() { self.installed_version().err() } else { None };
        let broken =
            broken.map_or_else(String::new, |why| format!(", as its version cannot be asked: {why}"));
        let called = &self.called;
        format!(
            "not installed{broken}: `veilbench backends install {called}` does it ({amount}{licence}){tried}"
        )
    }

    /// Returns the network that its parties have under a link profile, or why there is none for them.
    fn network(&self, link: &LinkProfile) -> Result<Network, String> {
        if self.manifest.bytes != CountedBy::Kernel {
            return Ok(Network::possible());
        }
        if link.name() != LinkProfile::loopback().name() {
            return Err(format!(
                "it owns its sockets, which nothing shapes or encrypts: measure it over loopback, not over {}",
                link.name()
            ));
        }
        Mesh::possible().map(|()| Network::Session).map_err(|reason| {
            format!(
                "it owns its sockets, and the kernel's count of its bytes needs a network of the session's own, which this machine \
                 does not allow ({reason}): run as root or allow users to make namespaces, with util-linux and iproute2"
            )
        })
    }

    /// Returns every option with its value under a job.
    pub(crate) fn chosen<'a>(&self, job: &'a Job) -> BTreeMap<&'static str, &'a str> {
        self.settings.iter().map(|setting| (setting.key, job.setting(setting))).collect()
    }
}

/// What of a network is more than a backend supports: at which layer, and how much more.
fn beyond<'a>(supports: &Supports, architecture: &'a Architecture) -> Option<(Option<&'a str>, String)> {
    let values = supports.max_values.unwrap_or(usize::MAX);
    let most = |count: usize| format!("{count} values are more than the {values} this backend has room for");
    if architecture.input.len() > values {
        return Some((None, format!("the image: {}", most(architecture.input.len()))));
    }
    let (mut activations, allowed) = (0, supports.max_activations.unwrap_or(usize::MAX));
    for layer in &architecture.layers {
        let refuse = |reason| Some((Some(layer.name.as_str()), reason));
        if layer.output.len() > values {
            return refuse(most(layer.output.len()));
        }
        activations += usize::from(matches!(layer.op, Op::Relu | Op::Polynomial(_)));
        if activations > allowed {
            return refuse(format!("activation {activations} is one more than this backend can compute"));
        }
        let highest = supports.max_degree.unwrap_or(usize::MAX);
        match layer.op {
            Op::Polynomial(Polynomial { degree, .. }) if degree > highest => {
                return refuse(format!("a polynomial of degree {degree}, of at most {highest} here"));
            }
            _ => {}
        }
    }
    None
}

/// What a plan calls the digest of the folder's files.
const FILES: &str = "files_sha256";

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
        if let Some((layer, reason)) = beyond(supports, architecture) {
            return refuse(layer, reason);
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
            return refuse(None, self.how_to_install());
        }
        let network = match self.network(&job.link) {
            Ok(network) => network,
            Err(reason) => return refuse(None, reason),
        };
        let parameters = serde_json::json!({
            "protocol": self.manifest.protocol,
            "licence": self.manifest.licence,
            "bytes": self.manifest.bytes.as_str(),
            "network": network.name(),
            "version": self.installed_version().ok().flatten(),
            FILES: self.sha256(),
        });
        let notes = self.manifest.licence_note.iter().chain(&self.manifest.citation).cloned().collect();
        let times = supports.seconds_per_image.as_ref();
        let image_ns = times.and_then(|times| times.image_ns(&architecture.name));
        Ok(Plan {
            security_bits: self.manifest.security_bits,
            tolerance: self.manifest.tolerance.and_then(Tolerance::new).unwrap_or_default(),
            parameters,
            notes,
            counted_by: self.manifest.bytes,
            predicted_batch_ns: image_ns.map(|image_ns| image_ns.saturating_mul(job.batch as u64)),
            ..Plan::default()
        })
    }

    fn origin(&self) -> Option<Origin> {
        Some(Origin {
            folder: self.manifest.folder.clone(),
            environments: self.environments.clone(),
            files_sha256: self.sha256().to_owned(),
        })
    }

    fn settings(&self) -> &'static [Setting] {
        self.settings
    }

    fn join(&self, context: RoleContext) -> Result<Box<dyn Party>, Error> {
        Ok(Box::new(ExternalParty::join(self, context)?))
    }
}
