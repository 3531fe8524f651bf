//! A link as the protocol sees it.

use veilbench_2pc::Error as Core;
use veilbench_2pc::network::Channel;

use veilbench_api::{Error, Link, Recorder};

/// A link to the other party, whose waiting is timed.
pub(super) struct Timed<'a> {
    pub(super) link: &'a mut Link,
    pub(super) recorder: &'a Recorder,
}

/// Reason for which a session ended.
#[derive(Debug)]
pub(super) enum Failure {
    Link(Error),
    Protocol(Core),
}

impl From<Core> for Failure {
    fn from(error: Core) -> Self {
        Self::Protocol(error)
    }
}

impl Failure {
    /// For the harness.
    pub(super) fn into_error(self, peer: &str) -> Error {
        match self {
            Self::Link(error) => error,
            Self::Protocol(error) => Error::protocol(format!("link to {peer}: {error}")),
        }
    }
}

impl Channel for Timed<'_> {
    type Error = Failure;

    fn send(&mut self, message: &[u8]) -> Result<(), Failure> {
        let link = &mut *self.link;
        self.recorder.span("send", || link.send(message)).map_err(|error| Failure::Link(error.into()))
    }

    fn receive(&mut self, bytes: usize) -> Result<Vec<u8>, Failure> {
        let link = &mut *self.link;
        self.recorder
            .span("wait", || link.receive_exactly(bytes))
            .map_err(|error| Failure::Link(error.into()))
    }
}
