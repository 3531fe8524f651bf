//! Checks that faults and attacks end a session with an error, at every role, in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use veilbench_networks::{Network, Shape, Tensor};

use super::{Check, ensure, test_networks};
use crate::link::{Forward, Interceptor};
use crate::local_session::{LocalSession, PartyOutcome};
use crate::{Backend, Exchanged};

pub(super) const CHECKS: &[Check] = &[
    Check { name: "a batch of another shape or size is refused", run: wrong_batch },
    Check { name: "a role that leaves ends the session for the others", run: leaves_after_setup },
    Check {
        name: "truncated, replayed, lost, oversized and garbled messages end the session",
        run: tampering,
    },
];

/// Links stand still for at most this long in these checks.
const PATIENCE: Duration = Duration::from_secs(1);

/// A session that went wrong must be over after this: some links in a row may each wait.
const DEADLINE: Duration = Duration::from_secs(15);

fn attacked(
    backend: &dyn Backend,
    network: &Network,
    batches: &[Tensor],
    change: impl FnOnce(&mut LocalSession<'_>),
) -> Result<Vec<PartyOutcome>, String> {
    let mut session = LocalSession::new(backend, network, 2);
    session.timeout = PATIENCE;
    change(&mut session);
    let start = Instant::now();
    let done = session.run(batches).map_err(|error| error.to_string())?;
    ensure!(start.elapsed() < DEADLINE, "the session took {:?} to end", start.elapsed());
    Ok(done)
}

fn wrong_batch(backend: &dyn Backend) -> Result<(), String> {
    let Some(network) = test_networks::supported(backend, 2) else { return Ok(()) };
    let shape = network.architecture.input;
    let batch = |images, shape: Shape| {
        Tensor::new(images, shape, vec![0.5; images * shape.len()]).ok_or("a batch has the wrong size")
    };
    let longer = Shape::Flat(shape.len() + 1);
    for (what, bad) in [("another shape", batch(1, longer)?), ("too many images", batch(3, shape)?)] {
        let done = attacked(backend, &network, &[bad], |_| {})?;
        ensure!(done.iter().all(|outcome| outcome.answered() == 0), "a batch of {what} got an answer");
        ensure!(done.iter().any(|outcome| outcome.error.is_some()), "a batch of {what} is no error");
    }
    Ok(())
}

fn leaves_after_setup(backend: &dyn Backend) -> Result<(), String> {
    let Some(network) = test_networks::supported(backend, 2) else { return Ok(()) };
    let profile = backend.profile();
    for (index, role) in profile.roles.iter().enumerate() {
        let images = test_networks::images(&network, 1, 9);
        let done =
            attacked(backend, &network, &[images], |session| session.leaves_after_setup = Some(index))?;
        ensure!(done.iter().all(|outcome| outcome.answered() == 0), "logits came without {}", role.name);
        ensure!(done.iter().any(|outcome| outcome.error.is_some()), "nobody missed {}", role.name);
    }
    Ok(())
}

/// Applies one tampering to every message between two roles from `first` on.
struct Tamper {
    from: String,
    to: String,
    how: fn(Vec<u8>) -> Forward,
}

impl Interceptor for Tamper {
    fn message(&self, from: &str, to: &str, _: usize, payload: Vec<u8>) -> Forward {
        if from == self.from && to == self.to {
            (self.how)(payload)
        } else {
            Forward::Messages(vec![payload])
        }
    }
}

/// A name, and what becomes of every message.
type Tampering = (&'static str, fn(Vec<u8>) -> Forward);

fn tampering(backend: &dyn Backend) -> Result<(), String> {
    let Some(network) = test_networks::supported(backend, 2) else { return Ok(()) };
    let tamperings: [Tampering; 7] = [
        ("lost", |_| Forward::Messages(Vec::new())),
        ("truncated", Forward::Truncate),
        ("replayed", Forward::Replay),
        ("announced as 4 GiB", |_| Forward::Announce(u32::MAX)),
        ("garbage", |payload| Forward::Verbatim(vec![0xa5; payload.len() + 64])),
        ("shortened", |mut payload| {
            payload.pop();
            Forward::Messages(vec![payload])
        }),
        ("lengthened", |mut payload| {
            payload.push(0);
            Forward::Messages(vec![payload])
        }),
    ];
    let profile = backend.profile();
    let flipped: Tampering = ("flipped in one bit", |mut payload| {
        payload.iter_mut().take(1).for_each(|byte| *byte ^= 1);
        Forward::Messages(vec![payload])
    });
    // Only a backend that claims to withstand malicious parties has to notice changed contents.
    let malicious = profile.protection.adversary == crate::Adversary::Malicious;
    let tamperings: Vec<_> = tamperings.into_iter().chain(malicious.then_some(flipped)).collect();
    for from in &profile.roles {
        for to in &profile.roles {
            for &(what, how) in &tamperings {
                let interceptor =
                    Arc::new(Tamper { from: from.name.to_string(), to: to.name.to_string(), how });
                let batches =
                    [test_networks::images(&network, 2, 10), test_networks::images(&network, 2, 11)];
                let done =
                    attacked(backend, &network, &batches, |session| session.interceptor = Some(interceptor))?;
                let spoke = done.iter().zip(&profile.roles).any(|(outcome, role)| {
                    let exchanged = outcome.phases.iter().flat_map(|phase| &phase.exchanged);
                    let to_peer = |peer: &Exchanged| *peer.peer == to.name && peer.sent_messages > 0;
                    role == from && exchanged.into_iter().any(to_peer)
                });
                let noticed = done.iter().any(|outcome| outcome.error.is_some());
                ensure!(noticed || !spoke, "messages from {} to {} {what} go unnoticed", from.name, to.name);
            }
        }
    }
    Ok(())
}
