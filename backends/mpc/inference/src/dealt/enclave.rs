//! A dealer inside a SIMULATED enclave: both owners see a quote and judge it before they take anything of it, and all it deals goes through
//! the channels that the quote binds. Quotes, policy and channels are those of [`veilbench_tee`].
//!
//! ```text
//! dealer -> owner   release: the enclave's measurement, signed by the publisher
//! owner  -> dealer  nonce
//! dealer -> owner   quote and collateral, filled up to a fixed length
//! owner  -> dealer  key exchange
//! dealer -> owner   ready, and from there on what a dealer says otherwise, under the channel's key
//! ```
//!
//! An owner expects the measurement of what it runs itself: program, loader and libraries, and of what it knows of the session.
//! The dealer's process plays the processor, its host and the enclave at once and is not confined, so nobody who runs code there is kept
//! out: what is measured is the cost. In hardware, who owns the machine could change nothing that is dealt unnoticed, and would learn none of
//! it if the enclave drew its seeds and its key from the processor: here both come from the operating system, which is the host's. The
//! processor's maker, and the program that is measured, are trusted instead.
//!
//! The enclave authenticates neither owner: a host can take the channel of one itself, or serve each owner from an enclave of its own. What
//! protects a session then is its name of 128 bits, which the dealer draws: the model owner's masked parameters carry it over the owners' own
//! link, which is confidential and authenticated, and a data owner whose dealer drew another refuses them. A host that has taken the data
//! owner's channel knows the masks of the weights, and never sees what they mask.

use std::num::NonZero;

use veilbench_tee::{
    CONFIRMATION_BYTES, Channel, Client, CollateralOptions, Configuration, ENCAPSULATED_BYTES, Enclave,
    EnclaveHello, Evidence, Launch, LeastProtections, Measurement, Nonce, Policy, Protections,
    RECORD_OVERHEAD, Release, SimulatedManufacturer, SimulatedProcessor, SimulatedPublisher,
    SimulatedQuotingEnclave, Verifier, now,
};

use crate::{DATA_OWNER, DEALER, MODEL_OWNER};
use veilbench_api::{Error, Job, Link, Recorder, RoleContext, Setting};
use veilbench_mpc::cost::Traffic;

/// Who deals.
pub(crate) const DEALT_BY: Setting = Setting {
    key: "dealer",
    values: &["process", "enclave"],
    summary: "process: a third party that is trusted to collude with neither owner; enclave: a SIMULATED enclave that both owners attest before they take what it \
              deals, so that the processor's maker is trusted instead; the simulation protects nothing",
};

/// Evidence is 10 kB, a few bytes more or less by the day on which its collateral is signed.
const EVIDENCE_BYTES: usize = 11 << 10;
/// Bytes that say how much of that is evidence.
const LENGTH_BYTES: usize = size_of::<u32>();
/// What a quote and its verification take for a moment.
pub(crate) const MEMORY_BYTES: usize = 4 << 20;

/// Whether the dealer of a cell is in an enclave.
pub(crate) fn is_asked_for(job: &Job) -> bool {
    job.setting(&DEALT_BY) == "enclave"
}

/// What the setup phase sends besides: to and from both owners.
pub(crate) fn setup() -> Traffic {
    let hello = ENCAPSULATED_BYTES + RECORD_OVERHEAD;
    let messages = [Release::BYTES, size_of::<Nonce>(), EVIDENCE_BYTES, hello, CONFIRMATION_BYTES];
    let attested = Traffic { bytes: messages.iter().sum(), messages: messages.len() };
    let seed = Traffic { bytes: RECORD_OVERHEAD, messages: 0 };
    attested.plus(seed).times(2)
}

/// The same messages under a channel's key.
pub(crate) fn sealed(dealt: Traffic) -> Traffic {
    Traffic { bytes: dealt.bytes.saturating_add(dealt.messages.saturating_mul(RECORD_OVERHEAD)), ..dealt }
}

/// What an error of the enclave's means to a session: a failure of this machine's, or a refusal of what came from a peer.
pub(super) fn refusal(peer: &'static str) -> impl Fn(veilbench_tee::Error) -> Error {
    move |error| match error {
        veilbench_tee::Error::System { doing, source } => Error::Engine { doing, source: Box::new(source) },
        veilbench_tee::Error::Primitive(doing) => Error::Engine { doing, source: Box::new(error) },
        refusal => Error::Protocol(format!("link to {peer}: {refusal}")),
    }
}

/// What the enclave is started with: who deals what by which protocol, a backend's name, for which session. Where an enclave for inference has
/// its model, this one has the plan.
fn configuration(role: &RoleContext, protocol: &str) -> Result<Configuration, Error> {
    let describe = Error::engine("describing the session to the enclave");
    let text =
        serde_json::to_vec(&("dealer", protocol, role.architecture.without_ranges())).map_err(describe)?;
    let describe = Error::engine("describing the plan to the enclave");
    let plan = serde_json::to_vec(&(&role.plan.parameters, &role.job.settings)).map_err(describe)?;
    let number = |value: usize| u32::try_from(value).map_err(Error::engine("describing the cell"));
    Ok(Configuration {
        architecture: Measurement::of(&text),
        model: Measurement::of(&plan),
        batch: number(role.job.batch)?,
        threads: number(role.job.threads)?,
    })
}

/// Measurement of the program that this process runs, by at most the cell's threads.
fn program(role: &RoleContext) -> Result<Measurement, Error> {
    let threads = NonZero::new(role.job.threads).unwrap_or(NonZero::<usize>::MIN);
    let measured = role.recorder.span("measure", || Measurement::of_this_process(threads));
    measured.map_err(Error::engine("measuring the program of this process"))
}

/// At an owner: the channel to a dealer whose quote, measurement and release hold.
pub(super) fn attest(
    link: &mut Link,
    client: Client,
    role: &RoleContext,
    protocol: &str,
) -> Result<Channel, Error> {
    let (recorder, refused) = (&role.recorder, refusal(DEALER));
    let program = program(role)?;
    let configuration = configuration(role, protocol)?;
    let simulated = Policy::simulated().map_err(Error::engine("reading what the simulation trusts"))?;
    // The dealer's process is not confined, and says so.
    let policy = Policy { protections: LeastProtections::none(), ..simulated };
    let release = recorder.span("wait", || link.receive())?;
    let release = Release::from_bytes(&release).map_err(&refused)?;
    policy.check_release(&release, &program, &configuration).map_err(&refused)?;
    let verifier = Verifier::new(client, policy, release).map_err(&refused)?;
    link.send(verifier.nonce())?;
    let evidence = recorder.span("wait", || link.receive())?;
    let now = now().map_err(Error::engine("reading the clock"))?;
    let (connected, hello) = recorder
        .span("verify-quote", || verifier.connect(unfilled(&evidence)?, &[], now).map_err(&refused))?;
    link.send(&hello)?;
    let ready = recorder.span("wait", || link.receive())?;
    connected.confirm(ready).map_err(&refused)
}

/// At the dealer: the machine that its enclave is launched on.
pub(super) struct Machine {
    /// What it runs.
    program: Measurement,
    configuration: Configuration,
    /// What it shows the owners.
    release: Release,
}

impl Machine {
    /// Of this process, for a session, with the release that belongs to it.
    pub(super) fn measured(role: &RoleContext, protocol: &str) -> Result<Self, Error> {
        let program = program(role)?;
        let configuration = configuration(role, protocol)?;
        let release = released(&program, &configuration);
        Ok(Self { program, configuration, release })
    }

    /// Launches the enclave and proves it to the data owner and the model owner. Returns its ends of their channels.
    pub(super) fn serve(self, links: &mut [Link; 2], recorder: &Recorder) -> Result<[Channel; 2], Error> {
        for link in links.iter_mut() {
            link.send(&self.release.to_bytes())?;
        }
        let [data_owner, model_owner] =
            [nonce(&mut links[0], DATA_OWNER)?, nonce(&mut links[1], MODEL_OWNER)?];
        let (processor, manufacturer) = (SimulatedProcessor::new(), SimulatedManufacturer::new());
        let (program, configuration) = (self.program, self.configuration);
        let (enclave, hello) = recorder
            .span("launch", || {
                let release = released(&program, &configuration);
                let token = processor.launch(&program, &configuration, &release)?;
                let launch = Launch { token, image: program, configuration, model_owner, data_owner };
                Enclave::start(&processor, &launch, &|keys| Protections::none().describe(keys))
            })
            .map_err(Error::engine("launching the dealer's enclave"))?;
        let shown = recorder
            .span("quote", || {
                let quoting = SimulatedQuotingEnclave::new(&processor, &manufacturer)?;
                let now = now()?;
                let today = CollateralOptions::issued(now - now % 86_400);
                let collateral = manufacturer.collateral(today)?;
                let EnclaveHello { public_key, protections, .. } = &hello;
                let of_client = |nonce, report| {
                    Ok::<_, veilbench_tee::Error>(Evidence {
                        public_key: *public_key,
                        nonce,
                        model: configuration.model,
                        protections: protections.clone(),
                        quote: quoting.quote(report)?,
                        collateral: collateral.clone(),
                    })
                };
                Ok([of_client(data_owner, &hello.data_owner)?, of_client(model_owner, &hello.model_owner)?])
            })
            .map_err(Error::engine::<veilbench_tee::Error>("quoting the dealer's enclave"))?;
        for (link, evidence) in links.iter_mut().zip(&shown) {
            link.send(&filled(evidence.to_bytes())?)?;
        }
        let [to_data_owner, to_model_owner] = links;
        Ok([
            accepted(&enclave, Client::DataOwner, to_data_owner, recorder)?,
            accepted(&enclave, Client::ModelOwner, to_model_owner, recorder)?,
        ])
    }
}

/// What the publisher of the dealer's program signs.
fn released(program: &Measurement, configuration: &Configuration) -> Release {
    let measurement = Measurement::of_enclave(program, configuration);
    SimulatedPublisher::default().sign(measurement, configuration.model)
}

fn nonce(link: &mut Link, owner: &'static str) -> Result<Nonce, Error> {
    let nonce = link.receive()?;
    nonce.try_into().map_err(|nonce: Vec<u8>| {
        Error::protocol(format!("link to {owner}: {} bytes are no nonce", nonce.len()))
    })
}

/// The enclave's end of a client's channel, which it has confirmed.
fn accepted(
    enclave: &Enclave,
    client: Client,
    link: &mut Link,
    recorder: &Recorder,
) -> Result<Channel, Error> {
    let refused = refusal(client.role());
    let mut hello = recorder.span("wait", || link.receive())?;
    let (mut channel, _) = enclave.accept(client, &mut hello, 0).map_err(&refused)?;
    link.send(&Enclave::confirm(&mut channel).map_err(&refused)?)?;
    Ok(channel)
}

/// Evidence behind its length, in a message of which plans know the length.
fn filled(evidence: Vec<u8>) -> Result<Vec<u8>, Error> {
    let length = u32::try_from(evidence.len()).map_err(Error::engine("showing a quote"))?;
    let mut message = Vec::with_capacity(EVIDENCE_BYTES);
    message.extend_from_slice(&length.to_le_bytes());
    message.extend(evidence);
    if message.len() > EVIDENCE_BYTES {
        let most = EVIDENCE_BYTES - LENGTH_BYTES;
        let source = format!("evidence of {length} bytes where a message has room for {most}").into();
        return Err(Error::Engine { doing: "showing a quote", source });
    }
    message.resize(EVIDENCE_BYTES, 0);
    Ok(message)
}

/// The evidence in such a message.
fn unfilled(message: &[u8]) -> Result<&[u8], Error> {
    let evidence = message
        .split_first_chunk()
        .filter(|_| message.len() == EVIDENCE_BYTES)
        .and_then(|(length, evidence)| evidence.get(..u32::from_le_bytes(*length) as usize));
    evidence.ok_or_else(|| {
        let (actual, due) = (message.len(), EVIDENCE_BYTES);
        Error::protocol(format!("link to {DEALER}: {actual} bytes are no evidence in a message of {due}"))
    })
}

#[cfg(test)]
mod tests;
