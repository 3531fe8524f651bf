//! The network as files for the party that holds the weights: one ONNX file, and the parameters of each layer as `.npy`.
//!
//! They are in a folder that only the user can enter and are gone with the session: removed by this process, by the watchdog if this
//! process is killed, and by the next session if that is killed too.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use veilbench_networks::{Network, Op, Parameters, export};

use crate::briefing::npy;
use crate::error::ExternalError;
use crate::private_folder::PrivateFolder;

/// The folder; dropped, its files are removed.
pub(crate) struct WeightFiles {
    pub(crate) folder: PrivateFolder,
    pub(crate) paths: WeightPaths,
}

/// What the briefing says of it.
#[derive(Debug, Serialize)]
pub(crate) struct WeightPaths {
    /// The whole network.
    onnx: PathBuf,
    /// Files of each layer, in the order of the architecture's layers.
    layers: Vec<LayerFiles>,
}

/// Files of one layer; none for a layer without parameters.
#[derive(Debug, Default, Serialize)]
struct LayerFiles {
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bias: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coefficients: Option<PathBuf>,
}

impl WeightFiles {
    pub(crate) fn write(network: &Network) -> Result<Self, ExternalError> {
        let failed = |error: &dyn std::fmt::Display| ExternalError::Weights(error.to_string());
        let folder = PrivateFolder::new().map_err(|error| failed(&error))?;
        let onnx = folder.path().join("network.onnx");
        export::write(network, &onnx).map_err(|error| failed(&error))?;
        fs::set_permissions(&onnx, Permissions::from_mode(npy::MODE)).map_err(|error| failed(&error))?;
        let layers = network.architecture.layers.iter().zip(&network.parameters).enumerate();
        let layers = layers
            .map(|(index, (layer, parameters))| files(folder.path(), index, &layer.op, parameters))
            .collect::<Result<_, _>>()
            .map_err(|error| failed(&error))?;
        Ok(Self { folder, paths: WeightPaths { onnx, layers } })
    }
}

fn files(folder: &Path, index: usize, op: &Op, parameters: &Parameters) -> std::io::Result<LayerFiles> {
    let write = |what: &str, shape: &[usize], values: &[f32]| {
        let path = folder.join(format!("{index}.{what}.npy"));
        npy::write(&path, shape, values).map(|()| Some(path))
    };
    Ok(match (op, parameters) {
        (Op::Dense(dense), Parameters::Affine { weights, bias }) => LayerFiles {
            weights: write("weights", &[dense.outputs, dense.inputs], weights)?,
            bias: write("bias", &[dense.outputs], bias)?,
            coefficients: None,
        },
        (Op::Conv2d(conv), Parameters::Affine { weights, bias }) => {
            let [rows, columns] = conv.window.kernel;
            let shape = [conv.outputs, conv.inputs / conv.groups.max(1), rows, columns];
            LayerFiles {
                weights: write("weights", &shape, weights)?,
                bias: write("bias", &[conv.outputs], bias)?,
                coefficients: None,
            }
        }
        (Op::Polynomial(polynomial), Parameters::Polynomial { coefficients }) => LayerFiles {
            coefficients: write("coefficients", &[polynomial.channels, polynomial.degree + 1], coefficients)?,
            ..LayerFiles::default()
        },
        _ => LayerFiles::default(),
    })
}

#[cfg(test)]
mod tests {
    use veilbench_api::conformance::test_networks;

    use super::*;

    #[test]
    fn nobody_else_can_enter_the_folder_or_read_a_file() {
        let written = WeightFiles::write(&test_networks::all().remove(0)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(written.folder.path()), 0o700);
        let files = written.paths.layers.iter().flat_map(|files| [&files.weights, &files.bias]).flatten();
        let files: Vec<&PathBuf> = files.chain([&written.paths.onnx]).collect();
        assert!(files.len() > 2);
        assert!(files.iter().all(|file| mode(file) == 0o600), "{files:?}");
        let folder = written.folder.path().to_owned();
        drop(written);
        assert!(!folder.exists());
    }
}
