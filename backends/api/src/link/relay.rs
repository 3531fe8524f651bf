//! A man in the middle for tests: forwards frames between parties, and lets a [`Interceptor`] read,
//! change, drop or repeat them.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::frame::{HEADER_BYTES, Header};
use super::transport::stream::{Stream, listen_locally};
use super::{MESSAGE_LIMIT, Topology};

/// Sees every message on its way.
pub trait Interceptor: Send + Sync {
    /// What to forward instead of message number `index` from one role to another: usually
    /// the payload itself, once. Numbers of forwarded messages are made to follow each other
    /// unless the interceptor asks for [`Forward::Verbatim`].
    fn message(&self, from: &str, to: &str, index: usize, payload: Vec<u8>) -> Forward;
}

/// What becomes of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Forward {
    /// These payloads, as the messages that are due.
    Messages(Vec<Vec<u8>>),
    /// This payload twice with the same number: a replay.
    Replay(Vec<u8>),
    /// The header announces the payload, half of it follows, and the connection ends.
    Truncate(Vec<u8>),
    /// A header that announces this many bytes, and nothing else.
    Announce(u32),
    /// These bytes instead of a frame.
    Verbatim(Vec<u8>),
}

/// How long a connection may stand still: longer than any session.
const PATIENCE: Duration = Duration::from_secs(600);

/// Stands between all parties of a session.
pub(crate) struct Relay {
    interceptor: Arc<dyn Interceptor>,
    topology: Topology,
}

impl Relay {
    pub(crate) fn new(interceptor: Arc<dyn Interceptor>, topology: Topology) -> Self {
        Self { interceptor, topology }
    }

    /// The addresses party `me` is to call: those before it are replaced by relaying sockets.
    pub(crate) fn address_book(
        &self,
        me: usize,
        parties: &[(String, SocketAddr)],
    ) -> io::Result<Vec<(String, SocketAddr)>> {
        let mut book = parties.to_vec();
        for (index, (name, address)) in book.iter_mut().enumerate().take(me) {
            if !self.topology.connects(me, index) {
                continue;
            }
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let target = std::mem::replace(address, listener.local_addr()?);
            let local = match self.topology.is_local(me, index) {
                true => Some(listen_locally(*address)?),
                false => None,
            };
            let (caller, called, interceptor) =
                (parties[me].0.clone(), name.clone(), Arc::clone(&self.interceptor));
            // Ends with the connection; a failure shows as a closed link at both parties.
            thread::spawn(move || {
                let near = match &local {
                    Some(local) => Stream::answer(local.accept()?.0, PATIENCE)?,
                    None => Stream::Tcp(listener.accept()?.0),
                };
                serve(&near, target, &caller, &called, &interceptor)
            });
        }
        Ok(book)
    }
}

fn serve(
    near: &Stream,
    target: SocketAddr,
    caller: &str,
    called: &str,
    interceptor: &Arc<dyn Interceptor>,
) -> io::Result<()> {
    let far = Stream::call(target, matches!(near, Stream::Local(_)), PATIENCE)?;
    near.prepare(PATIENCE)?;
    far.prepare(PATIENCE)?;
    let mut hello = [0; 25];
    (&*near).read_exact(&mut hello)?;
    (&far).write_all(&hello)?;
    thread::scope(|scope| {
        scope.spawn(|| pump(near, &far, caller, called, interceptor.as_ref()));
        pump(&far, near, called, caller, interceptor.as_ref());
    });
    Ok(())
}

/// Forwards one direction until either end closes, then closes both.
fn pump(from: &Stream, to: &Stream, sender: &str, receiver: &str, interceptor: &dyn Interceptor) {
    let _ended = forward(from, to, sender, receiver, interceptor);
    for stream in [from, to] {
        let _already_closed = stream.shutdown();
    }
}

fn forward(
    mut from: &Stream,
    mut to: &Stream,
    sender: &str,
    receiver: &str,
    interceptor: &dyn Interceptor,
) -> io::Result<()> {
    let mut due = 0;
    for index in 0.. {
        let mut header = [0; HEADER_BYTES];
        from.read_exact(&mut header)?;
        let header = Header::decode(&header);
        if header.bytes as usize > MESSAGE_LIMIT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut payload = Vec::new();
        from.take(u64::from(header.bytes)).read_to_end(&mut payload)?;
        let mut send = |sequence: u32, announced: u32, payload: &[u8]| {
            let mut frame = Header { bytes: announced, sequence, ..header }.encode().to_vec();
            frame.extend_from_slice(payload);
            to.write_all(&frame)
        };
        match interceptor.message(sender, receiver, index, payload) {
            Forward::Messages(payloads) => {
                for payload in payloads {
                    send(due, payload.len() as u32, &payload)?;
                    due += 1;
                }
            }
            Forward::Replay(payload) => {
                send(due, payload.len() as u32, &payload)?;
                send(due, payload.len() as u32, &payload)?;
                due += 1;
            }
            Forward::Truncate(payload) => {
                send(due, payload.len() as u32, &payload[..payload.len() / 2])?;
                return Ok(());
            }
            Forward::Announce(bytes) => {
                send(due, bytes, &[])?;
                due += 1;
            }
            Forward::Verbatim(bytes) => to.write_all(&bytes)?,
        }
    }
    Ok(())
}
