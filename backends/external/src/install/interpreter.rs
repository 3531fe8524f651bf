//! Interpreters of a given version: `{python3.10}` in an install command, where `python3` is another.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::party::process::succeeds;

/// How long a Python may take to say its version: it may be on a cold or a distant disk.
const PATIENCE: Duration = Duration::from_secs(20);

/// Returns the version that a word of a command asks for: `3.10` for `{python3.10}`.
pub(crate) fn asked(word: &str) -> Option<&str> {
    let version = word.strip_prefix("{python")?.strip_suffix('}')?;
    let (major, minor) = version.split_once('.')?;
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (number(major) && number(minor)).then_some(version)
}

/// Finds a Python of that version: on the search path, or among those of pyenv.
pub(crate) fn find(version: &str) -> Option<PathBuf> {
    let name = format!("python{version}");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join(&name));
    on_path.chain(of_pyenv(version, &name)).find(|program| works(program))
}

fn of_pyenv(version: &str, name: &str) -> Vec<PathBuf> {
    let root = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let root = root.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv")));
    let entries = root.and_then(|root| std::fs::read_dir(root.join("versions")).ok());
    let mut found: Vec<PathBuf> = entries
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("{version}.")))
        .map(|entry| entry.path().join("bin").join(name))
        .collect();
    found.sort();
    found
}

/// Whether it is there and starts: a shim of pyenv is there for versions that are not chosen too.
fn works(program: &Path) -> bool {
    program.is_file() && succeeds(Command::new(program).arg("--version"), PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_asked_for_by_its_numbers() {
        assert_eq!(asked("{python3.10}"), Some("3.10"));
        for word in ["python3.10", "{python}", "{python3.}", "{python3.x}", "{environment}"] {
            assert_eq!(asked(word), None, "{word}");
        }
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_and_is_no_interpreter() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("python3.99");
        std::fs::write(&program, "#!/bin/sh\nsleep 600 & wait\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let began = std::time::Instant::now();
        assert!(!succeeds(Command::new(&program).arg("--version"), Duration::from_millis(300)));
        assert!(began.elapsed() < Duration::from_secs(10));
        std::fs::write(&program, "#!/bin/sh\nexit 0\n").unwrap();
        assert!(works(&program) && !works(folder.path()));
    }

    #[test]
    fn what_is_found_starts_and_what_is_not_there_is_not_found() {
        assert_eq!(find("3.999"), None);
        let output = Command::new("python3")
            .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
            .output();
        let version = String::from_utf8(output.unwrap().stdout).unwrap();
        assert!(find(version.trim()).is_some(), "{version}");
    }
}
