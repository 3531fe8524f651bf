//! Frames from a hostile peer, such as the host of an enclave: a link gives the messages that were sent, or an
//! error that names the peer, and never more than was sent.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use veilbench_api::link::{Endpoint, Link, LinkError, LinkProfile, Token, pair};
use veilbench_hostile::fuzz;

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
    fuzz("frames", 1, |draw, bytes| {
        let lengths: Vec<_> = (0..=draw.below(4)).map(|_| *draw.one(&[0, 3, 40, 66_000])).collect();
        *bytes = draw.mutated(&[frames(&lengths)], &[]);
        let (received, error) = received(bytes.clone(), draw.below(2) == 0);
        if received.iter().map(|length| length + 24).sum::<usize>() > bytes.len() {
            return Err(format!("of {} bytes came messages of {received:?}", bytes.len()));
        }
        let error = error.to_string();
        if error.starts_with("link to client: ") { Ok(()) } else { Err(error) }
    });
}
