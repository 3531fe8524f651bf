//! TLS 1.3 under a link: both ends show a certificate of their session, and accept that of the role they expect alone.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection};

use super::authority::{Credentials, subject};
use super::stream::poll_one;

/// Ciphertext that is read at once.
const READ_AHEAD: usize = 64 << 10;

/// Ciphertext that may wait for the socket: a send is taken up to this.
const SEND_AHEAD: usize = 256 << 10;

/// A connection with its TLS session: for one reader and one writer at a time.
#[derive(Debug)]
pub(crate) struct Secured {
    socket: TcpStream,
    session: Mutex<Connection>,
    incoming: Mutex<Ciphertext>,
    /// Whether decrypted bytes may wait that the last read had no room for.
    more: AtomicBool,
}

/// Bytes from the socket that are not decrypted yet.
#[derive(Debug)]
struct Ciphertext {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Secured {
    /// Calls party `peer` over a connected socket, of which it demands the peer's certificate.
    pub(crate) fn call(
        socket: TcpStream,
        credentials: &Credentials,
        me: usize,
        peer: usize,
        until: Instant,
    ) -> io::Result<Self> {
        let (provider, roots) = credentials.trust()?;
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
        let mut config = config
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![credentials.certificate(me)?], credentials.key().into())
            .map_err(io::Error::other)?;
        config.resumption = Resumption::disabled();
        let name = ServerName::try_from(subject(peer)).map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let secured = Self::shake_hands(socket, session.into(), until)?;
        if secured.shows(credentials, peer) { Ok(secured) } else { Err(another_role()) }
    }

    /// Takes a call, of which it demands a certificate of the session; whose it is has to be asked with
    /// [`shows`](Self::shows).
    pub(crate) fn answer(
        socket: TcpStream,
        credentials: &Credentials,
        me: usize,
        until: Instant,
    ) -> io::Result<Self> {
        let (provider, roots) = credentials.trust()?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = verifier.build().map_err(io::Error::other)?;
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
        let mut config = config
            .map_err(io::Error::other)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![credentials.certificate(me)?], credentials.key().into())
            .map_err(io::Error::other)?;
        config.send_tls13_tickets = 0;
        let session = ServerConnection::new(Arc::new(config)).map_err(io::Error::other)?;
        Self::shake_hands(socket, session.into(), until)
    }

    fn shake_hands(socket: TcpStream, mut session: Connection, until: Instant) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        socket.set_nonblocking(false)?;
        session.set_buffer_limit(Some(SEND_AHEAD));
        while session.is_handshaking() {
            session.complete_io(&mut Until { socket: &socket, until })?;
        }
        socket.set_write_timeout(None)?;
        socket.set_read_timeout(Some(left(until)?))?;
        let incoming = Ciphertext { bytes: vec![0; READ_AHEAD].into_boxed_slice(), start: 0, end: 0 };
        let (session, incoming) = (Mutex::new(session), Mutex::new(incoming));
        Ok(Self { socket, session, incoming, more: AtomicBool::new(true) })
    }

    /// Whether the other end shows the certificate that was issued to a party.
    pub(crate) fn shows(&self, credentials: &Credentials, party: usize) -> bool {
        let session = lock(&self.session);
        let shown = session.peer_certificates().and_then(<[_]>::first);
        shown.is_some_and(|shown| credentials.parties.get(party).is_some_and(|due| shown.as_ref() == due))
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// As [`Stream::receive`](super::stream::Stream::receive).
    pub(crate) fn receive(&self, buffer: &mut [u8], wait: bool) -> io::Result<usize> {
        let mut incoming = lock(&self.incoming);
        loop {
            let filled = incoming.decrypt(&mut lock(&self.session), buffer)?;
            self.more.store(filled == buffer.len(), Ordering::Relaxed);
            if filled > 0 || buffer.is_empty() {
                return Ok(filled);
            }
            let flags = if wait { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
            let read = recv(&self.socket, &mut *incoming.bytes, flags)?.0;
            if read == 0 {
                return Ok(0);
            }
            (incoming.start, incoming.end) = (0, read);
        }
    }

    /// Receives what has come by a time, however slowly it comes.
    pub(crate) fn receive_by(&self, buffer: &mut [u8], until: Instant) -> io::Result<usize> {
        loop {
            match self.receive(buffer, false) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll_one(&self.socket, PollFlags::IN, left(until)?)?;
                }
                result => return result,
            }
        }
    }

    /// As [`Stream::send`](super::stream::Stream::send); what was taken may wait for [`flush`](Self::flush).
    pub(crate) fn send(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut session = lock(&self.session);
        drain(&mut session, &self.socket)?;
        let taken = session.writer().write_vectored(slices)?;
        match drain(&mut session, &self.socket) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// Sends what waits; [`ErrorKind::WouldBlock`] if not all of it could be sent.
    pub(crate) fn flush(&self) -> io::Result<()> {
        drain(&mut lock(&self.session), &self.socket)
    }

    /// As [`Stream::wait`](super::stream::Stream::wait).
    pub(crate) fn wait(&self, data: bool, timeout: Duration) -> io::Result<bool> {
        if data && self.more.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let mut interest = PollFlags::OUT;
        interest.set(PollFlags::IN, data);
        let ready = poll_one(&self.socket, interest, timeout)?;
        if ready.is_empty() { Err(ErrorKind::TimedOut.into()) } else { Ok(ready.contains(PollFlags::IN)) }
    }

    /// Sends all of it, however long the socket takes.
    pub(crate) fn write_all(&self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        let mut rest = bytes;
        loop {
            let sent =
                if rest.is_empty() { self.flush().map(|()| 0) } else { self.send(&[IoSlice::new(rest)]) };
            match sent {
                Ok(_) if rest.is_empty() => return Ok(()),
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait(false, patience)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Ciphertext {
    /// Fills the buffer with what can be decrypted, and says how much that was.
    fn decrypt(&mut self, session: &mut Connection, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            match session.reader().read(buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => return Ok(filled),
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut rest = self.bytes.get(self.start..self.end).unwrap_or_default();
                    if rest.is_empty() {
                        return Ok(filled);
                    }
                    self.start += session.read_tls(&mut rest)?;
                    session.process_new_packets().map_err(invalid)?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Credentials {
    fn trust(&self) -> io::Result<(Arc<CryptoProvider>, RootCertStore)> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.authority.clone())).map_err(invalid)?;
        Ok((Arc::new(rustls::crypto::ring::default_provider()), roots))
    }

    fn certificate(&self, party: usize) -> io::Result<CertificateDer<'static>> {
        let certificate = self.parties.get(party).cloned().map(CertificateDer::from);
        certificate.ok_or_else(|| io::Error::other("there is no certificate for this party"))
    }

    fn key(&self) -> PrivatePkcs8KeyDer<'static> {
        self.key.clone().into()
    }
}

/// Why a peer with a good certificate is refused.
pub(crate) fn another_role() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the certificate is that of another role")
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

fn drain(session: &mut Connection, socket: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(&mut Unblocking(socket))?;
    }
    Ok(())
}

/// How long it is until then.
///
/// # Errors
/// [`ErrorKind::TimedOut`] if that is over.
pub(crate) fn left(until: Instant) -> io::Result<Duration> {
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(ErrorKind::TimedOut.into()),
        left => Ok(left),
    }
}

/// A socket on which everything together may take until a time: a peer that sends a byte now and then does not prolong it.
struct Until<'a> {
    socket: &'a TcpStream,
    until: Instant,
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(left(self.until)?))?;
        self.socket.read(buffer)
    }
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(left(self.until)?))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends what fits at once.
struct Unblocking<'a>(&'a TcpStream);

impl Write for Unblocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        Ok(sendmsg(self.0, slices, &mut SendAncillaryBuffer::default(), flags)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A panic while the lock was held leaves a session that fails by itself.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::authority::Authority;
    use super::*;

    #[test]
    fn a_caller_that_sends_a_byte_now_and_then_does_not_hold_a_party_up() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let caller = std::thread::spawn(move || {
            let mut socket = TcpStream::connect(address).unwrap();
            // The head of a record of 16 KiB, and then its bytes.
            let mut next = [22, 3, 1, 64, 0].into_iter().chain(std::iter::repeat(0)).take(150);
            while next.next().is_some_and(|byte| socket.write_all(&[byte]).is_ok()) {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let credentials = Authority::new().unwrap().issue(2).unwrap().remove(0);
        let (socket, began) = (listener.accept().unwrap().0, Instant::now());
        let until = began + Duration::from_millis(200);
        assert!(Secured::answer(socket, &credentials, 0, until).is_err());
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        caller.join().unwrap();
    }
}
