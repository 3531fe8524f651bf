//! Results that the data owner may show: how many are left, and the noise they get.

use veilbench_api::{Error, Reveals};
use veilbench_ckks::{Flooding, Randomness};
use zeroize::Zeroizing;

use crate::circuits::circuit::Circuit;
use crate::planning::release::Release;
use crate::planning::scheme::Scheme;

/// What may be shown of the results under one key.
#[derive(Debug)]
pub(crate) struct Budget {
    flooding: Flooding,
    images: usize,
    left: usize,
    pub(crate) reveals: Reveals,
}

impl Budget {
    /// That of a session.
    ///
    /// # Errors
    /// As [`Release::flooding`].
    pub(crate) fn new(
        release: Release,
        circuit: &Circuit,
        scheme: &Scheme,
        vectors: bool,
    ) -> Result<Self, Error> {
        let flooding = release.flooding(circuit, scheme, vectors)?;
        Ok(Self { flooding, images: release.images, left: release.images, reveals: release.reveals })
    }

    /// Takes the results of so many images, before any of them is asked for: also those that are refused are among what is shown.
    ///
    /// # Errors
    /// [`Error::Input`] if there are not as many left.
    pub(crate) fn take(&mut self, images: usize) -> Result<Flooding, Error> {
        let Some(left) = self.left.checked_sub(images) else {
            return Err(Error::Input(format!(
                "results of {images} more images were asked for, but of the {} images whose results may be shown under one key {} are \
                 left: begin another session, or ask for more (--set ckks.release-images)",
                self.images, self.left
            )));
        };
        self.left = left;
        Ok(self.flooding)
    }
}

/// Results in units as they are handed on: with noise if they may be shown.
///
/// # Errors
/// [`Error::Engine`] without randomness, or for results that are no numbers.
pub(crate) fn flood(flooding: Option<&Flooding>, results: Vec<f64>) -> Result<Vec<f64>, Error> {
    let Some(flooding) = flooding else { return Ok(results) };
    let results = Zeroizing::new(results);
    let flooded =
        || -> veilbench_ckks::Result<_> { flooding.release(&results, &mut Randomness::from_system()?) };
    flooded().map_err(Error::engine("flooding results"))
}

/// Index of the largest of every `classes` logits, the first of equal ones.
pub(crate) fn labels(logits: &[f32], classes: usize) -> Vec<u32> {
    let label = |logits: &[f32]| {
        let best = logits.iter().enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best });
        best.map_or(0, |(index, _)| index as u32)
    };
    logits.chunks_exact(classes.max(1)).map(label).collect()
}

#[cfg(test)]
mod tests;
