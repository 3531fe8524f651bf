//! Where data is on this machine.

pub(crate) mod cache;
pub(crate) mod catalog;
pub(crate) mod fetch;
pub(crate) mod import;
pub(crate) mod list;

use crate::Error;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A data folder, which may be read-only, and a writable folder for decoded images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    data: PathBuf,
    cache: PathBuf,
}

impl Store {
    /// These two folders; neither has to exist.
    pub fn new(data: impl Into<PathBuf>, cache: impl Into<PathBuf>) -> Store {
        Store { data: data.into(), cache: cache.into() }
    }

    /// `VEILBENCH_DATA` and `VEILBENCH_CACHE`, else `veilbench` in the user's data and cache folders
    /// (`XDG_DATA_HOME`, `XDG_CACHE_HOME`, else `~/.local/share`, `~/.cache`).
    ///
    /// # Errors
    /// [`Error::NoFolder`] if none of these is set.
    pub fn from_env() -> Result<Store, Error> {
        Store::from_variables(|name| env::var_os(name).filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Store, Error> {
        let folder = |own: &str, xdg: &str, home: &str| {
            variable(own)
                .map(PathBuf::from)
                .or_else(|| {
                    variable(xdg).map(PathBuf::from).filter(|p| p.is_absolute()).map(|p| p.join("veilbench"))
                })
                .or_else(|| variable("HOME").map(|p| Path::new(&p).join(home).join("veilbench")))
                .ok_or(Error::NoFolder)
        };
        Ok(Store {
            data: folder("VEILBENCH_DATA", "XDG_DATA_HOME", ".local/share")?,
            cache: folder("VEILBENCH_CACHE", "XDG_CACHE_HOME", ".cache")?,
        })
    }

    /// The folder the data sets' folders are in.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The folder of decoded images.
    pub fn cache(&self) -> &Path {
        &self.cache
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(variables: &[(&str, &str)]) -> Result<Store, Error> {
        Store::from_variables(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn own_variables_win_over_xdg_and_xdg_over_home() {
        let home = [("HOME", "/h")];
        let xdg = [("HOME", "/h"), ("XDG_DATA_HOME", "/x"), ("XDG_CACHE_HOME", "relative")];
        let own = [("VEILBENCH_DATA", "/d"), ("VEILBENCH_CACHE", "c"), ("XDG_DATA_HOME", "/x")];
        assert_eq!(store(&home).unwrap(), Store::new("/h/.local/share/veilbench", "/h/.cache/veilbench"));
        assert_eq!(store(&xdg).unwrap(), Store::new("/x/veilbench", "/h/.cache/veilbench"));
        assert_eq!(store(&own).unwrap(), Store::new("/d", "c"));
    }

    #[test]
    fn no_variable_at_all_is_an_error() {
        assert!(matches!(store(&[]), Err(Error::NoFolder)));
    }
}
