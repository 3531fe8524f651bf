//! Connecting the parties of a session with each other.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::pipe::Pipe;
use super::transport::authority::{Authority, Credentials};
use super::transport::stream::{Stream, listen_locally};
use super::transport::tls::{Secured, another_role, left};
use super::{Link, LinkError, LinkProfile, Links, Meter, Topology};

/// What a connection opens with, so that a stranger's connection is told apart.
const GREETING: [u8; 8] = *b"veilb 01";

/// What a party says on an encrypted link to a caller whose certificate and greeting it accepts: until then the caller
/// cannot know.
const WELCOME: [u8; 1] = [1];

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
    credentials: Option<Credentials>,
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
        Self::bind_at(Ipv4Addr::LOCALHOST.into(), topology, me)
    }

    /// Listens on a free port of an address of this host, as party `me` of a topology.
    ///
    /// # Errors
    /// If the address is not this host's, or the operating system has no free port or name.
    pub fn bind_at(address: IpAddr, topology: Topology, me: usize) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let local = match topology.called_locally(me) {
            true => Some(listen_locally(listener.local_addr()?)?),
            false => None,
        };
        Ok(Self { listener, local, topology, credentials: None })
    }

    /// Gives this party what it shows on encrypted links and demands of its peers.
    #[must_use]
    pub fn with_credentials(self, credentials: Option<Credentials>) -> Self {
        Self { credentials, ..self }
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
    /// If a peer is not there within `timeout`, or shows another certificate than its own where links are encrypted.
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
            let stream = match topology.is_local(me, index) {
                false if profile.has_tls() => self.call_secured(*address, [me, index], timeout),
                local => Stream::call(*address, local, timeout),
            };
            let stream = stream
                .and_then(|stream| greet(stream, me, token, Instant::now() + timeout))
                .map_err(|error| LinkError::Connect { peer: peer.clone(), reason: error.to_string() })?;
            streams.push((index, stream));
        }
        let is_due = |index: usize, streams: &[(usize, Stream)]| {
            topology.connects(me, index) && !streams.iter().any(|(at, _)| *at == index)
        };
        // Strangers may call too; why the last caller was refused helps if the right one never came.
        let mut refused = None;
        while let Some(awaited) = (me + 1..parties.len()).find(|&index| is_due(index, &streams)) {
            let failure = |reason: String| LinkError::Connect { peer: parties[awaited].0.clone(), reason };
            let stream = self.accept(deadline).map_err(|error| match &refused {
                None => failure(error.to_string()),
                Some(reason) => failure(format!("{error}; a caller was refused: {reason}")),
            })?;
            // Over all that the caller has to say.
            let until = Instant::now() + patience(deadline);
            let stream = match stream {
                Stream::Tcp(socket) if profile.has_tls() => {
                    let credentials = self.certified().map_err(|error| failure(error.to_string()))?;
                    match Secured::answer(socket, credentials, me, until) {
                        Ok(secured) => Stream::Tls(Box::new(secured)),
                        Err(error) => {
                            refused = Some(error);
                            continue;
                        }
                    }
                }
                stream => stream,
            };
            let local = matches!(stream, Stream::Local(_));
            if let Some(index) = greeted(&stream, token, until)
                && index > me
                && index < parties.len()
                && is_due(index, &streams)
                && topology.is_local(me, index) == local
            {
                match self.welcome(&stream, index) {
                    Ok(()) => streams.push((index, stream)),
                    Err(error) => refused = Some(error),
                }
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

    fn certified(&self) -> io::Result<&Credentials> {
        let missing =
            || io::Error::other("the link is to be encrypted and this party was given no certificate");
        self.credentials.as_ref().ok_or_else(missing)
    }

    fn call_secured(
        &self,
        address: SocketAddr,
        [me, peer]: [usize; 2],
        timeout: Duration,
    ) -> io::Result<Stream> {
        let credentials = self.certified()?;
        let until = Instant::now() + timeout;
        let socket = TcpStream::connect_timeout(&address, timeout)?;
        Secured::call(socket, credentials, me, peer, until).map(|secured| Stream::Tls(Box::new(secured)))
    }

    /// Accepts a caller on an encrypted link if it shows the certificate of the role it says it is.
    fn welcome(&self, mut stream: &Stream, index: usize) -> io::Result<()> {
        match stream {
            Stream::Tls(secured) if !secured.shows(self.certified()?, index) => Err(another_role()),
            Stream::Tls(_) => stream.write_all(&WELCOME),
            _ => Ok(()),
        }
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

/// Says who calls, and on an encrypted link waits to hear that it is accepted.
fn greet(stream: Stream, me: usize, token: &Token, until: Instant) -> io::Result<Stream> {
    let mut hello = [0; 25];
    hello[..8].copy_from_slice(&GREETING);
    hello[8..24].copy_from_slice(&token.0);
    hello[24] = u8::try_from(me).map_err(io::Error::other)?;
    (&stream).write_all(&hello)?;
    if let Stream::Tls(_) = &stream {
        let mut welcome = [0; WELCOME.len()];
        read_by(&stream, &mut welcome, until).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => error,
            _ => io::Error::new(error.kind(), format!("the peer did not accept the certificate: {error}")),
        })?;
    }
    Ok(stream)
}

/// The index a caller gives, or `None` for a stranger.
fn greeted(stream: &Stream, token: &Token, until: Instant) -> Option<usize> {
    let mut hello = [0; 25];
    read_by(stream, &mut hello, until).ok()?;
    (hello[..8] == GREETING && hello[8..24] == token.0).then(|| usize::from(hello[24]))
}

/// Fills a buffer by a time, however slowly the bytes come.
fn read_by(mut stream: &Stream, buffer: &mut [u8], until: Instant) -> io::Result<()> {
    let mut rest = buffer;
    while !rest.is_empty() {
        stream.prepare(left(until)?)?;
        let read = match stream {
            Stream::Tls(secured) => secured.receive_by(rest, until)?,
            _ => stream.read(rest)?,
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        rest = rest.get_mut(read..).unwrap_or_default();
    }
    Ok(())
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
    let issued = match profile.has_tls() {
        true => Authority::new()
            .and_then(|authority| authority.issue(2))
            .map_err(|error| LinkError::Connect { peer: "pair".into(), reason: error.to_string() })?,
        false => Vec::new(),
    };
    let mut issued = issued.into_iter();
    let mut bind = || Endpoint::bind().map(|endpoint| endpoint.with_credentials(issued.next())).map_err(io);
    let (left, right) = (bind()?, bind()?);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_that_comes_byte_by_byte_has_an_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let caller = std::thread::spawn(move || {
            let mut socket = TcpStream::connect(address).unwrap();
            let mut hello = GREETING.to_vec();
            hello.extend([0; 17]);
            let mut bytes = hello.into_iter();
            while bytes.next().is_some_and(|byte| socket.write_all(&[byte]).is_ok()) {
                std::thread::sleep(Duration::from_millis(40));
            }
        });
        let (stream, began) = (Stream::Tcp(listener.accept().unwrap().0), Instant::now());
        assert_eq!(greeted(&stream, &Token([0; 16]), began + Duration::from_millis(200)), None);
        assert!(began.elapsed() < Duration::from_millis(700), "{:?}", began.elapsed());
        drop(stream);
        caller.join().unwrap();
    }
}
