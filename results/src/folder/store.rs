//! A run folder as it is written, session by session.

use crate::{
    Answer, Error, Machine, Row, Run, SCHEMA_VERSION, Sample, Session, SessionKey, Status, Traffic,
    folder::archive,
    folder::digest::Digests,
    folder::recovery::{Committed, committed, retain},
    folder::table::row_lines,
    session::{SessionRow, rejected},
};
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    path::{Path, PathBuf},
};

/// A run folder open for appending, by this process alone.
///
/// A session is on disk, whole, when [`append_session`](Self::append_session) returns; a process killed at any
/// moment leaves sessions that count and rows that the next [`open`](Self::open) drops.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    run: Run,
    samples: File,
    traffic: File,
    answers: File,
    completed: BTreeSet<SessionKey>,
    recorded: BTreeSet<SessionKey>,
    damaged: BTreeSet<SessionKey>,
    machine: String,
    _lock: File,
}

impl Store {
    /// Begins a run in a folder that is empty; the folder is made if need be.
    ///
    /// # Errors
    /// The folder already holds a run or other files, another process has it open, or it cannot be written. Nothing is then written.
    pub fn create(folder: &Path, run: &Run) -> Result<Self, Error> {
        if is_of_others(folder) {
            return Err(Error::Occupied { folder: folder.to_owned() });
        }
        fs::create_dir_all(folder).map_err(Error::io("make", folder))?;
        let lock = lock(folder)?;
        if folder.join(Run::FILE).exists() {
            return Err(Error::RunExists { folder: folder.to_owned() });
        }
        run.save(folder)?;
        Self::recover(folder, run.clone(), lock)
    }

    /// Opens a run to go on with it, after dropping what was not written to its end and sessions that were
    /// interrupted.
    ///
    /// # Errors
    /// The folder holds no run, one of an earlier schema version, another process has it open, or it cannot be written.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        if !folder.join(Run::FILE).exists() {
            return Err(Error::NoRun { folder: folder.to_owned() });
        }
        let lock = lock(folder)?;
        Self::recover(folder, Run::load(folder)?, lock)
    }

    fn recover(folder: &Path, run: Run, lock: File) -> Result<Self, Error> {
        for file in [Sample::FILE, Traffic::FILE, Answer::FILE] {
            if archive::path(folder, file).exists() && !folder.join(file).exists() {
                return Err(Error::Packed { folder: folder.to_owned() });
            }
        }
        if run.schema_version != SCHEMA_VERSION {
            return Err(Error::OldRun { folder: folder.to_owned(), found: run.schema_version });
        }
        let Committed { whole: completed, damaged } = committed(folder, &run)?;
        let (samples, traffic, answers) = tables(folder, &completed)?;
        let recorded = completed.clone();
        Ok(Self {
            folder: folder.to_owned(),
            run,
            samples,
            traffic,
            answers,
            completed,
            recorded,
            damaged,
            machine: String::new(),
            _lock: lock,
        })
    }

    /// The run folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The run's description.
    #[must_use]
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Changes the run's description, on disk first.
    ///
    /// # Errors
    /// `run.json` could not be written; the description is then as before.
    pub fn update_run(&mut self, change: impl FnOnce(&mut Run)) -> Result<(), Error> {
        let mut run = self.run.clone();
        change(&mut run);
        run.save(&self.folder)?;
        self.run = run;
        Ok(())
    }

    /// Says on which machine the sessions are measured that are appended from now on, but for rows that name another; what is known of it stays as it was
    /// first described, but for a higher load.
    ///
    /// # Errors
    /// `run.json` could not be written.
    pub fn measure_on(&mut self, id: &str, machine: &Machine) -> Result<(), Error> {
        self.update_run(|run| {
            let known = run.machines.entry(id.to_owned()).or_insert_with(|| machine.clone());
            if machine.load_average[0] > known.load_average[0] {
                known.load_average = machine.load_average;
            }
        })?;
        id.clone_into(&mut self.machine);
        Ok(())
    }

    /// The sessions that are recorded and need not be measured again, failed ones included.
    #[must_use]
    pub fn completed(&self) -> &BTreeSet<SessionKey> {
        &self.completed
    }

    /// Sessions that were on record when the run was opened and are no longer whole: rows of them, or what `run.json`
    /// says of them, are not as they were written. They are dropped and count as not measured.
    #[must_use]
    pub fn damaged(&self) -> &BTreeSet<SessionKey> {
        &self.damaged
    }

    /// Records a session durably, with its digests in the commit mark: its traffic and answers first, then its samples with the commit mark last.
    ///
    /// A session with status `interrupted` is recorded but not [`completed`](Self::completed).
    ///
    /// # Errors
    /// The rows are not those of one whole session of this run, the session is already recorded, or the disk refused;
    /// nothing of the session is then left in the files as far as the disk allows.
    pub fn append_session(&mut self, session: &Session) -> Result<(), Error> {
        let key = session.check(&self.run.name)?;
        if self.recorded.contains(&key) {
            return Err(rejected(&key, "it is already recorded"));
        }
        let mut measured = session.clone();
        for sample in measured.samples.iter_mut().filter(|sample| sample.machine.is_empty()) {
            self.machine.clone_into(&mut sample.machine);
        }
        seal(&mut measured, &key, &self.run, &self.folder)?;
        let Session { samples, traffic, answers } = &measured;
        let rows = [row_lines(traffic)?, row_lines(answers)?, row_lines(samples)?];
        let files = [&mut self.traffic, &mut self.answers, &mut self.samples];
        append_all(&self.folder, files, &rows)?;
        if session.samples.last().is_some_and(|mark| mark.status != Status::Interrupted) {
            self.completed.insert(key.clone());
        }
        self.recorded.insert(key);
        Ok(())
    }

    /// Drops these sessions, and any that were interrupted, from all files so that they are measured again.
    ///
    /// # Errors
    /// A file could not be rewritten.
    pub fn discard(&mut self, sessions: &BTreeSet<SessionKey>) -> Result<(), Error> {
        self.completed = &self.completed - sessions;
        self.recorded = self.completed.clone();
        (self.samples, self.traffic, self.answers) = tables(&self.folder, &self.completed)?;
        Ok(())
    }
}

/// Puts the digests of a session of a run into its commit mark.
///
/// # Errors
/// A row that CSV cannot hold, or a plan that JSON cannot.
pub(crate) fn seal(session: &mut Session, key: &SessionKey, run: &Run, folder: &Path) -> Result<(), Error> {
    let digests = Digests::of(&session.traffic, &session.answers, &session.samples)?;
    if let Some(mark) = session.samples.last_mut() {
        let described = run.cell_sha256(&key.cell.parse()?, &mark.machine);
        let description = |cause| Error::RunDescription { path: folder.join(Run::FILE), cause };
        mark.run_sha256 = described.map_err(description)?;
        mark.rows_sha256 = digests.get(key);
    }
    Ok(())
}

/// Brings the three tables to the given sessions, samples first because its commit marks decide, and opens them.
fn tables(folder: &Path, kept: &BTreeSet<SessionKey>) -> Result<(File, File, File), Error> {
    Ok((table::<Sample>(folder, kept)?, table::<Traffic>(folder, kept)?, table::<Answer>(folder, kept)?))
}

fn table<R: SessionRow>(folder: &Path, kept: &BTreeSet<SessionKey>) -> Result<File, Error> {
    retain::<R>(folder, kept)?;
    let path = folder.join(R::FILE);
    OpenOptions::new().append(true).open(&path).map_err(Error::io("open", path))
}

/// Appends to each file in turn; if one refuses, cuts all back to where they were.
fn append_all(folder: &Path, files: [&mut File; 3], rows: &[Vec<u8>; 3]) -> Result<(), Error> {
    let failed = |cause| Error::Io { action: "append to the tables of", path: folder.to_owned(), cause };
    let mut lengths = [0; 3];
    for (length, file) in lengths.iter_mut().zip(&files) {
        *length = file.metadata().map_err(failed)?.len();
    }
    let mut files = files;
    for index in 0..files.len() {
        if let Err(cause) = files[index].write_all(&rows[index]).and_then(|()| files[index].sync_data()) {
            for (file, length) in files.iter_mut().zip(lengths).rev() {
                file.set_len(length).map_err(failed)?;
            }
            return Err(failed(cause));
        }
    }
    Ok(())
}

/// Whether a folder holds files and no run. What a run that was ended while it began has left is no file of others.
fn is_of_others(folder: &Path) -> bool {
    let Ok(files) = fs::read_dir(folder) else { return false };
    let mut names = files.flatten().map(|file| file.file_name());
    !folder.join(Run::FILE).exists()
        && names.any(|name| name != LOCK && !name.to_string_lossy().starts_with(Run::FILE))
}

/// The file that a process holds while it writes a run.
const LOCK: &str = "lock";

/// Holds a run folder for this process, until the file is closed.
pub(crate) fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { folder: folder.to_owned() }),
        Err(TryLockError::Error(cause)) => Err(Error::Io { action: "lock", path, cause }),
    }
}
