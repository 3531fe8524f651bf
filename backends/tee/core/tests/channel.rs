//! Records on their way through a hostile host, and models at rest with it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, reason = "the fixture serves several tests")]

mod fixture;

use fixture::*;
use veilbench_tee::*;

#[test]
fn a_session_runs_from_provisioning_to_an_answer() {
    let policy = policy();
    let owner = Verifier::new(Client::ModelOwner, policy.clone(), release()).unwrap();
    let user = Verifier::new(Client::DataOwner, policy, release()).unwrap();
    let (enclave, introduction) = start(&launch_of(&release(), *owner.nonce(), *user.nonce()));
    let for_owner = evidence(&introduction, &introduction.model_owner, *owner.nonce());
    let for_user = evidence(&introduction, &introduction.data_owner, *user.nonce());
    let (owner, mut provision) = owner.connect(&for_owner.to_bytes(), MODEL, NOW).unwrap();
    let (user, mut hello) = user.connect(&for_user.to_bytes(), &[], NOW).unwrap();
    assert_eq!(owner.attested().public_key, user.attested().public_key, "one enclave serves both");

    let (mut to_owner, model) = enclave.accept(Client::ModelOwner, &mut provision, 1 << 10).unwrap();
    assert_eq!(&model[..], MODEL);
    let (mut inside, _) = enclave.accept(Client::DataOwner, &mut hello, 0).unwrap();
    let stored = enclave.seal_model(&model).unwrap();
    assert!(!stored.windows(MODEL.len()).any(|window| window == MODEL));
    assert_eq!(&enclave.unseal_model(&stored).unwrap()[..], MODEL);

    owner.confirm(Enclave::confirm(&mut to_owner).unwrap()).unwrap();
    let mut user = user.confirm(Enclave::confirm(&mut inside).unwrap()).unwrap();
    for round in 0..3u8 {
        let mut request = user.seal(&[round; 100]).unwrap();
        assert_eq!(inside.open(&mut request, 100).unwrap(), [round; 100]);
        let mut answer = inside.seal(&[round; 10]).unwrap();
        assert_eq!(user.open(&mut answer, 10).unwrap(), [round; 10]);
    }
}

#[test]
fn a_replayed_record_is_refused() {
    let (mut user, mut inside) = channels();
    let record = user.seal(b"image").unwrap();
    inside.open(&mut record.clone(), 100).unwrap();
    let expected = "channel to the data-owner: record 1 came again where 2 is due; it was replayed";
    assert_eq!(refusal(inside.open(&mut record.clone(), 100)), expected);
    assert_eq!(refusal(inside.open(&mut record.clone(), 100)), "channel to the data-owner: closed");
    assert_eq!(refusal(inside.seal(b"late")), "channel to the data-owner: closed");
}

#[test]
fn reordered_records_are_refused() {
    let (mut user, mut inside) = channels();
    let [_first, mut second] = [b"one", b"two"].map(|image| user.seal(image).unwrap());
    let expected = "channel to the data-owner: record 2 came where 1 is due; records were lost or reordered";
    assert_eq!(refusal(inside.open(&mut second, 100)), expected);
}

#[test]
fn a_record_given_another_number_is_refused() {
    let (mut user, mut inside) = channels();
    let [_first, mut second] = [b"one", b"two"].map(|image| user.seal(image).unwrap());
    second[0] = 1;
    assert!(refusal(inside.open(&mut second, 100)).contains("record 1 does not authenticate"));
}

#[test]
fn truncated_records_are_refused() {
    let (mut user, _) = channels();
    let record = user.seal(b"image").unwrap();
    for length in 0..record.len() {
        let (mut user, mut inside) = channels();
        let mut record = user.seal(b"image").unwrap();
        record.truncate(length);
        let error = refusal(inside.open(&mut record, 100));
        let expected = match length {
            0..24 => format!("channel to the data-owner: {length} bytes are no record; it was cut short on the way"),
            _ => "channel to the data-owner: record 1 does not authenticate; it was changed or cut short on the way"
                .into(),
        };
        assert_eq!(error, expected);
    }
}

#[test]
fn a_tampered_record_is_refused() {
    let (mut user, mut inside) = channels();
    let mut record = user.seal(b"image").unwrap();
    record[10] ^= 1;
    let expected =
        "channel to the data-owner: record 1 does not authenticate; it was changed or cut short on the way";
    assert_eq!(refusal(inside.open(&mut record, 100)), expected);
}

#[test]
fn an_oversized_record_is_refused_before_it_is_decrypted() {
    let (mut user, mut inside) = channels();
    let mut record = user.seal(&[0; 101]).unwrap();
    let expected = "channel to the data-owner: a record of 125 bytes where at most 124 are allowed";
    assert_eq!(refusal(inside.open(&mut record, 100)), expected);
}

#[test]
fn what_one_end_sent_is_not_taken_back_from_the_host() {
    let (mut user, mut inside) = channels();
    let mut reflected = inside.seal(b"answer").unwrap();
    assert!(refusal(inside.open(&mut reflected, 100)).contains("record 1 does not authenticate"));
    let mut reflected = user.seal(b"image").unwrap();
    assert!(refusal(user.open(&mut reflected, 100)).contains("record 1 does not authenticate"));
}

#[test]
fn records_of_another_session_are_refused() {
    let (mut user, _) = channels();
    let (_, mut other) = channels();
    let mut record = user.seal(b"image").unwrap();
    assert!(refusal(other.open(&mut record, 100)).contains("does not authenticate"));
}

#[test]
fn a_key_exchange_of_another_session_or_role_is_refused() {
    let policy = policy();
    let user = Verifier::new(Client::DataOwner, policy, release()).unwrap();
    let launch = launch_of(&release(), *user.nonce(), *user.nonce());
    let (enclave, introduction) = start(&launch);
    let evidence = evidence(&introduction, &introduction.data_owner, *user.nonce());
    let (_, hello) = user.connect(&evidence.to_bytes(), b"hello", NOW).unwrap();
    let (relaunched, _) = start(&launch);
    let error = refusal(relaunched.accept(Client::DataOwner, &mut hello.clone(), 100));
    assert!(error.contains("record 0 does not authenticate"), "{error}");
    let error = refusal(enclave.accept(Client::ModelOwner, &mut hello.clone(), 100));
    assert!(error.contains("record 0 does not authenticate"), "{error}");
    let error = refusal(enclave.accept(Client::DataOwner, &mut [0; 100], 100));
    let expected = "channel to the data-owner: the key exchange failed; it was made for another enclave or session, or changed";
    assert_eq!(error, expected);
    assert!(enclave.accept(Client::DataOwner, &mut hello.clone(), 100).is_ok());
    let again = refusal(enclave.accept(Client::DataOwner, &mut hello.clone(), 100));
    assert_eq!(again, "channel to the data-owner: closed", "one key exchange gives one channel");
}

#[test]
fn a_model_other_than_the_attested_one_is_refused() {
    let (enclave, _) = start(&launch());
    let (found, expected) = (Measurement::of(b"other"), Measurement::of(MODEL));
    let message = format!("provisioning: model {found} came where the enclave was launched for {expected}");
    assert_eq!(refusal(enclave.check_model(b"other")), message);
}

#[test]
fn an_enclave_that_confirms_anything_but_that_it_is_ready_is_refused() {
    let verifier = Verifier::new(Client::DataOwner, policy(), release()).unwrap();
    let (enclave, introduction) = start(&launch_of(&release(), [1; 32], *verifier.nonce()));
    let evidence = evidence(&introduction, &introduction.data_owner, *verifier.nonce());
    let (connected, mut hello) = verifier.connect(&evidence.to_bytes(), &[], NOW).unwrap();
    let (mut inside, _) = enclave.accept(Client::DataOwner, &mut hello, 0).unwrap();
    let refused = refusal(connected.confirm(inside.seal(b"wait").unwrap()));
    assert_eq!(refused, "the enclave's confirmation: it does not say that the model is ready");
}

#[test]
fn every_challenge_is_new() {
    let nonces = [(); 3].map(|()| *Verifier::new(Client::DataOwner, policy(), release()).unwrap().nonce());
    assert!(nonces[0] != nonces[1] && nonces[1] != nonces[2] && nonces[0] != nonces[2]);
}

#[test]
fn a_model_from_storage_is_held_against_the_attested_one_too() {
    let (enclave, _) = start(&launch());
    let stored = enclave.seal_model(b"another model, sealed by this very enclave").unwrap();
    assert!(refusal(enclave.unseal_model(&stored)).starts_with("provisioning: model "));
}

const NOT_HERE: &str = "sealed model: it does not open here; it was sealed by another enclave, signer or processor, or was changed";

/// An enclave of a program and a publisher, entered on a processor.
fn entered(program: &[u8], publisher: &str, processor: &SimulatedProcessor) -> Entered {
    let image = Measurement::of(program);
    let measurement = Measurement::of_enclave(&image, &configuration());
    let release = SimulatedPublisher::named(publisher).sign(measurement, configuration().model);
    processor.enter(&processor.launch(&image, &configuration(), &release).unwrap()).unwrap()
}

#[test]
fn a_sealed_model_does_not_open_to_another_measurement() {
    let processor = SimulatedProcessor::new();
    let [one, same, other] =
        ["one", "one", "other"].map(|program| entered(program.as_bytes(), "veilbench", &processor));
    let sealed = one.seal(SealPolicy::Measurement, MODEL).unwrap();
    assert_eq!(sealed.len(), MODEL.len() + SEAL_OVERHEAD);
    assert_eq!(&same.unseal(&sealed).unwrap()[..], MODEL);
    assert_eq!(refusal(other.unseal(&sealed)), NOT_HERE);
    assert_ne!(one.seal(SealPolicy::Measurement, MODEL).unwrap(), sealed, "each blob has its own key");
}

#[test]
fn a_sealed_model_does_not_open_to_the_same_enclave_in_debug_mode() {
    let processor = SimulatedProcessor::new();
    let sealed = entered(b"one", "veilbench", &processor).seal(SealPolicy::Measurement, MODEL).unwrap();
    let image = Measurement::of(b"one");
    let measurement = Measurement::of_enclave(&image, &configuration());
    let release = SimulatedPublisher::default().sign(measurement, configuration().model);
    let token = processor.launch_for_debugging(&image, &configuration(), &release).unwrap();
    assert_eq!(refusal(processor.enter(&token).unwrap().unseal(&sealed)), NOT_HERE);
}

#[test]
fn a_model_sealed_to_its_signer_opens_to_that_signer_alone() {
    let processor = SimulatedProcessor::new();
    let sealed = entered(b"one", "veilbench", &processor).seal(SealPolicy::Signer, MODEL).unwrap();
    assert_eq!(&entered(b"next", "veilbench", &processor).unseal(&sealed).unwrap()[..], MODEL);
    assert_eq!(refusal(entered(b"one", "stranger", &processor).unseal(&sealed)), NOT_HERE);
}

#[test]
fn a_sealed_model_opens_on_its_own_processor_alone() {
    let sealed = entered(b"one", "veilbench", &SimulatedProcessor::new())
        .seal(SealPolicy::Measurement, MODEL)
        .unwrap();
    assert_eq!(
        refusal(entered(b"one", "veilbench", &SimulatedProcessor::numbered(1)).unseal(&sealed)),
        NOT_HERE
    );
}

#[test]
fn a_changed_sealed_model_is_refused_at_every_byte() {
    let enclave = entered(b"one", "veilbench", &SimulatedProcessor::new());
    let sealed = enclave.seal(SealPolicy::Measurement, MODEL).unwrap();
    for position in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        assert!(refusal(enclave.unseal(&changed)).starts_with("sealed model: "), "byte {position}");
        assert!(enclave.unseal(&sealed[..position]).is_err(), "{position} bytes");
    }
}

#[test]
fn data_of_a_later_version_do_not_open_to_an_earlier_one() {
    let enclave = entered(b"one", "veilbench", &SimulatedProcessor::new());
    let mut sealed = enclave.seal(SealPolicy::Signer, MODEL).unwrap();
    sealed[17] = 2;
    assert_eq!(refusal(enclave.unseal(&sealed)), NOT_HERE);
}
