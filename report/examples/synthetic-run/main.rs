//! Writes a run folder that nobody measured, to try the report on: many backends, kinds of protection, links, batches, failures.
//!
//! `cargo run -p veilbench-report --example synthetic-run -- FOLDER [ROWS] [NETWORKS] [damaged|machines]` makes the folder with about ROWS rows in
//! `samples.csv` (20,000 if not given) and derives its report. The same arguments give the same bytes.

mod subjects;

use std::{env, error::Error, fs, path::Path};
use veilbench_made_up::{Costs, Part, mark};
use veilbench_report::generate;
use veilbench_results::{
    BackendRecord, Cell, DatasetRecord, ExternalRecord, HostRecord, Machine, NetworkRecord, Phase, Run,
    Sample, Session, Status, write_table,
};

use subjects::{BACKENDS, Backend, NETWORKS, Network};

const RUN: &str = "synthetic";

/// Name, round trip in nanoseconds, nanoseconds a byte.
const LINKS: [(&str, u64, u64); 3] = [("loopback", 0, 0), ("lan", 500_000, 8), ("wan", 40_000_000, 80)];
const BATCHES: [usize; 4] = [1, 4, 16, 64];
const THREADS: [usize; 2] = [1, 2];
const REPETITIONS: usize = 3;
const ITERATIONS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let folder = Path::new(arguments.first().ok_or("the first argument is the folder to make")?);
    let rows = arguments.get(1).map_or(Ok(20_000), |rows| rows.parse())?;
    let networks = arguments.get(2).map_or(Ok(NETWORKS.len()), |networks| networks.parse())?;
    fs::create_dir_all(folder)?;
    let mut tables = tables(rows, networks);
    let mut run = run();
    if arguments.get(3).is_some_and(|word| word == "machines") {
        deal(&mut run, &mut tables.samples);
    }
    run.save(folder)?;
    write_table(&folder.join("samples.csv"), &tables.samples)?;
    write_table(&folder.join("traffic.csv"), &tables.traffic)?;
    write_table(&folder.join("answers.csv"), &tables.answers)?;
    if arguments.get(3).is_some_and(|word| word == "damaged") {
        damage(&folder.join("samples.csv"))?;
    }
    let report = generate(folder)?;
    println!(
        "{} samples, {} cells, {} findings",
        tables.samples.len(),
        report.summaries.len(),
        report.findings.len()
    );
    Ok(())
}

/// Gives a second machine, which is twice as large, the sessions of large batches; names two hosts and a system of others.
fn deal(run: &mut Run, samples: &mut [Sample]) {
    for machine in std::mem::take(&mut run.machines).into_values() {
        let large = Machine { cores: 2 * machine.cores, ..machine.clone() };
        run.machines = [("node-a".to_owned(), machine), ("node-b".to_owned(), large)].into();
    }
    for (host, machine, role) in [("alpha", "node-a", "data-owner"), ("beta", "node-b", "model-owner")] {
        let record = HostRecord { machine: machine.to_owned(), roles: vec![role.to_owned()] };
        run.hosts.insert(host.to_owned(), record);
    }
    let system = ExternalRecord { files_sha256: "5".repeat(64), version: Some("made-up 1.2.3".to_owned()) };
    run.external.insert("hybrid".to_owned(), system);
    for sample in samples {
        sample.machine = if sample.batch > BATCHES[0] { "node-b" } else { "node-a" }.to_owned();
    }
}

/// One line cut in two, one repeated and one with letters for a number.
fn damage(path: &Path) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(path)?;
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[9].truncate(40);
    lines[11] = lines[10].clone();
    lines[14] = lines[14].replace(",ok,", ",maybe,");
    Ok(fs::write(path, lines.join("\n") + "\n")?)
}

fn run() -> Run {
    let mut run = Run {
        // The first version had no digests, and nobody recorded these rows.
        schema_version: 1,
        name: RUN.to_owned(),
        created: "2026-01-01T00:00:00Z".to_owned(),
        veilbench_version: "0.0.0".to_owned(),
        commands: vec!["synthetic-run: nothing here was measured".to_owned()],
        git_revision: Some("0000000000000000000000000000000000000000".to_owned()),
        git_dirty: Some(true),
        rustc: "rustc 0.0.0 (made up)".to_owned(),
        machines: [(
            String::new(),
            Machine {
                cpu_model: "Made-up CPU @ 3.00GHz".to_owned(),
                cores: 4,
                memory_bytes: 16_000_000_000,
                kernel: "0.0".to_owned(),
                os: "made up".to_owned(),
                load_average: [4.75, 3.5, 2.0],
                ..Machine::default()
            },
        )]
        .into(),
        ..Run::default()
    };
    for backend in &BACKENDS {
        let learns: Vec<serde_json::Value> = backend
            .roles
            .iter()
            .map(|role| {
                let owner = *role == "model-owner";
                serde_json::json!({
                    "role": role, "images": *role == "data-owner" || backend.name == "clear", "weights": owner,
                    "activations": backend.name == "clear" && owner, "logits": *role == "data-owner", "architecture": true,
                })
            })
            .collect();
        let record = BackendRecord {
            technology: backend.technology.to_owned(),
            roles: backend.roles.iter().map(|role| (*role).to_owned()).collect(),
            data_owner: "data-owner".to_owned(),
            settings: std::collections::BTreeMap::new(),
            threat_model: serde_json::json!({
                "label": backend.protects, "adversary": "semi-honest", "colluding": 0, "trusted": [backend.protects],
                "learns": learns, "simulated": backend.simulated,
            }),
            threat_model_summary: backend.protects.to_owned(),
            security_bits: backend.security_bits,
            simulated: backend.simulated,
        };
        run.backends.insert(backend.name.to_owned(), record);
    }
    for (network, dataset, work, _) in NETWORKS {
        let record = NetworkRecord {
            sha256: format!("{work:064x}"),
            dataset: dataset.to_owned(),
            parameters: work * 9_000,
            macs: work * 60_000,
            ..NetworkRecord::default()
        };
        run.networks.insert(network.to_owned(), record);
        let synthetic = dataset.ends_with("-sample");
        let fingerprint = format!("{:064x}", dataset.len());
        let record = DatasetRecord { fingerprint, images: 1_000, synthetic, ..DatasetRecord::default() };
        run.datasets.insert(dataset.to_owned(), record);
    }
    run
}

/// Whole sessions until there are this many samples; first all backends and networks, then further batches, links and threads.
fn tables(rows: usize, networks: usize) -> Session {
    let mut tables = Session::default();
    for threads in THREADS {
        for link in LINKS {
            for batch in BATCHES {
                for network in NETWORKS.into_iter().take(networks) {
                    for backend in &BACKENDS {
                        if tables.samples.len() >= rows {
                            return tables;
                        }
                        let cell = Cell {
                            backend: backend.name.to_owned(),
                            network: network.0.to_owned(),
                            dataset: network.1.to_owned(),
                            batch,
                            threads,
                            link: link.0.to_owned(),
                            images: batch * (ITERATIONS - 1),
                            seed: 0,
                        };
                        sessions(&mut tables, backend, network, link, &cell);
                    }
                }
            }
        }
    }
    tables
}

fn sessions(tables: &mut Session, backend: &Backend, network: Network, link: (&str, u64, u64), cell: &Cell) {
    if backend.name.starts_with("ckks") && !network.0.ends_with("-poly") {
        failed(tables, cell, 0, Status::Unsupported, "ReLU is no polynomial; use the -poly network");
        return;
    }
    for repetition in 0..REPETITIONS {
        match (backend.name, network.0) {
            ("hybrid", "malaria-cnn") => {
                failed(tables, cell, repetition, Status::Timeout, "no answer within 600 s");
            }
            ("ckks-batched", "melanoma-lenet-poly") if cell.batch == 64 => {
                failed(tables, cell, repetition, Status::OutOfMemory, "model-owner: killed at 15.2 GB");
            }
            ("mpc", "mnist-mlp-poly") if repetition == 2 => {
                failed(tables, cell, repetition, Status::Error, "model-owner: connection reset by peer");
            }
            _ => session(tables, backend, network, link, cell, repetition),
        }
    }
}

fn failed(tables: &mut Session, cell: &Cell, repetition: usize, status: Status, detail: &str) {
    tables.samples.push(mark(RUN, cell, repetition, status, detail));
}

/// Between 95 and 115 percent, the same for the same arguments.
fn jitter(cell: &Cell, repetition: usize, iteration: usize) -> u64 {
    let seed = cell.id().bytes().fold(14_695_981_039_346_656_037_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
    });
    let mixed = (seed ^ ((repetition * 97 + iteration * 13) as u64)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    95 + (mixed >> 40) % 21
}

fn session(
    tables: &mut Session,
    backend: &Backend,
    network: Network,
    link: (&str, u64, u64),
    cell: &Cell,
    repetition: usize,
) {
    let (_, _, work, layers) = network;
    let batch = cell.batch as u64;
    let (round_trip, byte_ns) = (link.1, link.2);
    let part = Part { run: RUN, cell, repetition, iteration: 0, phase: Phase::Setup, roles: backend.roles };
    let setup = 4_000_000 + backend.setup_bytes * (1 + byte_ns);
    measure(tables, part, (setup, backend.setup_bytes, 2), &["keys"], &[]);
    let rounds = 2 + backend.rounds * layers.len() as u64;
    let bytes = backend.bytes * batch * work / 2;
    let compute = (backend.fixed_ns + backend.image_ns * (batch - 1)) * work / 2 / cell.threads as u64;
    for iteration in 0..ITERATIONS {
        let share = jitter(cell, repetition, iteration) + if iteration == 0 { 40 } else { 0 };
        let stall = if iteration == 2 && repetition == 1 && batch == 4 { 6 } else { 1 };
        let part = Part { iteration, phase: Phase::Offline, ..part };
        let offline = (
            compute * backend.offline / 100 + 20_000,
            bytes * backend.offline / 100,
            u64::from(backend.offline > 0),
        );
        measure(tables, part, offline, &["randomness"], &[]);
        let online = compute * share / 100 * stall + rounds * round_trip / 2 + bytes * 3 / 4 * byte_ns;
        let part = Part { phase: Phase::Online, ..part };
        measure(tables, part, (online, bytes, rounds), &["encode", "decode"], layers);
        if iteration > 0 {
            answers(tables, backend, part);
        }
    }
    for (place, role) in backend.roles.iter().enumerate() {
        let peak = 24_000_000 + (place as u64 + 1) * (backend.setup_bytes * 9 + bytes * 3);
        let row = Sample::new(RUN, cell, repetition, Phase::Session, role);
        tables.samples.push(Sample { peak_rss_bytes: Some(peak), cpu_ns: Some(compute * 3), ..row });
    }
    tables.samples.push(mark(RUN, cell, repetition, Status::Ok, ""));
}

/// The first role sends three quarters of the bytes to the second, which sends back the rest. The first has spans of these names, the
/// second one for each layer.
fn measure(
    tables: &mut Session,
    part: Part<'_>,
    (wall_ns, bytes, rounds): (u64, u64, u64),
    spans: &[&str],
    layers: &[&str],
) {
    part.measure(tables, Costs { wall_ns, sent_bytes: [bytes - bytes / 4, bytes / 4], rounds });
    let layers = layers.iter().map(|layer| format!("layer:{layer}")).collect();
    let spans = spans.iter().map(|span| (*span).to_owned()).collect();
    for (role, names) in part.roles.iter().zip::<[Vec<String>; 2]>([spans, layers]) {
        let count = names.len() as u64;
        for (index, span) in names.into_iter().enumerate() {
            let wall_ns = wall_ns * 9 / 10 * (count - index as u64) * 2 / (count * (count + 1));
            let times = Sample { wall_ns: Some(wall_ns), cpu_ns: Some(wall_ns / 2), ..part.row(role) };
            tables.samples.push(Sample { span, ..times });
        }
    }
}

fn answers(tables: &mut Session, backend: &Backend, part: Part<'_>) {
    let off = if backend.technology == "none" { 0 } else { 31 };
    let error = 1e-7 * 10_f64.powi(backend.rounds as i32 / 4 + i32::from(off > 0) * 2);
    for index in 0..part.cell.batch {
        let image = (part.iteration - 1) * part.cell.batch + index;
        let clear = if image % 23 == 5 { (image + 1) % 10 } else { image % 10 };
        let private = if off > 0 && image % off == 9 { (clear + 3) % 10 } else { clear };
        let answer = part.answer(image, [image % 10, clear, private], error * (1 + image % 3) as f64);
        tables.answers.push(answer);
    }
}
