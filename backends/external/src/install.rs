//! Making what a backend needs: an environment of its own, by the commands of its manifest.

pub(crate) mod digest;
mod interpreter;
pub(crate) mod shipped;

use std::fs::{self, File, TryLockError};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::backend::External;
use crate::error::InstallError;
use crate::party::process::{ENVIRONMENT, finish};
use crate::party::tail::Tail;

/// Says which commands made an environment, so that other ones make it anew. Written last: an environment without it is
/// not whole.
const RECEIPT: &str = ".installed";

/// Behind the environment's name, the file that is locked while it is made.
const LOCK: &str = "lock";

/// How long the `version` command may take: it loads large libraries from a cold disk.
const VERSION_PATIENCE: Duration = Duration::from_secs(60);

/// Bytes of what it prints that are kept.
const LONGEST_VERSION: usize = 1 << 16;

impl External {
    /// Returns whether what the backend needs is there: made by the commands its manifest has now, and able to say its version.
    pub fn is_installed(&self) -> bool {
        self.manifest().install.is_none() || (self.is_made() && self.installed_version().is_ok())
    }

    /// Whether the commands that the manifest has now have run to their end.
    pub(crate) fn is_made(&self) -> bool {
        fs::read_to_string(self.receipt_file()).is_ok_and(|made_by| made_by == self.receipt())
    }

    /// Runs the manifest's install commands, unless they have run; every line they print goes to `progress`. What an
    /// earlier attempt left is built upon if the same commands made it, and removed if others did.
    ///
    /// # Errors
    /// The command that could not be started or failed, with the end of what it printed.
    pub fn install(&self, mut progress: impl FnMut(&str)) -> Result<(), InstallError> {
        let result = self.make(&mut progress);
        let trouble = result.as_ref().err().map(ToString::to_string);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        result
    }

    fn make(&self, progress: &mut dyn FnMut(&str)) -> Result<(), InstallError> {
        let Some(install) = &self.manifest().install else { return Ok(()) };
        let folder = self.environment().to_owned();
        let at = |path: PathBuf| move |source| InstallError::Folder { path, source };
        let _held = self.hold(progress)?;
        // Another process may have made it meanwhile.
        match self.is_made().then(|| self.version()) {
            Some(Ok(version)) => {
                self.note(Some(Ok(version)));
                return Ok(());
            }
            // It may be only the machine that is slow.
            Some(Err(InstallError::Slow { .. })) => {}
            _ if self.receipt_file().exists() => fs::remove_dir_all(&folder).map_err(at(folder.clone()))?,
            _ => {}
        }
        self.note(None);
        fs::create_dir_all(&folder).map_err(at(folder.clone()))?;
        for command in &install.commands {
            self.run(&self.resolve(command), &install.hint(), progress)?;
        }
        let version = self.version()?;
        fs::write(self.receipt_file(), self.receipt()).map_err(at(self.receipt_file()))?;
        self.note(Some(Ok(version)));
        Ok(())
    }

    /// Takes the environment for this process, after waiting for another that makes it.
    fn hold(&self, progress: &mut dyn FnMut(&str)) -> Result<File, InstallError> {
        let mut name = self.environment().as_os_str().to_owned();
        name.push(".");
        name.push(LOCK);
        let path = PathBuf::from(name);
        let mut hold = || {
            fs::create_dir_all(path.parent().unwrap_or(&path))?;
            let lock = File::create(&path)?;
            if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
                progress("another process installs it: waiting for that");
            }
            lock.lock().map(|()| lock)
        };
        hold().map_err(|source| InstallError::Folder { path: path.clone(), source })
    }

    /// Returns what the `version` command prints, asked once; `None` if there is no such command.
    ///
    /// # Errors
    /// Those of [`version`](Self::version), as text.
    pub(crate) fn installed_version(&self) -> Result<Option<String>, String> {
        let mut known = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        known.get_or_insert_with(|| self.version().map_err(|error| error.to_string())).clone()
    }

    fn note(&self, version: Option<Result<Option<String>, String>>) {
        *self.version.lock().unwrap_or_else(PoisonError::into_inner) = version;
    }

    /// Returns what the manifest's `version` command prints: the receipt of what was measured. `None` if there is no such
    /// command.
    ///
    /// # Errors
    /// As [`install`](Self::install); [`InstallError::Slow`] if it does not end.
    pub fn version(&self) -> Result<Option<String>, InstallError> {
        let Some(command) = &self.manifest().version else { return Ok(None) };
        self.ask(&self.resolve(command), VERSION_PATIENCE).map(Some)
    }

    /// What a command prints that is run as a party is: without the user's environment, and ended with all that it started.
    fn ask(&self, command: &[String], patience: Duration) -> Result<String, InstallError> {
        let line = command.join(" ");
        let failed = |source| InstallError::Start { command: line.clone(), source, hint: String::new() };
        let mut child = program(command)
            .map_err(failed)?
            .current_dir(&self.manifest().folder)
            .env_clear()
            .envs(ENVIRONMENT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let output = child.stdout.take().map(|stdout| Tail::keeping(stdout, LONGEST_VERSION));
        let complaints = child.stderr.take().map(Tail::of);
        let began = Instant::now();
        let status = finish(&mut child, patience).map_err(failed)?;
        let text = |tail: Option<Tail>| tail.map(|tail| tail.text()).unwrap_or_default();
        if status.success() {
            return Ok(text(output));
        }
        if began.elapsed() >= patience {
            return Err(InstallError::Slow { command: line, seconds: patience.as_secs() });
        }
        Err(InstallError::Failed { command: line, status: status.to_string(), output: text(complaints) })
    }

    fn run(
        &self,
        command: &[String],
        hint: &str,
        progress: &mut dyn FnMut(&str),
    ) -> Result<(), InstallError> {
        let line = command.join(" ");
        let start = |source| {
            let hint = if hint.is_empty() { String::new() } else { format!("; {hint}") };
            InstallError::Start { command: line.clone(), source, hint }
        };
        let mut child = program(command)
            .map_err(start)?
            .current_dir(&self.manifest().folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        let complaints = child.stderr.take().map(Tail::of);
        let mut output = String::new();
        if let Some(stdout) = child.stdout.take() {
            // Bounded, and lossy where a program prints something else than text.
            let mut reader = BufReader::new(stdout);
            let mut bytes = Vec::new();
            while matches!(reader.by_ref().take(1 << 16).read_until(b'\n', &mut bytes), Ok(1..)) {
                output = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                progress(&output);
                bytes.clear();
            }
        }
        let status = child.wait().map_err(|source| InstallError::Start {
            command: line.clone(),
            source,
            hint: String::new(),
        })?;
        if status.success() {
            return Ok(());
        }
        let complaints = complaints.map(|tail| tail.text()).filter(|text| !text.is_empty());
        Err(InstallError::Failed {
            command: line,
            status: status.to_string(),
            output: complaints.unwrap_or(output),
        })
    }

    fn receipt_file(&self) -> PathBuf {
        self.environment().join(RECEIPT)
    }

    fn receipt(&self) -> String {
        let commands = self.manifest().install.iter().flat_map(|install| &install.commands);
        commands.map(|command| self.resolve(command).join("\t") + "\n").collect()
    }
}

/// A command of the manifest, not started.
fn program(command: &[String]) -> std::io::Result<Command> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
    let program = match interpreter::asked(program) {
        None => PathBuf::from(program),
        Some(version) => interpreter::find(version).ok_or_else(|| std::io::Error::from(Errno::NOENT))?,
    };
    let mut found = Command::new(program);
    found.args(arguments);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn asked(script: &str, patience: Duration) -> Result<String, InstallError> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clear-numpy");
        let backend = External::load(&folder, &folder).unwrap();
        backend.ask(&["/bin/sh".into(), "-c".into(), script.into()], patience)
    }

    #[test]
    fn a_version_is_asked_without_the_users_environment() {
        let minute = Duration::from_secs(60);
        assert_eq!(asked("echo one; echo two", minute).unwrap(), "one\ntwo");
        assert!(std::env::var_os("HOME").is_some() || std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let held = asked("env", minute).unwrap();
        let names = held.lines().filter_map(|line| line.split('=').next());
        let foreign: Vec<_> =
            names.filter(|name| !["PATH", "LANG", "PWD", "_", "SHLVL", "OLDPWD"].contains(name)).collect();
        assert!(foreign.is_empty(), "{foreign:?}");
        let error = asked("echo broken >&2; exit 3", minute).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("broken"), "{error}");
    }

    #[test]
    fn a_version_command_that_does_not_end_is_ended_with_all_that_it_started() {
        let (note, began) = (tempfile::NamedTempFile::new().unwrap(), Instant::now());
        let script = format!("sleep 600 & echo $! > {}; wait", note.path().display());
        let error = asked(&script, Duration::from_secs(1)).unwrap_err();
        assert!(matches!(error, InstallError::Slow { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(20));
        let started = fs::read_to_string(note.path()).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        let stat = fs::read_to_string(format!("/proc/{}/stat", started.trim())).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z") || stat.contains(") X"), "{stat}");
    }
}
