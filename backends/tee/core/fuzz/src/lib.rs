//! What the fuzz targets share: an honest session in one process, and how the fuzzer's bytes change its messages.

use std::sync::LazyLock;

use veilbench_tee::*;

/// The clients' clock: 2026-01-01.
pub const NOW: u64 = 1_767_225_600;
/// What is provisioned.
pub const MODEL: &[u8] = b"the weights of a network, in a file";
/// What a data owner sends first.
pub const GREETING: &[u8] = b"hello";

/// The clients' challenges that are no fresh ones.
const NONCE: Nonce = [2; 32];

/// The launch of the one enclave.
pub static LAUNCH: LazyLock<Launch> = LazyLock::new(|| launch(NONCE, NONCE));

/// Evidence that the data owner of [`judge`] accepts.
pub static EVIDENCE: LazyLock<Evidence> = LazyLock::new(|| {
    let (_, introduction) = start(&LAUNCH);
    evidence(&introduction, &introduction.data_owner, NONCE)
});

fn image() -> Measurement {
    Measurement::of(b"the enclave's program")
}

fn configuration() -> Configuration {
    let architecture = Measurement::of(b"architecture");
    Configuration { architecture, model: Measurement::of(MODEL), batch: 1, threads: 1 }
}

/// What the publisher signs.
pub fn release() -> Release {
    let measurement = Measurement::of_enclave(&image(), &configuration());
    SimulatedPublisher::default().sign(measurement, configuration().model)
}

fn launch(model_owner: Nonce, data_owner: Nonce) -> Launch {
    let token = SimulatedProcessor::new().launch(&image(), &configuration(), &release());
    let token = token.expect("it measures as released");
    Launch { token, image: image(), configuration: configuration(), model_owner, data_owner }
}

/// A launched enclave and what it says of itself.
pub fn start(launch: &Launch) -> (Enclave, EnclaveHello) {
    let protections = Protections::none();
    Enclave::start(&SimulatedProcessor::new(), launch, &|keys| protections.describe(keys))
        .expect("it was launched")
}

fn evidence(introduction: &EnclaveHello, report: &Report, nonce: Nonce) -> Evidence {
    let manufacturer = SimulatedManufacturer::new();
    let quoting = SimulatedQuotingEnclave::new(&SimulatedProcessor::new(), &manufacturer);
    Evidence {
        public_key: introduction.public_key,
        nonce,
        model: configuration().model,
        protections: introduction.protections.clone(),
        quote: quoting.and_then(|quoting| quoting.quote(report)).expect("the report is genuine"),
        collateral: manufacturer.collateral(CollateralOptions::issued(NOW - 86_400)).expect("it is issued"),
    }
}

/// The policy of clients who know that the enclave is a thread without protections.
fn policy() -> Policy {
    let policy = Policy::simulated().expect("the root is a constant");
    Policy { protections: LeastProtections::none(), ..policy }
}

/// The judgement of a data owner.
pub fn judge(evidence: &Evidence) -> Result<Attested> {
    static POLICY: LazyLock<Policy> = LazyLock::new(policy);
    POLICY.judge(Client::DataOwner, &release(), &NONCE, evidence, NOW)
}

/// An enclave whose clients have judged it, with their key exchanges as they leave them.
pub struct Provisioning {
    /// Its inside.
    pub enclave: Enclave,
    /// Both clients, each with the message it sent.
    pub clients: [(Client, Connected, Vec<u8>); 2],
}

impl Provisioning {
    /// Afresh.
    pub fn begin() -> Self {
        let verifier = |client| {
            Verifier::new(client, policy(), release()).expect("there is randomness")
        };
        let (owner, user) = (verifier(Client::ModelOwner), verifier(Client::DataOwner));
        let (enclave, introduction) = start(&launch(*owner.nonce(), *user.nonce()));
        let connect = |verifier: Verifier, report, contents: &[u8]| {
            let evidence = evidence(&introduction, report, *verifier.nonce()).to_bytes();
            verifier.connect(&evidence, contents, NOW).expect("the evidence is good")
        };
        let (provisioner, model) = connect(owner, &introduction.model_owner, MODEL);
        let (sender, greeting) = connect(user, &introduction.data_owner, GREETING);
        let clients = [(Client::ModelOwner, provisioner, model), (Client::DataOwner, sender, greeting)];
        Self { enclave, clients }
    }
}

/// Both ends of a data owner's channel, after its confirmation.
pub fn channels() -> (Channel, Channel) {
    let Provisioning { enclave, clients: [_, (client, connected, mut hello)] } = Provisioning::begin();
    let (mut inside, _) = enclave.accept(client, &mut hello, GREETING.len()).expect("it is untouched");
    let ready = Enclave::confirm(&mut inside).expect("the channel is open");
    (connected.confirm(ready).expect("it is untouched"), inside)
}

/// A message with the changes a script asks for: for each change an operation, a position of two bytes and
/// a value. An empty script changes nothing.
pub fn changed(message: &[u8], script: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    for &[operation, low, high, value] in script.as_chunks().0 {
        let position = usize::from(u16::from_le_bytes([low, high])) % (message.len() + 1);
        match operation % 6 {
            0 => message.truncate(position),
            1 => message.insert(position, value),
            2 => message[position..].iter_mut().take(4).for_each(|byte| *byte = value),
            3 => message.drain(position..).take(usize::from(value)).for_each(drop),
            4 => message.extend_from_within(..position.min(usize::from(value))),
            _ => message[position..].iter_mut().take(1).for_each(|byte| *byte ^= value),
        }
    }
    message
}
