//! One role in a process of its own: follows the harness' commands and reports what each phase took.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use veilbench_api::link::{Endpoint, Topology};
use veilbench_api::recorder::process_cpu_ns;
use veilbench_api::{Backend, PartyRunner, PhaseMetrics, PrivateInput, Recorder, RoleContext, RoleInput};
use veilbench_external::{External, ManifestError};
use veilbench_networks::{Shape, Tensor, import};

use crate::session::clock;
use crate::session::control::{Answered, Command, Event, Finished, Phase, Reason, RoleBriefing};
use crate::session::hosts::launched::{self, HostReport};
use crate::session::hosts::transfer::{RoleFile, TransferError};
use crate::session::machine_watch::HostView;
use crate::session::process::ProcessStatus;

/// Serves one session over standard input and output. Ends with the input: a party never outlives its harness.
///
/// # Errors
/// What went wrong, after it was reported to the harness.
pub(crate) fn serve(backends: &[Box<dyn Backend>]) -> Result<(), PartyError> {
    let mut control =
        Control { commands: io::stdin().lock().lines(), events: io::stdout(), yields_core: false };
    let result = follow(backends, &mut control);
    if let Err(error) = &result {
        control.tell(&Event::Failed(error.reason()))?;
    }
    result
}

fn follow(backends: &[Box<dyn Backend>], control: &mut Control) -> Result<(), PartyError> {
    let briefing = loop {
        match control.next_command()? {
            Command::Inspect => {
                let report = HostReport::here().map_err(PartyError::Executable)?;
                control.tell(&Event::Host(Box::new(report)))?;
            }
            Command::RoleBriefing(briefing) => break briefing,
            Command::Leave => return Ok(()),
            _ => return Err(PartyError::OutOfTurn),
        }
    };
    // Should the harness be killed outright, the kernel ends its parties. What starts one on another host may end as soon as it runs.
    #[cfg(target_os = "linux")]
    if briefing.place.is_none() {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
            .map_err(|error| PartyError::Control(error.into()))?;
    }
    let timeout = Duration::from_millis(briefing.timeout_ms);
    let deadline = Instant::now() + timeout;
    let external: External;
    let backend: &dyn Backend = match &briefing.origin {
        Some(origin) => {
            external = External::load(&origin.folder, &origin.environments)?;
            external.check(&briefing.plan)?;
            &external
        }
        None => backends
            .iter()
            .find(|backend| backend.profile().name == briefing.backend)
            .ok_or_else(|| PartyError::Backend(briefing.backend.clone()))?
            .as_ref(),
    };
    let host = briefing.place.as_ref().and_then(|_| HostView::open());
    backend.isolate(briefing.role)?;
    let watch = host.and_then(HostView::watch);
    let status = ProcessStatus::open("self");
    let profile = backend.profile();
    let role = profile.roles.get(briefing.role).ok_or(PartyError::OutOfTurn)?;
    let private_input = role.private_input;
    // A role attached to another ends with that one, and may count its threads: an enclave does.
    if briefing.place.is_some() && !backend.attachments().iter().any(|(guest, _)| *guest == role.name) {
        launched::end_with_harness();
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(briefing.job.threads)
        .build_global()
        .map_err(|error| PartyError::Control(io::Error::other(error)))?;

    let endpoint = listen(&briefing, Topology::of(backend))?;
    control.tell(&Event::Listening(endpoint.address().map_err(PartyError::Control)?))?;
    let folder = briefing.place.as_ref().and_then(|place| place.folder.as_deref());
    let (file, parties) = receive_file(control, folder)?;
    // Where there are more parties than cores, the one that everything waits for must not be the last to start.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let here = briefing.place.as_ref().map_or(parties.len(), |place| place.parties);
    control.yields_core = here > cores && private_input != PrivateInput::Images;
    let (mut links, meter) = endpoint
        .connect(briefing.role, &parties, &briefing.token, &briefing.job.link, timeout)
        .map_err(veilbench_api::Error::from)?;
    links.set_deadline(deadline).map_err(veilbench_api::Error::from)?;
    let file = file.as_ref().map(|file| file.path().to_owned());
    let input = match (file.as_ref().or(briefing.weights.as_ref()), private_input) {
        (Some(path), PrivateInput::Network) => {
            let mut network = import::read(path)?;
            network.architecture = briefing.architecture.clone();
            RoleInput::Network(Box::new(network))
        }
        (_, PrivateInput::Images) => RoleInput::Images,
        _ => RoleInput::Nothing,
    };
    let RoleBriefing { role: index, architecture, plan, job, images, .. } = *briefing;
    let images = file.or(images).filter(|_| private_input == PrivateInput::Images);
    let image_shape = architecture.input;
    control.tell(&Event::Connected)?;
    let names: Vec<String> = parties.into_iter().map(|(name, _)| name).collect();
    loop {
        match control.next_command()? {
            Command::MeasureLinks => {
                let figures = links.measure(&names, index).map_err(veilbench_api::Error::from)?;
                control.tell(&Event::LinksMeasured(figures))?;
            }
            Command::TellTime => control.tell(&Event::Time(clock::now_ns()))?,
            Command::Prepare(Phase::Setup) => break,
            _ => return Err(PartyError::OutOfTurn),
        }
    }
    let role = RoleContext { index, input, architecture, plan, job, links, recorder: Recorder::default() };
    let (mut runner, finished) = timed(control, || {
        let (runner, metrics) = PartyRunner::setup(backend, role, meter)?;
        Ok((runner, metrics, None))
    })?;
    control.tell(&Event::Finished(Box::new(finished)))?;

    loop {
        let finished = match control.next_command()? {
            Command::Prepare(Phase::Offline { images }) => {
                timed(control, || Ok(((), runner.offline(images)?, None)))?.1
            }
            Command::Prepare(Phase::Online { first, images: count }) => {
                let batch = match &images {
                    Some(path) => Some(read_images(path, image_shape, first, count)?),
                    None => None,
                };
                timed(control, || {
                    let (answers, metrics) = runner.online(batch.as_ref())?;
                    Ok(((), metrics, answers.map(Answered::from)))
                })?
                .1
            }
            Command::Traffic => {
                control.tell(&Event::Traffic(runner.traffic()?))?;
                continue;
            }
            Command::Leave => {
                let workers = runner.workers();
                runner.leave()?;
                drop(runner);
                let mut figures = status.map(ProcessStatus::figures).unwrap_or_default();
                // Of a party that has its work done by others, theirs is the memory that is needed.
                figures.peak_rss_bytes =
                    workers.map_or(figures.peak_rss_bytes, |workers| workers.peak_rss_bytes);
                let workers_cpu_ns = workers.map_or(0, |workers| workers.cpu_ns);
                figures.cpu_ns = Some(process_cpu_ns() + workers_cpu_ns);
                figures.host = watch.and_then(|watch| watch.end(workers_cpu_ns));
                return control.tell(&Event::Left(figures));
            }
            _ => return Err(PartyError::OutOfTurn),
        };
        control.tell(&Event::Finished(Box::new(finished)))?;
    }
}

/// Listens on loopback, or where peers on other hosts reach this party.
fn listen(briefing: &RoleBriefing, topology: Topology) -> Result<Endpoint, PartyError> {
    let endpoint = match &briefing.place {
        None => Endpoint::bind_in(topology, briefing.role).map_err(PartyError::Control)?,
        Some(place) => {
            let address = launched::address(place).map_err(PartyError::Listen)?;
            let failed = |error: io::Error| {
                PartyError::Listen(io::Error::new(error.kind(), format!("{address}: {error}")))
            };
            Endpoint::bind_at(address, topology, briefing.role).map_err(failed)?
        }
    };
    Ok(endpoint.with_credentials(briefing.credentials.clone()))
}

type Addresses = Vec<(String, std::net::SocketAddr)>;

/// Takes the role's file if it is sent one, until it is told whom to connect to.
fn receive_file(
    control: &mut Control,
    folder: Option<&Path>,
) -> Result<(Option<RoleFile>, Addresses), PartyError> {
    let mut file = None;
    loop {
        match (control.next_command()?, &mut file) {
            (Command::Connect(parties), _) => return Ok((file, parties)),
            (Command::FindFile(due), _) => {
                file = due.map(|due| RoleFile::find(due, folder)).transpose()?;
                control.tell(&Event::FileWanted(file.as_ref().is_some_and(RoleFile::is_wanted)))?;
            }
            (Command::FilePart(part), Some(file)) => file.take(&part)?,
            (Command::FileEnd, file) => {
                file.as_mut().map_or(Ok(()), RoleFile::finish)?;
                control.tell(&Event::FileReady)?;
            }
            _ => return Err(PartyError::OutOfTurn),
        }
    }
}

/// Says `Ready`, waits for `Go` and its time, and runs a phase between two looks at the clocks.
fn timed<T>(
    control: &mut Control,
    phase: impl FnOnce() -> Result<(T, PhaseMetrics, Option<Answered>), veilbench_api::Error>,
) -> Result<(T, Finished), PartyError> {
    control.tell(&Event::Ready)?;
    let Command::Go { at_ns, report_ns } = control.next_command()? else { return Err(PartyError::OutOfTurn) };
    clock::wait_until(at_ns, control.yields_core);
    let (cpu, started_ns) = (process_cpu_ns(), clock::now_ns());
    let (value, metrics, answers) = phase()?;
    let (ended_ns, cpu_ns) = (clock::now_ns(), process_cpu_ns() - cpu + metrics.workers_cpu_ns);
    clock::sleep_until(report_ns);
    Ok((value, Finished { started_ns, ended_ns, cpu_ns, metrics, answers }))
}

/// A batch out of the prepared file: little-endian `f32`, image after image. A batch that goes beyond its end goes on
/// at its start.
fn read_images(path: &Path, shape: Shape, first: usize, count: usize) -> Result<Tensor, PartyError> {
    let fail = |source| PartyError::Images { path: path.to_owned(), source };
    let ended = || fail(io::ErrorKind::UnexpectedEof.into());
    let image_bytes = (shape.len() * size_of::<f32>()) as u64;
    let mut file = File::open(path).map_err(fail)?;
    let images = file.metadata().map_err(fail)?.len().checked_div(image_bytes).filter(|images| *images > 0);
    let images = images.ok_or_else(ended)?;
    let mut values: Vec<f32> = Vec::with_capacity(count * shape.len());
    let mut at = first as u64 % images;
    while values.len() < count * shape.len() {
        let left = (count - values.len() / shape.len()) as u64;
        let taken = left.min(images - at);
        file.seek(SeekFrom::Start(at * image_bytes)).map_err(fail)?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(taken * image_bytes).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 != taken * image_bytes {
            return Err(ended());
        }
        values.extend(bytes.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)));
        at = 0;
    }
    Tensor::new(count, shape, values).ok_or_else(ended)
}

struct Control {
    commands: io::Lines<io::StdinLock<'static>>,
    events: io::Stdout,
    /// Whether others run before this party when a phase begins.
    yields_core: bool,
}

impl Control {
    fn next_command(&mut self) -> Result<Command, PartyError> {
        let line = self.commands.next().ok_or(PartyError::Abandoned)?.map_err(PartyError::Control)?;
        serde_json::from_str(&line).map_err(|error| PartyError::Control(error.into()))
    }

    fn tell(&mut self, event: &Event) -> Result<(), PartyError> {
        let mut line = serde_json::to_vec(event).map_err(|error| PartyError::Control(error.into()))?;
        line.push(b'\n');
        self.events.write_all(&line).and_then(|()| self.events.flush()).map_err(PartyError::Control)
    }
}

impl PartyError {
    fn reason(&self) -> Reason {
        let out_of_range = match self {
            Self::Backend_(veilbench_api::Error::OutOfRange { images, .. }) => Some(images.clone()),
            _ => None,
        };
        Reason { text: self.to_string(), out_of_range }
    }
}

/// Why a party stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartyError {
    #[error(transparent)]
    Backend_(#[from] veilbench_api::Error),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Import(#[from] import::ImportError),
    #[error("its file: {0}")]
    File(#[from] TransferError),
    #[error("listening: {0}")]
    Listen(io::Error),
    #[error("reading the executable: {0}")]
    Executable(io::Error),
    #[error("no backend is called {0}")]
    Backend(String),
    #[error("reading images from {}: {source}", path.display())]
    Images { path: PathBuf, source: io::Error },
    #[error("the harness gave a command out of turn; `veilbench party` is for the harness alone")]
    OutOfTurn,
    #[error("the harness is gone")]
    Abandoned,
    #[error("talking to the harness: {0}")]
    Control(io::Error),
}
