//! Metered, framed, optionally shaped byte channels between parties.
//!
//! A [`Link`] carries whole messages over one TCP connection, in TLS 1.3 between hosts and where it is asked for, or
//! through shared memory if one party is attached to the other ([`Topology`]). The sender counts payload
//! bytes and messages before they leave, the receiver those it takes; every message carries the sender's causal
//! depth, and a receiver takes `max(own, received + 1)`, so that the depth at the end of a phase is its number
//! of rounds. Shared memory is no network: what passes it is counted apart and adds no round. A [`LinkProfile`]
//! delays delivery as a slower network would, through one uplink and one downlink for each party.
//!
//! Blocking sockets on the party's own thread: measured, their round trips take as long as tokio's
//! (bench `link`), and protocols stay free of `async`. A send that finds the socket full takes in
//! what the peer is sending meanwhile, so two parties may send large messages to each other at once.

mod channel;
mod connect;
mod error;
mod frame;
mod meter;
mod pipe;
mod probe;
mod profile;
mod relay;
mod topology;
mod transport;

pub use channel::{Link, MESSAGE_LIMIT};
pub use connect::{Endpoint, Token, pair};
pub use error::LinkError;
pub use meter::{Count, Meter, Traffic};
pub use probe::LinkFigures;
pub use profile::{LinkProfile, LinkProfileError};
pub(crate) use relay::Relay;
pub use relay::{Forward, Interceptor};
pub use topology::Topology;
pub use transport::authority::{Authority, AuthorityError, Credentials};

/// Links of one party, by the name of the peer's role.
#[derive(Debug, Default)]
pub struct Links {
    links: Vec<Link>,
}

impl Links {
    /// Collects links; peers are unique.
    pub fn new(links: Vec<Link>) -> Self {
        Self { links }
    }

    /// Takes the link to `peer`.
    ///
    /// # Errors
    /// [`LinkError::Missing`] if there is none (any more).
    pub fn take(&mut self, peer: &str) -> Result<Link, LinkError> {
        match self.links.iter().position(|link| link.peer() == peer) {
            Some(index) => Ok(self.links.swap_remove(index)),
            None => Err(LinkError::Missing { peer: peer.to_owned() }),
        }
    }

    /// From now on waiting on any of them ends at `deadline`, with an error that names the link.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn set_deadline(&mut self, deadline: std::time::Instant) -> Result<(), LinkError> {
        self.links.iter_mut().try_for_each(|link| link.set_deadline(deadline))
    }

    /// Counters of what passed to and from each peer; they stay readable when the links are gone.
    pub fn traffic(&self) -> Vec<(String, std::sync::Arc<Traffic>)> {
        self.links.iter().map(|link| (link.peer().to_owned(), link.traffic())).collect()
    }
}
