//! Messages whose length both sides know.

use super::{HEADER_BYTES, Link, LinkError};

impl Link {
    /// Receives the next message, which must have exactly this many bytes: one of another length is refused by its
    /// header, before there is room for it.
    ///
    /// # Errors
    /// [`LinkError::Length`], and as [`receive`](Link::receive).
    pub fn receive_exactly(&mut self, bytes: usize) -> Result<Vec<u8>, LinkError> {
        self.guarded(|link| {
            let announced = link.announced()?;
            if announced == bytes {
                return link.take_next();
            }
            Err(LinkError::Length { peer: link.peer.clone(), expected: bytes, got: announced })
        })
    }

    /// The length of the next message, as soon as its header is here.
    fn announced(&mut self) -> Result<usize, LinkError> {
        loop {
            if let Some((header, _)) = self.inbox.front().or(self.partial.as_ref()) {
                return Ok(header.bytes as usize);
            }
            match self.parse()? {
                Some(message) => {
                    self.inbox_bytes += HEADER_BYTES + message.1.len();
                    self.inbox.push_back(message);
                }
                None if self.partial.is_none() => self.read(true)?,
                None => {}
            }
        }
    }
}
