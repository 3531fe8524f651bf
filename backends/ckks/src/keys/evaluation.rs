use super::{KeyId, SecretKey, SeededSwitchingKey, SwitchingKey};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::parameters::ParameterId;
use crate::random::Randomness;
use crate::ring::{Automorphism, GaloisElement, Polynomial};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Which evaluation keys a circuit needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyRequest {
    /// For products of ciphertexts.
    pub relinearisation: bool,
    /// For conjugation.
    pub conjugation: bool,
    /// For these rotations, to the left if positive; modulo the number of slots, and 0 needs no key.
    pub rotations: BTreeSet<i64>,
}

/// Evaluation keys as they are generated and sent: half of each key is a seed.
///
/// They are public: what they are encryptions of is not.
#[derive(Clone, PartialEq, Eq)]
pub struct SeededEvaluationKeys {
    pub(crate) relinearisation: Option<SeededSwitchingKey>,
    pub(crate) galois: Vec<SeededGaloisKey>,
    pub(crate) key: KeyId,
    pub(crate) parameters: ParameterId,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeededGaloisKey {
    pub(crate) element: GaloisElement,
    pub(crate) switching: SeededSwitchingKey,
}

/// Evaluation keys ready for use.
pub struct EvaluationKeys {
    relinearisation: Option<SwitchingKey>,
    galois: BTreeMap<GaloisElement, GaloisKey>,
    key: KeyId,
    parameters: ParameterId,
}

/// The key of an automorphism: it switches to the secret the automorphism takes to ours, so that the
/// automorphism is applied last, to two polynomials instead of to every digit (Bossuat, Mouchet,
/// Troncoso-Pastoriza and Hubaux, "Efficient bootstrapping for approximate homomorphic encryption with
/// non-sparse keys", 2021, section 4).
#[derive(Debug)]
pub(crate) struct GaloisKey {
    pub(crate) automorphism: Automorphism,
    pub(crate) switching: SwitchingKey,
}

impl fmt::Debug for SeededEvaluationKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededEvaluationKeys")
            .field("key", &self.key)
            .field("relinearisation", &self.relinearisation.is_some())
            .field("automorphisms", &self.galois.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for EvaluationKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvaluationKeys")
            .field("key", &self.key)
            .field("relinearisation", &self.relinearisation.is_some())
            .field("automorphisms", &self.galois.len())
            .finish_non_exhaustive()
    }
}

impl SeededEvaluationKeys {
    /// Generates exactly the requested keys.
    pub fn generate(secret: &SecretKey, request: &KeyRequest, random: &mut Randomness) -> Self {
        let context = secret.context();
        let ring = context.ring();
        let polynomial = secret.polynomial();
        let relinearisation = request.relinearisation.then(|| {
            let mut square = polynomial.clone();
            square.multiply_assign(ring, polynomial);
            let key = SeededSwitchingKey::generate(secret, &square, polynomial, random);
            square.zeroize();
            key
        });
        let degree = ring.degree();
        let mut elements: BTreeSet<GaloisElement> =
            request.rotations.iter().map(|&steps| GaloisElement::rotation(degree, steps)).collect();
        elements.remove(&GaloisElement::rotation(degree, 0));
        if request.conjugation {
            elements.insert(GaloisElement::conjugation(degree));
        }
        let galois = elements
            .into_iter()
            .map(|element| {
                let inverse = Automorphism::new(degree, element.inverse(degree));
                let mut target = Polynomial::unspecified(ring, ring.moduli().len());
                for (source, row) in polynomial.rows().zip(target.rows_mut()) {
                    ring.kernels().permute(inverse.blocks(), source, row);
                }
                let switching = SeededSwitchingKey::generate(secret, polynomial, &target, random);
                target.zeroize();
                SeededGaloisKey { element, switching }
            })
            .collect();
        random.erase_past();
        Self { relinearisation, galois, key: secret.id(), parameters: context.parameters().id() }
    }

    /// The secret key these belong to.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Expands the seeds.
    ///
    /// # Errors
    /// [`Error::ForeignParameters`].
    pub fn expand(self, context: &Context) -> Result<EvaluationKeys> {
        context.check_parameters(self.parameters)?;
        let degree = context.parameters().degree();
        let galois = self.galois.into_iter().map(|SeededGaloisKey { element, switching }| {
            let key = GaloisKey {
                automorphism: Automorphism::new(degree, element),
                switching: switching.expand(context),
            };
            (element, key)
        });
        Ok(EvaluationKeys {
            galois: galois.collect(),
            relinearisation: self.relinearisation.map(|key| key.expand(context)),
            key: self.key,
            parameters: self.parameters,
        })
    }
}

impl EvaluationKeys {
    /// The secret key these belong to.
    pub fn key(&self) -> KeyId {
        self.key
    }

    pub(crate) fn parameters(&self) -> ParameterId {
        self.parameters
    }

    pub(crate) fn relinearisation(&self) -> Result<&SwitchingKey> {
        self.relinearisation.as_ref().ok_or(Error::NoRelinearisationKey)
    }

    pub(crate) fn rotation(&self, degree: usize, steps: i64) -> Result<&GaloisKey> {
        self.galois
            .get(&GaloisElement::rotation(degree, steps))
            .ok_or_else(|| Error::NoGaloisKey { automorphism: format!("rotation by {steps}") })
    }

    pub(crate) fn conjugation(&self, degree: usize) -> Result<&GaloisKey> {
        self.galois
            .get(&GaloisElement::conjugation(degree))
            .ok_or_else(|| Error::NoGaloisKey { automorphism: "conjugation".into() })
    }
}
