//! How long each layer takes in the online phase.
//!
//! The time of a party is that of the layer it is in, from the message it waits for to the one it sends: of one batch in one
//! message on one thread, layers add up to the phase.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use veilbench_mpc::Error;
use veilbench_mpc::session::{Online, Protocol, Step};

use veilbench_api::Recorder;

/// A party's part in one message's worth of images, and the time its layers took.
pub(super) struct TimedExchange<P: Protocol> {
    online: Online<P>,
    times: Arc<Mutex<Times>>,
}

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
    pub(super) fn resume(&self) {
        self.times().since = Some(Instant::now());
    }

    /// Until now.
    pub(super) fn pause(&self) {
        let mut times = self.times();
        times.note();
        times.since = None;
    }

    /// Takes the other party's message.
    pub(super) fn receive((mut talk, message): (Self, Vec<u8>)) -> (Self, Result<Step, Error>) {
        let turn = talk.online.receive(&message);
        (talk, turn)
    }

    /// Does what can be done before the next message comes, with what is to be sent of it.
    pub(super) fn proceed(mut talk: Self) -> (Self, Option<Vec<u8>>) {
        let message = talk.online.proceed();
        talk.pause();
        (talk, message)
    }

    /// Hands the times over, as those of the layers of these names.
    pub(super) fn finish(self, names: &[String], recorder: &Recorder) {
        self.pause();
        for (name, wall_ns) in names.iter().zip(&self.times().layers) {
            if *wall_ns > 0 {
                recorder.add(&format!("layer:{name}"), *wall_ns);
            }
        }
    }
}
