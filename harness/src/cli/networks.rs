//! `veilbench networks`.

use std::io::Write;

use clap::{Args, Subcommand};
use veilbench_networks::text::shown;
use veilbench_networks::{Network, zoo};

use super::annotate::Annotate;
use crate::error::{EXIT_OK, Error};
use crate::workload::model::network;

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Networks {
    #[command(subcommand)]
    action: Option<Action>,
    /// A network of the zoo, or an ONNX file, to show layer by layer
    #[arg(value_name = "NAME|FILE")]
    network: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write into an ONNX file what it does not say of its images and classes
    Annotate(Annotate),
}

impl Networks {
    pub(super) fn run(&self) -> Result<u8, Error> {
        if let Some(Action::Annotate(command)) = &self.action {
            return command.run();
        }
        match &self.network {
            Some(wanted) => show(&network(wanted)?)?,
            None => list()?,
        }
        Ok(EXIT_OK)
    }
}

fn list() -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:<22} {:<10} {:>10} {:>11} {:>11}  test accuracy",
        "network", "input", "parameters", "MACs", "activations"
    )?;
    for name in zoo::names() {
        let Network { architecture, metadata, .. } = zoo::load(name)?;
        let accuracy = metadata.notes.get("accuracy").map_or("not stated", String::as_str);
        let (input, macs) = (architecture.input.to_string(), architecture.macs());
        let (parameters, activations) = (architecture.parameters(), architecture.activations());
        writeln!(out, "{name:<22} {input:<10} {parameters:>10} {macs:>11} {activations:>11}  {accuracy}")?;
    }
    Ok(())
}

fn show(network: &Network) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let architecture = &network.architecture;
    writeln!(out, "{}: {} -> {} classes", architecture.name, architecture.input, architecture.classes())?;
    let layers = architecture.steps().map(|(input, layer)| {
        let range = layer.range.map(|range| format!("{:.3} .. {:.3}", range.low, range.high));
        let shapes = format!("{input} -> {}", layer.output);
        [layer.name.clone(), shapes, layer.op.to_string(), range.unwrap_or_default()]
    });
    let header = ["layer", "shape", "computes", "range"].map(str::to_owned);
    let lines: Vec<[String; 4]> = std::iter::once(header).chain(layers).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for [name, shapes, computes, range] in &lines {
        let line =
            format!("  {name:<0$}  {shapes:<1$}  {computes:<2$}  {range}", widths[0], widths[1], widths[2]);
        writeln!(out, "{}", line.trim_end())?;
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
