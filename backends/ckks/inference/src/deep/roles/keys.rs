//! Evaluation keys, one in a message: together they exceed what a message may be, and neither party ever holds more than one as it is
//! sent.
//!
//! Beside products and rotations there may be one key for conjugation. It is the encryption of the conjugate of the secret, another automorphism's
//! image of it, under the secret, as those of rotations are: nothing but its bytes is sent in addition, and nothing is assumed that rotations do
//! not need. Which keys there are follows from the architecture.

use std::collections::BTreeMap;

use veilbench_api::{Error, Link, Recorder};
use veilbench_ckks::{
    Context, EvaluationKeys, KeyId, KeyLevels, KeyRequest, Randomness, SecretKey, SeededEvaluationKeys,
};

use crate::deep::program::Program;
use crate::planning::memory::{ELEMENT_BYTES, KEYS_HEADER_BYTES};
use crate::planning::scheme::{KeySize, Scheme};

/// Keys of a deep circuit, with the highest level each is used at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) products: Option<usize>,
    pub(crate) conjugations: Option<usize>,
    pub(crate) rotations: BTreeMap<i64, usize>,
}

impl Keys {
    /// Those of a program.
    pub(crate) fn of(program: &Program) -> Self {
        Self {
            products: program.product_level(),
            conjugations: program.conjugation_level(),
            rotations: program.rotations(),
        }
    }

    /// Requests for one key each, those for high levels first.
    fn requests(&self) -> Vec<(usize, KeyRequest)> {
        let product = |level: usize| {
            let levels = KeyLevels { relinearisation: Some(level), ..KeyLevels::default() };
            (level, KeyRequest { relinearisation: true, levels, ..KeyRequest::default() })
        };
        let rotation = |(&steps, &level): (&i64, &usize)| {
            let levels = KeyLevels { rotations: [(steps, level)].into(), ..KeyLevels::default() };
            (level, KeyRequest { rotations: [steps].into(), levels, ..KeyRequest::default() })
        };
        let conjugation = |level: usize| {
            let levels = KeyLevels { conjugation: Some(level), ..KeyLevels::default() };
            (level, KeyRequest { conjugation: true, levels, ..KeyRequest::default() })
        };
        let mut requests: Vec<_> =
            self.products.map(product).into_iter().chain(self.rotations.iter().map(rotation)).collect();
        requests.extend(self.conjugations.map(conjugation));
        requests.sort_by_key(|&(level, _)| std::cmp::Reverse(level));
        requests
    }

    /// Bytes of all keys in memory.
    pub(crate) fn memory_bytes(&self, scheme: &Scheme) -> usize {
        self.requests().iter().map(|&(level, _)| scheme.key_memory_bytes(size_at(level))).sum()
    }
}

/// All keys are of usual digits.
fn size_at(level: usize) -> KeySize {
    KeySize { level, is_long: false }
}

/// Bytes of every message with a key, in order.
pub(crate) fn key_bytes(keys: &Keys, scheme: &Scheme) -> Vec<usize> {
    keys.requests().iter().map(|(level, request)| message_bytes(scheme, *level, request)).collect()
}

fn message_bytes(scheme: &Scheme, level: usize, request: &KeyRequest) -> usize {
    let named = request.rotations.len() + usize::from(request.conjugation);
    KEYS_HEADER_BYTES + scheme.key_bytes(size_at(level)) + ELEMENT_BYTES * named
}

/// Generates and sends one key after the other.
pub(crate) fn send(
    secret: &SecretKey,
    keys: &Keys,
    server: &mut Link,
    recorder: &Recorder,
) -> Result<(), Error> {
    let mut random = Randomness::from_system().map_err(Error::engine("generating keys"))?;
    for (_, request) in keys.requests() {
        let key = recorder.span("generate keys", || {
            SeededEvaluationKeys::generate(secret, &request, &mut random).to_bytes(secret.context())
        });
        let key = key.map_err(Error::engine("generating keys"))?;
        recorder.span("send", || server.send(&key))?;
    }
    Ok(())
}

/// All keys at once, for whoever plays both roles.
pub(crate) fn expanded(
    secret: &SecretKey,
    keys: &Keys,
    random: &mut Randomness,
) -> veilbench_ckks::Result<EvaluationKeys> {
    let empty = SeededEvaluationKeys::generate(secret, &KeyRequest::default(), random);
    let mut all = empty.expand(secret.context())?;
    for (_, request) in keys.requests() {
        all.extend(SeededEvaluationKeys::generate(secret, &request, random).expand(secret.context())?)?;
    }
    Ok(all)
}

/// Receives and expands one key after the other.
///
/// # Errors
/// [`Error::Protocol`] for a key of another secret, or of another request than is due; [`Error::Engine`] for what is no key.
pub(crate) fn receive(
    context: &Context,
    scheme: &Scheme,
    keys: &Keys,
    owner: KeyId,
    client: &mut Link,
    recorder: &Recorder,
) -> Result<EvaluationKeys, Error> {
    let reading = "reading the evaluation keys";
    let mut all: Option<EvaluationKeys> = None;
    for (level, request) in keys.requests() {
        let bytes =
            recorder.span("wait", || client.receive_exactly(message_bytes(scheme, level, &request)))?;
        let key = SeededEvaluationKeys::from_bytes(context, &bytes).map_err(Error::engine(reading))?;
        drop(bytes);
        let check = key.check_covers(context, &request).and_then(|()| key.check_no_more(context, &request));
        check.map_err(|error| {
            Error::Protocol(format!("the data owner's evaluation keys are not those asked for: {error}"))
        })?;
        if key.key() != owner {
            let reason =
                format!("evaluation keys of key {} came after the public key of key {owner}", key.key());
            return Err(Error::Protocol(reason));
        }
        let key = recorder.span("expand keys", || key.expand(context)).map_err(Error::engine(reading))?;
        match &mut all {
            Some(all) => all.extend(key).map_err(Error::engine(reading))?,
            None => all = Some(key),
        }
    }
    all.ok_or_else(|| Error::protocol("a network that needs no keys is not computed in this layout"))
}
