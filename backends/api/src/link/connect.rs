//! Connecting the parties of a session with each other.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::pipe::Pipe;
use super::stream::{Stream, listen_locally};
use super::{Link, LinkError, LinkProfile, Links, Meter, Topology};

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

/// A party's listening sockets.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    local: Option<UnixListener>,
    topology: Topology,
}

impl Endpoint {
    /// Listens on a free loopback port, as one of parties that are all connected with each other.
    ///
    /// # Errors
    /// If the operating system has none.
    pub fn bind() -> io::Result<Self> {
        Self::bind_in(Topology::default(), 0)
    }

    /// Listens as party `me` of a topology.
    ///
    /// # Errors
    /// If the operating system has no free port or name.
    pub fn bind_in(topology: Topology, me: usize) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let local = match topology.called_locally(me) {
            true => Some(listen_locally(listener.local_addr()?)?),
            false => None,
        };
        Ok(Self { listener, local, topology })
    }

    /// Where peers reach this party.
    ///
    /// # Errors
    /// If the operating system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Connects to every party the topology says. `parties` are role names and addresses in the order of
    /// the profile, `me` this party's index; a party calls those before it and is called by those after it.
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
        let mut streams: Vec<(usize, Stream)> = Vec::with_capacity(parties.len());
        let topology = &self.topology;
        for (index, (peer, address)) in parties.iter().enumerate().take(me) {
            if !topology.connects(me, index) {
                continue;
            }
            let stream = call(*address, topology.is_local(me, index), me, token, timeout)
                .map_err(|error| LinkError::Connect { peer: peer.clone(), reason: error.to_string() })?;
            streams.push((index, stream));
        }
        let is_due = |index: usize, streams: &[(usize, Stream)]| {
            topology.connects(me, index) && !streams.iter().any(|(at, _)| *at == index)
        };
        while let Some(awaited) = (me + 1..parties.len()).find(|&index| is_due(index, &streams)) {
            let stream = self.accept(deadline).map_err(|error| LinkError::Connect {
                peer: parties[awaited].0.clone(),
                reason: error.to_string(),
            })?;
            let local = matches!(stream, Stream::Local(_));
            if let Some(index) = greeted(&stream, token, deadline)
                && index > me
                && index < parties.len()
                && is_due(index, &streams)
                && topology.is_local(me, index) == local
            {
                streams.push((index, stream));
            }
        }
        let pipes = [Pipe::default(), Pipe::default()];
        let links = streams
            .into_iter()
            .map(|(index, stream)| {
                let peer = &parties[index].0;
                Link::new(peer, stream, profile, pipes.clone(), Arc::clone(&meter), timeout)
                    .map_err(|source| LinkError::Io { peer: peer.clone(), source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok((Links::new(links), meter))
    }

    /// The next caller on any of the sockets.
    fn accept(&self, deadline: Instant) -> io::Result<Stream> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            let mut sockets = vec![PollFd::new(&self.listener, PollFlags::IN)];
            sockets.extend(self.local.as_ref().map(|local| PollFd::new(local, PollFlags::IN)));
            match poll(&mut sockets, Some(&timeout)) {
                Ok(0) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer did not call in time"));
                }
                Ok(_) if sockets[0].revents().contains(PollFlags::IN) => {
                    return Ok(Stream::Tcp(self.listener.accept()?.0));
                }
                Ok(_) => {
                    if let Some(local) = &self.local
                        && let Ok(stream) = Stream::answer(local.accept()?.0, patience(deadline))
                    {
                        return Ok(stream);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn call(address: SocketAddr, local: bool, me: usize, token: &Token, timeout: Duration) -> io::Result<Stream> {
    let stream = Stream::call(address, local, timeout)?;
    let mut hello = [0; 25];
    hello[..8].copy_from_slice(&GREETING);
    hello[8..24].copy_from_slice(&token.0);
    hello[24] = u8::try_from(me).map_err(io::Error::other)?;
    (&stream).write_all(&hello)?;
    Ok(stream)
}

/// The index a caller gives, or `None` for a stranger.
fn greeted(mut stream: &Stream, token: &Token, deadline: Instant) -> Option<usize> {
    stream.prepare(patience(deadline)).ok()?;
    let mut hello = [0; 25];
    stream.read_exact(&mut hello).ok()?;
    (hello[..8] == GREETING && hello[8..24] == token.0).then(|| usize::from(hello[24]))
}

/// How long a caller may take to say who it is.
fn patience(deadline: Instant) -> Duration {
    let left = deadline.saturating_duration_since(Instant::now());
    left.clamp(Duration::from_millis(1), Duration::from_secs(2))
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
