//! Networks as ONNX files: IR version 8, operator set 13, weights as raw little-endian `f32`, a
//! symbolic batch dimension `N`, input `image`, output `logits`.
//!
//! Activations that operator set 13 lacks are written as the sums and products that exporters of its time
//! wrote for them. The bytes are a function of the network alone, and [`import`](crate::import) reads back exactly
//! what was written: names, shapes, ranges, metadata, and weights bit for bit.

mod activations;
mod graph;
mod nodes;
pub(crate) mod properties;

use std::io;
use std::path::{Path, PathBuf};

use prost::Message;
use thiserror::Error;
use tract_onnx::pb::{ModelProto, OperatorSetIdProto};

use crate::Network;
use crate::network::NetworkError;

const IR_VERSION: i64 = 8;
const OPERATOR_SET: i64 = 13;

/// Why a network was not written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The network does not pass [`Network::check`].
    #[error("the network cannot be exported: {0}")]
    Network(#[from] NetworkError),
    /// The file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// Where to.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Returns the network as the bytes of an ONNX file.
///
/// # Errors
/// If it fails [`Network::check`].
pub fn to_bytes(network: &Network) -> Result<Vec<u8>, NetworkError> {
    network.check()?;
    let model = ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPERATOR_SET }],
        producer_name: "veilbench".into(),
        graph: Some(graph::graph(network)),
        metadata_props: properties::write(network),
        ..Default::default()
    };
    Ok(model.encode_to_vec())
}

/// Writes the network to an ONNX file, replacing what was there.
///
/// # Errors
/// [`ExportError`] if it fails [`Network::check`], or the file cannot be written.
pub fn write(network: &Network, path: &Path) -> Result<(), ExportError> {
    let bytes = to_bytes(network)?;
    std::fs::write(path, bytes).map_err(|source| ExportError::Io { path: path.into(), source })
}
