//! What owners refuse of a dealer in an enclave: other programs and sessions, what was changed on its way, and what was said before.

use super::*;

/// What both owners say of a session.
fn refusals(backend: &dyn Backend, interceptor: Option<Arc<dyn Interceptor>>) -> [String; 2] {
    let network = test_networks::all().remove(0);
    let mut session = LocalSession::new(backend, &network, 2);
    session.timeout = Duration::from_secs(2);
    session.interceptor = interceptor;
    let done = session.run(&[3, 4].map(|seed| test_networks::images(&network, 2, seed))).unwrap();
    assert!(done[0].logits.len() <= 1, "logits came");
    [0, 1].map(|owner| done[owner].error.as_ref().map(ToString::to_string).unwrap_or_default())
}

#[test]
fn a_dealer_of_another_measurement_is_refused_by_both_owners() {
    let other_program: Machines = |role, protocol| {
        let own = Machine::measured(role, protocol)?;
        let program = Measurement::of(b"another program");
        Ok(Machine { program, release: released(&program, &own.configuration), ..own })
    };
    let other_session: Machines = |role, protocol| {
        let own = Machine::measured(role, protocol)?;
        let configuration = Configuration { batch: own.configuration.batch + 1, ..own.configuration };
        Ok(Machine { configuration, release: released(&own.program, &configuration), ..own })
    };
    // The release is the right one, and what runs is not what it says.
    let right_release: Machines = |role, protocol| {
        Ok(Machine { program: Measurement::of(b"another program"), ..Machine::measured(role, protocol)? })
    };
    for (machine, refusal) in [
        (other_program, "release: it is about enclave"),
        (other_session, "release: it is about enclave"),
        (right_release, "quote: measurement"),
    ] {
        for said in refusals(&InEnclave { backend: comparison_tree(), other: Some(machine) }, None) {
            assert!(said.contains("link to dealer") && said.contains(refusal), "{said:?} for {refusal:?}");
        }
    }
}

/// Of one network and one format, so that material alone would show it, late.
#[test]
fn a_dealer_of_another_protocol_is_refused_by_both_owners() {
    let of_tree: Machines = |role, _| Machine::measured(role, comparison_tree().name);
    let of_textbook: Machines = |role, _| Machine::measured(role, beaver().name);
    let cases: [Box<dyn Backend>; 3] = [
        Box::new(InEnclave { backend: beaver(), other: Some(of_tree) }),
        Box::new(InEnclave { backend: fss(), other: Some(of_tree) }),
        Box::new(InEnclave { backend: comparison_tree(), other: Some(of_textbook) }),
    ];
    for backend in cases {
        for said in refusals(backend.as_ref(), None) {
            assert!(said.contains("link to dealer: release: it is about enclave"), "{said:?}");
        }
    }
}

/// Changes one message of a dealer's to an owner.
struct Changed<F> {
    to: &'static str,
    number: usize,
    change: F,
}

impl<F: Fn(&mut Vec<u8>) + Send + Sync> Interceptor for Changed<F> {
    fn message(&self, from: &str, to: &str, number: usize, mut payload: Vec<u8>) -> Forward {
        if from == DEALER && to == self.to && number == self.number {
            (self.change)(&mut payload);
        }
        Forward::Messages(vec![payload])
    }
}

#[test]
fn a_tampered_release_quote_or_channel_is_refused_by_the_owner_it_goes_to() {
    let key = LENGTH_BYTES;
    let nonce = key + 32;
    let words = Protections::none().describe(veilbench_tee::KeyMemory::Ordinary).len();
    // Of a quote 48 bytes of header come first; of the report's body the measurement is at 64.
    let body = nonce + 64 + 4 + words + 4 + 48;
    let cases: [(usize, usize, &[&str]); 8] = [
        (RELEASE, 0, &["release"]),
        (RELEASE, Release::BYTES - 1, &["release: its signature"]),
        (EVIDENCE, key, &["report data"]),
        (EVIDENCE, nonce, &["another nonce"]),
        // Where keys rest is said in more or fewer letters on other machines: it is the quote in any case.
        (EVIDENCE, body + 80, &["quote:"]),
        (EVIDENCE, 0, &["evidence"]),
        (CONFIRMATION, 9, &["does not authenticate"]),
        (SEED, 20, &["does not authenticate"]),
    ];
    for (to, owner) in [(DATA_OWNER, 0), (MODEL_OWNER, 1)] {
        for (number, at, refusal) in cases {
            let change = move |payload: &mut Vec<u8>| payload[at] ^= 1;
            let said =
                &refusals(&honest(comparison_tree()), Some(Arc::new(Changed { to, number, change })))[owner];
            let named = refusal.iter().all(|words| said.contains(words));
            assert!(
                named && said.contains("link to dealer"),
                "message {number}, byte {at}: {to} says {said:?}"
            );
        }
    }
}

/// Sends what a dealer sent an owner before once more in place of what it sends.
struct Replayed {
    to: &'static str,
    number: usize,
    last: Mutex<Vec<u8>>,
}

impl Interceptor for Replayed {
    fn message(&self, from: &str, to: &str, number: usize, payload: Vec<u8>) -> Forward {
        if from != DEALER || to != self.to {
            return Forward::Messages(vec![payload]);
        }
        let before = std::mem::replace(&mut *self.last.lock().unwrap(), payload.clone());
        Forward::Messages(vec![if number == self.number { before } else { payload }])
    }
}

#[test]
fn material_that_is_replayed_is_refused() {
    for (to, owner) in [(DATA_OWNER, 0), (MODEL_OWNER, 1)] {
        for number in [SEED, SEED + 1, SEED + 2] {
            let interceptor = Replayed { to, number, last: Mutex::default() };
            let said = &refusals(&honest(fss()), Some(Arc::new(interceptor)))[owner];
            assert!(
                said.contains("link to dealer") && said.contains("was replayed"),
                "message {number}: {said:?}"
            );
        }
    }
}

/// What one party sent the other in a session of two images of a backend, replayed in the next: what both owners say of that.
fn replayed_from_another_session(backend: &dyn Backend, from: &'static str, to: &'static str) -> [String; 2] {
    let heard = Arc::new(Heard { from, to, messages: Mutex::default(), replays: false });
    let network = test_networks::all().remove(0);
    let mut session = LocalSession::new(backend, &network, 2);
    session.interceptor = Some(Arc::clone(&heard) as Arc<dyn Interceptor>);
    let done = session.run(&[test_networks::images(&network, 2, 3)]).unwrap();
    assert!(done.iter().all(|role| role.error.is_none()), "{:?}", done[0].error);
    let messages = std::mem::take(&mut *heard.messages.lock().unwrap());
    let replaying = Heard { from, to, messages: Mutex::new(messages), replays: true };
    refusals(backend, Some(Arc::new(replaying)))
}

#[test]
fn what_comes_from_another_session_of_the_enclave_is_refused() {
    let backend = honest(comparison_tree());
    let [data_owner, _] = replayed_from_another_session(&backend, DEALER, DATA_OWNER);
    assert!(data_owner.contains("link to dealer") && data_owner.contains("another nonce"), "{data_owner:?}");
}

/// A host may serve each owner from an enclave of its own, both honest, and take the other channel of either: here the model owner whose
/// masked parameters come is served by the enclave of the session before. Quotes say nothing against it; the name of the session does.
#[test]
fn owners_whose_dealers_are_two_honest_enclaves_refuse_each_other() {
    for backend in [comparison_tree(), fss()] {
        let [data_owner, _] = replayed_from_another_session(&honest(backend), MODEL_OWNER, DATA_OWNER);
        assert!(data_owner.contains("link to model-owner: the randomness is for session"), "{data_owner:?}");
    }
}

/// Keeps what one party sent the other, or sends that in its place.
struct Heard {
    from: &'static str,
    to: &'static str,
    messages: Mutex<Vec<Vec<u8>>>,
    replays: bool,
}

impl Interceptor for Heard {
    fn message(&self, from: &str, to: &str, number: usize, payload: Vec<u8>) -> Forward {
        if from != self.from || to != self.to {
            return Forward::Messages(vec![payload]);
        }
        let mut messages = self.messages.lock().unwrap();
        let payload = if self.replays { messages.get(number).cloned().unwrap_or(payload) } else { payload };
        if !self.replays {
            messages.push(payload.clone());
        }
        Forward::Messages(vec![payload])
    }
}
