//! Systems of others that come with the program: their folders are in the executable, and unpacked where they are used.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

/// A system that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// The name in its manifest.
    pub name: &'static str,
    /// Its folder among the others.
    folder: &'static str,
}

/// Every system, the baseline first.
const SYSTEMS: [Shipped; 10] = [
    Shipped { name: "clear-numpy", folder: "clear-numpy" },
    Shipped { name: "tenseal", folder: "systems/tenseal" },
    Shipped { name: "crypten", folder: "systems/crypten" },
    Shipped { name: "spu-semi2k", folder: "systems/spu-semi2k" },
    Shipped { name: "spu-cheetah", folder: "systems/spu-cheetah" },
    Shipped { name: "spu-aby3", folder: "systems/spu-aby3" },
    Shipped { name: "pysyft", folder: "systems/pysyft" },
    Shipped { name: "helayers", folder: "systems/helayers" },
    Shipped { name: "orion", folder: "systems/orion" },
    Shipped { name: "concrete-ml", folder: "systems/concrete-ml" },
];

/// A file by its path below `backends/external`.
macro_rules! file {
    ($path:literal) => {
        ($path, include_str!(concat!("../../", $path)))
    };
}

/// All their files.
const FILES: [(&str, &str); 28] = [
    file!("python/veilbench_party.py"),
    file!("python/veilbench_numpy.py"),
    file!("python/veilbench_version.py"),
    file!("python/veilbench_spu.py"),
    file!("python/veilbench_spu_program.py"),
    file!("clear-numpy/backend.toml"),
    file!("clear-numpy/roles.py"),
    file!("systems/tenseal/backend.toml"),
    file!("systems/tenseal/roles.py"),
    file!("systems/crypten/backend.toml"),
    file!("systems/crypten/links.py"),
    file!("systems/crypten/roles.py"),
    file!("systems/spu-semi2k/backend.toml"),
    file!("systems/spu-semi2k/roles.py"),
    file!("systems/spu-cheetah/backend.toml"),
    file!("systems/spu-cheetah/roles.py"),
    file!("systems/spu-aby3/backend.toml"),
    file!("systems/spu-aby3/roles.py"),
    file!("systems/pysyft/backend.toml"),
    file!("systems/pysyft/roles.py"),
    file!("systems/helayers/backend.toml"),
    file!("systems/helayers/roles.py"),
    file!("systems/orion/backend.toml"),
    file!("systems/orion/network.py"),
    file!("systems/orion/roles.py"),
    file!("systems/concrete-ml/backend.toml"),
    file!("systems/concrete-ml/network.py"),
    file!("systems/concrete-ml/roles.py"),
];

impl Shipped {
    /// Returns every system that comes with the program.
    pub fn all() -> &'static [Shipped] {
        &SYSTEMS
    }

    /// Writes the files below `into`, those that are there already excepted, and returns the system's folder.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn unpack(&self, into: &Path) -> io::Result<PathBuf> {
        let mut hash = Sha256::new();
        for (path, text) in FILES {
            hash.update(path);
            hash.update(text);
        }
        let version = hex::encode(&hash.finalize()[..8]);
        let root = into.join(version);
        for (path, text) in FILES {
            let path = root.join(path);
            // Another process may unpack the same at the same time: a file is there as a whole or not at all.
            if fs::read_to_string(&path).is_ok_and(|there| there == text) {
                continue;
            }
            let folder = path.parent().unwrap_or(&root);
            fs::create_dir_all(folder)?;
            let mut file = NamedTempFile::new_in(folder)?;
            file.write_all(text.as_bytes())?;
            file.persist(&path)?;
        }
        Ok(root.join(self.folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::External;

    #[test]
    fn every_system_is_unpacked_whole_and_goes_by_its_name() {
        let folders = tempfile::tempdir().unwrap();
        for system in Shipped::all() {
            let backend = External::shipped(system, folders.path(), folders.path()).unwrap();
            assert_eq!(backend.manifest().name, system.name);
            let install = backend.manifest().install.as_ref().unwrap();
            assert!(install.download_mb.is_some() && install.disk_mb.is_some(), "{}", system.name);
            assert!(backend.manifest().citation.is_some() || system.name == "clear-numpy");
        }
    }

    #[test]
    fn every_folder_of_a_system_is_in_the_executable() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        for entry in fs::read_dir(here.join("systems")).unwrap() {
            for file in fs::read_dir(entry.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let name = path.strip_prefix(here).unwrap().to_str().unwrap().to_owned();
                assert!(path.is_dir() || FILES.iter().any(|(known, _)| *known == name), "{name}");
            }
        }
    }

    #[test]
    fn what_was_changed_since_it_was_unpacked_is_put_right() {
        let folders = tempfile::tempdir().unwrap();
        let folder = SYSTEMS[0].unpack(folders.path()).unwrap();
        fs::write(folder.join("roles.py"), "changed").unwrap();
        assert_eq!(SYSTEMS[0].unpack(folders.path()).unwrap(), folder);
        assert!(fs::read_to_string(folder.join("roles.py")).unwrap().contains("veilbench_party"));
    }
}
