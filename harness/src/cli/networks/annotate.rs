//! `veilbench networks annotate`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use tempfile::NamedTempFile;
use veilbench_networks::annotate::annotate;
use veilbench_networks::import;

use crate::error::{EXIT_OK, Error};
use crate::workload::WorkloadError;
use crate::workload::preparation::Preparation;

#[derive(Args, Debug)]
pub(super) struct Annotate {
    /// An ONNX file
    #[arg(value_name = "FILE")]
    model: PathBuf,
    #[command(flatten)]
    preparation: Preparation,
    /// Id of the data set it is for
    #[arg(long, value_name = "ID", help_heading = "Your own model")]
    dataset: Option<String>,
    /// Where to write it [default: in place of the file]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Annotate {
    pub(super) fn run(&self) -> Result<u8, Error> {
        if self.preparation.is_empty() && self.dataset.is_none() {
            let reason = "say what to write: --mean, --std, --scale, --channels, --classes or --dataset";
            return Err(Error::Own { reason: reason.into() });
        }
        let file = self.model.display().to_string();
        let bytes = import::read_bytes(&self.model)?;
        let network = import::parse(&bytes, &file)?;
        let misfit = |reason: String| WorkloadError::Fit { network: file.clone(), reason };
        let mut annotation = self.preparation.annotation(&network).map_err(misfit)?;
        annotation.dataset.clone_from(&self.dataset);
        let annotated = annotate(&bytes, &annotation).map_err(|error| misfit(error.to_string()))?;
        // What is written has to be read as it was meant.
        let metadata = import::parse(&annotated, &file)?.metadata;
        let out = self.out.as_ref().unwrap_or(&self.model);
        replace(out, &annotated).map_err(|source| WorkloadError::Io {
            doing: "writing",
            path: out.clone(),
            source,
        })?;
        let mut output = io::stdout().lock();
        writeln!(output, "{}:", out.display())?;
        for (key, value) in annotation_lines(&metadata) {
            writeln!(output, "  {key}: {value}")?;
        }
        Ok(EXIT_OK)
    }
}

/// What a file says of its images and classes.
fn annotation_lines(metadata: &veilbench_networks::Metadata) -> Vec<(&'static str, String)> {
    use veilbench_networks::annotate::CHANNELS;
    use veilbench_networks::text::shown;

    let mut lines = Vec::new();
    lines.extend(metadata.dataset.as_deref().map(|dataset| ("data set", shown(dataset))));
    if !metadata.classes.is_empty() {
        lines.push(("classes", shown(&metadata.classes.join(", "))));
    }
    if let Some(normalisation) = &metadata.normalisation {
        lines.push(("mean, of pixels from 0 to 1", format!("{:?}", normalisation.mean)));
        lines.push(("deviation", format!("{:?}", normalisation.deviation)));
    }
    lines.extend(metadata.notes.get(CHANNELS).map(|order| ("channels", shown(order))));
    lines
}

/// Writes a file that is there whole or not at all, with the permissions of the one it replaces.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match fs::metadata(path) {
        Ok(facts) => fs::set_permissions(file.path(), facts.permissions())?,
        Err(_) => fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?,
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
