//! `veilbench networks`.

mod annotate;

use std::io::Write;

use annotate::Annotate;
use clap::{Args, Subcommand};
use veilbench_api::{Backend, Job, LinkProfile, Plan};
use veilbench_networks::text::shown;
use veilbench_networks::{Network, zoo};
use veilbench_report::{aligned, bytes, duration};

use crate::error::{EXIT_OK, Error};
use crate::external::BackendFiles;
use crate::workload::WorkloadError;
use crate::workload::at_hand::drawn_noise;
use crate::workload::model::{calibrate_if_needed, network};
use crate::workload::own::OwnOptions;

/// Draws images as a run does whose user names no seed.
const SEED: u64 = 0;

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Networks {
    #[command(subcommand)]
    action: Option<Action>,
    /// A network of the zoo, or an ONNX file, to show layer by layer, with what each backend would do with it
    #[arg(value_name = "NAME|FILE")]
    network: Option<String>,
    #[command(flatten)]
    own: OwnOptions,
    #[command(flatten)]
    backend_files: BackendFiles,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write into an ONNX file what it does not say of its images and classes
    Annotate(Annotate),
}

impl Networks {
    pub(super) fn run(&self, backends: Vec<Box<dyn Backend>>) -> Result<u8, Error> {
        if let Some(Action::Annotate(command)) = &self.action {
            return command.run();
        }
        match &self.network {
            Some(wanted) => {
                self.own.check(1, true)?;
                let mut network = network(wanted)?;
                let misfit = |reason| WorkloadError::Fit { network: wanted.clone(), reason };
                self.own.preparation.apply(&mut network).map_err(misfit)?;
                let calibrated = calibrate_if_needed(&mut network, &self.own, SEED);
                show(&network)?;
                match calibrated {
                    Ok(assumed) => {
                        for line in assumed {
                            writeln!(std::io::stdout(), "assumed: {line}")?;
                        }
                        prospects(&self.backend_files.add_to(backends)?, &network, &self.own)?;
                    }
                    Err(error) => writeln!(
                        std::io::stdout(),
                        "what each backend would do with it depends on the ranges of its activations: {error}"
                    )?,
                }
            }
            None => list()?,
        }
        Ok(EXIT_OK)
    }
}

fn list() -> Result<(), Error> {
    let head = ["network", "input", "parameters", "MACs", "activations", "test accuracy"];
    let mut lines = vec![head.map(str::to_owned)];
    for name in zoo::names() {
        let Network { architecture, metadata, .. } = zoo::load(name)?;
        let accuracy = metadata.notes.get("accuracy").map_or("not stated", String::as_str);
        let counts = [architecture.parameters(), architecture.macs(), architecture.activations()];
        let [parameters, macs, activations] = counts.map(|count| count.to_string());
        let input = architecture.input.to_string();
        lines.push([name.to_owned(), input, parameters, macs, activations, accuracy.to_owned()]);
    }
    write!(std::io::stdout(), "{}", aligned(&lines, &[2, 3, 4]))?;
    Ok(())
}

fn show(network: &Network) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let architecture = &network.architecture;
    writeln!(out, "{}: {} -> {} classes", architecture.name, architecture.input, architecture.classes())?;
    let (parameters, macs, activations) =
        (architecture.parameters(), architecture.macs(), architecture.activations());
    writeln!(out, "{parameters} parameters, {macs} multiply-accumulates, {activations} activations")?;
    let layers = architecture.steps().map(|(input, layer)| {
        let range = layer.range.map(|range| format!("{:.3} .. {:.3}", range.low, range.high));
        let shapes = format!("{input} -> {}", layer.output);
        let macs = Some(layer.op.macs(layer.output)).filter(|macs| *macs > 0);
        let macs = macs.map_or_else(String::new, |macs| macs.to_string());
        [layer.name.clone(), shapes, layer.op.to_string(), macs, range.unwrap_or_default()]
    });
    let header = ["layer", "shape", "computes", "MACs", "range"].map(str::to_owned);
    let lines: Vec<[String; 5]> = std::iter::once(header).chain(layers).collect();
    for line in aligned(&lines, &[3]).lines() {
        writeln!(out, "  {line}")?;
    }
    let metadata = &network.metadata;
    writeln!(out, "data set: {}", shown(metadata.dataset.as_deref().unwrap_or("not stated")))?;
    if !metadata.classes.is_empty() {
        writeln!(out, "classes: {}", shown(&metadata.classes.join(", ")))?;
    }
    for (key, value) in &metadata.notes {
        writeln!(out, "{}: {}", shown(key), shown(value))?;
    }
    Ok(())
}

/// What each backend would do with one image at a time on one thread over loopback, as its plan predicts, or why it cannot.
fn prospects(backends: &[Box<dyn Backend>], network: &Network, own: &OwnOptions) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "one image, one thread, loopback, predicted:")?;
    let width = backends.iter().map(|backend| backend.profile().name.len()).max().unwrap_or(0);
    for backend in backends {
        let job = Job::new(1, 1, LinkProfile::loopback());
        let told = backend.plan(&network.architecture, &job).and_then(|plan| {
            let precision = drawn_noise(backend.as_ref(), network, &plan, own, SEED)?;
            Ok([Some(figures(&plan)), precision].into_iter().flatten().collect::<Vec<_>>().join("; "))
        });
        let told = told.unwrap_or_else(|unsupported| format!("not possible: {unsupported}"));
        writeln!(out, "  {:<width$}  {told}", backend.profile().name)?;
    }
    Ok(())
}

/// The figures of a plan in one line; what it does not predict is left out.
fn figures(plan: &Plan) -> String {
    let prediction = plan.prediction.clone().unwrap_or_default();
    let size = |figure: Option<u64>, what: &str| Some(format!("{} {what}", bytes(figure? as f64)));
    let told = [
        prediction.online_wall_ns.map(|ns| format!("{} online", duration(ns as f64))).or_else(|| {
            plan.predicted_batch_ns.map(|ns| format!("{} offline and online", duration(ns as f64)))
        }),
        size(prediction.online_bytes, "online"),
        size(prediction.offline_bytes, "offline"),
        size(prediction.setup_bytes, "in setup"),
        size(prediction.session_peak_rss_bytes, "of memory for all roles"),
        plan.security_bits.map(|bits| format!("{bits} bits of security")),
        Some(format!("logits within {:.1e}", plan.tolerance.get())),
    ];
    told.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
