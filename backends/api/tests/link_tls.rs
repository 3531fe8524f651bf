//! Facts about encrypted links, over real sockets.

#![expect(clippy::unwrap_used, reason = "a failure here is the test's")]

mod exchanges;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use veilbench_api::link::{Authority, Credentials, Endpoint, Link, LinkError, LinkProfile, Links, Token};

const PATIENCE: Duration = Duration::from_secs(3);

fn names() -> [String; 2] {
    ["data-owner", "model-owner"].map(str::to_owned)
}

fn issued(parties: usize) -> Vec<Credentials> {
    Authority::new().unwrap().issue(parties).unwrap()
}

/// What two parties come to that show these credentials; the second calls the first.
fn connect(credentials: [Option<Credentials>; 2], profile: &LinkProfile) -> [Result<Links, LinkError>; 2] {
    let endpoints = credentials.map(|own| Endpoint::bind().unwrap().with_credentials(own));
    let addresses = [0, 1].map(|party: usize| endpoints[party].address().unwrap());
    let parties: Vec<(String, SocketAddr)> = names().into_iter().zip(addresses).collect();
    let token = Token::new([7; 16]);
    let [first, second] = endpoints;
    thread::scope(|scope| {
        let first = scope.spawn(|| first.connect(0, &parties, &token, profile, PATIENCE));
        let second = second.connect(1, &parties, &token, profile, PATIENCE);
        [first.join().unwrap(), second].map(|result| result.map(|(links, _)| links))
    })
}

fn ends() -> [Link; 2] {
    let credentials = <[Credentials; 2]>::try_from(issued(2)).unwrap().map(Some);
    let [first, second] = connect(credentials, &LinkProfile::loopback().with_tls());
    [first.unwrap().take("model-owner").unwrap(), second.unwrap().take("data-owner").unwrap()]
}

fn reason(result: &Result<Links, LinkError>) -> String {
    result.as_ref().err().map(ToString::to_string).unwrap_or_default()
}

#[test]
fn messages_of_every_size_arrive_whole_and_in_order() {
    let [left, right] = ends();
    exchanges::messages_of_every_size(left, right);
}

#[test]
fn two_parties_may_send_large_messages_to_each_other_at_once() {
    let [left, right] = ends();
    exchanges::large_messages_at_once(left, right);
}

#[test]
fn a_peer_that_leaves_and_one_that_says_nothing_are_errors_of_the_link() {
    let [mut left, right] = ends();
    drop(right);
    assert_eq!(
        left.receive().unwrap_err().to_string(),
        "link to model-owner: the peer closed the connection"
    );
    let [mut left, _right] = ends();
    assert!(left.receive().unwrap_err().to_string().contains("link to model-owner: no progress for 3 s"));
}

#[test]
fn what_passes_over_the_wire_is_not_the_message() {
    let credentials = issued(2);
    let profile = LinkProfile::loopback().with_tls();
    let [first, second] = [0, 1]
        .map(|party: usize| Endpoint::bind().unwrap().with_credentials(Some(credentials[party].clone())));
    let spy = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = first.address().unwrap();
    let addresses = [spy.local_addr().unwrap(), second.address().unwrap()];
    let parties: Vec<(String, SocketAddr)> = names().into_iter().zip(addresses).collect();
    let token = Token::new([7; 16]);
    let seen = thread::spawn(move || {
        let (near, far) = (spy.accept().unwrap().0, TcpStream::connect(target).unwrap());
        let (mut from, mut to) = (far.try_clone().unwrap(), near.try_clone().unwrap());
        let back = thread::spawn(move || std::io::copy(&mut from, &mut to));
        let (mut near, mut far, mut seen, mut part) = (near, far, Vec::new(), [0; 4096]);
        while let Ok(read @ 1..) = near.read(&mut part) {
            seen.extend_from_slice(&part[..read]);
            far.write_all(&part[..read]).unwrap();
        }
        drop((near, far));
        let _ended = back.join();
        seen
    });
    let secret = b"the pixels of an image, again and again".repeat(50);
    thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let (mut links, _) = first.connect(0, &parties, &token, &profile, PATIENCE).unwrap();
            links.take("model-owner").unwrap().receive().unwrap()
        });
        let (mut links, _) = second.connect(1, &parties, &token, &profile, PATIENCE).unwrap();
        links.take("data-owner").unwrap().send(&secret).unwrap();
        assert!(receiver.join().unwrap() == secret);
    });
    let seen = seen.join().unwrap();
    assert!(seen.len() > secret.len());
    assert!(!seen.windows(12).any(|bytes| secret.starts_with(bytes)), "the message is in the clear");
    assert!(!seen.windows(16).any(|bytes| bytes == [7; 16]), "the session's token is in the clear");
}

#[test]
fn a_certificate_of_another_session_is_an_error_that_names_the_link() {
    let profile = LinkProfile::loopback().with_tls();
    let (ours, others) = (issued(2), issued(2));
    let [listener, caller] = connect([Some(ours[0].clone()), Some(others[1].clone())], &profile);
    assert!(reason(&caller).starts_with("connecting to data-owner: "), "{}", reason(&caller));
    assert!(reason(&caller).contains("certificate"), "{}", reason(&caller));
    assert!(reason(&listener).starts_with("connecting to model-owner: "), "{}", reason(&listener));
    assert!(reason(&listener).contains("a caller was refused"), "{}", reason(&listener));
}

#[test]
fn a_certificate_of_the_session_for_another_role_is_one_too() {
    let profile = LinkProfile::loopback().with_tls();
    let third = issued(3);
    // The third party's key and certificate in the place of the second: what a dealer would do that wants the weights' link.
    let stolen: Credentials = {
        let mut json = serde_json::to_value(&third[2]).unwrap();
        let parties = json["parties"].as_array_mut().unwrap();
        parties.swap(1, 2);
        serde_json::from_value(json).unwrap()
    };
    let [listener, caller] = connect([Some(third[0].clone()), Some(stolen)], &profile);
    assert!(reason(&caller).starts_with("connecting to data-owner: "), "{}", reason(&caller));
    assert!(reason(&listener).contains("the certificate is that of another role"), "{}", reason(&listener));
}

#[test]
fn a_missing_certificate_is_one_on_either_side() {
    let profile = LinkProfile::loopback().with_tls();
    let ours = issued(2);
    let [listener, caller] = connect([Some(ours[0].clone()), None], &profile);
    assert_eq!(
        reason(&caller),
        "connecting to data-owner: the link is to be encrypted and this party was given no certificate"
    );
    assert!(listener.is_err());
    let [listener, _] = connect([None, Some(ours[1].clone())], &profile);
    assert!(reason(&listener).starts_with("connecting to model-owner: the link is to be encrypted"));
}

#[test]
fn a_stranger_that_calls_first_does_not_end_the_session() {
    let profile = LinkProfile::loopback().with_tls();
    let ours = issued(2);
    let [first, second] =
        [0, 1].map(|party: usize| Endpoint::bind().unwrap().with_credentials(Some(ours[party].clone())));
    let addresses = [first.address().unwrap(), second.address().unwrap()];
    let parties: Vec<(String, SocketAddr)> = names().into_iter().zip(addresses).collect();
    TcpStream::connect(addresses[0]).unwrap().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let token = Token::new([7; 16]);
    thread::scope(|scope| {
        let first = scope.spawn(|| first.connect(0, &parties, &token, &profile, PATIENCE).map(|_| ()));
        let second = second.connect(1, &parties, &token, &profile, PATIENCE);
        assert!(first.join().unwrap().is_ok() && second.is_ok());
    });
}

#[test]
fn links_are_measured_without_being_counted_as_work() {
    let credentials = <[Credentials; 2]>::try_from(issued(2)).unwrap().map(Some);
    let profile: LinkProfile = "200mbit/4ms".parse().unwrap();
    let links = connect(credentials, &profile.with_tls());
    let figures = thread::scope(|scope| {
        let measuring: Vec<_> = links
            .into_iter()
            .enumerate()
            .map(|(party, links)| scope.spawn(move || links.unwrap().measure(&names(), party).unwrap()))
            .collect();
        measuring.into_iter().map(|party| party.join().unwrap()).collect::<Vec<_>>()
    });
    for (party, figures) in figures.iter().enumerate() {
        let [figure] = figures.as_slice() else { unreachable!("one peer") };
        assert_eq!(figure.peer, names()[1 - party]);
        assert!((4_000_000..12_000_000).contains(&figure.round_trip_ns), "{figure:?}");
        let rate = figure.burst_bytes as f64 * 8e9 / figure.burst_ns as f64;
        assert!((100e6..260e6).contains(&rate), "{rate} bits per second: {figure:?}");
    }
}
