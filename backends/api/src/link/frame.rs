//! The header in front of every message.

/// Bytes of an encoded header.
pub(super) const HEADER_BYTES: usize = 24;

/// Little-endian on the wire, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Payload bytes that follow.
    pub(super) bytes: u32,
    /// Position in the stream; a gap or repeat is an error.
    pub(super) sequence: u32,
    /// Causal depth of the sender.
    pub(super) depth: u32,
    /// Phase the sender is in, counted from the start of the session.
    pub(super) phase: u32,
    /// Monotonic time of delivery on a shaped link, 0 on an unshaped one.
    pub(super) deliver_ns: u64,
}

impl Header {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.bytes.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.depth.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.phase.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.deliver_ns.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self {
            bytes: word(0),
            sequence: word(4),
            depth: word(8),
            phase: word(12),
            deliver_ns: u64::from(word(16)) | u64::from(word(20)) << 32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_wire() {
        let header = Header {
            bytes: 0x0102_0304,
            sequence: 5,
            depth: u32::MAX,
            phase: 7,
            deliver_ns: 0x0807_0605_0403_0201,
        };
        assert_eq!(Header::decode(&header.encode()), header);
        assert_eq!(header.encode()[..4], [4, 3, 2, 1]);
    }
}
