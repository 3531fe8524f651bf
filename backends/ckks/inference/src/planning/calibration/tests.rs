//! Predictions for networks that no rate was measured with.

use std::sync::Mutex;

use rayon::ThreadPool;
use veilbench_api::conformance::test_networks::{self, test_network};
use veilbench_api::local_session::LocalSession;
use veilbench_api::{Backend, Job, Party, Plan, Profile, RoleContext, Unsupported};
use veilbench_networks::{
    ActivationKind, Architecture, Conv2d, Dense, Network, Op, Polynomial, Shape, Tensor, Window,
};

use super::*;
use crate::circuits::circuit::Circuit;
use crate::deep;
use crate::planning::cost::Work;
use crate::planning::plan::CkksPlan;

/// The backend, noting the processor time of every online phase, of which each runs on one thread.
#[derive(Default)]
struct Timed {
    taken: Mutex<Vec<u64>>,
}

struct TimedParty<'a> {
    party: Box<dyn Party>,
    pool: ThreadPool,
    taken: &'a Mutex<Vec<u64>>,
}

impl Backend for &'static Timed {
    fn profile(&self) -> Profile {
        crate::Ckks.profile()
    }

    fn plan(&self, architecture: &Architecture, job: &Job) -> Result<Plan, Unsupported> {
        crate::Ckks.plan(architecture, job)
    }

    fn join(&self, role: RoleContext) -> Result<Box<dyn Party>, Error> {
        let pool = ThreadPoolBuilder::new().num_threads(1).build().map_err(Error::engine("a pool"))?;
        Ok(Box::new(TimedParty { party: crate::Ckks.join(role)?, pool, taken: &self.taken }))
    }
}

impl Party for TimedParty<'_> {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.party.offline(images)
    }

    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let party = &mut self.party;
        let (result, taken) = self.pool.install(|| {
            let start = thread_cpu_ns();
            (party.online(images), thread_cpu_ns() - start)
        });
        self.taken.lock().expect("nobody panicked").push(taken);
        result
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Latency,
    Throughput,
    Deep,
}

fn conv(inputs: usize, outputs: usize, size: usize, stride: usize) -> Op {
    let window = Window { kernel: [size; 2], stride: [stride; 2], padding: [0; 4] };
    Op::Conv2d(Conv2d { inputs, outputs, groups: 1, dilation: [1; 2], window })
}

fn dense(inputs: usize, outputs: usize) -> Op {
    Op::Dense(Dense { inputs, outputs })
}

fn quadratic(channels: usize) -> Op {
    Op::Polynomial(Polynomial { channels, degree: 2 })
}

fn image(channels: usize, side: usize) -> Shape {
    Shape::Image { channels, height: side, width: side }
}

fn networks() -> Vec<(Kind, Network)> {
    let mlp = test_network("mlp", Shape::Flat(300), &[dense(300, 48), quadratic(48), dense(48, 12)]);
    let wide = test_network("wide", Shape::Flat(64), &[dense(64, 100), quadratic(100), dense(100, 5)]);
    let two_layers = [dense(120, 40), quadratic(40), dense(40, 24), quadratic(24), dense(24, 7)];
    let lenet = [conv(1, 4, 5, 2), quadratic(4), conv(4, 8, 3, 2), quadratic(8), Op::Flatten, dense(128, 6)];
    let colour = [conv(3, 5, 4, 3), quadratic(5), Op::Flatten, dense(5 * 25, 4)];
    let smooth = [dense(90, 30), Op::Activation(ActivationKind::Sigmoid), dense(30, 6)];
    let short = test_networks::all().into_iter().find(|own| own.architecture.name == "residual-poly");
    vec![
        (Kind::Latency, mlp),
        (Kind::Latency, test_network("two-layers", Shape::Flat(120), &two_layers)),
        (Kind::Latency, test_network("lenet", image(1, 21), &lenet)),
        (Kind::Throughput, wide),
        (Kind::Throughput, test_network("colour", image(3, 16), &colour)),
        (Kind::Deep, test_network("smooth", Shape::Flat(90), &smooth)),
        (Kind::Deep, short.expect("it is there")),
    ]
}

/// What one pass is predicted to take of both parties.
fn predicted(kind: Kind, network: &Network, rates: &Rates) -> f64 {
    let architecture = &network.architecture;
    let circuit = || Circuit::new(architecture, None).expect("it is a chain of squares");
    let here = match kind {
        Kind::Latency => {
            CkksPlan::latency_pass(&circuit(), rates, None).expect("it has a latency layout").here
        }
        Kind::Throughput => {
            CkksPlan::throughput(architecture, &circuit(), rates, false, None).expect("it fits").here
        }
        Kind::Deep => deep::planning::plan(architecture, 1, 10, rates).expect("it fits").1[1],
    };
    let Work { client_ns, server_ns, .. } = here[0];
    client_ns + server_ns
}

/// The lower quartile of what passes took of both parties, as rates are measured.
fn measured(kind: Kind, network: &Network) -> f64 {
    let timed: &'static Timed = Box::leak(Box::default());
    let batch = if kind == Kind::Throughput { 64 } else { 1 };
    let mut session = LocalSession::new(&timed, network, batch);
    let layout = if kind == Kind::Throughput { "throughput" } else { "latency" };
    session.job.settings.insert("layout".into(), layout.into());
    session.timeout = std::time::Duration::from_secs(600);
    let batches = if kind == Kind::Throughput { 4 } else { 9 };
    let images: Vec<Tensor> = (0..batches).map(|seed| test_networks::images(network, batch, seed)).collect();
    let done = session.run(&images).expect("it runs");
    assert!(done.iter().all(|outcome| outcome.error.is_none()), "{:?} {:?}", done[0].error, done[1].error);
    // In every round both parties note theirs, in either order.
    let taken = timed.taken.lock().expect("nobody panicked");
    let mut rounds: Vec<u64> = taken.chunks(2).map(|pair| pair.iter().sum()).collect();
    rounds.sort_unstable();
    rounds[rounds.len() / 4] as f64
}

/// How often the machine is measured anew: whoever else uses it takes its caches and memory, unequally while rates and while passes are measured.
const ATTEMPTS: usize = 3;

fn is_predicted(kind: Kind, network: &Network, rates: &Rates) -> bool {
    let (due, taken) = (predicted(kind, network, rates), measured(kind, network));
    let name = &network.architecture.name;
    println!(
        "{name} ({kind:?}): predicted {:.1} ms, took {:.1} ms, {:.3}",
        due / 1e6,
        taken / 1e6,
        taken / due
    );
    (taken / due - 1.0).abs() <= 0.25
}

#[test]
fn networks_never_seen_take_what_is_predicted_within_a_quarter() {
    let mut left = networks();
    for _ in 0..ATTEMPTS {
        let rates = measure().expect("it is measured");
        println!("{rates:?}");
        left.retain(|(kind, network)| !is_predicted(*kind, network, &rates));
        if left.is_empty() {
            return;
        }
    }
    let names: Vec<&String> = left.iter().map(|(_, network)| &network.architecture.name).collect();
    panic!("off by more than a quarter each time: {names:?}");
}
