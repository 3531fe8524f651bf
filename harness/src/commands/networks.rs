//! `veilbench networks`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use veilbench_networks::{Network, import, zoo};

use crate::error::{EXIT_OK, Error};

#[derive(Args, Debug)]
pub(super) struct Networks {
    /// A network of the zoo, or an ONNX file, to show layer by layer
    #[arg(value_name = "NAME|FILE")]
    network: Option<String>,
}

impl Networks {
    pub(super) fn run(&self) -> Result<u8, Error> {
        match &self.network {
            Some(wanted) => {
                if let Ok(bytes) = zoo::bytes(wanted) {
                    show(&import::parse(bytes, wanted)?)?;
                } else {
                    show(&import::read(&PathBuf::from(wanted))?)?;
                }
            }
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
    for (input, layer) in architecture.steps() {
        let range =
            layer.range.map_or_else(String::new, |range| format!("  {:.3} .. {:.3}", range.low, range.high));
        writeln!(out, "  {:<10} {input} -> {}  {:?}{range}", layer.name, layer.output, layer.op)?;
    }
    let metadata = &network.metadata;
    writeln!(out, "data set: {}", metadata.dataset.as_deref().unwrap_or("not stated"))?;
    if !metadata.classes.is_empty() {
        writeln!(out, "classes: {}", metadata.classes.join(", "))?;
    }
    for (key, value) in &metadata.notes {
        writeln!(out, "{key}: {value}")?;
    }
    Ok(())
}
