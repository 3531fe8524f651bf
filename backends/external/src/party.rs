//! One role of an external backend: carries its process through the phases and its messages over the links.

mod figures;
pub(crate) mod process;
pub(crate) mod protocol;
mod strays;
pub(crate) mod tail;

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use veilbench_api::link::MESSAGE_LIMIT;
use veilbench_api::{
    CountedBy, Error, Exchanged, Link, Party, Recorder, RoleContext, RoleInput, WorkerFigures, wire,
};
use veilbench_networks::{Shape, Tensor};

use crate::backend::External;
use crate::briefing::Briefing;
use crate::briefing::architecture::describe;
use crate::briefing::weights::WeightFiles;
use crate::error::{ExternalError, says_memory_is_short};
use crate::isolation::mesh::{self, Mesh};
use crate::isolation::{self, Network};
use crate::manifest::Limits;
use crate::party::process::{PartyProcess, Start};
use crate::party::protocol::{Command, Event, PROTOCOL_VERSION, PartySpan, Reported};

/// Most named parts of one phase.
const MOST_SPANS: usize = 256;

/// Longest name of a part, and longest reason, in characters.
const LONGEST_NAME: usize = 64;
const LONGEST_REASON: usize = 2000;

/// A role whose work is done by a process.
pub(crate) struct ExternalParty {
    process: PartyProcess,
    links: Vec<Link>,
    /// All roles, in the order of the manifest.
    roles: Vec<String>,
    counted_by: CountedBy,
    /// The session's network, where the system owns its sockets.
    mesh: Option<Mesh>,
    /// What the system says it exchanged in the phases since it was last asked.
    reported: Vec<Exchanged>,
    recorder: Recorder,
    limits: Limits,
    output: Shape,
    holds_images: bool,
    /// Images of the batch under way, as the offline phase named them.
    images: usize,
    /// Files the process may read until the session is over.
    _weights: Option<WeightFiles>,
}

/// What a phase returned.
enum Logits {
    /// Nothing is due.
    None,
    /// One `f32` for each class of each of this many images.
    Due(usize),
}

impl ExternalParty {
    /// Starts the role's process, briefs it and takes it through the setup phase.
    pub(crate) fn join(backend: &External, mut context: RoleContext) -> Result<Self, Error> {
        let manifest = backend.manifest();
        let role = manifest
            .roles
            .get(context.index)
            .ok_or_else(|| Error::protocol("the role is none of the backend's"))?;
        let weights = match &context.input {
            RoleInput::Network(network) => Some(WeightFiles::write(network).map_err(failed)?),
            RoleInput::Images | RoleInput::Nothing => None,
        };
        let links = manifest.roles.iter().filter(|peer| peer.name != role.name);
        let mut links = links.map(|peer| context.links.take(&peer.name)).collect::<Result<Vec<_>, _>>()?;
        let roles: Vec<String> = manifest.roles.iter().map(|role| role.name.clone()).collect();
        let began = Instant::now();
        let mesh = match Network::of(&context.plan) {
            Network::Session => Some(Mesh::join(context.index, roles.len(), &mut links)?),
            Network::None | Network::Machine => None,
        };
        if mesh.is_some() {
            context.recorder.add("network", nanoseconds(began.elapsed()));
        }
        let wrapper = match &mesh {
            Some(mesh) => mesh.entrance(),
            None => {
                let isolated = Network::of(&context.plan) == Network::None;
                let words = isolation::words(isolated, isolation::wrapper()).map_err(failed)?;
                words.iter().map(|word| (*word).to_owned()).collect()
            }
        };
        let command = backend.resolve(&role.command);
        let hint = manifest.install.as_ref().map_or(String::new(), |install| install.hint());
        let start = Start {
            command: &command,
            folder: &manifest.folder,
            threads: context.job.threads,
            hint: &hint,
            wrapper: &wrapper,
            private: weights.as_ref().map(|files| files.folder.path()),
        };
        let limits = manifest.limits;
        let began = Instant::now();
        let mut process = PartyProcess::start(&start).map_err(failed)?;
        let greeted = greet(&mut process, limits.start());
        with_attempts(&process, greeted)?;
        context.recorder.add("start", nanoseconds(began.elapsed()));
        let briefing = Briefing {
            protocol: PROTOCOL_VERSION,
            backend: &manifest.name,
            role: &role.name,
            roles: roles.iter().map(String::as_str).collect(),
            holds: role.holds_name(),
            architecture: describe(&context.architecture),
            batch: context.job.batch,
            threads: context.job.threads,
            options: backend.chosen(&context.job),
            addresses: mesh.as_ref().map(|_| {
                roles.iter().enumerate().map(|(at, name)| (name.as_str(), mesh::address(at))).collect()
            }),
            weights: weights.as_ref().map(|files| &files.paths),
        };
        let briefed = process.send(&Command::Brief(Box::new(briefing)), &[], limits.silence());
        with_attempts(&process, briefed.map_err(failed))?;
        let mut party = Self {
            process,
            links,
            roles,
            counted_by: context.plan.counted_by,
            mesh,
            reported: Vec::new(),
            recorder: context.recorder,
            limits,
            output: context.architecture.output(),
            holds_images: role.holds == veilbench_api::PrivateInput::Images,
            images: 0,
            _weights: weights,
        };
        party.phase(&Command::Setup, &[], &Logits::None)?;
        Ok(party)
    }

    /// Gives a command and serves the party until it says that the phase is done.
    fn phase(
        &mut self,
        command: &Command<'_>,
        payload: &[u8],
        due: &Logits,
    ) -> Result<Option<Tensor>, Error> {
        let served = self.serve(command, payload, due);
        let result = with_attempts(&self.process, served);
        if result.is_err() {
            self.process.end(Duration::ZERO);
        }
        result
    }

    fn serve(
        &mut self,
        command: &Command<'_>,
        payload: &[u8],
        due: &Logits,
    ) -> Result<Option<Tensor>, Error> {
        let silence = self.limits.silence();
        let told_ns = now_ns();
        self.process.send(command, payload, silence).map_err(failed)?;
        loop {
            match self.process.receive(silence).map_err(failed)? {
                Event::Send { to, bytes } => {
                    if bytes > MESSAGE_LIMIT {
                        let reason = format!(
                            "a message of {bytes} bytes to {to} exceeds the limit of {MESSAGE_LIMIT}"
                        );
                        return Err(failed(ExternalError::Protocol(reason)));
                    }
                    let message = self.process.payload(bytes, silence).map_err(failed)?;
                    self.link(&to)?.send(&message)?;
                }
                Event::Receive { from } => {
                    let message = self.link(&from)?.receive()?;
                    let header = Command::Message { bytes: message.len() };
                    self.process.send(&header, &message, silence).map_err(failed)?;
                }
                Event::Done { started_ns, ended_ns, spans, bytes, exchanged } => {
                    check_times(told_ns, started_ns, ended_ns, now_ns())?;
                    self.note(exchanged)?;
                    self.record(&spans, ended_ns - started_ns)?;
                    return self.logits(bytes, due);
                }
                Event::Failed { reason, out_of_memory: true, .. } => {
                    return Err(failed(ExternalError::OutOfMemory(shortened(&reason, LONGEST_REASON))));
                }
                Event::Failed { reason, out_of_range, .. } => {
                    return Err(self.gave_up(&reason, out_of_range));
                }
                other @ Event::Hello { .. } => {
                    return Err(out_of_turn(&other, "send, receive, done or failed"));
                }
            }
        }
    }

    /// Takes what the system says it exchanged, where it is the one to count.
    fn note(&mut self, exchanged: Vec<Reported>) -> Result<(), Error> {
        if !exchanged.is_empty() && self.counted_by != CountedBy::SelfReported {
            let counter = self.counted_by.as_str();
            let reason =
                format!("a count of bytes, where backend.toml says that they are counted by `{counter}`");
            return Err(failed(ExternalError::Protocol(reason)));
        }
        for Reported { peer, sent_bytes, sent_messages, received_bytes, received_messages } in exchanged {
            let known = self.links.iter().any(|link| link.peer() == peer);
            if !known || self.reported.iter().any(|reported| reported.peer == peer) {
                let reason = format!("`{}` is no peer, or is counted twice", shortened(&peer, LONGEST_NAME));
                return Err(failed(ExternalError::Protocol(reason)));
            }
            self.reported.push(Exchanged {
                peer,
                local: false,
                sent_bytes,
                sent_messages,
                received_bytes,
                received_messages,
            });
        }
        Ok(())
    }

    fn link(&mut self, peer: &str) -> Result<&mut Link, Error> {
        if self.mesh.is_some() {
            let reason = "a message for veilbench's links, where backend.toml says that the kernel counts: use sockets";
            return Err(failed(ExternalError::Protocol(reason.into())));
        }
        let unknown = || {
            failed(ExternalError::Protocol(format!("there is no peer `{}`", shortened(peer, LONGEST_NAME))))
        };
        self.links.iter_mut().find(|link| link.peer() == peer).ok_or_else(unknown)
    }

    fn record(&self, spans: &[PartySpan], phase_ns: u64) -> Result<(), Error> {
        let refuse = |reason: String| Err(failed(ExternalError::Protocol(reason)));
        if spans.len() > MOST_SPANS {
            return refuse(format!("{} spans in one phase, of at most {MOST_SPANS}", spans.len()));
        }
        for PartySpan { name, wall_ns } in spans {
            let printable = !name.is_empty()
                && name.len() <= LONGEST_NAME
                && name.bytes().all(|byte| byte.is_ascii_graphic());
            if !printable {
                return refuse(format!(
                    "`{}` is no name of a span: 1 to {LONGEST_NAME} printable ASCII characters without blanks",
                    shortened(name, LONGEST_NAME)
                ));
            }
            if *wall_ns > phase_ns {
                return refuse(format!("span {name} took {wall_ns} ns of a phase of {phase_ns} ns"));
            }
            self.recorder.add(name, *wall_ns);
        }
        Ok(())
    }

    fn logits(&mut self, bytes: usize, due: &Logits) -> Result<Option<Tensor>, Error> {
        let images = match (due, bytes) {
            (Logits::None, 0) => return Ok(None),
            (Logits::None, _) => return Err(Error::Answer("logits came where none are due".into())),
            (Logits::Due(images), _) => *images,
        };
        let expected = images * self.output.len() * size_of::<f32>();
        if bytes != expected {
            let (output, images) = (self.output, images);
            return Err(Error::Answer(format!(
                "{bytes} bytes of logits came where {images} of {output} need {expected}"
            )));
        }
        let values = self.process.payload(bytes, self.limits.silence()).map_err(failed)?;
        let values = values.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
        let logits = Tensor::new(images, self.output, values);
        logits.map(Some).ok_or_else(|| Error::Answer("logits and shape disagree".into()))
    }

    fn gave_up(&self, reason: &str, out_of_range: Option<Vec<usize>>) -> Error {
        let reason = shortened(reason, LONGEST_REASON);
        match out_of_range {
            Some(images) if images.iter().all(|image| *image < self.images) => {
                Error::OutOfRange { images, reason }
            }
            Some(images) => {
                let what = format!("images {images:?} of a batch of {} are out of range", self.images);
                failed(ExternalError::Protocol(what))
            }
            None if says_memory_is_short(&reason) => failed(ExternalError::OutOfMemory(reason)),
            None => failed(ExternalError::Failed(reason)),
        }
    }
}

impl Party for ExternalParty {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.images = images;
        self.phase(&Command::Offline { images }, &[], &Logits::None).map(|_| ())
    }

    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        match (images, self.holds_images) {
            (Some(batch), true) => {
                let (payload, images) = (wire::encode(batch), batch.images());
                self.images = images;
                let command = Command::Online { images, bytes: payload.len() };
                self.phase(&command, &payload, &Logits::Due(images))
            }
            (None, false) => {
                self.phase(&Command::Online { images: self.images, bytes: 0 }, &[], &Logits::None)
            }
            _ => Err(Error::protocol("images are for the role that holds them, and for no other")),
        }
    }

    fn traffic(&mut self) -> Result<Vec<Exchanged>, Error> {
        let roles: Vec<&str> = self.roles.iter().map(String::as_str).collect();
        match &mut self.mesh {
            Some(mesh) => mesh.traffic(&roles).map_err(failed),
            None => Ok(std::mem::take(&mut self.reported)),
        }
    }

    fn workers(&self) -> Option<WorkerFigures> {
        Some(self.process.figures())
    }

    fn leave(&mut self) -> Result<(), Error> {
        let names: Vec<String> = self.process.leave().into_iter().map(str::to_owned).collect();
        let left = if names.is_empty() { Ok(()) } else { Err(failed(ExternalError::LeftBehind { names })) };
        with_attempts(&self.process, left)
    }
}

/// Takes the first message of a process.
fn greet(process: &mut PartyProcess, limit: Duration) -> Result<(), Error> {
    match process.receive(limit).map_err(failed)? {
        Event::Hello { protocol: PROTOCOL_VERSION } => Ok(()),
        Event::Hello { protocol } => {
            Err(failed(ExternalError::Version { theirs: protocol, ours: PROTOCOL_VERSION }))
        }
        other => Err(out_of_turn(&other, "hello")),
    }
}

/// Adds to a result what the party's process tried to reach, which is an error by itself.
fn with_attempts<T>(process: &PartyProcess, result: Result<T, Error>) -> Result<T, Error> {
    let attempts = process.network_attempts();
    if attempts == 0 {
        return result;
    }
    let tried = |what| ExternalError::AfterNetwork { what, attempts };
    Err(match result {
        Ok(_) => failed(ExternalError::Network { attempts }),
        Err(Error::OutOfRange { images, reason }) => {
            Error::OutOfRange { images, reason: tried(reason).to_string() }
        }
        Err(Error::Answer(reason)) => Error::Answer(tried(reason).to_string()),
        Err(Error::Engine { source, .. }) => failed(tried(source.to_string())),
        Err(other) => failed(tried(other.to_string())),
    })
}

/// A party's clock is this machine's: a phase lies between the command and the word that it is done.
fn check_times(told_ns: u64, started_ns: u64, ended_ns: u64, heard_ns: u64) -> Result<(), Error> {
    if told_ns <= started_ns && started_ns <= ended_ns && ended_ns <= heard_ns {
        return Ok(());
    }
    let reason = format!(
        "a phase from {started_ns} to {ended_ns} ns of the monotonic clock, which was told at {told_ns} and done at \
         {heard_ns}"
    );
    Err(failed(ExternalError::Protocol(reason)))
}

fn now_ns() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

fn out_of_turn(event: &Event, due: &str) -> Error {
    let came = match event {
        Event::Hello { .. } => "hello",
        Event::Send { .. } => "send",
        Event::Receive { .. } => "receive",
        Event::Done { .. } => "done",
        Event::Failed { reason, .. } => {
            return failed(ExternalError::Failed(shortened(reason, LONGEST_REASON)));
        }
    };
    failed(ExternalError::Protocol(format!("`{came}` where {due} was due")))
}

fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

fn failed(error: ExternalError) -> Error {
    Error::engine("running an external party")(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_the_phase_or_backwards_are_refused() {
        assert!(check_times(10, 10, 20, 20).is_ok());
        for [told, started, ended, heard] in [[10, 9, 20, 30], [10, 20, 19, 30], [10, 20, 31, 30]] {
            assert!(check_times(told, started, ended, heard).is_err());
        }
    }
}
