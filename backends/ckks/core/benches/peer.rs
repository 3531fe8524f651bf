//! This crate as a peer of `benches/peers/compare.py`: `DEGREE DATA_BITS SPECIAL_BITS DIGITS` on the command line, an
//! operation and a number of samples on each line of input, the fastest microseconds of processor time on each line
//! of output. One thread.

use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;
use veilbench_ckks::*;

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

fn fastest(samples: usize, run: impl Fn()) -> f64 {
    let sample = || {
        let start = thread_time();
        run();
        thread_time() - start
    };
    (0..samples).map(|_| sample()).min().unwrap_or_default().as_secs_f64() * 1e6
}

fn bits(list: &str) -> Vec<u32> {
    list.split(',').map(|bits| bits.parse().expect("lengths in bits, separated by commas")).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [degree, data, special, digits] = &arguments[..] else {
        println!("run by benches/peers/compare.py");
        return;
    };
    let parameters = Parameters::new(&ParameterRequest {
        degree: degree.parse().expect("a degree"),
        data_prime_bits: &bits(data),
        special_prime_bits: &bits(special),
        digits: digits.parse().expect("a number of digits"),
    });
    let context = Context::new(parameters.expect("the set is secure"));
    let mut random = Randomness::from_system().expect("the system has randomness");
    let secret = SecretKey::generate(&context, &mut random);
    let request = KeyRequest { relinearisation: true, rotations: [1].into(), ..KeyRequest::default() };
    let keys = SeededEvaluationKeys::generate(&secret, &request, &mut random).expand(&context);
    let evaluator = Evaluator::new(&context, Arc::new(keys.expect("ours"))).expect("ours");
    let level = context.parameters().max_level();
    let plaintext =
        context.encode(&vec![0.5; context.parameters().slots()], 2f64.powi(40), level).expect("it fits");
    let ciphertext = secret.encrypt(&plaintext, &mut random).expect("ours").expand(&context).expect("ours");
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("lines of text");
        let (operation, samples) = line.split_once(' ').expect("an operation and a number of samples");
        let samples = samples.parse().expect("a number of samples");
        let best = match operation {
            "rotate" => fastest(samples, || drop(black_box(evaluator.rotate(&ciphertext, 1)))),
            _ => fastest(samples, || drop(black_box(evaluator.multiply(&ciphertext, &ciphertext)))),
        };
        println!("{best}");
    }
}
