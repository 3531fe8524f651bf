//! Frames from a hostile peer, such as the host of an enclave: a link gives the messages that were sent, or an
//! error that names the peer, and never more than was sent.
//!
//! `VEILBENCH_FUZZ_SECONDS` lets the mutation run go on for longer.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use veilbench_api::link::{Endpoint, Link, LinkError, LinkProfile, Token, pair};

const PATIENCE: Duration = Duration::from_secs(10);
const LIMIT: usize = 100_000;

/// A link to a peer that writes what it likes.
fn hostile_peer() -> (Link, TcpStream) {
    let endpoint = Endpoint::bind().unwrap();
    let address = endpoint.address().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&[&b"veilb 01"[..], &[3; 16], &[1]].concat()).unwrap();
    let parties = [("server".to_owned(), address), ("client".to_owned(), address)];
    let token = Token::new([3; 16]);
    let (mut links, _) = endpoint.connect(0, &parties, &token, &LinkProfile::loopback(), PATIENCE).unwrap();
    (links.take("client").unwrap(), stream)
}

/// Messages of such lengths as they are framed.
fn frames(lengths: &[usize]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (sequence, &length) in lengths.iter().enumerate() {
        bytes.extend((length as u32).to_le_bytes());
        bytes.extend((sequence as u32).to_le_bytes());
        bytes.extend([0; 16]);
        bytes.extend((0..length).map(|i| (i * 7 + sequence) as u8));
    }
    bytes
}

/// What a link makes of bytes: the lengths of the messages before its first error, and that error.
fn received(bytes: Vec<u8>, forwarded: bool) -> (Vec<usize>, LinkError) {
    let (mut link, mut stream) = hostile_peer();
    let writer = thread::spawn(move || {
        // The link may close before it has read everything.
        let _gone = stream.write_all(&bytes).and_then(|()| stream.shutdown(Shutdown::Write));
        stream
    });
    let [(mut to, _), (mut far, _)] = pair(&LinkProfile::loopback(), PATIENCE).unwrap();
    let mut lengths = Vec::new();
    let error = loop {
        let next = if forwarded {
            link.forward(&mut to, LIMIT, Duration::from_micros(50))
                .inspect(|&bytes| assert_eq!(far.receive().unwrap().len(), bytes))
        } else {
            link.receive().map(|message| message.len())
        };
        match next {
            Ok(length) => lengths.push(length),
            Err(error) => break error,
        }
    };
    drop(link);
    drop(writer.join().unwrap());
    (lengths, error)
}

#[test]
fn untouched_frames_arrive() {
    for forwarded in [false, true] {
        let (lengths, error) = received(frames(&[0, 1, 70_000, 24]), forwarded);
        assert_eq!(lengths, [0, 1, 70_000, 24]);
        assert!(matches!(error, LinkError::Closed { .. }), "{error}");
    }
}

#[test]
fn a_message_beyond_the_limit_is_not_passed_on() {
    let (lengths, error) = received(frames(&[5, LIMIT + 1]), true);
    assert_eq!(lengths, [5]);
    assert!(matches!(error, LinkError::TooLarge { bytes, .. } if bytes == LIMIT + 1), "{error}");
}

#[test]
fn a_message_of_another_length_is_refused_by_its_header() {
    for announced in [0u32, 4, 6, 1 << 29] {
        let (mut link, mut stream) = hostile_peer();
        let mut header = [0; 24];
        header[..4].copy_from_slice(&announced.to_le_bytes());
        stream.write_all(&header).unwrap();
        let start = Instant::now();
        let error = link.receive_exactly(5).unwrap_err();
        assert!(
            matches!(error, LinkError::Length { expected: 5, got, .. } if got == announced as usize),
            "{error}"
        );
        assert!(start.elapsed() < PATIENCE / 2, "what follows the header was waited for");
        assert!(
            matches!(link.receive(), Err(LinkError::Broken { .. })),
            "a refused message is not read later"
        );
    }
}

#[test]
fn messages_of_the_expected_lengths_arrive() {
    let lengths = [0, 1, 70_000, 24];
    let (mut link, mut stream) = hostile_peer();
    let writer = thread::spawn(move || {
        stream.write_all(&frames(&lengths)).unwrap();
        stream
    });
    for length in lengths {
        assert_eq!(link.receive_exactly(length).unwrap().len(), length);
    }
    drop(writer.join().unwrap());
}

#[test]
fn mutated_frames_end_in_an_error_that_names_the_peer() {
    let seconds = std::env::var("VEILBENCH_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let mut sessions = 0u64;
    while sessions < 20 || Instant::now() < end {
        let lengths: Vec<_> = (0..=next() % 4).map(|_| [0, 3, 40, 66_000][next() % 4]).collect();
        let mut bytes = frames(&lengths);
        for _ in 0..=next() % 3 {
            // Half of the changes hit the first headers.
            let reach = if next() % 2 == 0 { bytes.len().min(60) } else { bytes.len() };
            let position = next() % reach.max(1);
            match next() % 4 {
                0 => bytes[position] = next() as u8,
                1 => bytes[position] ^= 1 << (next() % 8),
                2 => bytes.truncate(position.max(1)),
                _ => bytes.insert(position, next() as u8),
            }
        }
        let sent = bytes.len();
        let (received, error) = received(bytes, next() % 2 == 0);
        assert!(received.iter().map(|length| length + 24).sum::<usize>() <= sent);
        assert!(error.to_string().starts_with("link to client: "), "{error}");
        sessions += 1;
    }
    println!("{sessions} sessions");
}
