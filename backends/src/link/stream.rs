//! The sockets below links: loopback TCP between parties, a local socket between a role and the one
//! role it is attached to.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as LocalAddr, UnixListener, UnixStream};
use std::time::Duration;

/// A connected stream.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Local(UnixStream),
}

impl Stream {
    /// Calls a party where it listens.
    pub(super) fn call(address: SocketAddr, local: bool, timeout: Duration) -> io::Result<Self> {
        if local {
            return UnixStream::connect_addr(&local_name(address)?).map(Stream::Local);
        }
        TcpStream::connect_timeout(&address, timeout).map(Stream::Tcp)
    }

    /// Blocking, without delay, and with a limit to how long a read may take.
    pub(super) fn prepare(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(timeout))
            }
            Stream::Local(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(timeout))
            }
        }
    }

    pub(super) fn shutdown(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Stream::Local(stream) => stream.shutdown(Shutdown::Both),
        }
    }

    /// The process at the other end of a local socket, as the kernel noted when it was connected.
    pub(super) fn peer_process(&self) -> Option<u32> {
        let Stream::Local(stream) = self else { return None };
        let credentials = rustix::net::sockopt::socket_peercred(stream).ok()?;
        u32::try_from(credentials.pid.as_raw_nonzero().get()).ok()
    }
}

/// Listens for local callers of the party that listens on TCP at `address`.
pub(super) fn listen_locally(address: SocketAddr) -> io::Result<UnixListener> {
    UnixListener::bind_addr(&local_name(address)?)
}

/// A name beside the file system; the port makes it unique.
fn local_name(address: SocketAddr) -> io::Result<LocalAddr> {
    LocalAddr::from_abstract_name(format!("veilbench-{}", address.port()))
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Local(stream) => stream.as_fd(),
        }
    }
}

impl Read for &Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).read(buffer),
            Stream::Local(stream) => (&*stream).read(buffer),
        }
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).write(bytes),
            Stream::Local(stream) => (&*stream).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
