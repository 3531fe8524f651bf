//! One link: framing, metering, back-pressure and shaping over a stream.

mod exact;
mod forward;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::LinkError;
use super::frame::{HEADER_BYTES, Header};
use super::meter::{Meter, Traffic};
use super::pipe::Pipe;
use super::profile::{LinkProfile, Shape, monotonic_ns};
use super::transport::stream::Stream;

/// Largest message a link carries, in bytes.
pub const MESSAGE_LIMIT: usize = 1 << 30;

/// Bytes read at once while the size of what follows is unknown.
const READ_AHEAD: usize = 64 << 10;

/// Up to this long before its delivery time a message is waited for without giving up the core:
/// the kernel's timers are no more exact than this.
const SPIN: Duration = Duration::from_micros(100);

/// A party that waits looks so often whether the session's time is over.
const LOOK: Duration = Duration::from_millis(100);

/// A channel of whole messages to one peer.
#[derive(Debug)]
pub struct Link {
    peer: String,
    stream: Stream,
    timeout: Duration,
    deadline: Option<Instant>,
    meter: Arc<Meter>,
    traffic: Arc<Traffic>,
    shape: Option<Shape>,
    uplink: Pipe,
    downlink: Pipe,
    sent: u32,
    received: u32,
    ahead: Box<[u8]>,
    ahead_start: usize,
    ahead_end: usize,
    partial: Option<(Header, Vec<u8>)>,
    inbox: VecDeque<(Header, Vec<u8>)>,
    inbox_bytes: usize,
    broken: bool,
}

impl Link {
    pub(super) fn new(
        peer: &str,
        stream: Stream,
        profile: &LinkProfile,
        [uplink, downlink]: [Pipe; 2],
        meter: Arc<Meter>,
        timeout: Duration,
    ) -> io::Result<Self> {
        stream.prepare(timeout)?;
        let local = matches!(stream, Stream::Local(_));
        Ok(Self {
            peer: peer.to_owned(),
            stream,
            timeout,
            deadline: None,
            meter,
            traffic: Arc::new(Traffic::new(local)),
            shape: profile.shape().filter(|_| !local),
            uplink,
            downlink,
            sent: 0,
            received: 0,
            ahead: vec![0; READ_AHEAD].into_boxed_slice(),
            ahead_start: 0,
            ahead_end: 0,
            partial: None,
            inbox: VecDeque::new(),
            inbox_bytes: 0,
            broken: false,
        })
    }

    /// The role at the other end.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// The process at the other end, by the kernel's account, if the link is a local one.
    pub fn peer_process(&self) -> Option<u32> {
        self.stream.peer_process()
    }

    /// What the process at the other end showed of itself when it called: its mappings, its program and its mount
    /// namespace. `None` if it did not call over a local link, or they were taken already.
    pub fn take_shown(&mut self) -> Option<[OwnedFd; 3]> {
        self.stream.take_shown()
    }

    /// From now on waiting ends at `deadline`, which is before the timeout of any single message.
    pub(super) fn set_deadline(&mut self, deadline: Instant) -> Result<(), LinkError> {
        self.deadline = Some(deadline);
        self.stream.prepare(LOOK.min(self.timeout)).map_err(|source| self.failure(source))
    }

    /// The counters of both directions.
    pub fn traffic(&self) -> Arc<Traffic> {
        Arc::clone(&self.traffic)
    }

    /// Sends one message.
    ///
    /// # Errors
    /// If the message is too large, the peer is gone, or nothing moves for the timeout.
    pub fn send(&mut self, payload: &[u8]) -> Result<(), LinkError> {
        self.send_parts(&[payload])
    }

    /// Sends the concatenation of `parts` as one message, without copying them together.
    ///
    /// # Errors
    /// As [`send`](Link::send).
    pub fn send_parts(&mut self, parts: &[&[u8]]) -> Result<(), LinkError> {
        self.guarded(|link| link.transmit(parts))
    }

    fn transmit(&mut self, parts: &[&[u8]]) -> Result<(), LinkError> {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        if bytes > MESSAGE_LIMIT {
            return Err(LinkError::TooLarge { peer: self.peer.clone(), bytes });
        }
        self.traffic.count_sent(bytes);
        let deliver_ns = match &self.shape {
            Some(shape) => shape.depart(&self.uplink, monotonic_ns(), bytes),
            None => 0,
        };
        let header = Header { deliver_ns, ..self.next_header(bytes) }.encode();
        let mut slices: Vec<IoSlice<'_>> = Vec::with_capacity(parts.len() + 1);
        slices.push(IoSlice::new(&header));
        slices.extend(parts.iter().map(|part| IoSlice::new(part)));
        self.write_all(&mut slices)
    }

    /// Writes all of these.
    fn write_all(&mut self, mut rest: &mut [IoSlice<'_>]) -> Result<(), LinkError> {
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match self.stream.send(rest) {
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait_to_send()?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(error)),
            }
        }
        self.flush()
    }

    /// Sends what the stream took and has not sent yet.
    fn flush(&mut self) -> Result<(), LinkError> {
        loop {
            match self.stream.flush() {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait_to_send()?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(error)),
            }
        }
    }

    /// The header of the next message, to be delivered at once.
    fn next_header(&mut self, bytes: usize) -> Header {
        let sequence = self.sent;
        self.sent = self.sent.wrapping_add(1);
        let (depth, phase) = (self.meter.depth(), self.meter.phase());
        Header { bytes: bytes as u32, sequence, depth, phase, deliver_ns: 0 }
    }

    /// Receives the next message.
    ///
    /// # Errors
    /// If the peer is gone, sends something else than the next message, or nothing for the timeout.
    pub fn receive(&mut self) -> Result<Vec<u8>, LinkError> {
        self.guarded(Self::take_next)
    }

    /// After an error the stream may be in the middle of a message: nothing is read as a header then.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, LinkError>) -> Result<T, LinkError> {
        if self.broken {
            return Err(LinkError::Broken { peer: self.peer.clone() });
        }
        let result = work(self);
        self.broken = result.is_err();
        result
    }

    fn take_next(&mut self) -> Result<Vec<u8>, LinkError> {
        let (header, payload) = loop {
            if let Some(message) = self.inbox.pop_front() {
                self.inbox_bytes -= HEADER_BYTES + message.1.len();
                break message;
            }
            if let Some(message) = self.parse()? {
                break message;
            }
            self.read(true)?;
        };
        if let Some(shape) = &self.shape {
            self.wait_for_delivery(shape.arrive(&self.downlink, header.deliver_ns, payload.len()))?;
        }
        self.admit(&header)?;
        Ok(payload)
    }

    /// Takes note of a message that has come, if it is of the phase under way.
    fn admit(&self, header: &Header) -> Result<(), LinkError> {
        let (expected, got) = (self.meter.phase(), header.phase);
        if expected != got {
            return Err(LinkError::Phase { peer: self.peer.clone(), expected, got });
        }
        self.meter.received(header.depth, self.traffic.is_local());
        self.traffic.count_received(header.bytes as usize);
        Ok(())
    }

    /// One read from the socket: into the message in progress if it is large, else into the
    /// look-ahead. Without `wait` nothing there is no error.
    fn read(&mut self, wait: bool) -> Result<(), LinkError> {
        let result = match &mut self.partial {
            Some((header, payload)) if header.bytes as usize - payload.len() >= READ_AHEAD => {
                let missing = u64::from(header.bytes) - payload.len() as u64;
                let before = payload.len();
                // Appends what is there even when it ends in WouldBlock, and grows with it.
                let reader = &mut Reader { stream: &self.stream, wait };
                match reader.take(missing).read_to_end(payload) {
                    Err(_) if payload.len() > before => Ok(payload.len() - before),
                    result => result,
                }
            }
            _ => {
                if self.ahead_start > 0 {
                    self.ahead.copy_within(self.ahead_start..self.ahead_end, 0);
                    self.ahead_end -= self.ahead_start;
                    self.ahead_start = 0;
                }
                let end = self.ahead_end;
                let result = self.stream.receive(&mut self.ahead[end..], wait);
                self.ahead_end += *result.as_ref().unwrap_or(&0);
                result
            }
        };
        match result {
            Ok(0) => Err(LinkError::Closed { peer: self.peer.clone() }),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let waits_on = !wait || self.deadline.is_some_and(|end| Instant::now() < end);
                if waits_on { Ok(()) } else { Err(self.timed_out()) }
            }
            Err(error) => Err(self.failure(error)),
        }
    }

    /// Takes the next whole message out of what was read, if it is there.
    fn parse(&mut self) -> Result<Option<(Header, Vec<u8>)>, LinkError> {
        if self.partial.is_none() {
            let ahead = &self.ahead[self.ahead_start..self.ahead_end];
            let Some(header) = ahead.first_chunk::<HEADER_BYTES>().map(Header::decode) else {
                return Ok(None);
            };
            self.ahead_start += HEADER_BYTES;
            if header.sequence != self.received {
                let (expected, got) = (self.received, header.sequence);
                return Err(LinkError::Sequence { peer: self.peer.clone(), expected, got });
            }
            self.received = self.received.wrapping_add(1);
            let bytes = header.bytes as usize;
            if bytes > MESSAGE_LIMIT {
                return Err(LinkError::TooLarge { peer: self.peer.clone(), bytes });
            }
            self.partial = Some((header, Vec::with_capacity(bytes.min(READ_AHEAD))));
        }
        let Some((header, mut payload)) = self.partial.take() else {
            return Ok(None);
        };
        let missing = header.bytes as usize - payload.len();
        let here = missing.min(self.ahead_end - self.ahead_start);
        payload.extend_from_slice(&self.ahead[self.ahead_start..self.ahead_start + here]);
        self.ahead_start += here;
        if here == missing {
            return Ok(Some((header, payload)));
        }
        self.partial = Some((header, payload));
        Ok(None)
    }

    /// Waits until the socket takes more, and meanwhile takes in what the peer sends: two parties
    /// that send to each other at once would otherwise wait for each other for ever.
    fn wait_to_send(&mut self) -> Result<(), LinkError> {
        let left = self.deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let patience = self.timeout.min(left.unwrap_or(self.timeout));
        let arrived = match self.stream.wait(self.inbox_bytes < MESSAGE_LIMIT, patience) {
            Ok(arrived) => arrived,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) if error.kind() == ErrorKind::TimedOut => return Err(self.timed_out()),
            Err(error) => return Err(self.failure(error)),
        };
        if arrived {
            self.read(false)?;
            while let Some(message) = self.parse()? {
                self.inbox_bytes += HEADER_BYTES + message.1.len();
                self.inbox.push_back(message);
            }
        }
        Ok(())
    }

    fn wait_for_delivery(&self, deliver_ns: u64) -> Result<(), LinkError> {
        let left = Duration::from_nanos(deliver_ns.saturating_sub(monotonic_ns()));
        if left > self.timeout {
            return Err(self.timed_out());
        }
        if left > SPIN {
            std::thread::sleep(left - SPIN);
        }
        while monotonic_ns() < deliver_ns {
            std::hint::spin_loop();
        }
        Ok(())
    }

    fn timed_out(&self) -> LinkError {
        let peer = self.peer.clone();
        match self.deadline {
            Some(_) => LinkError::Deadline { peer },
            None => LinkError::Timeout { peer, seconds: self.timeout.as_secs() },
        }
    }

    fn failure(&self, source: io::Error) -> LinkError {
        let peer = self.peer.clone();
        match source.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
                LinkError::Closed { peer }
            }
            _ => LinkError::Io { peer, source },
        }
    }
}

/// Reads with or without waiting.
struct Reader<'a> {
    stream: &'a Stream,
    wait: bool,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.receive(buffer, self.wait)
    }
}
