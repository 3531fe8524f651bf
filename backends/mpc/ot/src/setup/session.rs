//! Names that keep sessions, directions and domains apart, and entropy of the operating system.

use crate::Error;

/// Public name of a session: 16 bytes that no two sessions share, random ones agreed on by both parties. All hashes and streams of
/// the session depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session([u8; 16]);

impl Session {
    /// Bytes of a name.
    pub const BYTES: usize = 16;

    /// A session of a name drawn from the operating system.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn random() -> Result<Self, Error> {
        let mut name = [0; Self::BYTES];
        fill(&mut name)?;
        Ok(Self(name))
    }

    /// The session of a name that the other party has drawn. Names that come from elsewhere may come twice.
    pub const fn new(name: [u8; Self::BYTES]) -> Self {
        Self(name)
    }

    pub(crate) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn block(self) -> u128 {
        u128::from_le_bytes(self.0)
    }
}

/// Which party is the sender of the extended transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The one that was the receiver of the base transfers.
    Forward,
    /// The other one, whose seeds come from extended transfers of the first direction.
    Backward,
}

/// What a block of a cipher is for.
#[derive(Clone, Copy)]
pub(crate) enum Domain {
    /// Children of a tree's node.
    Tree,
    /// Stream of a tree's leaf.
    Leaf,
    /// Key of the hash.
    Hash,
}

/// Session, direction and kind of transfer: public, and different for any two extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    session: Session,
    direction: Direction,
    dimension: u32,
}

impl Name {
    pub(crate) fn new(session: Session, direction: Direction, dimension: u32) -> Self {
        Self { session, direction, dimension }
    }

    /// The session's name, changed in the upper byte by everything else.
    pub(crate) fn block(self, domain: Domain) -> u128 {
        let tag = (domain as u128) << 6 | (self.direction as u128) << 5 | u128::from(self.dimension);
        self.session.block() ^ tag << 120
    }
}

/// Overwrites `bytes` with entropy of the operating system.
pub(crate) fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes).map_err(|error| Error::Entropy(error.to_string()))
}

/// A random block.
pub(crate) fn random_block() -> Result<u128, Error> {
    let mut bytes = zeroize::Zeroizing::new([0; 16]);
    fill(bytes.as_mut())?;
    Ok(u128::from_le_bytes(*bytes))
}
