//! Checks that faults and attacks end a session with an error, at every role, in time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use veilbench_networks::{Network, Shape, Tensor};

use super::inference::past_the_links;
use super::privacy::overhear;
use super::{Check, Verdict, ensure, test_networks};
use crate::Backend;
use crate::link::{Forward, Interceptor};
use crate::local_session::{LocalSession, PartyOutcome};

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

fn wrong_batch(backend: &dyn Backend) -> Result<Verdict, String> {
    let Some(network) = test_networks::supported(backend, 2) else { return Ok(Verdict::no_network(2)) };
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
    Ok(Verdict::Kept)
}

fn leaves_after_setup(backend: &dyn Backend) -> Result<Verdict, String> {
    let Some(network) = test_networks::supported(backend, 2) else { return Ok(Verdict::no_network(2)) };
    let profile = backend.profile();
    for (index, role) in profile.roles.iter().enumerate() {
        let images = test_networks::images(&network, 1, 9);
        let done =
            attacked(backend, &network, &[images], |session| session.leaves_after_setup = Some(index))?;
        ensure!(done.iter().all(|outcome| outcome.answered() == 0), "logits came without {}", role.name);
        ensure!(done.iter().any(|outcome| outcome.error.is_some()), "nobody missed {}", role.name);
    }
    Ok(Verdict::Kept)
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

fn tampering(backend: &dyn Backend) -> Result<Verdict, String> {
    let Some(network) = test_networks::supported(backend, 2) else { return Ok(Verdict::no_network(2)) };
    if let Some(not_seen) = past_the_links(backend, &network) {
        return Ok(not_seen);
    }
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
    let flipped: Tampering = ("flipped in one bit", |mut payload| {
        payload.iter_mut().take(1).for_each(|byte| *byte ^= 1);
        Forward::Messages(vec![payload])
    });
    // Only a backend that claims to withstand malicious parties has to notice changed contents.
    let malicious = backend.profile().protection.adversary == crate::Adversary::Malicious;
    let tamperings: Vec<_> = tamperings.into_iter().chain(malicious.then_some(flipped)).collect();
    let batches = [test_networks::images(&network, 2, 10), test_networks::images(&network, 2, 11)];
    for (from, to) in overhear(backend, &network, &batches)?.into_keys() {
        for &(what, how) in &tamperings {
            let interceptor = Arc::new(Tamper { from: from.clone(), to: to.clone(), how });
            let done =
                attacked(backend, &network, &batches, |session| session.interceptor = Some(interceptor))?;
            let noticed = done.iter().any(|outcome| outcome.error.is_some());
            ensure!(noticed, "messages from {from} to {to} {what} go unnoticed");
        }
    }
    Ok(Verdict::Kept)
}
