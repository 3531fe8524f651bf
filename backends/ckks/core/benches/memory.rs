//! Peak memory, as the system counts it (`VmHWM`), of the owner who generates the keys of a 128 x 1024 matrix and of
//! the one who evaluates it. Each is a process of its own; the bytes between them go through a pipe.

use crate::matrix::Matrix;
use crate::sets::{SETS, Set};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use veilbench_ckks::*;

/// The variable that tells a process what it is: `owner SET` or `evaluator SET`.
pub(crate) const ROLE: &str = "VEILBENCH_CKKS_MEMORY_ROLE";

/// A line of `/proc/self/status`, in MB.
fn status(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kibibytes = status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.strip_suffix("kB")?.trim().parse().ok());
    kibibytes.map_or(f64::NAN, |kibibytes: f64| kibibytes * 1024.0 / 1e6)
}

/// The peak resident memory of a step. What was resident before counts too.
fn peak<T>(step: impl FnOnce() -> T) -> (T, f64) {
    // Sets the peak back to what is resident now.
    let reset = std::fs::write("/proc/self/clear_refs", "5");
    let result = step();
    (result, if reset.is_ok() { status("VmHWM") } else { f64::NAN })
}

fn matrix(context: &Context) -> Matrix {
    let level = context.parameters().max_level();
    let prime = context.parameters().data_primes()[level] as f64;
    let weights: Vec<f64> = (0..128 * 1024).map(|i| (i as f64 * 0.37).sin()).collect();
    Matrix::from_rows(context, 128, 1024, &weights, prime, level).expect("the matrix fits")
}

pub(crate) fn report() {
    println!("peak memory, MB (`here` is resident before the step):");
    println!(
        "set        keys sent | owner: here  keygen | evaluator: here  keys in memory  receive  evaluate"
    );
    for set in &SETS {
        let line = measure(set).unwrap_or_else(|error| format!("not measured: {error}"));
        println!("{:10} {line}", set.name);
    }
}

fn measure(set: &Set) -> std::io::Result<String> {
    let process = |role: &str| {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(ROLE, format!("{role} {}", set.name)).env("RAYON_NUM_THREADS", "1");
        Ok::<_, std::io::Error>(command)
    };
    let mut owner = process("owner")?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let keys = owner.stdout.take().ok_or_else(|| std::io::Error::other("no pipe"))?;
    let evaluator = process("evaluator")?.stdin(keys).output()?;
    let owner = owner.wait_with_output()?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_string();
    Ok(format!("{} | {}", text(owner.stderr), text(evaluator.stdout)))
}

/// What the process does that was started with this role.
pub(crate) fn play(role: &str) {
    let (role, name) = role.split_once(' ').expect("a role and a set");
    let context = SETS.iter().find(|set| set.name == name).expect("a known set").context();
    match role {
        "owner" => own(&context),
        _ => evaluate(&context),
    }
}

fn own(context: &Context) {
    let rotations = matrix(context).rotations();
    let before = status("VmRSS");
    let (bytes, generate) = peak(|| {
        let mut random = Randomness::from_system().expect("the system has randomness");
        let secret = SecretKey::generate(context, &mut random);
        let request = KeyRequest { relinearisation: true, rotations, ..KeyRequest::default() };
        let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random);
        let level = context.parameters().max_level();
        let plaintext = context.encode(&[0.5], 2f64.powi(40), level).expect("it fits");
        let input = secret.encrypt(&plaintext, &mut random).and_then(|sealed| sealed.to_bytes(context));
        let keys = keys.to_bytes(context).expect("ours");
        (input.expect("ours"), keys)
    });
    let mut out = std::io::stdout().lock();
    let (input, keys) = bytes;
    let written = out
        .write_all(&(input.len() as u64).to_le_bytes())
        .and_then(|()| out.write_all(&input))
        .and_then(|()| out.write_all(&keys));
    written.expect("the evaluator listens");
    eprintln!("{:9.1} | {before:11.1} {generate:7.1}", keys.len() as f64 / 1e6);
}

fn evaluate(context: &Context) {
    let mut received = Vec::new();
    std::io::stdin().lock().read_to_end(&mut received).expect("the owner sends");
    let (length, rest) = received.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
    let (input, key_bytes) = rest.split_at(length);
    let input = SeededCiphertext::from_bytes(context, input).and_then(|sealed| sealed.expand(context));
    let input = input.expect("sent by the owner");
    let before = status("VmRSS");
    let (keys, receive) = peak(|| SeededEvaluationKeys::from_bytes(context, key_bytes)?.expand(context));
    let received_size = received.len() as f64 / 1e6;
    drop(received);
    let after = status("VmRSS");
    let evaluator = Evaluator::new(context, Arc::new(keys.expect("sent by the owner"))).expect("ours");
    let key_memory = after - before + received_size;
    let (_, evaluation) = peak(|| {
        let matrix = matrix(context);
        evaluator.square(&input).and_then(|_| matrix.times(&evaluator, &input)).expect("it fits")
    });
    println!("{before:15.1} {key_memory:15.1} {receive:8.1} {evaluation:9.1}");
}
