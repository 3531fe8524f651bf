//! Facts about links, over real sockets.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]

mod exchanges;

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use veilbench_api::link::{Endpoint, Link, LinkError, LinkProfile, Token, pair};

const PATIENCE: Duration = Duration::from_secs(10);

fn ends(profile: &LinkProfile) -> (Link, Link) {
    let [(left, _), (right, _)] = pair(profile, PATIENCE).unwrap();
    (left, right)
}

#[test]
fn messages_of_every_size_arrive_whole_and_in_order() {
    let (left, right) = ends(&LinkProfile::loopback());
    exchanges::messages_of_every_size(left, right);
}

#[test]
fn two_parties_may_send_large_messages_to_each_other_at_once() {
    let (left, right) = ends(&LinkProfile::loopback());
    exchanges::large_messages_at_once(left, right);
}

#[test]
fn depth_counts_the_longest_chain_of_messages() {
    let [(mut left, left_meter), (mut right, right_meter)] =
        pair(&LinkProfile::loopback(), PATIENCE).unwrap();
    left.send(b"a").unwrap();
    left.send(b"b").unwrap();
    right.receive().unwrap();
    right.receive().unwrap();
    assert_eq!(
        (left_meter.depth(), right_meter.depth()),
        (0, 1),
        "two messages in one direction are one round"
    );
    right.send(b"c").unwrap();
    left.receive().unwrap();
    assert_eq!(left_meter.depth(), 2);
    left.send(b"d").unwrap();
    right.send(b"e").unwrap();
    left.receive().unwrap();
    right.receive().unwrap();
    assert_eq!((left_meter.depth(), right_meter.depth()), (2, 3), "an exchange at depths 2 and 1");
}

#[test]
fn a_peer_that_leaves_is_an_error_that_names_it() {
    let (mut left, right) = ends(&LinkProfile::loopback());
    drop(right);
    let error = left.receive().unwrap_err();
    assert!(matches!(&error, LinkError::Closed { peer } if peer == "right"), "{error}");
}

#[test]
fn a_silent_peer_is_an_error_within_the_timeout() {
    let [(mut left, _), (_right, _)] = pair(&LinkProfile::loopback(), Duration::from_millis(200)).unwrap();
    let start = Instant::now();
    let error = left.receive().unwrap_err();
    assert!(matches!(error, LinkError::Timeout { .. }), "{error}");
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(190) && waited < Duration::from_secs(5), "{waited:?}");
}

#[test]
fn a_peer_that_takes_nothing_is_an_error_within_the_timeout() {
    let [(mut left, _), (_right, _)] = pair(&LinkProfile::loopback(), Duration::from_secs(1)).unwrap();
    let error = left.send(&vec![0; 256 << 20]).unwrap_err();
    assert!(matches!(error, LinkError::Timeout { .. }), "{error}");
}

/// An endpoint that has been called by `hello` and nothing else.
fn called_with(frames: &[&[u8]]) -> Result<Vec<u8>, LinkError> {
    let endpoint = Endpoint::bind().unwrap();
    let address = endpoint.address().unwrap();
    let token = Token::new([3; 16]);
    let mut hello = b"veilb 01".to_vec();
    hello.extend([3; 16]);
    hello.push(1);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(&hello).unwrap();
    for frame in frames {
        stream.write_all(frame).unwrap();
    }
    drop(stream);
    let parties = [("server".to_owned(), address), ("client".to_owned(), address)];
    let (mut links, _) = endpoint.connect(0, &parties, &token, &LinkProfile::loopback(), PATIENCE)?;
    links.take("client")?.receive()
}

fn header(bytes: u32, sequence: u32) -> Vec<u8> {
    let mut header = bytes.to_le_bytes().to_vec();
    header.extend(sequence.to_le_bytes());
    header.extend([0; 16]);
    header
}

#[test]
fn a_link_that_failed_stays_failed_and_a_stale_message_is_an_error() {
    let [(mut left, _), (mut right, meter)] = pair(&LinkProfile::loopback(), PATIENCE).unwrap();
    left.send(b"sent before the phase began").unwrap();
    meter.begin_phase();
    let error = right.receive().unwrap_err();
    assert!(matches!(error, LinkError::Phase { expected: 1, got: 0, .. }), "{error}");
    left.send(b"more").unwrap();
    assert!(matches!(right.receive().unwrap_err(), LinkError::Broken { .. }));
    assert!(matches!(right.send(b"anything").unwrap_err(), LinkError::Broken { .. }));
}

#[test]
fn hostile_frames_are_errors() {
    assert_eq!(called_with(&[&header(3, 0), b"abc"]).unwrap(), b"abc");
    assert!(matches!(called_with(&[&header(u32::MAX, 0)]), Err(LinkError::TooLarge { .. })));
    assert!(matches!(
        called_with(&[&header(3, 1), b"abc"]),
        Err(LinkError::Sequence { expected: 0, got: 1, .. })
    ));
    assert!(matches!(called_with(&[&header(3, 0), b"ab"]), Err(LinkError::Closed { .. })));
    assert!(matches!(called_with(&[&header(1 << 29, 0), b"ab"]), Err(LinkError::Closed { .. })));
    assert!(matches!(called_with(&[&header(3, 0)[..7]]), Err(LinkError::Closed { .. })));
    assert!(matches!(called_with(&[]), Err(LinkError::Closed { .. })));
}

#[test]
fn strangers_do_not_get_a_link() {
    let endpoint = Endpoint::bind().unwrap();
    let address = endpoint.address().unwrap();
    let mut wrong_token = TcpStream::connect(address).unwrap();
    wrong_token.write_all(b"veilb 01").unwrap();
    wrong_token.write_all(&[9; 17]).unwrap();
    let _says_nothing = TcpStream::connect(address).unwrap();
    let parties = [("server".to_owned(), address), ("client".to_owned(), address)];
    let token = Token::new([3; 16]);
    let error = endpoint
        .connect(0, &parties, &token, &LinkProfile::loopback(), Duration::from_millis(400))
        .unwrap_err();
    assert!(matches!(&error, LinkError::Connect { peer, .. } if peer == "client"), "{error}");
}
