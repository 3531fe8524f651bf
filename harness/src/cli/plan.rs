//! `veilbench plan`.

use std::io::Write;
use std::num::NonZeroUsize;

use clap::Args;
use regex::Regex;
use serde_json::{Map, Value};
use veilbench_api::{Backend, Job, LinkProfile};
use veilbench_networks::{Architecture, Network, Range, Tensor};
use veilbench_report::aligned;

use crate::error::{EXIT_FAILED, EXIT_OK, Error};
use crate::external::BackendFiles;
use crate::matrix::choices::{self, Choice};
use crate::matrix::patterns::{self, whole};
use crate::rates;
use crate::workload::WorkloadError;
use crate::workload::at_hand::{drawn_noise, test_image};
use crate::workload::model::{calibrate_if_needed, network};
use crate::workload::own::OwnOptions;

/// The value of a setting that leaves the choice to the backend.
const AUTO: &str = "auto";

#[derive(Args, Debug)]
pub(super) struct Plan {
    /// A network of the zoo, or an ONNX file
    #[arg(value_name = "NAME|FILE", required_unless_present = "calibrate_machine")]
    network: Option<String>,
    /// Measure what single steps take on this machine, in seconds and best while it does nothing else; from then on, times are predicted from
    /// that
    #[arg(long)]
    calibrate_machine: bool,
    /// Only backends that match (repeatable) [default: every one]
    #[arg(short = 'b', long = "backend", value_name = "REGEX", value_parser = whole)]
    wanted: Vec<Regex>,
    /// Images per batch
    #[arg(long, value_name = "N", default_value = "1")]
    batch: NonZeroUsize,
    /// Threads per party
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
    /// The network between the parties: loopback, lan, wan or RATE/RTT, e.g. 100mbit/20ms
    #[arg(short, long, value_name = "LINK", default_value = "loopback")]
    link: LinkProfile,
    /// Choose about a backend, e.g. ckks.layout=latency (repeatable)
    #[arg(long = "set", value_name = "BACKEND.KEY=VALUE")]
    choices: Vec<Choice>,
    /// Also compute an image with all secrets in this process, and show how precise every layer is: an
    /// insecure-debug mode, never for images that need protection
    #[arg(long)]
    trace: bool,
    /// The image to trace, by its place in the test set (default: a made-up one)
    #[arg(long, value_name = "N", requires = "trace")]
    image: Option<usize>,
    /// Draws the images that calibrate and those that noise is drawn for, as that of a run does
    #[arg(long, value_name = "N", default_value = "0")]
    seed: u64,
    #[command(flatten)]
    own: OwnOptions,
    #[command(flatten)]
    backend_files: BackendFiles,
}

impl Plan {
    pub(super) fn run(&self, backends: Vec<Box<dyn Backend>>) -> Result<u8, Error> {
        let backends = &self.backend_files.add_to(backends)?;
        let names: Vec<_> = backends.iter().map(|backend| backend.profile().name).collect();
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        patterns::check("backend", &self.wanted, &names, &names)?;
        let is_wanted =
            |name: &str| self.wanted.is_empty() || self.wanted.iter().any(|pattern| pattern.is_match(name));
        choices::check(&self.choices, backends)?;
        let network = self.network.as_deref().map(|name| self.prepared(name)).transpose()?;
        if self.calibrate_machine {
            let wanted = backends.iter().filter(|backend| is_wanted(&backend.profile().name));
            calibrate_machine(backends, &wanted.map(|backend| backend.as_ref()).collect::<Vec<_>>())?;
        }
        let Some(mut network) = network else { return Ok(EXIT_OK) };
        rates::adopt(backends);
        for line in calibrate_if_needed(&mut network, &self.own, self.seed)? {
            writeln!(std::io::stderr(), "{}, assumed: {line}", network.architecture.name)?;
        }
        let tls = choices::encrypts_links(&self.choices);
        let link = if tls { self.link.clone().with_tls() } else { self.link.clone() };
        let job = Job::new(self.batch.get(), self.threads.get(), link);
        let (image, source) = match self.image {
            Some(index) => {
                let (image, dataset) = test_image(&network, &self.own, index)?;
                (image, format!("test image {index} of {dataset}"))
            }
            None => (made_up(&network), "a made-up image".to_owned()),
        };
        let mut out = std::io::stdout().lock();
        let mut shown = false;
        let over = match job.link.name() {
            "loopback" => String::new(),
            link => format!(" over {link}"),
        };
        for backend in backends {
            let name = backend.profile().name;
            if !is_wanted(&name) {
                continue;
            }
            let settings = choices::settings(&self.choices, backend.as_ref());
            let job = Job { settings, ..job.clone() };
            match backend.plan(&network.architecture, &job) {
                Ok(plan) => {
                    writeln!(out, "{name}: {} in batches of {}{over}", network.architecture.name, job.batch)?;
                    // What noise makes useless is shown all the same: its trace says where precision is lost.
                    match drawn_noise(backend.as_ref(), &network, &plan, &self.own, self.seed) {
                        Ok(said) => {
                            shown = true;
                            said.map_or(Ok(()), |said| writeln!(out, "  precision: {said}"))?;
                        }
                        Err(unsupported) => writeln!(out, "  not possible: {unsupported}")?,
                    }
                    if let Some(bits) = plan.security_bits {
                        writeln!(out, "  security: {bits} bits")?;
                    }
                    writeln!(out, "  logits within {:.1e} of the clear network's", plan.tolerance.get())?;
                    if let Some(source) = backend.rates_source() {
                        writeln!(out, "  times predicted from: {source}")?;
                    }
                    let figures = predicted(&plan).map_err(std::io::Error::from)?;
                    if !figures.is_empty() {
                        writeln!(out, "  predicted of a batch:")?;
                        show(&mut out, &Value::Object(figures), 2)?;
                    }
                    for (key, value) in chosen(backend.as_ref(), &network.architecture, &job, &plan) {
                        writeln!(out, "  {key}: {value}")?;
                    }
                    show(&mut out, &plan.parameters, 1)?;
                    for note in &plan.notes {
                        writeln!(out, "  note: {note}")?;
                    }
                    if self.trace {
                        let traced = backend.insecure_debug_trace(&network, &image).transpose();
                        match traced.map_err(Error::Trace)? {
                            Some(trace) => {
                                writeln!(
                                    out,
                                    "  insecure-debug trace of {source}, keys and weights in one process:"
                                )?;
                                show(&mut out, &trace, 2)?;
                            }
                            None => writeln!(out, "  no trace: {name} has none to show")?,
                        }
                    }
                }
                Err(unsupported) => writeln!(out, "{name}: not possible: {unsupported}")?,
            }
        }
        Ok(if shown { EXIT_OK } else { EXIT_FAILED })
    }

    /// The network as its file and the command line have it, without ranges from images.
    fn prepared(&self, name: &str) -> Result<Network, Error> {
        // Here the network is always named, and what is said of it is about the one.
        self.own.check(1, true)?;
        let mut network = network(name)?;
        let misfit = |reason| WorkloadError::Fit { network: name.to_owned(), reason };
        self.own.preparation.apply(&mut network).map_err(misfit)?;
        Ok(network)
    }
}

/// Measures what single steps of backends take here, and says where that is kept.
///
/// # Errors
/// [`Error::NoRates`] if none of them has any to measure.
fn calibrate_machine(all: &[Box<dyn Backend>], wanted: &[&dyn Backend]) -> Result<(), Error> {
    let (names, file) = rates::measure(wanted)?;
    if names.is_empty() {
        let name = |backend: &dyn Backend| backend.profile().name.into_owned();
        let predicting = all.iter().filter(|backend| backend.rates_source().is_some());
        let predicting = predicting.map(|backend| name(backend.as_ref())).collect();
        let asked = wanted.iter().map(|backend| name(*backend)).collect();
        return Err(Error::NoRates { asked, predicting });
    }
    Ok(writeln!(std::io::stderr(), "measured {}: {}", names.join(", "), file.display())?)
}

/// What a plan predicts, by name: the time of a batch too, if there is none of its phases.
fn predicted(plan: &veilbench_api::Plan) -> Result<Map<String, Value>, serde_json::Error> {
    let prediction = plan.prediction.clone().unwrap_or_default();
    let mut figures = Map::new();
    if let (None, Some(ns)) = (prediction.online_wall_ns, plan.predicted_batch_ns) {
        figures.insert("offline_and_online_wall_ns".into(), ns.into());
    }
    if let Value::Object(others) = serde_json::to_value(prediction)? {
        figures.extend(others);
    }
    Ok(figures)
}

/// What a backend chose where a setting leaves the choice to it and its parameters do not say: of several values that it can run the
/// only one that gives the same plan.
fn chosen(
    backend: &dyn Backend,
    architecture: &Architecture,
    job: &Job,
    plan: &veilbench_api::Plan,
) -> Vec<(&'static str, &'static str)> {
    let open = backend
        .settings()
        .iter()
        .filter(|setting| job.setting(setting) == AUTO && plan.parameters.get(setting.key).is_none());
    let with = |key: &str, value: &str| {
        let mut job = job.clone();
        job.settings.insert(key.to_owned(), value.to_owned());
        backend.plan(architecture, &job).ok()
    };
    open.filter_map(|setting| {
        let values = setting.values.iter().copied().filter(|value| *value != AUTO);
        let possible: Vec<_> = values.filter_map(|value| Some((value, with(setting.key, value)?))).collect();
        let mut same = possible.iter().filter(|(_, other)| other == plan);
        match (same.next(), same.next()) {
            (Some((value, _)), None) if possible.len() > 1 => Some((setting.key, *value)),
            _ => None,
        }
    })
    .collect()
}

/// An image of waves across the calibrated range.
fn made_up(network: &Network) -> Tensor {
    let shape = network.architecture.input;
    let range = network.architecture.input_range.unwrap_or(Range { low: -1.0, high: 1.0 });
    let wave = |index: usize| 0.5 + 0.5 * (index as f32 * 0.37).sin();
    let values = (0..shape.len()).map(|index| range.low + (range.high - range.low) * wave(index)).collect();
    Tensor::new(1, shape, values).unwrap_or_else(|| unreachable!("as many values as the shape has"))
}

/// Parameters line by line; a list of objects as a table.
fn show(out: &mut impl Write, value: &Value, depth: usize) -> Result<(), Error> {
    let Value::Object(fields) = value else { return Ok(()) };
    let indent = "  ".repeat(depth);
    for (name, value) in fields {
        let title = name.replace('_', " ");
        match value {
            Value::Object(_) => {
                writeln!(out, "{indent}{title}:")?;
                show(out, value, depth + 1)?;
            }
            Value::Array(rows) if rows.first().is_some_and(Value::is_object) => table(out, &indent, rows)?,
            _ => writeln!(out, "{indent}{title}: {}", text(name, value))?,
        }
    }
    Ok(())
}

fn table(out: &mut impl Write, indent: &str, rows: &[Value]) -> Result<(), Error> {
    let Some(Value::Object(first)) = rows.first() else { return Ok(()) };
    let names: Vec<&String> = first.keys().collect();
    let mut lines: Vec<Vec<String>> = vec![names.iter().map(|name| name.replace('_', " ")).collect()];
    lines.extend(rows.iter().map(|row| names.iter().map(|name| text(name, &row[name.as_str()])).collect()));
    for line in aligned(&lines, &[]).lines() {
        writeln!(out, "{indent}{line}")?;
    }
    Ok(())
}

/// A value with the unit its name ends in.
fn text(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            if name.ends_with("_ns") {
                format!("{number:.0} ({:.2} ms)", number / 1e6)
            } else if name.ends_with("_bytes") && number >= 1e6 {
                format!("{number:.0} ({:.1} MB)", number / 1e6)
            } else if number.fract() == 0.0 {
                format!("{number:.0}")
            } else if number.abs() < 0.01 {
                format!("{number:.1e}")
            } else {
                format!("{number:.2}")
            }
        }
        other => other.to_string(),
    }
}
