//! Round trips over loopback: a [`Link`] on its own thread, with TLS and without, against the same frames on tokio.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]

use std::thread;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use veilbench_api::LinkProfile;
use veilbench_api::link::pair;

const SIZES: [usize; 4] = [8, 1 << 10, 64 << 10, 1 << 20];

fn round_trip(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("round-trip");
    group.sample_size(20).measurement_time(Duration::from_secs(2));
    for size in SIZES {
        group.throughput(Throughput::Bytes(2 * size as u64));
        for (name, profile) in
            [("link", LinkProfile::loopback()), ("link in TLS", LinkProfile::loopback().with_tls())]
        {
            group.bench_with_input(BenchmarkId::new(name, size), &size, |bencher, &size| {
                let [(mut near, _), (mut far, _)] = pair(&profile, Duration::from_secs(10)).unwrap();
                let echo = thread::spawn(move || {
                    while let Ok(message) = far.receive() {
                        far.send(&message).unwrap();
                    }
                });
                let payload = vec![1; size];
                bencher.iter(|| {
                    near.send(&payload).unwrap();
                    near.receive().unwrap()
                });
                drop(near);
                echo.join().unwrap();
            });
        }
        group.bench_with_input(BenchmarkId::new("tokio", size), &size, |bencher, &size| {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let echo = thread::spawn(move || {
                runtime().block_on(async move {
                    listener.set_nonblocking(true).unwrap();
                    let listener = TcpListener::from_std(listener).unwrap();
                    let (mut stream, _) = listener.accept().await.unwrap();
                    stream.set_nodelay(true).unwrap();
                    while let Ok(message) = read_frame(&mut stream).await {
                        write_frame(&mut stream, &message).await;
                    }
                });
            });
            let runtime = runtime();
            let mut stream = runtime.block_on(TcpStream::connect(address)).unwrap();
            stream.set_nodelay(true).unwrap();
            let payload = vec![1; size];
            bencher.iter(|| {
                runtime.block_on(async {
                    write_frame(&mut stream, &payload).await;
                    read_frame(&mut stream).await.unwrap()
                })
            });
            drop(stream);
            echo.join().unwrap();
        });
    }
    group.finish();
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap()
}

async fn write_frame(stream: &mut TcpStream, payload: &[u8]) {
    let mut frame = Vec::with_capacity(20 + payload.len());
    frame.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    frame.extend_from_slice(&[0; 16]);
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await.unwrap();
}

async fn read_frame(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut header = [0; 20];
    stream.read_exact(&mut header).await?;
    let bytes = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    let mut payload = vec![0; bytes as usize];
    stream.read_exact(&mut payload).await?;
    Ok(payload)
}

criterion_group!(benches, round_trip);
criterion_main!(benches);
