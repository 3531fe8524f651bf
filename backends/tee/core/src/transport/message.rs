//! Fields with lengths in front, for everything that passes through the host. A reader takes no
//! length on trust: nothing is allocated beyond the bytes that are there.

use crate::{Error, Measurement, Result};

/// Appends fields to a message.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn fixed(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A field of up to 4 GiB with its length.
    pub(crate) fn field(mut self, bytes: &[u8]) -> Self {
        let length = u32::try_from(bytes.len()).expect("fields are bounded by the link's message limit");
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Takes fields off a message.
pub(crate) struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, rest: bytes }
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => {
                let reason = format!("{count} bytes are announced where {} are left", self.rest.len());
                Err(Error::malformed(self.what, reason))
            }
        }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn measurement(&mut self) -> Result<Measurement> {
        self.array().map(Measurement::from)
    }

    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// A field of at most `limit` bytes.
    pub(crate) fn field(&mut self, limit: usize) -> Result<&'a [u8]> {
        let length = self.array().map(u32::from_le_bytes)? as usize;
        if length > limit {
            let reason = format!("a field of {length} bytes where at most {limit} are allowed");
            return Err(Error::malformed(self.what, reason));
        }
        self.take(length)
    }

    pub(crate) fn text(&mut self, limit: usize) -> Result<String> {
        let what = self.what;
        let bytes = self.field(limit)?.to_vec();
        String::from_utf8(bytes).map_err(|_| Error::malformed(what, "a text is not UTF-8"))
    }

    pub(crate) fn finish(self) -> Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(Error::malformed(self.what, format!("{} bytes too many", self.rest.len())))
    }
}
