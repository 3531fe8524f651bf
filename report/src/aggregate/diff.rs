//! Two runs held against each other, cell by cell.

use crate::{
    aggregate::plausibility::implausible,
    aggregate::statistics::{median, ratio_interval},
    aggregate::summarise::{by_cell, summarise, times},
    text::format::{bytes, count, duration, percent},
};
use std::{collections::BTreeMap, fmt};
use veilbench_results::{Finding, Phase, Run, RunData, Sample, Severity, Status, Summary};

/// Parties start a phase this far apart at most, nanoseconds: a phase without work takes as long, and its changes mean nothing.
const START_SKEW_NS: u64 = 50_000;
/// Setups on either side below which a change of the setup time is shown by no interval worth the name.
const FEWEST_SETUPS: usize = 5;

/// What counts as a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Change of a median time, as a share, below which it is noise even if its interval excludes 1.
    pub noise: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { noise: 0.05 }
    }
}

/// The time of one phase of one cell in the second run by that in the first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Median of the first run, nanoseconds.
    pub before_ns: u64,
    /// Median of the second run, nanoseconds.
    pub after_ns: u64,
    /// Second by first.
    pub ratio: f64,
    /// 95 % interval of the ratio over sessions; none with fewer than two sessions on a side.
    pub interval: Option<(f64, f64)>,
    /// Beyond noise, with an interval that excludes 1?
    pub significant: bool,
}

/// What differs in one cell that both runs have.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// [`Cell::id`](veilbench_results::Cell::id).
    pub cell: String,
    /// Online time of a warm batch, if both measured it.
    pub online: Option<Change>,
    /// Offline time of a warm batch, likewise.
    pub offline: Option<Change>,
    /// Setup time of a session, likewise.
    pub setup: Option<Change>,
    /// Status in both runs.
    pub status: (Status, Status),
    /// Exact figures that changed: name, before, after.
    pub exact: Vec<(&'static str, String, String)>,
    /// Is something worse: any phase slower beyond noise, more bytes or rounds, less accuracy or agreement, a new failure?
    pub worse: bool,
}

/// Two runs held against each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// Cells both runs have, in order of their ids.
    pub differences: Vec<Difference>,
    /// Cells of the first run that the second lacks.
    pub missing: Vec<String>,
    /// Cells of the second run that the first lacks.
    pub added: Vec<String>,
    /// Why the runs may not compare, such as another machine.
    pub warnings: Vec<String>,
    /// What is wrong with the files of either run, by the run's name.
    pub damage: Vec<(String, Finding)>,
}

impl Comparison {
    /// Did anything get worse, or a cell vanish?
    #[must_use]
    pub fn is_regression(&self) -> bool {
        !self.missing.is_empty() || self.differences.iter().any(|difference| difference.worse)
    }

    /// Are files of a run damaged, so that the comparison is of what is left?
    #[must_use]
    pub fn is_of_damaged_runs(&self) -> bool {
        self.damage.iter().any(|(_, finding)| finding.severity == Severity::Error)
    }
}

/// Holds the second run against the first.
#[must_use]
pub fn compare(before: &RunData, after: &RunData, settings: Settings) -> Comparison {
    let rows = |data: &RunData| -> BTreeMap<String, Summary> {
        summarise(data).into_iter().map(|row| (row.cell.clone(), row)).collect()
    };
    let (first, second) = (rows(before), rows(after));
    let mut damage = Vec::new();
    for (data, rows) in [(before, &first), (after, &second)] {
        let rows: Vec<Summary> = rows.values().cloned().collect();
        let findings = data.findings.iter().cloned().chain(implausible(&data.run, &rows));
        damage.extend(findings.map(|finding| (data.run.name.clone(), finding)));
    }
    let only = |rows: &BTreeMap<String, Summary>, others: &BTreeMap<String, Summary>| -> Vec<String> {
        rows.keys().filter(|cell| !others.contains_key(*cell)).cloned().collect()
    };
    let samples = (by_cell(before), by_cell(after));
    let samples_of = |cell: &str| Some((samples.0.get(cell)?.as_slice(), samples.1.get(cell)?.as_slice()));
    let differences = first
        .iter()
        .filter_map(|(cell, row)| Some((row, second.get(cell)?, samples_of(cell)?)))
        .map(|(row, other, samples)| {
            difference(row, other, (before, samples.0), (after, samples.1), settings)
        })
        .collect();
    Comparison {
        differences,
        missing: only(&first, &second),
        added: only(&second, &first),
        warnings: warnings((&before.run, &first), (&after.run, &second)),
        damage,
    }
}

fn change(before: &[Vec<u64>], after: &[Vec<u64>], settings: Settings) -> Option<Change> {
    let before_ns = median(&before.concat()).filter(|ns| *ns > 0)?;
    let after_ns = median(&after.concat())?;
    let ratio = after_ns as f64 / before_ns as f64;
    let interval = ratio_interval(before, after);
    let excludes_one = interval.is_some_and(|(low, high)| low > 1.0 || high < 1.0);
    // Symmetric in both directions: halved and doubled are the same change.
    let beyond_noise = ratio.max(1.0 / ratio) > 1.0 + settings.noise;
    Some(Change { before_ns, after_ns, ratio, interval, significant: excludes_one && beyond_noise })
}

fn difference(
    before: &Summary,
    after: &Summary,
    first: (&RunData, &[&Sample]),
    second: (&RunData, &[&Sample]),
    settings: Settings,
) -> Difference {
    let of = |(data, samples): (&RunData, &[&Sample]), phase| times(&data.run, samples, phase);
    let [setup, offline, online] = [Phase::Setup, Phase::Offline, Phase::Online]
        .map(|phase| change(&of(first, phase), &of(second, phase), settings));
    let [setup, offline] = [setup, offline].map(|change| change.map(|change| change.without_skew()));
    let few = before.repetitions.min(after.repetitions) < FEWEST_SETUPS;
    let setup = setup.map(|change| Change { significant: change.significant && !few, ..change });
    let mut exact = Vec::new();
    let slower =
        |change: Option<Change>| change.is_some_and(|change| change.significant && change.ratio > 1.0);
    let mut worse = [setup, offline, online].into_iter().any(slower);
    let size = |size: u64| bytes(size as f64);
    for (name, first, second, format) in [
        ("setup bytes", before.setup_bytes, after.setup_bytes, size as fn(u64) -> String),
        ("offline bytes", before.offline_bytes, after.offline_bytes, size),
        ("online bytes", before.online_bytes, after.online_bytes, size),
        ("online rounds", before.online_rounds, after.online_rounds, count),
    ] {
        if first != second {
            exact.push((name, shown(first, format), shown(second, format)));
            worse |= first.zip(second).is_some_and(|(first, second)| second > first);
        }
    }
    for (name, first, second) in
        [("accuracy", before.accuracy, after.accuracy), ("agreement", before.agreement, after.agreement)]
    {
        if first != second {
            exact.push((name, shown(first, percent), shown(second, percent)));
            worse |= first.zip(second).is_some_and(|(first, second)| second < first);
        }
    }
    let status = (before.status, after.status);
    worse |= status.0 == Status::Ok && status.1 != Status::Ok;
    Difference { cell: before.cell.clone(), online, offline, setup, status, exact, worse }
}

fn shown<T>(value: Option<T>, format: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "not measured".to_owned(), format)
}

/// A run and its summary by cell.
type Summarised<'a> = (&'a Run, &'a BTreeMap<String, Summary>);

/// Cells that both runs have and that are known to have been measured on different machines.
fn elsewhere(before: Summarised<'_>, after: Summarised<'_>) -> usize {
    // Rows name the machine only where a run has several.
    fn machine<'a>(run: &'a Run, row: &'a Summary) -> Option<&'a str> {
        let only = run.machines.keys().next().filter(|_| run.machines.len() == 1);
        let named = Some(&row.machine).filter(|machine| !machine.is_empty()).or(only);
        named.map(String::as_str).filter(|machine| !machine.is_empty())
    }
    let cells = before.1.iter().filter_map(|(cell, row)| Some((row, after.1.get(cell)?)));
    let machines = cells.filter_map(|(row, other)| machine(before.0, row).zip(machine(after.0, other)));
    machines.filter(|(first, second)| first != second).count()
}

fn warnings(first: Summarised<'_>, second: Summarised<'_>) -> Vec<String> {
    let mut warnings = Vec::new();
    let elsewhere = elsewhere(first, second);
    let (before, after) = (first.0, second.0);
    for (which, run) in [("first", before), ("second", after)] {
        if run.machines.len() > 1 {
            let count = run.machines.len();
            warnings.push(format!("the {which} run was measured on {count} machines"));
        }
    }
    let (first, second) = (&before.first_machine(), &after.first_machine());
    let another = (&first.cpu_model, first.cores) != (&second.cpu_model, second.cores);
    match warnings.is_empty() {
        true if another || elsewhere > 0 => {
            warnings.push("measured on different machines: times do not compare".to_owned());
        }
        false if elsewhere > 0 => {
            warnings.push(format!(
                "{elsewhere} cells were measured on different machines: their times do not compare"
            ));
        }
        _ => {}
    }
    for (which, run) in [("first", before), ("second", after)] {
        for machine in run.machines.values() {
            let load = machine.load_average[0];
            if machine.cores > 0 && load > machine.cores as f64 {
                let cores = machine.cores;
                warnings.push(format!(
                    "the machine of the {which} run was busy: load {load:.2} on {cores} cores"
                ));
            }
        }
    }
    let mut differ = |what: &str, first: &str, second: &str| {
        if first != second {
            warnings.push(format!("different {what}: `{first}` and `{second}`"));
        }
    };
    differ("processors", &first.cpu_model, &second.cpu_model);
    differ("numbers of cores", &first.cores.to_string(), &second.cores.to_string());
    differ("kernels", &first.kernel, &second.kernel);
    differ("compilers", &before.rustc, &after.rustc);
    for (name, network) in &before.networks {
        if let Some(other) = after.networks.get(name) {
            differ(&format!("weights of {name}"), &network.sha256, &other.sha256);
        }
    }
    for (name, dataset) in &before.datasets {
        if let Some(other) = after.datasets.get(name) {
            differ(&format!("images of {name}"), &dataset.fingerprint, &other.fingerprint);
        }
    }
    for (name, backend) in &before.backends {
        if after.backends.get(name).is_some_and(|other| other.threat_model != backend.threat_model) {
            warnings.push(format!("different protection of {name}"));
        }
    }
    warnings
}

impl fmt::Display for Comparison {
    /// A line per cell, with marks for what changed beyond noise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        for (run, finding) in &self.damage {
            writeln!(f, "{run}: {finding}")?;
        }
        let width = self.differences.iter().map(|difference| difference.cell.len()).max().unwrap_or(0);
        for difference in &self.differences {
            let mark = if difference.worse { '!' } else { ' ' };
            write!(f, "{mark} {:width$}  ", difference.cell)?;
            match &difference.online {
                Some(change) => write!(f, "online {change}")?,
                None => write!(f, "online time not measured in both")?,
            }
            for (name, change) in [("offline", &difference.offline), ("setup", &difference.setup)] {
                if let Some(change) = change.filter(|change| change.significant) {
                    write!(f, "; {name} {change}")?;
                }
            }
            if difference.status.0 != difference.status.1 {
                write!(f, "; status {} -> {}", difference.status.0, difference.status.1)?;
            }
            for (name, before, after) in &difference.exact {
                write!(f, "; {name} {before} -> {after}")?;
            }
            writeln!(f)?;
        }
        for cell in &self.missing {
            writeln!(f, "! {cell:width$}  only in the first run")?;
        }
        for cell in &self.added {
            writeln!(f, "  {cell:width$}  only in the second run")?;
        }
        let worse = self.differences.iter().filter(|difference| difference.worse).count();
        let compared = self.differences.len();
        writeln!(
            f,
            "{compared} cells compared, {worse} of them worse; {} missing, {} new",
            self.missing.len(),
            self.added.len()
        )
    }
}

impl Change {
    /// The same, but not significant if parties that start apart explain it.
    fn without_skew(self) -> Self {
        let explained = self.before_ns.abs_diff(self.after_ns) <= START_SKEW_NS;
        Self { significant: self.significant && !explained, ..self }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match (self.significant, self.ratio > 1.0) {
            (false, _) => "within noise",
            (true, true) => "slower",
            (true, false) => "faster",
        };
        let (before, after) = (duration(self.before_ns as f64), duration(self.after_ns as f64));
        write!(f, "{before} -> {after}, x{:.3}", self.ratio)?;
        if let Some((low, high)) = self.interval {
            write!(f, " ({low:.3} to {high:.3})")?;
        }
        write!(f, ", {verdict}")
    }
}
