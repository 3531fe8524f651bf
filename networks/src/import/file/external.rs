//! Weights in files beside the model (ONNX "external data"), read into it.
//!
//! A location is a relative path without `..`, and the file it leads to must lie in the folder of the model, links
//! resolved. So a model cannot have other files of the machine read.
//! Source: `onnx.proto`, `TensorProto.external_data`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use memchr::memmem;
use prost::Message;
use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::{GraphProto, ModelProto, NodeProto, TensorProto};

use super::graph::label;
use crate::import::error::{Refusal, quote};
use crate::import::file::budget;
use crate::import::{ImportError, MAX_FILE_BYTES};

/// Key of the entry that every tensor elsewhere has.
const LOCATION: &str = "location";

/// True if the tensor's values are in another file.
pub(crate) fn is_elsewhere(tensor: &TensorProto) -> bool {
    tensor.data_location == Some(DataLocation::External as i32) || !tensor.external_data.is_empty()
}

/// The bytes of a model with all its weights inside: unchanged if they are, else encoded anew. Damage is left
/// for the decoder to report.
///
/// # Errors
/// [`ImportError::Node`] or [`ImportError::Model`] with the tensor and its location if that is not a file within the
/// model's folder, or not as long as the model says; [`ImportError::TooLarge`] above [`MAX_FILE_BYTES`] in all.
pub(crate) fn embed(bytes: Vec<u8>, path: &Path) -> Result<Vec<u8>, ImportError> {
    if memmem::find(&bytes, LOCATION.as_bytes()).is_none() || budget::check_structure(&bytes).is_err() {
        return Ok(bytes);
    }
    let Ok(mut model) = ModelProto::decode(&bytes[..]) else { return Ok(bytes) };
    let mut folder = Folder::of(path, bytes.len() as u64);
    let mut found = false;
    let mut outcome = Ok(());
    each_tensor(&mut model, &mut |tensor: &mut TensorProto| {
        if outcome.is_ok() && is_elsewhere(tensor) {
            found = true;
            outcome = folder.fill(tensor).map_err(|problem| (tensor.name.clone(), problem));
        }
    });
    let file = || path.display().to_string();
    match outcome {
        Ok(()) if found => Ok(model.encode_to_vec()),
        Ok(()) => Ok(bytes),
        Err((_, Problem::TooLarge)) => Err(ImportError::TooLarge { file: file() }),
        Err((tensor, Problem::Reason(reason))) => Err(refusal(&model, &tensor, &reason).in_file(&file())),
    }
}

/// By the node that reads the tensor, if there is one.
fn refusal(model: &ModelProto, tensor: &str, reason: &str) -> Refusal {
    let mut nodes = model.graph.iter().flat_map(|graph| &graph.node);
    let reason = format!("its input {}: its external data {reason}", quote(tensor));
    match nodes.find(|node| node.input.iter().any(|input| input == tensor)) {
        Some(node) => {
            let operator = quote(&node.op_type).trim_matches('"').to_owned();
            Refusal::Node { node: label(node), operator, reason }
        }
        None => Refusal::model(format!("tensor {}: {}", quote(tensor), reason)),
    }
}

/// The tensors that an import may read: those of the graph, and those in attributes of nodes and of functions.
fn each_tensor(model: &mut ModelProto, see: &mut impl FnMut(&mut TensorProto)) {
    if let Some(GraphProto { initializer, node, .. }) = &mut model.graph {
        initializer.iter_mut().for_each(&mut *see);
        of_nodes(node, see);
    }
    for function in &mut model.functions {
        of_nodes(&mut function.node, see);
    }
}

fn of_nodes(nodes: &mut [NodeProto], see: &mut impl FnMut(&mut TensorProto)) {
    let attributes = nodes.iter_mut().flat_map(|node| &mut node.attribute);
    attributes.filter_map(|attribute| attribute.t.as_mut()).for_each(see);
}

enum Problem {
    TooLarge,
    Reason(String),
}

impl From<String> for Problem {
    fn from(reason: String) -> Self {
        Problem::Reason(reason)
    }
}

/// Where the files are, and how many bytes may still be read.
struct Folder {
    path: PathBuf,
    /// The folder with all links resolved, and that of the model: of a cache, the model itself may be a link.
    allowed: Vec<PathBuf>,
    left: u64,
    open: Option<(PathBuf, File)>,
}

impl Folder {
    fn of(model: &Path, model_bytes: u64) -> Self {
        let path = model.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let resolved = model.canonicalize().ok().and_then(|model| model.parent().map(Path::to_path_buf));
        let allowed = path.canonicalize().ok().into_iter().chain(resolved).collect();
        Self { path: path.into(), allowed, left: MAX_FILE_BYTES.saturating_sub(model_bytes), open: None }
    }

    /// Puts the values of a tensor into it.
    fn fill(&mut self, tensor: &mut TensorProto) -> Result<(), Problem> {
        let entry = |key: &str| {
            let entry = tensor.external_data.iter().find(|entry| entry.key == key);
            entry.map(|entry| entry.value.as_str())
        };
        let number = |key: &str| -> Result<Option<u64>, String> {
            let stated = entry(key).map(|value| value.trim().parse::<u64>());
            stated.transpose().map_err(|_| format!("has the {key} {}", quote(entry(key).unwrap_or_default())))
        };
        let location = entry(LOCATION).ok_or_else(|| "has no location".to_owned())?;
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        let values = self.read(location, offset, length)?;
        let before = [tensor.float_data.len(), tensor.int32_data.len(), tensor.int64_data.len()];
        if before != [0; 3] || !tensor.double_data.is_empty() {
            return Err(Problem::Reason("stands beside data in the model".into()));
        }
        tensor.raw_data = values;
        tensor.data_location = None;
        tensor.external_data.clear();
        Ok(())
    }

    fn read(&mut self, location: &str, offset: u64, length: Option<u64>) -> Result<Vec<u8>, Problem> {
        let shown = quote(location);
        let failed = |error: std::io::Error| {
            Problem::Reason(format!("is in {shown}, which cannot be read: {error}; keep it beside the model"))
        };
        let path = self.file(location)?;
        if self.open.as_ref().is_none_or(|(open, _)| *open != path) {
            let file = File::open(&path).map_err(failed)?;
            self.open = Some((path, file));
        }
        let Some((_, file)) = &mut self.open else { return Err("is not open".to_owned().into()) };
        let size = file.metadata().map_err(failed)?.len();
        let end = length.map_or(Some(size.max(offset)), |length| offset.checked_add(length));
        let Some(end) = end.filter(|&end| end <= size) else {
            return Err(Problem::Reason(format!(
                "ends beyond the {size} bytes of {shown}: one of the two files is from another export"
            )));
        };
        let length = end - offset;
        self.left = self.left.checked_sub(length).ok_or(Problem::TooLarge)?;
        let mut values = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        file.take(length).read_to_end(&mut values).map_err(failed)?;
        if values.len() as u64 != length {
            return Err(Problem::Reason(format!("in {shown} became shorter while it was read")));
        }
        Ok(values)
    }

    /// The file of a location, which is a regular one in an allowed folder.
    fn file(&self, location: &str) -> Result<PathBuf, Problem> {
        let shown = quote(location);
        let relative = Path::new(location);
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
        if location.is_empty() || location.contains('\\') || !relative.components().all(is_plain) {
            return Err(Problem::Reason(format!(
                "is in {shown}: only files in the model's folder are read, save them beside it"
            )));
        }
        let missing = |error: std::io::Error| {
            Problem::Reason(format!("is in {shown}, which cannot be read: {error}; keep it beside the model"))
        };
        let path = self.path.join(relative).canonicalize().map_err(missing)?;
        if !self.allowed.iter().any(|folder| path.starts_with(folder)) {
            return Err(Problem::Reason(format!(
                "is in {shown}, a link out of the model's folder: copy the file there"
            )));
        }
        // A pipe or a device may never end, or never begin.
        if !std::fs::metadata(&path).map_err(missing)?.is_file() {
            return Err(Problem::Reason(format!("is in {shown}, which is not a regular file")));
        }
        Ok(path)
    }
}
