//! The `tee` backend: tract inside a simulated enclave. The protection around it, measurement,
//! attestation, channel, sealing and sandbox, is that of [`veilbench_tee`]; only the hardware is simulated.
//!
//! Four processes. The enclave is [attached](Backend::attachments) to its host: it shares memory with it, as
//! in hardware, and has no other link, so everything it says and hears passes through the host. Setup:
//!
//! ```text
//! model owner -> data owner    release: enclave and model, signed by the publisher
//! model owner -> host          release, nonce
//! data owner  -> host          nonce
//! host        -> enclave       launch token, measured image, configuration, nonces
//! enclave     -> host          public key, protections in force, a report for each client
//! host        -> both clients  quote and collateral
//! model owner -> host -> enclave   key exchange, model under the channel's key
//! data owner  -> host -> enclave   key exchange
//! enclave     -> host -> enclave   the model sealed, stored, read back and unsealed
//! enclave     -> host -> clients   ready, under each channel's key
//! ```
//!
//! Before each batch the model owner allows its images, under its channel's key, by way of the data owner
//! and the host: who has the model's use is its owner's choice to the end. Online the request, in one record or
//! several, and its answer, in one, pass the host.

mod data_owner;
mod enclave;
mod expected;
mod host;
mod model_owner;
mod modelled;
mod request;

use std::time::Duration;

use veilbench_networks::Architecture;
use veilbench_tee::{LeastProtections, RECORD_OVERHEAD, SEAL_OVERHEAD};

use veilbench_api::link::MESSAGE_LIMIT;
use veilbench_api::{
    Adversary, Backend, Error, Job, Leakage, Learned, Party, Plan, Profile, Protection, Reveals, Role,
    RoleContext, Setting, Settings, Technology, Unsupported,
};

const DATA_OWNER: &str = "data-owner";
const MODEL_OWNER: &str = "model-owner";
const HOST: &str = "enclave-host";
const ENCLAVE: &str = "enclave";

/// What clients demand of the kernel the enclave runs on.
const ALLOW_UNPROTECTED: Setting = Setting {
    key: "allow-unprotected",
    values: &["off", "on"],
    summary: "whether clients send images and model to an enclave that lacks seccomp, Landlock, no-dump or keys in memfd_secret",
};

/// What leaves the enclave.
const REVEAL: Setting = Setting {
    key: "reveal",
    values: &["logits", "label"],
    summary: "what the data owner gets of an image: all logits, or the class with the largest alone",
};

/// tract inside a simulated enclave.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tee;

impl Backend for Tee {
    fn profile(&self) -> Profile {
        let learns = |role, inside: bool, logits| Leakage {
            images: Learned::seen(inside),
            weights: Learned::seen(inside),
            activations: Learned::seen(inside),
            logits: Learned::seen(logits),
            ..Leakage::none(role)
        };
        Profile {
            name: "tee".into(),
            summary: "SIMULATED enclave: attested, sealed, sandboxed; tract evaluates inside".into(),
            technology: Technology::Tee,
            roles: vec![Role::data_owner(), Role::model_owner(), Role::third(HOST), Role::third(ENCLAVE)],
            protection: Protection {
                label: "simulated enclave, malicious host".into(),
                adversary: Adversary::Malicious,
                colluding: 2,
                trusted: vec![
                    "the processor's maker and its root certificate: here a simulation that keeps no secret, \
                     so a real attacker on this machine is not kept out"
                        .into(),
                    "the enclave's program, loader and libraries, which both owners measure in their own process".into(),
                    "the publisher who signs releases; simulated too".into(),
                    "side channels and physical attacks are out of scope".into(),
                ],
                learns: vec![
                    learns(DATA_OWNER, false, true),
                    learns(MODEL_OWNER, false, false),
                    learns(HOST, false, false),
                    learns(ENCLAVE, true, true),
                ],
                simulated: true,
            },
        }
    }

    /// Without logits the data owner learns less, so that this is another protection.
    fn profile_under(&self, settings: &Settings) -> Profile {
        let mut profile = self.profile();
        if settings.get(REVEAL.key).is_some_and(|value| value == "label") {
            profile.protection.label = "simulated enclave, malicious host, label alone".into();
            if let Some(data_owner) = profile.protection.learns.first_mut() {
                data_owner.logits = Learned::No;
            }
        }
        profile
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        let refuse = |reason: String| Unsupported { layer: None, reason };
        let upload = job.batch.saturating_mul(architecture.input.len()).saturating_mul(size_of::<f32>());
        let image = architecture.input.len().saturating_mul(size_of::<f32>());
        let answer = job
            .batch
            .saturating_mul(values_per_answer(architecture, reveals(job)))
            .saturating_mul(size_of::<f32>());
        for (what, bytes) in [("an image", image), ("a batch's answer", answer)] {
            if bytes.saturating_add(RECORD_OVERHEAD) > MESSAGE_LIMIT {
                return Err(refuse(format!(
                    "{what} of {bytes} bytes exceeds the {MESSAGE_LIMIT} bytes of one record"
                )));
            }
        }
        if u32::try_from(job.batch).is_err() || upload == usize::MAX {
            return Err(refuse(format!("a batch of {} images is too large", job.batch)));
        }
        if u32::try_from(job.threads).is_err() {
            return Err(refuse(format!("{} threads are too many", job.threads)));
        }
        let model = architecture.parameters().saturating_mul(size_of::<f32>());
        if model > MODEL_LIMIT {
            return Err(refuse(format!(
                "a model of {model} bytes exceeds the {MODEL_LIMIT} bytes of one record"
            )));
        }
        if !allows_unprotected(job) {
            let missing =
                LeastProtections::confined().missing_here().map_err(|error| refuse(error.to_string()))?;
            unprotected(&missing)?;
        }
        let image = expected::own_image().map_err(|error| refuse(error.to_string()))?;
        let parameters = serde_json::json!({
            "simulated": true,
            "engine": "tract",
            "program_file_sha256": image.to_string(),
            "quote": "SGX DCAP version 3, ECDSA P-256, root \"veilbench SIMULATED SGX Root CA\"",
            "channel": "HPKE X25519, HKDF-SHA256, AES-256-GCM",
            "sealing": "HKDF-SHA256 of a SIMULATED fuse key and the measurement, AES-256-GCM",
            "upload_bytes": upload + request::record_count(architecture, job.batch) * RECORD_OVERHEAD,
        });
        let mut notes = vec![
            "SIMULATED: no enclave hardware; the enclave is a sandboxed process, and no hardware time is in a \
             measured column"
                .into(),
        ];
        if allows_unprotected(job) {
            notes.push(
                "allow-unprotected=on: clients demand no protections of the enclave's process; the span `in force` says \
                 which it had"
                    .into(),
            );
        }
        let reveals = reveals(job);
        if !reveals.is_logits() {
            notes.push("reveal=label: the enclave returns the class alone, and no logit leaves it".into());
        }
        let modelled = Some(modelled::constants(architecture, job));
        Ok(Plan { security_bits: Some(128), parameters, modelled, notes, reveals, ..Plan::default() })
    }

    fn attachments(&self) -> &'static [(&'static str, &'static str)] {
        &[(ENCLAVE, HOST)]
    }

    fn settings(&self) -> &'static [Setting] {
        &[ALLOW_UNPROTECTED, REVEAL]
    }

    /// A role that shares its process with others cannot confine it.
    fn local_session_settings(&self) -> Settings {
        Settings::from([(ALLOW_UNPROTECTED.key.to_owned(), "on".to_owned())])
    }

    fn isolate(&self, role: usize) -> Result<(), Error> {
        let enclave = self.profile().roles.get(role).is_some_and(|role| role.name == ENCLAVE);
        if enclave {
            veilbench_tee::sandbox::continue_apart().map_err(failure)?;
        }
        Ok(())
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        match role.index {
            0 => data_owner::join(role),
            1 => model_owner::join(role),
            2 => host::join(role),
            _ => enclave::join(role),
        }
    }
}

/// Refuses what clients would refuse, where the kernel lacks protections.
fn unprotected(missing: &[String]) -> Result<(), Unsupported> {
    if missing.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "this kernel does not offer {}, which clients demand of an enclave; a newer one does (Linux 6.5 and later), or \
         --set tee.{}=on runs without, and says so",
        missing.join(", "),
        ALLOW_UNPROTECTED.key
    );
    Err(Unsupported { layer: None, reason })
}

fn allows_unprotected(job: &Job) -> bool {
    job.setting(&ALLOW_UNPROTECTED) == "on"
}

/// What leaves the enclave of a cell.
fn reveals(job: &Job) -> Reveals {
    if job.setting(&REVEAL) == "label" { Reveals::Labels } else { Reveals::Logits }
}

/// Numbers of 32 bits that leave the enclave for each image.
fn values_per_answer(architecture: &Architecture, reveals: Reveals) -> usize {
    match reveals {
        Reveals::Logits => architecture.classes(),
        Reveals::Labels => 1,
    }
}

/// Largest model file: it travels in one record and rests in one sealed blob.
const MODEL_LIMIT: usize = MESSAGE_LIMIT - (1 << 20) - SEAL_OVERHEAD;

/// How long host and enclave look for the next record in the memory they share before they sleep, as calls into
/// enclaves without a switch do (HotCalls, ISCA 2017): waking up twice more than the clear backend would cost more
/// than all cryptography.
const SPIN: Duration = Duration::from_micros(500);

/// Images of 32-bit numbers in a record.
fn batch_bytes(architecture: &Architecture, images: usize) -> usize {
    images * architecture.input.len() * size_of::<f32>()
}

/// Answers in a record.
fn answer_bytes(architecture: &Architecture, reveals: Reveals, images: usize) -> usize {
    images * values_per_answer(architecture, reveals) * size_of::<f32>()
}

/// Seconds since 1970.
fn now() -> Result<u64, Error> {
    veilbench_tee::now().map_err(failure)
}

/// What an error of the enclave's means to a session: a failure of this machine's, or a refusal.
fn failure(error: veilbench_tee::Error) -> Error {
    match error {
        veilbench_tee::Error::System { doing, source } => Error::Engine { doing, source: Box::new(source) },
        veilbench_tee::Error::Primitive(doing) => Error::Engine { doing, source: Box::new(error) },
        veilbench_tee::Error::Unprotected { .. } => Error::Protocol(format!(
            "{error}; a kernel that grants it is needed, or consent to less: the setting {}=on",
            ALLOW_UNPROTECTED.key
        )),
        refusal => Error::Protocol(refusal.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_protections_is_a_refusal_with_its_remedy() {
        assert!(unprotected(&[]).is_ok());
        let refused = unprotected(&["landlock from v3".to_owned()]).unwrap_err().to_string();
        assert!(
            refused.contains("landlock from v3") && refused.contains("--set tee.allow-unprotected=on"),
            "{refused}"
        );
    }

    #[test]
    fn the_machines_own_failure_blames_no_peer_and_keeps_its_source() {
        let source = std::io::Error::other("no such thing");
        let error = failure(veilbench_tee::Error::System { doing: "opening a library", source });
        let Error::Engine { doing: "opening a library", source } = error else { panic!("{error:?}") };
        assert!(source.is::<std::io::Error>());
        assert!(matches!(failure(veilbench_tee::Error::Debug), Error::Protocol(_)));
        let error = failure(veilbench_tee::Error::Primitive("sealing"));
        let Error::Engine { doing: "sealing", source } = error else { panic!("{error:?}") };
        assert!(source.is::<veilbench_tee::Error>());
    }
}
