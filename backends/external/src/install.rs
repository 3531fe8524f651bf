//! Making what a backend needs: an environment of its own, by the commands of its manifest.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::backend::External;
use crate::error::InstallError;
use crate::tail::Tail;

/// Says which commands made an environment, so that other ones make it anew. Written last: an environment without it is
/// not whole.
const RECEIPT: &str = ".installed";

impl External {
    /// Returns whether what the backend needs is there, made by the commands its manifest has now.
    pub fn is_installed(&self) -> bool {
        match &self.manifest().install {
            None => true,
            Some(_) => fs::read_to_string(self.receipt_file()).is_ok_and(|made_by| made_by == self.receipt()),
        }
    }

    /// Runs the manifest's install commands, unless they have run; every line they print goes to `progress`. What an
    /// earlier attempt left is built upon if the same commands made it, and removed if others did.
    ///
    /// # Errors
    /// The command that could not be started or failed, with the end of what it printed.
    pub fn install(&self, mut progress: impl FnMut(&str)) -> Result<(), InstallError> {
        let Some(install) = &self.manifest().install else { return Ok(()) };
        if self.is_installed() {
            return Ok(());
        }
        let folder = self.environment().to_owned();
        let at = |path: PathBuf| move |source| InstallError::Folder { path, source };
        if self.receipt_file().exists() {
            fs::remove_dir_all(&folder).map_err(at(folder.clone()))?;
        }
        fs::create_dir_all(&folder).map_err(at(folder.clone()))?;
        for command in &install.commands {
            self.run(&self.resolve(command), &install.hint(), &mut progress)?;
        }
        fs::write(self.receipt_file(), self.receipt()).map_err(at(self.receipt_file()))
    }

    /// Returns what the manifest's `version` command prints: the receipt of what was measured. `None` if there is no such
    /// command.
    ///
    /// # Errors
    /// As [`install`](Self::install).
    pub fn version(&self) -> Result<Option<String>, InstallError> {
        let Some(command) = &self.manifest().version else { return Ok(None) };
        let mut lines = Vec::new();
        self.run(&self.resolve(command), "", &mut |line: &str| lines.push(line.to_owned()))?;
        Ok(Some(lines.join("\n")))
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
        let (program, arguments) =
            command.split_first().ok_or_else(|| start(std::io::ErrorKind::InvalidInput.into()))?;
        let mut child = Command::new(program)
            .args(arguments)
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
