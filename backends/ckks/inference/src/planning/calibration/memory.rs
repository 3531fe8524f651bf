//! Memory, and bytes that pass between processes.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use veilbench_api::Error;

use super::{Rates, rate, reference, time};

/// More than caches hold.
const BYTES: usize = 64 << 20;

/// Fits what a connection buffers.
const MESSAGE_BYTES: usize = 64 << 10;

/// Measures the rates of memory and adds them.
pub(super) fn measure(mut rates: Rates) -> Result<Rates, Error> {
    let measuring = "measuring memory and connections";
    let never = |error: std::convert::Infallible| -> f64 { match error {} };
    let first_use = time(|_| {
        let mut fresh = vec![0u8; BYTES];
        fresh.iter_mut().step_by(4096).for_each(|byte| *black_box(byte) = 1);
        Ok(fresh)
    });
    let words = vec![1u64; BYTES / size_of::<u64>()];
    let read =
        time(|_| Ok(black_box(black_box(&words).iter().fold(0u64, |sum, word| sum.wrapping_add(*word)))));
    rates.first_use = rate(first_use.unwrap_or_else(never) / BYTES as f64, reference().first_use);
    // A result is written where nothing was.
    rates.result = rates.first_use * size_of::<u64>() as f64;
    rates.read = rate(read.unwrap_or_else(never) / BYTES as f64, reference().read);
    let copy = copied().map_err(Error::engine(measuring))?;
    rates.copy = rate(copy, reference().copy);
    Ok(rates)
}

/// Nanoseconds of one end for a byte that is sent over the loopback interface.
fn copied() -> std::io::Result<f64> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    let (message, mut buffer) = (vec![7u8; MESSAGE_BYTES], vec![0u8; MESSAGE_BYTES]);
    let both = time(|_| sender.write_all(&message).and_then(|()| receiver.read_exact(&mut buffer)))?;
    Ok(both / (2 * MESSAGE_BYTES) as f64)
}
