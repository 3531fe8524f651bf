//! The online phase of a window at either owner, message by message, and how long each layer takes in it.
//!
//! The time of a party is that of the layer it is in, from the message it waits for to the one it sends: of one batch in one
//! message on one thread, layers add up to the phase, but for windows of gates that are taken in meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use veilbench_mpc::Error as Core;
use veilbench_mpc::session::{Online, Protocol, Step};

use crate::from_peer;
use crate::planning::batches::map;
use veilbench_api::{Error, Link, Recorder};

/// A party's part in one message's worth of images, and the time its layers took.
pub(super) struct TimedExchange<P: Protocol> {
    online: Online<P>,
    times: Arc<Mutex<Times>>,
}

/// A part that took a message, and what follows.
type Stepped<P> = (TimedExchange<P>, Result<Step, Core>);

struct Times {
    /// Time of each layer, in nanoseconds.
    layers: Vec<u64>,
    layer: usize,
    since: Option<Instant>,
}

impl Times {
    /// What passed since the last call is the present layer's.
    fn note(&mut self) {
        let now = Instant::now();
        if let (Some(since), Some(time)) = (self.since, self.layers.get_mut(self.layer)) {
            *time += (now - since).as_nanos() as u64;
        }
        self.since = Some(now);
    }
}

impl<P: Protocol> TimedExchange<P> {
    /// With a network of so many layers, of which the first begins now.
    pub(super) fn new(mut online: Online<P>, layers: usize) -> Self {
        let times = Times { layers: vec![0; layers], layer: 0, since: Some(Instant::now()) };
        let times = Arc::new(Mutex::new(times));
        let watched = Arc::clone(&times);
        online.watch(Box::new(move |layer| {
            let mut times = watched.lock().unwrap_or_else(PoisonError::into_inner);
            if times.layer != layer {
                times.note();
                times.layer = layer;
            }
        }));
        Self { online, times }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This talk is worked on, or waited for, from now on.
    fn resume(&self) {
        self.times().since = Some(Instant::now());
    }

    /// Until now.
    pub(super) fn pause(&self) {
        let mut times = self.times();
        times.note();
        times.since = None;
    }

    /// Takes the other party's message.
    fn receive((mut talk, message): (Self, Vec<u8>)) -> Stepped<P> {
        let turn = talk.online.receive(&message);
        (talk, turn)
    }

    /// Does what can be done before the next message comes, with what is to be sent of it.
    fn proceed(mut talk: Self) -> (Self, Option<Vec<u8>>) {
        let message = talk.online.proceed();
        talk.pause();
        (talk, message)
    }

    /// Hands the times over, as those of the layers of these names.
    fn finish(self, names: &[String], recorder: &Recorder) {
        self.pause();
        for (name, wall_ns) in names.iter().zip(&self.times().layers) {
            if *wall_ns > 0 {
                recorder.add(&format!("layer:{name}"), *wall_ns);
            }
        }
    }
}

/// Takes in the randomness of later windows of gates where the exchange has come to them. Messages are the data owner's, from 0.
pub(super) trait Refill<P: Protocol> {
    /// At the data owner, before it sends the message of a number.
    ///
    /// # Errors
    /// If a peer misbehaves.
    fn before_sending(&mut self, _: &mut Link, _: &mut Online<P>, _message: usize) -> Result<(), Error> {
        Ok(())
    }

    /// At the model owner, before it receives the message of a number.
    ///
    /// # Errors
    /// If a peer misbehaves.
    fn before_receiving(&mut self, _: &mut Link, _: &mut Online<P>, _message: usize) -> Result<(), Error> {
        Ok(())
    }
}

/// What a party's part in one message's worth of images ended with.
pub(super) enum End {
    /// The last message, which was sent.
    Sent,
    /// Logits, as ring elements.
    Logits(Vec<u64>),
    /// Images that are out of range, by their numbers in the message.
    Refused(Vec<usize>),
}

/// Where the messages of a window go, and how many are worked on at once.
pub(super) struct Window<'a> {
    pub(super) link: &'a mut Link,
    pub(super) peer: &'static str,
    pub(super) threads: usize,
    pub(super) layers: &'a [String],
    pub(super) recorder: &'a Recorder,
}

impl Window<'_> {
    pub(super) fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        let link = &mut *self.link;
        Ok(self.recorder.span("send", || link.send(message))?)
    }

    fn receive(&mut self) -> Result<Vec<u8>, Error> {
        let link = &mut *self.link;
        Ok(self.recorder.span("wait", || link.receive())?)
    }

    /// Runs all parts to their ends, which are returned in the same order: all messages of one round before those of the next, so that
    /// rounds do not grow with the batch. Which messages there are is the protocol's: either party may send several in a row.
    pub(super) fn run<P: Protocol>(
        &mut self,
        mut parts: Vec<TimedExchange<P>>,
        refill: &mut impl Refill<P>,
    ) -> Result<Vec<End>, Error> {
        let recorder = self.recorder;
        let mut ends = Vec::with_capacity(parts.len());
        let mut message_number = 0;
        while !parts.is_empty() {
            let mut next = Vec::with_capacity(parts.len());
            let mut waiting = parts.into_iter();
            loop {
                let mut group = Vec::with_capacity(self.threads);
                for mut part in waiting.by_ref().take(self.threads) {
                    refill.before_receiving(self.link, &mut part.online, message_number)?;
                    part.resume();
                    group.push((part, self.receive()?));
                }
                if group.is_empty() {
                    break;
                }
                let mut sent = Vec::with_capacity(group.len());
                for (mut part, step) in self.evaluate(group)? {
                    let end = match step {
                        Ok(Step::Send(message)) => {
                            part.pause();
                            refill.before_sending(self.link, &mut part.online, message_number + 1)?;
                            part.resume();
                            self.send(&message)?;
                            sent.push(part);
                            continue;
                        }
                        Ok(Step::Last(message)) => {
                            self.send(&message)?;
                            End::Sent
                        }
                        Ok(Step::Logits(logits)) => End::Logits(logits),
                        Ok(Step::Wait) => return Err(unlike()),
                        Err(Core::OutOfRange { images }) => End::Refused(images),
                        Err(error) => return Err(from_peer(self.peer)(error)),
                    };
                    part.finish(self.layers, recorder);
                    ends.push(end);
                }
                for (part, message) in recorder.span("evaluate", || map(sent, TimedExchange::proceed)) {
                    if let Some(message) = message {
                        self.send(&message)?;
                    }
                    next.push(part);
                }
            }
            parts = next;
            message_number += 1;
        }
        Ok(ends)
    }

    /// Takes messages, and those that follow them: the messages of a group follow each other in its order, and then the next ones.
    fn evaluate<P: Protocol>(
        &mut self,
        group: Vec<(TimedExchange<P>, Vec<u8>)>,
    ) -> Result<Vec<Stepped<P>>, Error> {
        let recorder = self.recorder;
        let mut steps = recorder.span("evaluate", || map(group, TimedExchange::receive));
        while steps.iter().any(|(_, step)| matches!(step, Ok(Step::Wait))) {
            let mut more = Vec::with_capacity(steps.len());
            for (part, step) in steps {
                let Step::Wait = step.map_err(from_peer(self.peer))? else { return Err(unlike()) };
                more.push((part, self.receive()?));
            }
            steps = recorder.span("evaluate", || map(more, TimedExchange::receive));
        }
        Ok(steps)
    }
}

/// All parts of a window run one circuit.
fn unlike() -> Error {
    Error::protocol("messages of one batch are of different networks")
}
