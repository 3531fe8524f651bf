//! A client's side of a session: challenge, judge, connect. Bytes in, bytes out.

use std::time::SystemTime;

use crate::attestation::evidence::Evidence;
use crate::attestation::policy::{Attested, Policy};
use crate::measuring::release::Release;
use crate::platform::report::{Client, Nonce, fresh_nonce};
use crate::transport::channel::{Channel, RECORD_OVERHEAD, connect};
use crate::{Error, Result};

/// What the enclave answers when a channel stands and the model runs.
pub(crate) const READY: &[u8] = b"ready";
/// Bytes of the record that carries it.
pub const CONFIRMATION_BYTES: usize = RECORD_OVERHEAD + READY.len();

/// The client's clock, seconds since 1970, by which it judges how old evidence is.
///
/// # Errors
/// [`Error::System`] if the clock is before that.
pub fn now() -> Result<u64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let failed = |error| Error::System { doing: "asking for the date", source: std::io::Error::other(error) };
    Ok(now.map_err(failed)?.as_secs())
}

/// A client that has challenged and waits for evidence.
pub struct Verifier {
    client: Client,
    policy: Policy,
    release: Release,
    nonce: Nonce,
}

impl Verifier {
    /// With a fresh nonce. The release must have passed [`Policy::check_release`].
    ///
    /// # Errors
    /// If the operating system has no randomness.
    pub fn new(client: Client, policy: Policy, release: Release) -> Result<Self> {
        Ok(Self { client, policy, release, nonce: fresh_nonce()? })
    }

    /// To be sent to the host.
    pub fn nonce(&self) -> &Nonce {
        &self.nonce
    }

    /// Judges the host's evidence and, if it holds, opens a channel whose first record carries
    /// `contents`: the message that the host is to hand to the enclave.
    ///
    /// # Errors
    /// Those of [`Evidence::from_bytes`] and [`Policy::judge`].
    pub fn connect(self, evidence: &[u8], contents: &[u8], now: u64) -> Result<(Connected, Vec<u8>)> {
        let evidence = Evidence::from_bytes(evidence)?;
        let attested = self.policy.judge(self.client, &self.release, &self.nonce, &evidence, now)?;
        let (mut channel, encapsulated) = connect(self.client, &attested)?;
        let mut hello = channel.seal(contents)?;
        hello.splice(..0, encapsulated);
        Ok((Connected { channel, attested }, hello))
    }
}

/// A client whose channel awaits the enclave's confirmation.
#[derive(Debug)]
pub struct Connected {
    channel: Channel,
    attested: Attested,
}

impl Connected {
    /// What was attested.
    pub fn attested(&self) -> &Attested {
        &self.attested
    }

    /// The channel, once the enclave has confirmed that it holds the keys and runs the model.
    ///
    /// # Errors
    /// Those of [`Channel::open`], [`Error::Malformed`] if it says something else.
    pub fn confirm(mut self, mut record: Vec<u8>) -> Result<Channel> {
        if self.channel.open(&mut record, READY.len())? == READY {
            return Ok(self.channel);
        }
        Err(Error::malformed("the enclave's confirmation", "it does not say that the model is ready"))
    }
}
