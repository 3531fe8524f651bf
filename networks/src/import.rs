//! ONNX files, whoever made them, as networks.
//!
//! The graph is lowered symbolically. A value that depends on the image is an *activation*: the output
//! of a layer, seen through a per-channel polynomial and a layout of axes. Arithmetic with constants
//! changes the polynomial, transposes and reshapes change the layout, and only an operator that
//! cannot be expressed so makes a layer: one that reads one layer, or a sum or concatenation that reads
//! several. Slices, splits and channels in another order become convolutions with constant weights; products
//! that exporters write for an activation become that activation. So a batch normalisation, a bias, a square written as `x * x`
//! and a flatten in NHWC order need no special cases: they are settled when the next layer consumes
//! the value.
//!
//! Operator sets 7 to 26 are read. What cannot be represented is refused by node, operator and
//! attribute, never approximated. A file is data: nothing it says can panic, recurse deeply or make the
//! import allocate more than a small multiple of the file's own size.

mod attributes;
mod binary;
mod error;
mod file;
mod functions;
mod layers;
mod lower;
mod operators;
mod values;
mod views;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use prost::Message;
use tract_onnx::pb::ModelProto;

pub use error::ImportError;

use crate::Network;
use crate::export::properties::Properties;
use error::Refusal;
pub(crate) use error::quote;

/// Largest file that is read.
pub const MAX_FILE_BYTES: u64 = 1 << 30;

/// Reads a network from an ONNX file, and from the files beside it that hold its weights. The result passes [`Network::check`].
///
/// # Errors
/// Those of [`read_bytes`] and [`parse`].
pub fn read(path: &Path) -> Result<Network, ImportError> {
    parse(&read_bytes(path)?, &path.display().to_string())
}

/// The bytes of an ONNX file, for [`parse`]: for callers that also hash or store them. Weights that are in files
/// beside it (external data) are put into them.
///
/// # Errors
/// [`ImportError::Io`]; [`ImportError::TooLarge`] above [`MAX_FILE_BYTES`], of which no more than one
/// byte too many is read; [`ImportError::Node`] and [`ImportError::Model`] with the tensor whose data is not in a file
/// within the model's folder.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, ImportError> {
    let file = path.display().to_string();
    let mut bytes = Vec::new();
    // A pipe or a device may never end, or never begin.
    let regular = std::fs::metadata(path).map(|meta| meta.is_file());
    if !regular.map_err(|source| ImportError::Io { file: file.clone(), source })? {
        let source = std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a regular file");
        return Err(ImportError::Io { file, source });
    }
    File::open(path)
        .and_then(|opened| opened.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|source| ImportError::Io { file: file.clone(), source })?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ImportError::TooLarge { file });
    }
    file::external::embed(bytes, path)
}

/// Reads a network from the bytes of an ONNX file; `name` stands for the file in errors, and for the
/// network if the file does not name it.
///
/// # Errors
/// [`ImportError`]: all of them name the file, and those of nodes the node, its operator and what of it cannot be represented.
pub fn parse(bytes: &[u8], name: &str) -> Result<Network, ImportError> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(ImportError::TooLarge { file: name.into() });
    }
    if bytes.is_empty() {
        return Err(ImportError::Model { file: name.into(), reason: "it is empty".into() });
    }
    let corrupt = |reason: String| ImportError::Corrupt { file: name.into(), reason };
    file::budget::check_structure(bytes).map_err(corrupt)?;
    let mut model = ModelProto::decode(bytes).map_err(|error| corrupt(error.to_string()))?;
    let lowered = file::inlining::inline(&mut model).and_then(|()| lower(&model, bytes.len(), name));
    let network = lowered.map_err(|refusal| refusal.in_file(name))?;
    network.check().map_err(|source| ImportError::Network { file: name.into(), source })?;
    Ok(network)
}

fn lower(model: &ModelProto, file_bytes: usize, name: &str) -> Result<Network, Refusal> {
    let properties = Properties::read(&model.metadata_props).map_err(Refusal::Model)?;
    let graph = file::graph::Graph::new(model)?;
    lower::network(&graph, &properties, file_bytes, name)
}
