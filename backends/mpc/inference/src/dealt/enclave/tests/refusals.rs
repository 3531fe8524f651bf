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
    let other_program: Machines = |role| {
        let own = Machine::measured(role)?;
        let program = Measurement::of(b"another program");
        Ok(Machine { program, release: released(&program, &own.configuration), ..own })
    };
    let other_session: Machines = |role| {
        let own = Machine::measured(role)?;
        let configuration = Configuration { batch: own.configuration.batch + 1, ..own.configuration };
        Ok(Machine { configuration, release: released(&own.program, &configuration), ..own })
    };
    // The release is the right one, and what runs is not what it says.
    let right_release: Machines =
        |role| Ok(Machine { program: Measurement::of(b"another program"), ..Machine::measured(role)? });
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

#[test]
fn what_comes_from_another_session_of_the_enclave_is_refused() {
    let heard = Arc::new(Heard { messages: Mutex::default(), replays: false });
    let network = test_networks::all().remove(0);
    let backend = honest(comparison_tree());
    let mut session = LocalSession::new(&backend, &network, 2);
    session.interceptor = Some(Arc::clone(&heard) as Arc<dyn Interceptor>);
    session.run(&[test_networks::images(&network, 2, 3)]).unwrap();
    let messages = std::mem::take(&mut *heard.messages.lock().unwrap());
    let replaying = Heard { messages: Mutex::new(messages), replays: true };
    let [data_owner, _] = refusals(&backend, Some(Arc::new(replaying)));
    assert!(data_owner.contains("link to dealer") && data_owner.contains("another nonce"), "{data_owner:?}");
}

/// Keeps what the dealer sent the data owner, or sends that in its place.
struct Heard {
    messages: Mutex<Vec<Vec<u8>>>,
    replays: bool,
}

impl Interceptor for Heard {
    fn message(&self, from: &str, to: &str, number: usize, payload: Vec<u8>) -> Forward {
        if from != DEALER || to != DATA_OWNER {
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
