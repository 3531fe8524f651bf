//! Checks that what passes over the links fits the declared protection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use veilbench_networks::{Network, Parameters, Tensor};

use super::inference::{all_well, past_the_links};
use super::secret_patterns::SecretPatterns;
use super::{Check, Verdict, ensure, test_networks};
use crate::Backend;
use crate::link::{Forward, Interceptor};
use crate::local_session::LocalSession;

pub(super) const CHECKS: &[Check] = &[
    Check { name: "message sizes and numbers do not depend on the images", run: shape_of_traffic },
    Check { name: "no message carries a secret its receiver must not learn", run: no_secret_in_clear },
];

/// Messages by (from, to).
pub(super) type Transcript = BTreeMap<(String, String), Vec<Vec<u8>>>;

#[derive(Default)]
struct Listener {
    heard: Mutex<Transcript>,
}

impl Interceptor for Listener {
    fn message(&self, from: &str, to: &str, _: usize, payload: Vec<u8>) -> Forward {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.entry((from.into(), to.into())).or_default().push(payload.clone());
        Forward::Messages(vec![payload])
    }
}

pub(super) fn overhear(
    backend: &dyn Backend,
    network: &Network,
    batches: &[Tensor],
) -> Result<Transcript, String> {
    let listener = Arc::new(Listener::default());
    let mut session =
        LocalSession::new(backend, network, batches.iter().map(Tensor::images).max().unwrap_or(1));
    session.interceptor = Some(Arc::clone(&listener) as Arc<dyn Interceptor>);
    all_well(session.run(batches).map_err(|error| error.to_string())?)?;
    let heard = std::mem::take(&mut *listener.heard.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(heard)
}

/// Calls a check with every supported network, as long as messages can be listened to.
fn on_every_network(
    backend: &dyn Backend,
    check: impl Fn(&Network) -> Result<(), String>,
) -> Result<Verdict, String> {
    let mut verdict = Verdict::no_network(1);
    for network in test_networks::all() {
        if backend.plan(&network.architecture, &LocalSession::new(backend, &network, 1).job).is_err() {
            continue;
        }
        if let Some(not_seen) = past_the_links(backend, &network) {
            return Ok(not_seen);
        }
        check(&network)?;
        verdict = Verdict::Kept;
    }
    Ok(verdict)
}

fn shape_of_traffic(backend: &dyn Backend) -> Result<Verdict, String> {
    on_every_network(backend, |network| {
        let random = test_networks::images(network, 1, 7);
        let black = Tensor::new(1, random.shape(), vec![-1.0; random.shape().len()])
            .ok_or("a black image has the wrong size")?;
        let sizes = |transcript: Transcript| -> BTreeMap<_, Vec<usize>> {
            transcript
                .into_iter()
                .map(|(pair, messages)| (pair, messages.iter().map(Vec::len).collect()))
                .collect()
        };
        let [one, other] = [random, black].map(|images| overhear(backend, network, &[images]).map(sizes));
        ensure!(one? == other?, "{}: two images give different traffic", network.architecture.name);
        Ok(())
    })
}

fn no_secret_in_clear(backend: &dyn Backend) -> Result<Verdict, String> {
    let profile = backend.profile();
    on_every_network(backend, |network| {
        let images = test_networks::images(network, 1, 8);
        let transcript = overhear(backend, network, std::slice::from_ref(&images))?;
        for (role, leakage) in profile.roles.iter().zip(&profile.protection.learns) {
            let to_role =
                || transcript.iter().filter(|((_, to), _)| *to == role.name).flat_map(|(_, sent)| sent);
            let owns = |input| role.private_input == input;
            if leakage.images != crate::Learned::Yes && !owns(crate::PrivateInput::Images) {
                let pixels = SecretPatterns::of(images.data(), usize::MAX);
                ensure!(!to_role().any(|message| pixels.stand_in(message)), "{} is sent pixels", role.name);
            }
            if leakage.weights != crate::Learned::Yes && !owns(crate::PrivateInput::Network) {
                let leaked = |secrets: &[f32]| {
                    let patterns = SecretPatterns::of(secrets, usize::MAX);
                    to_role().any(|message| patterns.stand_in(message))
                };
                ensure!(!secret_parameters(network).into_iter().any(leaked), "{} is sent weights", role.name);
            }
        }
        Ok(())
    })
}

fn secret_parameters(network: &Network) -> Vec<&[f32]> {
    let mut secrets: Vec<&[f32]> = Vec::new();
    for parameters in &network.parameters {
        match parameters {
            Parameters::Affine { weights, bias } => secrets.extend([weights.as_slice(), bias.as_slice()]),
            Parameters::Polynomial { coefficients } => secrets.push(coefficients),
            Parameters::Slopes { slopes } => secrets.push(slopes),
            _ => {}
        }
    }
    secrets
}
