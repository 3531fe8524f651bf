//! Rows against each other: what a readable file can still get wrong.

pub(crate) mod repeats;

use crate::{
    ALL_ROLES, Answer, Cell, CountedBy, Finding, Phase, Row, Run, Sample, Severity, Status, Traffic,
    folder::digest::Digests, session::SessionRow,
};
use repeats::Repeats;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// The readable rows of a run with their line numbers.
pub(crate) struct Tables {
    pub(crate) samples: Vec<(usize, Sample)>,
    pub(crate) traffic: Vec<(usize, Traffic)>,
    pub(crate) answers: Vec<(usize, Answer)>,
}

/// One batch, or the setup, of one session in one phase.
type PhaseKey<'a> = (&'a str, usize, usize, Phase);

/// `described` says whether `run.json` could be read whole.
pub(crate) fn check(run: &Run, described: bool, tables: &Tables) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    identity(run, &tables.samples, &mut findings);
    conditions(run, &tables.samples, &mut findings);
    let repeats = Repeats::of(tables);
    repeated::<Sample>(&repeats.samples, &mut findings);
    repeated::<Traffic>(&repeats.traffic, &mut findings);
    repeated::<Answer>(&repeats.answers, &mut findings);
    sessions(tables, &mut findings);
    digests(run, described, tables, &mut findings);
    disagreements(run, tables, &repeats.samples, &mut findings);
    traffic_sums(run, tables, &repeats.traffic, &mut findings);
    answers(run, tables, &repeats.answers, &mut findings);
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add<R: Row>(&mut self, severity: Severity, line: usize, message: String) {
        self.0.push(Finding { file: R::FILE.to_owned(), line: Some(line), message, severity });
    }

    fn error<R: Row>(&mut self, line: usize, message: String) {
        self.add::<R>(Severity::Error, line, message);
    }

    fn warning<R: Row>(&mut self, line: usize, message: String) {
        self.add::<R>(Severity::Warning, line, message);
    }
}

/// A sample's cell id must say what its other columns say, and its run be this one.
fn identity(run: &Run, samples: &[(usize, Sample)], findings: &mut Findings) {
    let mut known: HashMap<&str, Option<Cell>> = HashMap::new();
    for (line, sample) in samples {
        if sample.run != run.name {
            findings.error::<Sample>(*line, format!("run `{}` in the folder of `{}`", sample.run, run.name));
        }
        let cell = known.entry(&sample.cell).or_insert_with(|| match sample.cell.parse() {
            Ok(cell) => Some(cell),
            Err(error) => {
                findings.error::<Sample>(*line, error.to_string());
                None
            }
        });
        let Some(cell) = cell else { continue };
        let same = cell.backend == sample.backend
            && cell.network == sample.network
            && cell.dataset == sample.dataset
            && cell.batch == sample.batch
            && cell.threads == sample.threads
            && cell.link == sample.link;
        if !same {
            findings.error::<Sample>(*line, format!("the columns contradict the cell id `{}`", sample.cell));
        }
    }
}

/// What samples name should be described in `run.json`; said once each.
fn conditions(run: &Run, samples: &[(usize, Sample)], findings: &mut Findings) {
    let mut said = BTreeSet::new();
    let described = samples.iter().filter(|(_, sample)| {
        ![&sample.backend, &sample.dataset, &sample.link].iter().all(|name| *name == Cell::NONE)
    });
    for (line, sample) in described {
        let named = [
            ("backend", &sample.backend, run.backends.contains_key(&sample.backend)),
            ("network", &sample.network, run.networks.contains_key(&sample.network)),
            ("dataset", &sample.dataset, run.datasets.contains_key(&sample.dataset)),
            (
                "machine",
                &sample.machine,
                sample.machine.is_empty() || run.machines.contains_key(&sample.machine),
            ),
        ];
        for (kind, name, described) in named {
            if !described && said.insert((kind, name)) {
                findings.warning::<Sample>(*line, format!("{kind} `{name}` is not described in run.json"));
            }
        }
    }
}

fn repeated<R: Row>(repeats: &BTreeMap<usize, usize>, findings: &mut Findings) {
    for (line, first) in repeats {
        findings.error::<R>(*line, format!("repeats line {first}, which alone counts"));
    }
}

/// Rows need their session's commit mark, and a session that ended well all its phases.
fn sessions(tables: &Tables, findings: &mut Findings) {
    let mut marks = BTreeMap::new();
    let mut phases = HashSet::new();
    for (line, sample) in &tables.samples {
        if sample.is_commit_mark() {
            marks.insert(sample.session(), (*line, sample.status));
        } else if sample.role == ALL_ROLES && sample.span.is_empty() {
            // A backend may have nothing to do before it has images: such a phase has a row and no time.
            if sample.wall_ns.is_some() || (sample.phase == Phase::Offline && sample.messages == Some(0)) {
                phases.insert((sample.session(), sample.phase));
            }
        }
    }
    unmarked(&tables.samples, &marks, findings);
    unmarked(&tables.traffic, &marks, findings);
    unmarked(&tables.answers, &marks, findings);
    for (session, (line, status)) in marks {
        if status != Status::Ok {
            continue;
        }
        for phase in [Phase::Setup, Phase::Offline, Phase::Online] {
            if !phases.contains(&(session, phase)) {
                findings
                    .error::<Sample>(line, format!("the session is ok but no row times its {phase} phase"));
            }
        }
    }
}

fn unmarked<R: SessionRow>(
    rows: &[(usize, R)],
    marks: &BTreeMap<(&str, usize), (usize, Status)>,
    findings: &mut Findings,
) {
    let mut said = BTreeSet::new();
    for (line, row) in rows {
        let (cell, repetition) = row.session();
        if !marks.contains_key(&(cell, repetition)) && said.insert((cell, repetition)) {
            let message =
                format!("{cell} repetition {repetition} was not written to its end and does not count");
            findings.warning::<R>(*line, message);
        }
    }
}

/// A session that carries digests must still have all of its rows, and its description, as they were written.
fn digests(run: &Run, described: bool, tables: &Tables, findings: &mut Findings) {
    let marks = || tables.samples.iter().filter(|(_, sample)| sample.is_commit_mark());
    if run.schema_version == 1 && marks().all(|(_, mark)| mark.rows_sha256.is_empty()) {
        return;
    }
    let (traffic, answers) = (tables.traffic.iter(), tables.answers.iter());
    let computed = Digests::of(
        traffic.map(|(_, row)| row),
        answers.map(|(_, row)| row),
        tables.samples.iter().map(|(_, row)| row),
    );
    let Ok(computed) = computed else { return };
    for (line, mark) in marks() {
        let session = format!("{} repetition {}", mark.cell, mark.repetition);
        if computed.get(&mark.key()) != mark.rows_sha256 {
            let message = format!("rows of {session} are missing or were changed after they were written");
            findings.error::<Sample>(*line, message);
        }
        let expected =
            mark.cell.parse::<Cell>().ok().and_then(|cell| run.cell_sha256(&cell, &mark.machine).ok());
        if described && expected.is_some_and(|expected| expected != mark.run_sha256) {
            let message = format!("what run.json says about {session} was changed after it was measured");
            findings.error::<Sample>(*line, message);
        }
    }
}

/// Share by which the setups of two sessions may differ, and all phases of a system of others: certificates, and ciphertexts that are
/// compressed, are of varying length.
const LENGTH_VARIES: f64 = 1e-3;

/// Share, and bytes, by which the kernel's counts of two sessions may differ: how many packets a message and its
/// acknowledgements become is a matter of timing, and so are signs of life on a connection that waits.
const FRAMING_VARIES: f64 = 0.1;
const FRAMING_VARIES_BYTES: u64 = 1 << 16;

/// Sessions of one cell do the same work, so they exchange the same bytes.
fn disagreements(run: &Run, tables: &Tables, repeats: &BTreeMap<usize, usize>, findings: &mut Findings) {
    let mut first = HashMap::new();
    let mut said = BTreeSet::new();
    for (line, sample) in tables.samples.iter().filter(|(line, _)| !repeats.contains_key(line)) {
        let whole = sample.role == ALL_ROLES && sample.span.is_empty() && sample.phase != Phase::Session;
        let Some(bytes) = sample.sent_bytes.filter(|_| whole && sample.status == Status::Ok) else {
            continue;
        };
        let is_external = run.external.contains_key(&sample.backend);
        // A system of others may do what belongs to its setup when the first image comes.
        let key = (sample.cell.as_str(), sample.phase, sample.images, sample.warm && is_external);
        let (repetition, known) = *first.entry(key).or_insert((sample.repetition, bytes));
        let slack = match (run.counted_by(&sample.cell), sample.phase) {
            (Some(CountedBy::Kernel), _) => FRAMING_VARIES_BYTES + (known as f64 * FRAMING_VARIES) as u64,
            (_, Phase::Setup) => (known as f64 * LENGTH_VARIES) as u64,
            _ if is_external => (known as f64 * LENGTH_VARIES) as u64,
            _ => 0,
        };
        if known.abs_diff(bytes) > slack && said.insert((sample.cell.as_str(), sample.phase)) {
            let message = format!(
                "{} sends {bytes} bytes {} in repetition {} and {known} in repetition {repetition}: they were not \
                 measured under the same conditions",
                sample.cell, sample.phase, sample.repetition
            );
            findings.error::<Sample>(*line, message);
        }
    }
}

/// What roles say they sent must be what the pairs add up to, and what a sender counted what its receiver did.
fn traffic_sums(run: &Run, tables: &Tables, repeats: &BTreeMap<usize, usize>, findings: &mut Findings) {
    #[derive(Default)]
    struct Sums<'a> {
        total: u64,
        total_local: u64,
        sent: HashMap<&'a str, u64>,
        received: HashMap<&'a str, u64>,
        local: HashMap<&'a str, u64>,
    }
    let mut sums: HashMap<PhaseKey<'_>, Sums<'_>> = HashMap::new();
    for (line, row) in tables.traffic.iter().filter(|(line, _)| !repeats.contains_key(line)) {
        let key = (row.cell.as_str(), row.repetition, row.iteration, row.phase);
        let received = row.received_bytes.unwrap_or(row.bytes);
        let messages = row.received_messages.or(row.messages);
        // The kernel's counts at either end are not taken at the same moment.
        let slack = match run.counted_by(row.cell.as_str()) {
            Some(CountedBy::Kernel) => FRAMING_VARIES_BYTES,
            _ => 0,
        };
        if received.abs_diff(row.bytes) > slack || messages != row.messages {
            let [sent, taken] = [row.messages, messages].map(|count| count.unwrap_or(0));
            let message = format!(
                "{} counted {} bytes in {sent} messages to {}, which counted {received} in {taken}",
                row.from, row.bytes, row.to
            );
            findings.error::<Traffic>(*line, message);
        }
        let sums = sums.entry(key).or_default();
        let add = |sum: &mut u64, bytes: u64| *sum = sum.saturating_add(bytes);
        if row.local {
            add(&mut sums.total_local, row.bytes);
            add(sums.local.entry(&row.from).or_default(), row.bytes);
        } else {
            add(&mut sums.total, row.bytes);
            add(sums.sent.entry(&row.from).or_default(), row.bytes);
            add(sums.received.entry(&row.to).or_default(), received);
        }
    }
    let none = Sums::default();
    for (line, sample) in &tables.samples {
        if sample.phase == Phase::Session || !sample.span.is_empty() || sample.status != Status::Ok {
            continue;
        }
        let key = (sample.cell.as_str(), sample.repetition, sample.iteration, sample.phase);
        let sums = sums.get(&key).unwrap_or(&none);
        let role = sample.role.as_str();
        let of = |sums: &HashMap<&str, u64>| sums.get(role).copied().unwrap_or(0);
        let [sent, received, local] = match role {
            ALL_ROLES => [sums.total, sums.total, sums.total_local],
            _ => [&sums.sent, &sums.received, &sums.local].map(of),
        };
        for (column, value, sum) in [
            ("sent_bytes", sample.sent_bytes, sent),
            ("received_bytes", sample.received_bytes, received),
            ("local_bytes", sample.local_bytes, local),
        ] {
            if let Some(value) = value.filter(|value| *value != sum) {
                let message = format!("{column} is {value} but traffic.csv adds up to {sum}");
                findings.error::<Sample>(*line, message);
            }
        }
    }
}

/// Answers must be of images there are, of batches there were, one an image.
fn answers(run: &Run, tables: &Tables, repeats: &BTreeMap<usize, usize>, findings: &mut Findings) {
    let mut counts: HashMap<(&str, usize, usize), usize> = HashMap::new();
    for (_, answer) in tables.answers.iter().filter(|(line, _)| !repeats.contains_key(line)) {
        *counts.entry((&answer.cell, answer.repetition, answer.iteration)).or_default() += 1;
    }
    let mut batches = HashSet::new();
    let mut dataset_images = HashMap::new();
    let mut cell_images = HashMap::new();
    for (line, sample) in &tables.samples {
        if let Some(dataset) = run.datasets.get(&sample.dataset) {
            dataset_images.insert(sample.cell.as_str(), dataset.images);
        }
        let timed = sample.phase == Phase::Online && sample.role == ALL_ROLES && sample.span.is_empty();
        if !timed || sample.status != Status::Ok {
            continue;
        }
        let batch = (sample.cell.as_str(), sample.repetition, sample.iteration);
        batches.insert(batch);
        let answered = counts.get(&batch).copied().unwrap_or(0);
        let unanswered_warm_up = !sample.warm && answered == 0;
        // A batch that is larger than the cell's images is filled by repeating them; each is answered once.
        let distinct = *cell_images.entry(sample.cell.as_str()).or_insert_with(|| {
            let cell: Result<Cell, _> = sample.cell.parse();
            cell.map_or(usize::MAX, |cell| cell.images)
        });
        let due = sample.images.map(|images| images.min(distinct));
        if let Some(due) = due.filter(|due| *due != answered && !unanswered_warm_up) {
            let message = format!("a batch of {due} images has {answered} answers");
            findings.error::<Sample>(*line, message);
        }
    }
    for (line, answer) in &tables.answers {
        if !batches.contains(&(answer.cell.as_str(), answer.repetition, answer.iteration)) {
            findings.error::<Answer>(*line, "no online row in samples.csv times this batch".to_owned());
        }
        let images = dataset_images.get(answer.cell.as_str());
        if let Some(images) = images.filter(|images| answer.image >= **images) {
            let message = format!("image {} of a data set of {images}", answer.image);
            findings.error::<Answer>(*line, message);
        }
    }
}
