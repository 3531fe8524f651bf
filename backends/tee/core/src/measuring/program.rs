//! Measuring everything that a process can execute: its program, its loader and its libraries.

use std::collections::BTreeSet;
use std::fs::File;
use std::num::NonZero;
use std::sync::OnceLock;

use crate::measuring::measurement::Hasher;
use crate::{Error, Measurement, Result, ShownProcess};

const LABEL: &[u8] = b"veilbench-tee 1 program";
const DELETED: &str = " (deleted)";

/// An executable mapping, as `/proc/PID/smaps` describes it.
#[derive(Debug, PartialEq, Eq)]
struct Mapping<'a> {
    writable: bool,
    /// Path, a name in brackets, or nothing.
    name: &'a str,
    /// KiB that are no longer the file's: written to, in memory or in swap.
    changed: u64,
}

impl Measurement {
    /// Measurement of all code of a running process: the SHA-256 of a label, the
    /// measurement of the program's file ([`of_image`](Self::of_image)), and those of every other file of which the
    /// process has an executable mapping, sorted. At most `threads` threads read. The kernel's own `[vdso]` and
    /// `[vsyscall]` are not measured.
    ///
    /// # Errors
    /// [`Error::Unmeasurable`] if a mapping is executable and not the unchanged content of a file at its path: anonymous,
    /// writable, written to, of a deleted file, or of another mount namespace; and if what is shown is not what
    /// the kernel says of this very process. [`Error::System`] if it or a file cannot be read.
    pub fn of_process(process: u32, shown: &ShownProcess, threads: NonZero<usize>) -> Result<Self> {
        let system = |doing| move |source| Error::System { doing, source };
        let table = shown.mappings(process)?;
        let program = shown.program_path()?;
        let refuse = |reason| Err(Error::Unmeasurable { mapping: format!("process {process}"), reason });
        if !executable_mappings(&table).iter().any(|mapping| mapping.name == program) {
            return refuse("it does not execute the program it shows");
        }

        let mut libraries = BTreeSet::new();
        for mapping in executable_mappings(&table) {
            if let Some(path) = file_of(&mapping, &program)? {
                libraries.insert(path);
            }
        }
        let mut measured = Vec::new();
        for path in libraries {
            let library = File::open(path).map_err(system("opening a library of the enclave"))?;
            measured.push(*Self::of_image(&library, threads)?.bytes());
        }
        measured.sort_unstable();
        let mut whole = Hasher::default();
        whole.update(LABEL);
        whole.update(Self::of_image(shown.program(), threads)?.bytes());
        measured.iter().for_each(|library| whole.update(library));
        Ok(whole.finish())
    }

    /// The same of this very process, once: what a client that runs the same program expects of an enclave.
    ///
    /// # Errors
    /// As [`of_process`](Self::of_process).
    pub fn of_this_process(threads: NonZero<usize>) -> Result<Self> {
        static PROGRAM: OnceLock<Measurement> = OnceLock::new();
        if let Some(program) = PROGRAM.get() {
            return Ok(*program);
        }
        let program = Self::of_process(std::process::id(), &ShownProcess::open(None)?, threads)?;
        Ok(*PROGRAM.get_or_init(|| program))
    }
}

/// The library's path; `None` for the program itself and the kernel's own mappings.
fn file_of<'a>(mapping: &Mapping<'a>, program: &str) -> Result<Option<&'a str>> {
    let refuse = |reason| Err(Error::Unmeasurable { mapping: mapping.name.to_owned(), reason });
    match mapping.name {
        "[vdso]" | "[vsyscall]" => return Ok(None),
        name if !name.starts_with('/') => return refuse("it is executable and no file"),
        // The kernel writes a line feed as a backslash and digits, and a backslash as it is.
        name if name.contains('\\') => return refuse("its name may stand for two files"),
        _ => {}
    }
    if mapping.writable {
        return refuse("it is executable and writable");
    }
    if mapping.changed > 0 {
        return refuse("its code was changed after it was loaded");
    }
    match mapping.name {
        name if name == program => Ok(None),
        name if name.ends_with(DELETED) => refuse("its file was deleted or replaced"),
        name => Ok(Some(name)),
    }
}

fn executable_mappings(table: &str) -> Vec<Mapping<'_>> {
    let mut mappings: Vec<Mapping<'_>> = Vec::new();
    let mut executable = false;
    for line in table.lines() {
        let key = line.split_ascii_whitespace().next().unwrap_or_default();
        if !key.ends_with(':') {
            let permissions = line.split_ascii_whitespace().nth(1).unwrap_or_default();
            executable = permissions.contains('x');
            if executable {
                mappings.push(Mapping { writable: permissions.contains('w'), name: name(line), changed: 0 });
            }
        } else if let (true, "Anonymous:" | "Swap:", Some(mapping)) = (executable, key, mappings.last_mut()) {
            let kibibytes = line.split_ascii_whitespace().nth(1).and_then(|number| number.parse().ok());
            mapping.changed = mapping.changed.saturating_add(kibibytes.unwrap_or(u64::MAX));
        }
    }
    mappings
}

/// What follows address, permissions, offset, device and inode; it may contain spaces.
fn name(line: &str) -> &str {
    let mut rest = line;
    for _ in 0..5 {
        rest = rest.trim_start_matches(' ');
        rest = rest.find(' ').map_or("", |end| &rest[end..]);
    }
    rest.trim_start_matches(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(header: &str, changed: &str) -> String {
        let table = format!("7f00-7f10 {header}\nSize: 4 kB\nAnonymous: {changed} kB\nVmFlags: rd ex\n");
        let mappings = executable_mappings(&table);
        match file_of(&mappings[0], "/program") {
            Ok(path) => path.unwrap_or("aside").to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn code_that_is_no_unchanged_file_is_refused() {
        assert_eq!(verdict("r-xp 0 08:01 7      /lib/a b.so", "0"), "/lib/a b.so");
        assert_eq!(verdict("r-xp 0 08:01 7      /program", "0"), "aside");
        assert_eq!(verdict("r-xp 0 00:00 0      [vdso]", "0"), "aside");
        assert!(verdict("r-xp 0 00:00 0", "0").contains("executable and no file"));
        assert!(verdict(r"r-xp 0 08:01 7      /lib/a\012b.so", "0").contains("may stand for two files"));
        assert!(verdict("rwxp 0 00:00 0      [stack]", "0").contains("executable and no file"));
        assert!(verdict("rwxp 0 08:01 7      /lib/a.so", "0").contains("writable"));
        assert!(verdict("r-xp 0 08:01 7      /program", "4").contains("changed after it was loaded"));
        assert!(verdict("r-xp 0 08:01 7      /lib/a.so (deleted)", "0").contains("deleted or replaced"));
    }

    #[test]
    fn mappings_that_are_not_executable_are_no_code() {
        assert_eq!(executable_mappings("7f00-7f10 rw-p 0 00:00 0      [heap]\nAnonymous: 4 kB\n"), []);
    }
}
