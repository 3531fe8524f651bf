//! What a dealer draws for a session.

use super::setup_seed::SessionId;
use crate::Error;
use crate::random::Seed;

/// The session's name, the seeds of both parties and that of the dealer's own bits.
pub(crate) struct SessionSecrets {
    pub(crate) session: SessionId,
    pub(crate) data_owner: Seed,
    pub(crate) model_owner: Seed,
    pub(crate) secret: Seed,
}

impl SessionSecrets {
    /// Fresh randomness for [`new`](Self::new).
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub(crate) fn draw() -> Result<[Seed; 4], Error> {
        Ok([Seed::generate()?, Seed::generate()?, Seed::generate()?, Seed::generate()?])
    }

    /// From randomness for the name, the data owner, the model owner and the dealer.
    pub(crate) fn new([name, data_owner, model_owner, secret]: [Seed; 4]) -> Self {
        let session = SessionId::new(&name);
        let [data_owner, model_owner, secret] =
            [data_owner, model_owner, secret].map(|seed| session.name(seed));
        Self { session, data_owner, model_owner, secret }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn sessions_have_names_and_seeds_of_their_own() {
        let mut seen = HashSet::new();
        for _ in 0..2 {
            let drawn = SessionSecrets::draw().unwrap();
            let name = u128::from_le_bytes(drawn[0].to_bytes());
            let SessionSecrets { session, data_owner, model_owner, secret } = SessionSecrets::new(drawn);
            let SessionId([low, high]) = session;
            assert_eq!(u128::from(high) << 64 | u128::from(low), name);
            seen.insert(name.to_le_bytes());
            seen.extend([data_owner, model_owner, secret].map(|seed| seed.to_bytes()));
        }
        assert_eq!(seen.len(), 8);
        assert!(!seen.contains(&[0; Seed::BYTES]));
    }
}
