//! Setup of a session: base transfers, and from them extensions in both directions, in three messages.
//!
//! The chooser receives 128 base transfers, with which it begins to send extended ones (forward); the offerer, who receives those, takes
//! 368 of them as seeds to send 1-of-2 (128) and 1-of-16 transfers (240) itself (backward).
//!
//! | message | from | what | bytes at k = 8 |
//! |---|---|---|---|
//! | 1 | chooser | random name of the session; points of base transfers | 16 + 8,192 |
//! | 2 | offerer | point; sums of the forward trees; corrections of 368 forward transfers | 32 + 4,096 + 690 |
//! | 3 | chooser | sums of both kinds of backward trees | 4,096 + 7,680 |

pub mod base;
pub(crate) mod session;

use crate::Error;
use crate::error::expect_length;
use crate::extension::code::{Depth, Kind};
use crate::extension::{Parameters, Receiver, Sender};
use crate::setup::session::{Direction, Session};
use crate::transfers::keys::KeyPairs;

/// The three extensions of a session.
#[derive(Clone, Copy)]
struct Extensions {
    forward: Parameters,
    pairs: Parameters,
    sixteen: Parameters,
}

impl Extensions {
    fn new(session: Session, depth: Depth) -> Self {
        let with = |direction, kind| Parameters { session, direction, kind, depth };
        Self {
            forward: with(Direction::Forward, Kind::Pairs),
            pairs: with(Direction::Backward, Kind::Pairs),
            sixteen: with(Direction::Backward, Kind::Sixteen),
        }
    }

    /// Seeds of the backward extensions.
    fn seeds(self) -> usize {
        self.pairs.seeds() + self.sixteen.seeds()
    }

    fn lengths(self) -> [usize; 3] {
        let second =
            base::ANSWER_BYTES + self.forward.setup_bytes() + self.forward.portion_bytes(self.seeds());
        [Session::BYTES + base::CHOICES_BYTES, second, self.pairs.setup_bytes() + self.sixteen.setup_bytes()]
    }
}

/// Bytes of the three messages.
pub fn message_bytes(depth: Depth) -> [usize; 3] {
    Extensions::new(Session::new([0; 16]), depth).lengths()
}

/// Extensions at the chooser.
pub struct ChooserExtensions {
    /// Forward, 1-of-2.
    pub sent: Sender,
    /// Backward, 1-of-2.
    pub received: Receiver,
    /// Backward, 1-of-16.
    pub lookups: Receiver,
    /// Portions of `sent` that requests wait for, and those that have come.
    pub(crate) requested: u64,
    pub(crate) finished: u64,
}

/// Extensions at the offerer.
pub struct OffererExtensions {
    /// Backward, 1-of-2.
    pub sent: Sender,
    /// Forward, 1-of-2.
    pub received: Receiver,
    /// Backward, 1-of-16.
    pub lookups: Sender,
}

/// The chooser, who begins.
pub struct Chooser {
    extensions: Extensions,
    base: base::Receiver,
}

impl Chooser {
    /// Returns the first message.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn start(depth: Depth) -> Result<(Self, Vec<u8>), Error> {
        Self::start_as(Session::random()?, depth)
    }

    /// As [`Chooser::start`], under a name that may have been before.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    #[cfg(any(test, feature = "ideal"))]
    pub fn start_in(session: Session, depth: Depth) -> Result<(Self, Vec<u8>), Error> {
        Self::start_as(session, depth)
    }

    fn start_as(session: Session, depth: Depth) -> Result<(Self, Vec<u8>), Error> {
        let (base, points) = base::Receiver::start(session)?;
        let message = [session.bytes(), &points[..]].concat();
        Ok((Self { extensions: Extensions::new(session, depth), base }, message))
    }

    /// Takes the second message. Returns the third.
    ///
    /// # Errors
    /// Those of [`base::Receiver::finish`], [`Error::Length`], [`Error::Entropy`].
    pub fn finish(self, message: &[u8]) -> Result<(ChooserExtensions, Vec<u8>), Error> {
        let extensions = self.extensions;
        expect_length("second message of a setup", extensions.lengths()[1], message)?;
        let (answer, message) = message.split_at(base::ANSWER_BYTES);
        let (sums, corrections) = message.split_at(extensions.forward.setup_bytes());
        let mut sent = Sender::new(extensions.forward, self.base.finish(answer)?, sums)?;
        let mut seeds: KeyPairs = sent.extend(extensions.seeds(), corrections)?.into_pairs()?;
        let of_sixteen = seeds.split_off(extensions.pairs.seeds())?;
        let (received, mut third) = Receiver::new(extensions.pairs, seeds)?;
        let (lookups, sums) = Receiver::new(extensions.sixteen, of_sixteen)?;
        third.extend(sums);
        Ok((ChooserExtensions { sent, received, lookups, requested: 0, finished: 0 }, third))
    }
}

/// The offerer, who waits for the third message.
pub struct Offerer {
    extensions: Extensions,
    seeds: crate::ChosenKeys,
    received: Receiver,
}

impl Offerer {
    /// Takes the first message. Returns the second.
    ///
    /// # Errors
    /// Those of [`base::Sender::answer`].
    pub fn start(depth: Depth, message: &[u8]) -> Result<(Self, Vec<u8>), Error> {
        expect_length("first message of a setup", Session::BYTES + base::CHOICES_BYTES, message)?;
        let (name, message) = message.split_at(Session::BYTES);
        let session = Session::new(name.try_into().unwrap_or_default());
        let extensions = Extensions::new(session, depth);
        let (pairs, mut second) = base::Sender::new(session)?.answer(message)?;
        let (mut received, sums) = Receiver::new(extensions.forward, pairs)?;
        let (seeds, corrections) = received.extend(extensions.seeds());
        second.extend(sums);
        second.extend(corrections);
        Ok((Self { extensions, seeds: seeds.into_chosen()?, received }, second))
    }

    /// Takes the third message.
    ///
    /// # Errors
    /// [`Error::Length`].
    pub fn finish(self, message: &[u8]) -> Result<OffererExtensions, Error> {
        let Self { extensions, mut seeds, received } = self;
        expect_length("third message of a setup", extensions.lengths()[2], message)?;
        let (of_pairs, of_sixteen) = message.split_at(extensions.pairs.setup_bytes());
        let seeds_of_sixteen = seeds.split_off(extensions.pairs.seeds())?;
        let sent = Sender::new(extensions.pairs, seeds, of_pairs)?;
        let lookups = Sender::new(extensions.sixteen, seeds_of_sixteen, of_sixteen)?;
        Ok(OffererExtensions { sent, received, lookups })
    }
}
