//! Messages of the party protocol, version 1, and how they travel: a line of JSON each, and after some of them as many
//! raw bytes as the line says. `PROTOCOL.md` is their description for authors of parties.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::briefing::Briefing;

/// Version of the party protocol.
pub const PROTOCOL_VERSION: u32 = 1;

/// Longest line a party may send.
const LONGEST_LINE: usize = 1 << 16;

/// Bytes asked of the socket at once; memory grows with what is there, not with what a message announces.
const CHUNK: usize = 1 << 17;

/// How often a waiting look at the socket is interrupted to see whether the time is over.
const LOOK: Duration = Duration::from_millis(100);

/// To a party.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Command<'a> {
    /// What the role may know.
    Brief(Box<Briefing<'a>>),
    /// Do what is done once per session.
    Setup,
    /// Do what needs no image, for a batch of `images`.
    Offline { images: usize },
    /// One batch. At the role that holds the images, `bytes` of them follow.
    Online { images: usize, bytes: usize },
    /// A message from a peer; `bytes` follow.
    Message { bytes: usize },
    /// The session is over.
    Leave,
}

/// From a party.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Event {
    /// The first word.
    Hello { protocol: u32 },
    /// Carry `bytes`, which follow, to a peer.
    Send { to: String, bytes: usize },
    /// Give the next message of a peer.
    Receive { from: String },
    /// The phase is over. At the role that holds the images, `bytes` of logits follow an online phase.
    Done {
        started_ns: u64,
        ended_ns: u64,
        #[serde(default)]
        spans: Vec<PartySpan>,
        #[serde(default)]
        bytes: usize,
        /// What passed in the phase, where the system counts itself.
        #[serde(default)]
        exchanged: Vec<Reported>,
    },
    /// The session cannot go on.
    Failed {
        reason: String,
        /// Given if values went beyond what the backend represents: the images known to be concerned.
        #[serde(default)]
        out_of_range: Option<Vec<usize>>,
        /// Whether it is for want of memory.
        #[serde(default)]
        out_of_memory: bool,
    },
}

/// A named part of a phase as a party timed it.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PartySpan {
    pub(crate) name: String,
    pub(crate) wall_ns: u64,
}

/// What passed between a party and a peer in a phase, as the system counted it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reported {
    pub(crate) peer: String,
    pub(crate) sent_bytes: u64,
    #[serde(default)]
    pub(crate) sent_messages: u64,
    pub(crate) received_bytes: u64,
    #[serde(default)]
    pub(crate) received_messages: u64,
}

/// Why nothing more comes over the control socket.
#[derive(Debug)]
pub(crate) enum Interruption {
    /// The process closed it, or ended.
    Closed,
    /// The time was over.
    Silent,
    /// What came is no message.
    Nonsense(String),
    /// The operating system refused.
    Io(std::io::Error),
}

/// Our end of a party's control socket.
pub(crate) struct Control {
    stream: UnixStream,
    /// Bytes read and not taken yet.
    ahead: Vec<u8>,
    taken: usize,
}

impl Control {
    pub(crate) fn new(stream: UnixStream) -> std::io::Result<Self> {
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(LOOK))?;
        Ok(Self { stream, ahead: Vec::new(), taken: 0 })
    }

    /// Sends a message and the bytes that belong to it.
    pub(crate) fn send(
        &mut self,
        command: &Command<'_>,
        payload: &[u8],
        until: Instant,
    ) -> Result<(), Interruption> {
        let mut line = serde_json::to_vec(command).map_err(|error| Interruption::Io(error.into()))?;
        line.push(b'\n');
        for mut rest in [line.as_slice(), payload] {
            while !rest.is_empty() {
                match self.stream.write(rest) {
                    Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                    Err(error) => tolerate(error, until)?,
                }
            }
        }
        Ok(())
    }

    /// Receives the next message, without the bytes that may follow it.
    pub(crate) fn receive(&mut self, until: Instant) -> Result<Event, Interruption> {
        let mut searched = self.taken;
        let end = loop {
            let fresh = self.ahead.get(searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|&byte| byte == b'\n') {
                break searched + at;
            }
            searched = self.ahead.len();
            if searched - self.taken > LONGEST_LINE {
                return Err(Interruption::Nonsense(format!("a line of more than {LONGEST_LINE} bytes")));
            }
            let moved = self.read_ahead(until)?;
            searched -= moved;
        };
        let line = self.ahead.get(self.taken..end).unwrap_or_default();
        let event = serde_json::from_slice(line).map_err(|error| {
            let start: String = String::from_utf8_lossy(line).chars().take(80).collect();
            Interruption::Nonsense(format!("`{start}`: {error}"))
        });
        self.taken = end + 1;
        event
    }

    /// Receives the bytes that follow a message.
    pub(crate) fn payload(&mut self, bytes: usize, until: Instant) -> Result<Vec<u8>, Interruption> {
        let there = self.ahead.get(self.taken..).unwrap_or_default();
        let there = there.get(..bytes).unwrap_or(there);
        let mut payload = there.to_vec();
        self.taken += payload.len();
        while payload.len() < bytes {
            let at = payload.len();
            payload.resize(at + CHUNK.min(bytes - at), 0);
            let read = read(&mut self.stream, payload.get_mut(at..).unwrap_or_default(), until)?;
            payload.truncate(at + read);
        }
        Ok(payload)
    }

    /// Reads what is there behind what was read before, and returns by how much that moved to the front.
    fn read_ahead(&mut self, until: Instant) -> Result<usize, Interruption> {
        let moved = self.taken;
        self.ahead.drain(..moved);
        self.taken = 0;
        let at = self.ahead.len();
        self.ahead.resize(at + LONGEST_LINE, 0);
        let result = read(&mut self.stream, self.ahead.get_mut(at..).unwrap_or_default(), until);
        self.ahead.truncate(at + *result.as_ref().unwrap_or(&0));
        result.map(|_| moved)
    }
}

fn read(stream: &mut UnixStream, into: &mut [u8], until: Instant) -> Result<usize, Interruption> {
    loop {
        match stream.read(into) {
            Ok(0) => return Err(Interruption::Closed),
            Ok(read) => return Ok(read),
            Err(error) => tolerate(error, until)?,
        }
    }
}

/// Lets an error pass that only says "not yet", as long as there is time.
fn tolerate(error: std::io::Error, until: Instant) -> Result<(), Interruption> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock | ErrorKind::TimedOut if Instant::now() < until => Ok(()),
        ErrorKind::WouldBlock | ErrorKind::TimedOut => Err(Interruption::Silent),
        // A process that ends with unread bytes resets the connection.
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Err(Interruption::Closed),
        _ => Err(Interruption::Io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Control, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Control::new(ours).unwrap(), theirs)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[test]
    fn messages_and_payloads_are_told_apart_however_they_arrive() {
        let (mut control, mut party) = pair();
        let large = vec![b'\n'; 300_000];
        let sent = large.clone();
        let writer = std::thread::spawn(move || {
            party.write_all(b"{\"type\":\"send\",\"to\":\"b\",\"bytes\":3}\n\n\n\n{\"type\":").unwrap();
            party
                .write_all(
                    b"\"receive\",\"from\":\"b\"}\n{\"type\":\"send\",\"to\":\"c\",\"bytes\":300000}\n",
                )
                .unwrap();
            party.write_all(&sent).unwrap();
            party.write_all(b"{\"type\":\"done\",\"started_ns\":1,\"ended_ns\":2}\n").unwrap();
        });
        assert_eq!(control.receive(soon()).unwrap(), Event::Send { to: "b".into(), bytes: 3 });
        assert_eq!(control.payload(3, soon()).unwrap(), b"\n\n\n");
        assert_eq!(control.receive(soon()).unwrap(), Event::Receive { from: "b".into() });
        assert_eq!(control.receive(soon()).unwrap(), Event::Send { to: "c".into(), bytes: 300_000 });
        assert_eq!(control.payload(300_000, soon()).unwrap(), large);
        let done =
            Event::Done { started_ns: 1, ended_ns: 2, spans: Vec::new(), bytes: 0, exchanged: Vec::new() };
        assert_eq!(control.receive(soon()).unwrap(), done);
        writer.join().unwrap();
        assert!(matches!(control.receive(soon()), Err(Interruption::Closed)));
    }

    #[test]
    fn lines_that_are_no_message_or_never_end_are_nonsense() {
        for line in [
            "chatter\n".to_owned(),
            "{\"type\":\"quit\"}\n".to_owned(),
            "{\"type\":\"hello\",\"protocol\":1,\"extra\":2}\n".to_owned(),
            "{\"type\":\"send\",\"to\":\"b\",\"bytes\":-1}\n".to_owned(),
            "x".repeat(3 * LONGEST_LINE),
        ] {
            let (mut control, mut party) = pair();
            let written = line.clone();
            let writer = std::thread::spawn(move || party.write_all(written.as_bytes()));
            let result = control.receive(soon());
            assert!(
                matches!(result, Err(Interruption::Nonsense(_))),
                "{}: {result:?}",
                &line[..line.len().min(40)]
            );
            drop(control);
            let _reset = writer.join().unwrap();
        }
    }

    #[test]
    fn a_party_that_says_nothing_or_never_listens_is_silent() {
        let (mut control, _party) = pair();
        let until = Instant::now() + Duration::from_millis(50);
        assert!(matches!(control.receive(until), Err(Interruption::Silent)));
        let flood = vec![0; 16 << 20];
        let message = Command::Message { bytes: flood.len() };
        assert!(matches!(control.send(&message, &flood, until), Err(Interruption::Silent)));
    }
}
