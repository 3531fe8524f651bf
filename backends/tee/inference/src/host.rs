//! The untrusted host: launches the enclave, stores what it seals and carries every message between it
//! and its clients. The simulated processor and its quoting enclave live here too, as the parts of the
//! machine that the enclave would find in hardware.

use std::io::{Read, Seek, Write};

use veilbench_networks::{Architecture, Tensor};
use veilbench_tee::{
    CollateralOptions, EnclaveHello, Evidence, Launch, Measurement, Nonce, RECORD_OVERHEAD, Release,
    ShownProcess, SimulatedManufacturer, SimulatedProcessor, SimulatedQuotingEnclave,
};

use super::expected::{configuration, measuring_threads};
use super::request::{images_per_record, records};
use super::{DATA_OWNER, ENCLAVE, MODEL_OWNER, SPIN, answer_bytes, batch_bytes, failure, now, reveals};
use veilbench_api::{Error, Job, Link, Party, Recorder, RoleContext};

pub(super) fn join(mut role: RoleContext) -> Result<Box<dyn Party>, Error> {
    let recorder = role.recorder.clone();
    let mut data_owner = role.links.take(DATA_OWNER)?;
    let mut model_owner = role.links.take(MODEL_OWNER)?;
    let mut enclave = role.links.take(ENCLAVE)?;

    let image = recorder.span("measure", || measure(&mut enclave, &role.job))?;
    let processor = SimulatedProcessor::new();
    let (quoting, collateral) = recorder.span("collateral", || {
        let manufacturer = SimulatedManufacturer::new();
        let quoting = SimulatedQuotingEnclave::new(&processor, &manufacturer).map_err(failure)?;
        Ok::<_, Error>((
            quoting,
            manufacturer.collateral(CollateralOptions::issued(today()?)).map_err(failure)?,
        ))
    })?;

    let request = model_owner.receive()?;
    let (release, model_nonce) = request
        .split_last_chunk::<32>()
        .ok_or_else(|| Error::protocol(format!("{} bytes are no request to launch", request.len())))?;
    let release = Release::from_bytes(release).map_err(failure)?;
    let data_nonce: Nonce = data_owner
        .receive()?
        .try_into()
        .map_err(|nonce: Vec<u8>| Error::protocol(format!("{} bytes are no nonce", nonce.len())))?;
    let introduction = recorder.span("launch", || {
        let configuration = configuration(&role.architecture, &role.job, release.model)?;
        let token = processor.launch(&image, &configuration, &release).map_err(failure)?;
        let launch =
            Launch { token, image, configuration, model_owner: *model_nonce, data_owner: data_nonce };
        enclave.send(&launch.to_bytes())?;
        EnclaveHello::from_bytes(&enclave.receive()?).map_err(failure)
    })?;

    let EnclaveHello { public_key, protections, .. } = &introduction;
    let clients = [
        (&mut model_owner, model_nonce, &introduction.model_owner),
        (&mut data_owner, &data_nonce, &introduction.data_owner),
    ];
    for (client, nonce, report) in clients {
        let evidence = recorder.span("quote", || {
            let (model, protections) = (release.model, protections.clone());
            let quote = quoting.quote(report).map_err(failure)?;
            let collateral = collateral.clone();
            Ok::<_, Error>(Evidence {
                public_key: *public_key,
                nonce: *nonce,
                model,
                protections,
                quote,
                collateral,
            })
        })?;
        client.send(&evidence.to_bytes())?;
    }

    for client in [&mut model_owner, &mut data_owner] {
        let hello = client.receive()?;
        enclave.send(&hello)?;
    }
    let sealed = enclave.receive()?;
    let stored =
        recorder.span("store", || store(&sealed)).map_err(Error::engine("storing the sealed model"))?;
    enclave.send(&stored)?;
    for client in [&mut model_owner, &mut data_owner] {
        let ready = enclave.receive()?;
        client.send(&ready)?;
    }
    let images = images_per_record(&role.architecture).min(role.job.batch);
    let request_limit = batch_bytes(&role.architecture, images) + RECORD_OVERHEAD;
    let answer_limit = answer_bytes(&role.architecture, reveals(&role.job), role.job.batch) + RECORD_OVERHEAD;
    let architecture = role.architecture;
    Ok(Box::new(Host { data_owner, enclave, architecture, images: 0, request_limit, answer_limit, recorder }))
}

/// When today's collateral was issued: at midnight, as hosts fetch it daily and keep it.
fn today() -> Result<u64, Error> {
    let now = now()?;
    Ok(now - now % 86_400)
}

/// Measures the code that the process at the other end of the enclave's socket runs: what the kernel
/// says it is, not what it says itself.
fn measure(enclave: &mut Link, job: &Job) -> Result<Measurement, Error> {
    let process = enclave
        .peer_process()
        .ok_or_else(|| Error::protocol("the kernel does not say which process the enclave is"))?;
    let shown =
        enclave.take_shown().ok_or_else(|| Error::protocol("the enclave shows nothing of its process"))?;
    Measurement::of_process(process, &ShownProcess::from_descriptors(shown), measuring_threads(job))
        .map_err(failure)
}

/// Puts the sealed model on disk and reads it back, as after a restart. The file has no name and goes
/// with the session.
fn store(sealed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut file = tempfile::tempfile()?;
    file.write_all(sealed)?;
    file.rewind()?;
    let mut stored = Vec::with_capacity(sealed.len());
    file.read_to_end(&mut stored)?;
    Ok(stored)
}

struct Host {
    data_owner: Link,
    enclave: Link,
    architecture: Architecture,
    /// In the batch that is due.
    images: usize,
    /// Bytes of a record.
    request_limit: usize,
    answer_limit: usize,
    recorder: Recorder,
}

impl Party for Host {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.images = images;
        let allowance = self.data_owner.receive()?;
        Ok(self.enclave.send(&allowance)?)
    }

    fn online(&mut self, _: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let (data_owner, enclave) = (&mut self.data_owner, &mut self.enclave);
        for _ in records(&self.architecture, self.images) {
            data_owner.forward(enclave, self.request_limit, SPIN)?;
        }
        self.recorder.span("enclave", || enclave.forward(data_owner, self.answer_limit, SPIN))?;
        Ok(None)
    }
}
