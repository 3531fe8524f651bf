//! Connecting the parties of a session with each other.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Link, LinkError, LinkProfile, Links, Meter};

/// What a connection opens with, so that a stranger's connection is told apart.
const GREETING: [u8; 8] = *b"veilb 01";

/// A random value only the parties of one session know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token([u8; 16]);

impl Token {
    /// From sixteen bytes of a cryptographic generator.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// A party's listening socket.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
}

impl Endpoint {
    /// Listens on a free loopback port.
    ///
    /// # Errors
    /// If the operating system has none.
    pub fn bind() -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0))? })
    }

    /// Where peers reach this party.
    ///
    /// # Errors
    /// If the operating system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Connects to every other party. `parties` are role names and addresses in the order of the
    /// profile, `me` this party's index; a party calls those before it and is called by those after it.
    ///
    /// # Errors
    /// If a peer is not there within `timeout`.
    pub fn connect(
        self,
        me: usize,
        parties: &[(String, SocketAddr)],
        token: &Token,
        profile: &LinkProfile,
        timeout: Duration,
    ) -> Result<(Links, Arc<Meter>), LinkError> {
        let meter = Arc::new(Meter::default());
        let deadline = Instant::now() + timeout;
        let mut streams: Vec<(usize, TcpStream)> = Vec::with_capacity(parties.len());
        for (index, (peer, address)) in parties.iter().enumerate().take(me) {
            let stream = call(*address, me, token, timeout)
                .map_err(|error| LinkError::Connect { peer: peer.clone(), reason: error.to_string() })?;
            streams.push((index, stream));
        }
        while streams.len() + 1 < parties.len() {
            let missing = |reason: &str| {
                let awaited =
                    (me + 1..parties.len()).find(|index| !streams.iter().any(|(at, _)| at == index));
                let peer = awaited.map_or_else(String::new, |index| parties[index].0.clone());
                LinkError::Connect { peer, reason: reason.to_owned() }
            };
            let stream = accept(&self.listener, deadline).map_err(|error| missing(&error.to_string()))?;
            if let Some(index) = greeted(&stream, token, deadline)
                && index > me
                && index < parties.len()
                && !streams.iter().any(|(at, _)| *at == index)
            {
                streams.push((index, stream));
            }
        }
        let links = streams
            .into_iter()
            .map(|(index, stream)| {
                let peer = &parties[index].0;
                Link::new(peer, stream, profile, Arc::clone(&meter), timeout)
                    .map_err(|source| LinkError::Io { peer: peer.clone(), source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok((Links::new(links), meter))
    }
}

fn call(address: SocketAddr, me: usize, token: &Token, timeout: Duration) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    let mut hello = [0; 25];
    hello[..8].copy_from_slice(&GREETING);
    hello[8..24].copy_from_slice(&token.0);
    hello[24] = u8::try_from(me).map_err(io::Error::other)?;
    stream.write_all(&hello)?;
    Ok(stream)
}

fn accept(listener: &TcpListener, deadline: Instant) -> io::Result<TcpStream> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
        match poll(&mut [PollFd::new(listener, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer did not call in time")),
            Ok(_) => return Ok(listener.accept()?.0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The index a caller gives, or `None` for a stranger.
fn greeted(mut stream: &TcpStream, token: &Token, deadline: Instant) -> Option<usize> {
    let patience = deadline.saturating_duration_since(Instant::now()).min(Duration::from_secs(2));
    stream.set_read_timeout(Some(patience.max(Duration::from_millis(1)))).ok()?;
    let mut hello = [0; 25];
    stream.read_exact(&mut hello).ok()?;
    (hello[..8] == GREETING && hello[8..24] == token.0).then(|| usize::from(hello[24]))
}

/// Two connected ends named `left` and `right`, as tests and benches need them.
///
/// # Errors
/// If loopback sockets are not to be had.
pub fn pair(profile: &LinkProfile, timeout: Duration) -> Result<[(Link, Arc<Meter>); 2], LinkError> {
    let io = |source| LinkError::Io { peer: "pair".into(), source };
    let token = Token([0; 16]);
    let (left, right) = (Endpoint::bind().map_err(io)?, Endpoint::bind().map_err(io)?);
    let parties = [
        ("left".to_owned(), left.address().map_err(io)?),
        ("right".to_owned(), right.address().map_err(io)?),
    ];
    let (mut left, mut right) = std::thread::scope(|scope| {
        let left = scope.spawn(|| left.connect(0, &parties, &token, profile, timeout));
        let right = right.connect(1, &parties, &token, profile, timeout)?;
        Ok((left.join().map_err(|_| LinkError::Missing { peer: "left".into() })??, right))
    })?;
    Ok([(left.0.take("right")?, left.1), (right.0.take("left")?, right.1)])
}
