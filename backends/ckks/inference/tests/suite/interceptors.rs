//! What sits on a link and changes, repeats or keeps messages.

use std::collections::BTreeMap;
use std::ops::Range as Span;
use std::sync::Mutex;

use veilbench_api::link::{Forward, Interceptor};

/// Where the scale of a ciphertext stands: after magic, version, kind, parameters and key.
const SCALE: usize = 4 + 2 + 16 + 16;
/// Where the number of its primes stands.
const LIMBS: usize = SCALE + 8;
/// Bytes of a ciphertext before its seed or residues.
const HEADER: usize = LIMBS + 1;

/// Hands the data owner a message of its own back instead of the answer.
#[derive(Default)]
pub(crate) struct Echo {
    heard: Mutex<Option<Vec<u8>>>,
}

impl Interceptor for Echo {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        let mut heard = self.heard.lock().unwrap();
        if from == "data-owner" {
            if index == 2 {
                *heard = Some(payload.clone());
            }
            return Forward::Messages(vec![payload]);
        }
        Forward::Messages(vec![heard.clone().unwrap_or_default()])
    }
}

/// Answers with random bytes.
pub(crate) struct Garbage;

impl Interceptor for Garbage {
    fn message(&self, from: &str, _: &str, _: usize, mut payload: Vec<u8>) -> Forward {
        if from == "model-owner" {
            payload.iter_mut().enumerate().for_each(|(index, byte)| *byte = (index * 31 % 251) as u8);
        }
        Forward::Messages(vec![payload])
    }
}

/// Keeps messages with a session's keys and gives them to the next one.
pub(crate) struct OtherKeys {
    messages: Span<usize>,
    first: Mutex<BTreeMap<usize, Vec<u8>>>,
}

impl OtherKeys {
    pub(crate) fn new(messages: Span<usize>) -> Self {
        Self { messages, first: Mutex::default() }
    }
}

impl Interceptor for OtherKeys {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        if from == "data-owner" && self.messages.contains(&index) {
            let mut first = self.first.lock().unwrap();
            return Forward::Messages(vec![first.entry(index).or_insert(payload).clone()]);
        }
        Forward::Messages(vec![payload])
    }
}

/// Says that answers are at half their scale, which doubles what they decode to.
pub(crate) struct HalfScale;

impl Interceptor for HalfScale {
    fn message(&self, from: &str, _: &str, _: usize, mut payload: Vec<u8>) -> Forward {
        if from == "model-owner" {
            let field: &mut [u8; 8] = payload[SCALE..].first_chunk_mut().unwrap();
            *field = (f64::from_le_bytes(*field) / 2.0).to_le_bytes();
        }
        Forward::Messages(vec![payload])
    }
}

/// Gives the model owner other evaluation keys than those that were made for it.
pub(crate) struct Instead(pub(crate) Vec<u8>);

impl Interceptor for Instead {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        let payload = if from == "data-owner" && index == 1 { self.0.clone() } else { payload };
        Forward::Messages(vec![payload])
    }
}

/// Gives the model owner others instead of one message.
pub(crate) struct Exchanged {
    pub(crate) at: usize,
    pub(crate) by: Vec<Vec<u8>>,
}

impl Interceptor for Exchanged {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        let is_due = from == "data-owner" && index == self.at;
        Forward::Messages(if is_due { self.by.clone() } else { vec![payload] })
    }
}

/// Loses half of every answer.
pub(crate) struct Cut;

impl Interceptor for Cut {
    fn message(&self, from: &str, _: &str, _: usize, mut payload: Vec<u8>) -> Forward {
        if from == "model-owner" {
            payload.truncate(payload.len() / 2);
        }
        Forward::Messages(vec![payload])
    }
}

/// Says that the data owner's ciphertexts are at another level than agreed.
pub(crate) struct TooFewLevels(pub(crate) usize);

impl Interceptor for TooFewLevels {
    fn message(&self, from: &str, _: &str, index: usize, mut payload: Vec<u8>) -> Forward {
        if from == "data-owner" && index >= self.0 {
            payload[LIMBS] = 1;
        }
        Forward::Messages(vec![payload])
    }
}

/// Repeats the first query of a session for every later one, and keeps the answers.
#[derive(Default)]
pub(crate) struct SameQuery {
    queries: Mutex<Vec<Vec<u8>>>,
    pub(crate) answers: Mutex<Vec<Vec<u8>>>,
    keys: usize,
    messages: usize,
}

impl SameQuery {
    /// For sessions with so many messages of keys, and of a batch.
    pub(crate) fn of(keys: usize, messages: usize) -> Self {
        Self { keys, messages, ..Self::default() }
    }
}

impl Interceptor for SameQuery {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        let keys = self.keys;
        let mut queries = self.queries.lock().unwrap();
        let payload = match from {
            "model-owner" => {
                self.answers.lock().unwrap().push(payload.clone());
                payload
            }
            _ if index < keys => payload,
            _ if index < keys + self.messages => {
                queries.push(payload.clone());
                payload
            }
            _ => queries[(index - keys) % self.messages].clone(),
        };
        Forward::Messages(vec![payload])
    }
}

/// Says that the data owner's ciphertexts are at half their scale, from this message on.
pub(crate) struct QueriesAtHalfScale(pub(crate) usize);

impl Interceptor for QueriesAtHalfScale {
    fn message(&self, from: &str, _: &str, index: usize, mut payload: Vec<u8>) -> Forward {
        if from == "data-owner" && index >= self.0 {
            let field: &mut [u8; 8] = payload[SCALE..].first_chunk_mut().unwrap();
            *field = (f64::from_le_bytes(*field) / 2.0).to_le_bytes();
        }
        Forward::Messages(vec![payload])
    }
}

/// Collects the seeds of the data owner's ciphertexts, from this message on.
pub(crate) struct Seeds {
    pub(crate) from: usize,
    pub(crate) seen: Mutex<Vec<[u8; 32]>>,
}

impl Interceptor for Seeds {
    fn message(&self, from: &str, _: &str, index: usize, payload: Vec<u8>) -> Forward {
        if from == "data-owner" && index >= self.from {
            // All that comes before the seed is the same in every ciphertext of a message.
            let (header, mut seen) = (&payload[..HEADER], self.seen.lock().unwrap());
            let starts = (0..payload.len() - HEADER).filter(|&at| &payload[at..at + HEADER] == header);
            seen.extend(starts.map(|at| *payload[at + HEADER..].first_chunk::<32>().unwrap()));
        }
        Forward::Messages(vec![payload])
    }
}

/// Makes one message of the data owner longer by a byte.
pub(crate) struct Longer(pub(crate) usize);

impl Interceptor for Longer {
    fn message(&self, from: &str, _: &str, index: usize, mut payload: Vec<u8>) -> Forward {
        if from == "data-owner" && index == self.0 {
            payload.push(0);
        }
        Forward::Messages(vec![payload])
    }
}
