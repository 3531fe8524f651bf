//! One role in a process of its own: follows the harness' orders and reports what each phase took.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use veilbench_backends::link::{Endpoint, Topology};
use veilbench_backends::recorder::process_cpu_ns;
use veilbench_backends::{Backend, Footprint, Holding, Recorder, Seat, Stage};
use veilbench_networks::{Shape, Tensor, import};

use crate::clock;
use crate::control::{Answer, Brief, Finished, Order, Phase, Reason};
use crate::process::ProcessStatus;

/// Serves one session over standard input and output. Ends with the input: a party never outlives its harness.
///
/// # Errors
/// What went wrong, after it was reported to the harness.
pub(crate) fn serve(backends: &[Box<dyn Backend>]) -> Result<(), PartyError> {
    // Should the harness be killed outright, the kernel ends its parties.
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .map_err(|error| PartyError::Control(error.into()))?;
    let mut control = Control { orders: io::stdin().lock().lines(), answers: io::stdout(), gives_way: false };
    let result = follow(backends, &mut control);
    if let Err(error) = &result {
        control.answer(&Answer::Failed(error.reason()))?;
    }
    result
}

fn follow(backends: &[Box<dyn Backend>], control: &mut Control) -> Result<(), PartyError> {
    let Order::Brief(brief) = control.order()? else { return Err(PartyError::OutOfTurn) };
    let timeout = Duration::from_secs(brief.timeout_seconds);
    let deadline = Instant::now() + timeout;
    let backend = backends
        .iter()
        .find(|backend| backend.profile().name == brief.backend)
        .ok_or_else(|| PartyError::Backend(brief.backend.clone()))?;
    backend.isolate(brief.role)?;
    let status = ProcessStatus::open("self");
    let holds = backend.profile().roles.get(brief.role).ok_or(PartyError::OutOfTurn)?.holds;
    rayon::ThreadPoolBuilder::new()
        .num_threads(brief.job.threads)
        .build_global()
        .map_err(|error| PartyError::Control(io::Error::other(error)))?;

    let endpoint =
        Endpoint::bind_in(Topology::of(backend.as_ref()), brief.role).map_err(PartyError::Control)?;
    control.answer(&Answer::Listening(endpoint.address().map_err(PartyError::Control)?))?;
    let Order::Connect(parties) = control.order()? else { return Err(PartyError::OutOfTurn) };
    // Where there are more parties than cores, the one that everything waits for must not be the last to start.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    control.gives_way = parties.len() > cores && holds != Holding::Images;
    let (mut links, meter) = endpoint
        .connect(brief.role, &parties, &brief.token, &brief.job.link, timeout)
        .map_err(veilbench_backends::Error::from)?;
    links.set_deadline(deadline).map_err(veilbench_backends::Error::from)?;
    let network = match (&brief.weights, holds) {
        (Some(path), Holding::Weights) => {
            let mut network = import::read(path)?;
            network.architecture = brief.architecture.clone();
            Some(network)
        }
        _ => None,
    };
    let Brief { role, architecture, plan, job, images, .. } = *brief;
    let input = architecture.input;
    let seat = Seat { role, architecture, network, plan, job, links, recorder: Recorder::default() };
    control.answer(&Answer::Connected)?;

    let Order::Prepare(Phase::Setup) = control.order()? else { return Err(PartyError::OutOfTurn) };
    let (mut stage, finished) = timed(control, || {
        let (stage, footprint) = Stage::setup(backend.as_ref(), seat, meter)?;
        Ok((stage, footprint, None))
    })?;
    control.answer(&Answer::Finished(Box::new(finished)))?;

    loop {
        let finished = match control.order()? {
            Order::Prepare(Phase::Offline { images }) => {
                timed(control, || Ok(((), stage.offline(images)?, None)))?.1
            }
            Order::Prepare(Phase::Online { first, images: count }) => {
                let batch = match &images {
                    Some(path) => Some(read_images(path, input, first, count)?),
                    None => None,
                };
                timed(control, || {
                    let (logits, footprint) = stage.online(batch.as_ref())?;
                    Ok(((), footprint, logits.map(Tensor::into_data)))
                })?
                .1
            }
            Order::Leave => {
                drop(stage);
                return control.answer(&Answer::Left(status.map(ProcessStatus::figures).unwrap_or_default()));
            }
            _ => return Err(PartyError::OutOfTurn),
        };
        control.answer(&Answer::Finished(Box::new(finished)))?;
    }
}

/// Says `Ready`, waits for `Go` and its time, and runs a phase between two looks at the clocks.
fn timed<T>(
    control: &mut Control,
    phase: impl FnOnce() -> Result<(T, Footprint, Option<Vec<f32>>), veilbench_backends::Error>,
) -> Result<(T, Finished), PartyError> {
    control.answer(&Answer::Ready)?;
    let Order::Go { at_ns, report_ns } = control.order()? else { return Err(PartyError::OutOfTurn) };
    clock::wait_until(at_ns, control.gives_way);
    let (cpu, started_ns) = (process_cpu_ns(), clock::now_ns());
    let (value, footprint, logits) = phase()?;
    let (ended_ns, cpu_ns) = (clock::now_ns(), process_cpu_ns() - cpu);
    clock::sleep_until(report_ns);
    Ok((value, Finished { started_ns, ended_ns, cpu_ns, footprint, logits }))
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
    orders: io::Lines<io::StdinLock<'static>>,
    answers: io::Stdout,
    /// Whether others run before this party when a phase begins.
    gives_way: bool,
}

impl Control {
    fn order(&mut self) -> Result<Order, PartyError> {
        let line = self.orders.next().ok_or(PartyError::Abandoned)?.map_err(PartyError::Control)?;
        serde_json::from_str(&line).map_err(|error| PartyError::Control(error.into()))
    }

    fn answer(&mut self, answer: &Answer) -> Result<(), PartyError> {
        let mut line = serde_json::to_vec(answer).map_err(|error| PartyError::Control(error.into()))?;
        line.push(b'\n');
        self.answers.write_all(&line).and_then(|()| self.answers.flush()).map_err(PartyError::Control)
    }
}

impl PartyError {
    fn reason(&self) -> Reason {
        let out_of_range = match self {
            Self::Backend_(veilbench_backends::Error::OutOfRange { images, .. }) => Some(images.clone()),
            _ => None,
        };
        Reason { text: self.to_string(), out_of_range }
    }
}

/// Why a party stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PartyError {
    #[error(transparent)]
    Backend_(#[from] veilbench_backends::Error),
    #[error(transparent)]
    Import(#[from] import::ImportError),
    #[error("no backend is called {0}")]
    Backend(String),
    #[error("reading images from {}: {source}", path.display())]
    Images { path: PathBuf, source: io::Error },
    #[error("the harness gave an order out of turn; `veilbench party` is for the harness alone")]
    OutOfTurn,
    #[error("the harness is gone")]
    Abandoned,
    #[error("talking to the harness: {0}")]
    Control(io::Error),
}
