//! The files that parties read: the model for one role, the images for another.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use veilbench_networks::Tensor;

use crate::workload::WorkloadError;

/// What parties read, and what their answers are held against.
pub(super) struct Files {
    pub(super) weights: PathBuf,
    pub(super) images: PathBuf,
    /// Logits of the oracle, image after image.
    pub(super) clear: Tensor<f64>,
}

impl Files {
    pub(super) fn write(
        folder: &Path,
        name: &str,
        model: &[u8],
        tensor: &Tensor,
        clear: Tensor<f64>,
    ) -> Result<Self, WorkloadError> {
        let (weights, images_file) =
            (folder.join(format!("{name}.onnx")), folder.join(format!("{name}.images")));
        write(&weights, |file| file.write_all(model))?;
        write_images(&images_file, tensor)?;
        Ok(Self { weights, images: images_file, clear })
    }
}

/// Writes images as parties read them: little-endian `f32`, image after image.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_images(path: &Path, images: &Tensor) -> Result<(), WorkloadError> {
    let mut values = images.data().iter();
    write(path, |file| values.try_for_each(|value| file.write_all(&value.to_le_bytes())))
}

fn write(
    path: &Path,
    fill: impl FnOnce(&mut io::BufWriter<fs::File>) -> io::Result<()>,
) -> Result<(), WorkloadError> {
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).truncate(true).write(true).mode(0o600).open(path).map(io::BufWriter::new);
    let written = file.and_then(|mut file| {
        fill(&mut file)?;
        file.flush()
    });
    written.map_err(|source| WorkloadError::io("writing", path, source))
}
