//! The whole state of a training in one file, in libtorch's own format.

use std::path::Path;

use tch::{Kind, Tensor};

use crate::error::Error;

/// Tensors by name, steps done, and what kind of training they belong to.
#[derive(Debug)]
pub struct Checkpoint {
    /// Describes recipe, seed, length and images: only a training with an equal one may go on from here.
    pub identity: String,
    /// Steps done.
    pub steps: u64,
    /// The tensors; libtorch keeps dots in names but not bars.
    pub tensors: Vec<(String, Tensor)>,
}

const IDENTITY: &str = "identity";
const STEPS: &str = "steps";

impl Checkpoint {
    /// Replaces the file at `path` in one go, creating its folder.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let failed = |reason: String| Error::Write { path: path.to_owned(), reason };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        }
        let identity = Tensor::from_slice(self.identity.as_bytes());
        let steps = Tensor::from_slice(&[self.steps as i64]);
        let mut named = vec![(IDENTITY, &identity), (STEPS, &steps)];
        named.extend(self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)));
        let partial = path.with_extension("partial");
        Tensor::save_multi(&named, &partial).map_err(|error| failed(error.to_string()))?;
        std::fs::rename(&partial, path).map_err(|error| failed(error.to_string()))
    }

    /// Reads the file at `path`, if there is one.
    ///
    /// # Errors
    /// [`Error::DamagedCheckpoint`].
    pub fn load(path: &Path) -> Result<Option<Self>, Error> {
        if !path.exists() {
            return Ok(None);
        }
        let damaged = |reason: String| Error::DamagedCheckpoint { path: path.to_owned(), reason };
        let mut tensors =
            Tensor::load_multi(path).map_err(|error| damaged(first_line(&error.to_string())))?;
        let mut take = |name: &str, kind: Kind| {
            let found = tensors.iter().position(|(other, tensor)| other == name && tensor.kind() == kind);
            found
                .map(|index| tensors.swap_remove(index).1)
                .ok_or_else(|| damaged(format!("it has no {name}")))
        };
        let identity = take(IDENTITY, Kind::Uint8)?;
        let mut bytes = vec![0; identity.numel()];
        identity.copy_data(&mut bytes, identity.numel());
        let steps = take(STEPS, Kind::Int64)?;
        if steps.numel() != 1 {
            return Err(damaged("it has several step counts".into()));
        }
        Ok(Some(Self {
            identity: String::from_utf8_lossy(&bytes).into_owned(),
            steps: steps.int64_value(&[0]) as u64,
            tensors,
        }))
    }

    /// Copies the tensor called `name` into `target`, of the same shape.
    ///
    /// # Errors
    /// [`Error::DamagedCheckpoint`] if it is not there, or has another shape.
    pub fn restore(&self, path: &Path, name: &str, target: &Tensor) -> Result<(), Error> {
        let damaged = |reason| Error::DamagedCheckpoint { path: path.to_owned(), reason };
        let Some((_, tensor)) = self.tensors.iter().find(|(other, _)| other == name) else {
            return Err(damaged(format!("it has no {name}")));
        };
        if tensor.size() != target.size() || tensor.kind() != target.kind() {
            return Err(damaged(format!("its {name} has another shape")));
        }
        tch::no_grad(|| target.shallow_clone().copy_(tensor));
        Ok(())
    }
}

/// libtorch appends a backtrace to its messages.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}
