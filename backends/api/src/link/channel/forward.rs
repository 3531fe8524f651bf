//! Passing a message on while it arrives.

use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::{HEADER_BYTES, Header, Link, LinkError, MESSAGE_LIMIT};

impl Link {
    /// Receives the next message as [`receive`](Link::receive) does, but asks for it again and again for up to
    /// `spin` before it gives up the core: a sleeper is woken tens of microseconds after the message is there.
    /// Between two attempts others may run.
    ///
    /// # Errors
    /// As [`receive`](Link::receive).
    pub fn receive_spinning(&mut self, spin: Duration) -> Result<Vec<u8>, LinkError> {
        self.guarded(|link| {
            link.await_header(spin)?;
            link.take_next()
        })
    }

    /// Passes the next message on to another link, each part as soon as it is here, and says how long it was.
    /// Waits as [`receive_spinning`](Link::receive_spinning). A message of more than `limit` bytes is refused unread.
    ///
    /// # Errors
    /// As [`receive`](Link::receive) and [`send`](Link::send); then neither link can be used again.
    pub fn forward(&mut self, to: &mut Link, limit: usize, spin: Duration) -> Result<usize, LinkError> {
        if self.shape.is_some() || to.shape.is_some() || !self.inbox.is_empty() {
            let message = self.receive_spinning(spin)?;
            if message.len() > limit {
                self.broken = true;
                return Err(LinkError::TooLarge { peer: self.peer.clone(), bytes: message.len() });
            }
            to.send(&message)?;
            return Ok(message.len());
        }
        let forwarded = self.guarded(|from| to.guarded(|to| from.pass_on(to, limit, spin)));
        if forwarded.is_err() {
            to.broken = true;
        }
        forwarded
    }

    /// Reads until the next message's header is here, or all of the message.
    fn await_header(&mut self, spin: Duration) -> Result<(), LinkError> {
        let start = Instant::now();
        while self.inbox.is_empty() && self.partial.is_none() && !self.header_is_here() {
            if start.elapsed() >= spin {
                break;
            }
            self.read(false)?;
            if !self.header_is_here() {
                std::thread::yield_now();
            }
        }
        Ok(())
    }

    fn header_is_here(&self) -> bool {
        self.ahead_end - self.ahead_start >= HEADER_BYTES
    }

    fn pass_on(&mut self, to: &mut Link, limit: usize, spin: Duration) -> Result<usize, LinkError> {
        self.await_header(spin)?;
        let (header, mut payload) = loop {
            if let Some(whole) = self.parse()? {
                break whole;
            }
            if let Some(begun) = self.partial.take() {
                break begun;
            }
            self.read(true)?;
        };
        let bytes = header.bytes as usize;
        if bytes > limit.min(MESSAGE_LIMIT) {
            return Err(LinkError::TooLarge { peer: self.peer.clone(), bytes });
        }
        self.admit(&header)?;
        to.traffic.count_sent(bytes);
        let next = to.next_header(bytes);
        to.write_all(&mut [IoSlice::new(&next.encode()), IoSlice::new(&payload)])?;
        let mut left = bytes - payload.len();
        while left > 0 {
            payload.clear();
            let begun = Header { bytes: left as u32, ..header };
            self.partial = Some((begun, payload));
            self.read(true)?;
            payload = match self.parse()? {
                Some((_, rest)) => rest,
                None => self.partial.take().map(|(_, part)| part).unwrap_or_default(),
            };
            left -= payload.len();
            to.write_all(&mut [IoSlice::new(&payload)])?;
        }
        Ok(bytes)
    }
}
