//! Bytes from the host: what is not exactly right is an error with a reason, never a panic, and
//! nothing is allocated because a length says so.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, reason = "the fixture serves several tests")]

mod fixture;

use fixture::*;
use veilbench_hostile::fuzz;
use veilbench_tee::*;

type Parser = Box<dyn Fn(&[u8]) -> Result<()>>;

/// Every parser that faces the host, with bytes it accepts.
fn parsers() -> Vec<(&'static str, Vec<u8>, Parser)> {
    let launch = launch();
    let (enclave, introduction) = start(&launch);
    let evidence = evidence(&introduction, &introduction.data_owner, [2; 32]);
    let sealed = enclave.seal_model(MODEL).unwrap();
    let user = Verifier::new(Client::DataOwner, policy(), release()).unwrap();
    let (answering, answered) = start(&launch_of(&release(), [1; 32], *user.nonce()));
    let shown = fixture::evidence(&answered, &answered.data_owner, *user.nonce());
    let (_, hello) = user.connect(&shown.to_bytes(), b"hello", NOW).unwrap();
    vec![
        ("release", release().to_bytes(), Box::new(|bytes| Release::from_bytes(bytes).map(drop))),
        ("token", launch.token.to_bytes(), Box::new(|bytes| LaunchToken::from_bytes(bytes).map(drop))),
        ("launch", launch.to_bytes(), Box::new(|bytes| Launch::from_bytes(bytes).map(drop))),
        (
            "introduction",
            introduction.to_bytes(),
            Box::new(|bytes| EnclaveHello::from_bytes(bytes).map(drop)),
        ),
        ("report", introduction.data_owner.to_bytes(), Box::new(|bytes| Report::from_bytes(bytes).map(drop))),
        ("evidence", evidence.to_bytes(), Box::new(|bytes| judge(&Evidence::from_bytes(bytes)?).map(drop))),
        (
            "key exchange and record",
            hello,
            Box::new(move |bytes| answering.accept(Client::DataOwner, &mut bytes.to_vec(), 100).map(drop)),
        ),
        ("sealed model", sealed, Box::new(move |bytes| enclave.unseal_model(bytes).map(drop))),
    ]
}

#[test]
fn every_truncation_and_extension_is_refused() {
    for (name, bytes, parse) in parsers() {
        parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let step = if bytes.len() > 2_000 { 97 } else { 1 };
        for length in (0..bytes.len()).step_by(step) {
            assert!(parse(&bytes[..length]).is_err(), "{name}: {length} bytes");
        }
        assert!(parse(&[&bytes[..], &[0]].concat()).is_err(), "{name}: a byte too many");
    }
}

#[test]
fn lengths_that_lie_are_refused() {
    let good = good().to_bytes();
    // After key, nonce and model comes the length of the first field.
    for (length, words) in
        [(u32::MAX, "a field of 4294967295 bytes where at most 512"), (400, "a text is not UTF-8")]
    {
        let mut lie = good.clone();
        lie[96..100].copy_from_slice(&length.to_le_bytes());
        let error = refusal(Evidence::from_bytes(&lie));
        assert!(error.starts_with("evidence: ") && error.contains(words), "{error}");
    }
    let mut short = good;
    short.truncate(3_000);
    let error = refusal(Evidence::from_bytes(&short));
    assert!(error.contains("bytes are announced where "), "{error}");
}

#[test]
fn mutated_bytes_never_panic() {
    let parsers = parsers();
    let (mut accepted, mut refused) = (0, 0);
    fuzz("tee", 1, |draw, bytes| {
        let (_, good, parse) = draw.one(&parsers);
        *bytes = draw.mutated(&[good], &[]);
        *if parse(bytes).is_ok() { &mut accepted } else { &mut refused } += 1;
        Ok(())
    });
    assert!(accepted > 0 && refused > 0, "{accepted} mutations accepted, {refused} refused");
}
