//! What a client accepts and, by name, what it refuses.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(dead_code, reason = "the fixture serves several tests")]

mod fixture;

use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::verify::QuoteVerifier;
use fixture::*;
use veilbench_tee::*;

/// Places in a quote: a header of 48 bytes, then the report.
const MEASUREMENT_AT: usize = 48 + 64;
const REPORT_DATA_AT: usize = 48 + 320;

#[test]
fn an_enclave_that_is_what_it_should_be_is_accepted() {
    let evidence = good();
    let attested = judge(&evidence).unwrap();
    assert_eq!(attested.public_key, evidence.public_key);
    assert!(attested.protections.starts_with("seccomp=no"), "{}", attested.protections);
    assert!(evidence.to_bytes().len() < 20_000, "{} bytes", evidence.to_bytes().len());
    assert_eq!(Evidence::from_bytes(&evidence.to_bytes()).unwrap(), evidence);
}

#[test]
fn every_certificate_says_that_it_is_simulated() {
    let evidence = good();
    let quote = dcap_qvl::quote::Quote::parse(&evidence.quote).unwrap();
    let chains = [
        String::from_utf8(quote.raw_cert_chain().unwrap().to_vec()).unwrap(),
        evidence.collateral.pck_crl_issuer_chain,
        evidence.collateral.tcb_info_issuer_chain,
        evidence.collateral.qe_identity_issuer_chain,
    ];
    let certificates: Vec<_> = chains.iter().flat_map(|chain| pem::parse_many(chain).unwrap()).collect();
    assert_eq!(certificates.len(), 3 + 2 + 2 + 2);
    for certificate in certificates {
        let text = String::from_utf8_lossy(certificate.contents()).into_owned();
        assert!(text.matches("SIMULATED").count() >= 2, "subject and issuer say so");
    }
}

/// Intel's own sample verifies under Intel's root, which this policy does not trust.
#[test]
fn a_quote_under_intels_root_is_refused() {
    let quote = include_bytes!("intel/quote.bin").to_vec();
    let collateral: QuoteCollateralV3 =
        serde_json::from_slice(include_bytes!("intel/collateral.json")).unwrap();
    let june_2025 = 1_750_400_000;
    QuoteVerifier::new_prod().verify(&quote, &collateral, june_2025).unwrap();
    let evidence = Evidence { quote, collateral, ..good() };
    assert_eq!(
        refusal(judge_at(&evidence, june_2025)),
        "quote: certified by \"Intel SGX Root CA\", not by the simulated root; real hardware and other roots are not \
         trusted here"
    );
}

#[test]
fn a_simulated_quote_does_not_pass_for_intels() {
    let evidence = good();
    let error = QuoteVerifier::new_prod().verify(&evidence.quote, &evidence.collateral, NOW).unwrap_err();
    assert!(format!("{error:#}").contains("InvalidCrlSignatureForPublicKey"), "{error:#}");
}

#[test]
fn a_root_of_the_same_name_is_refused() {
    let impostor = SimulatedManufacturer::named("veilbench SIMULATED SGX Root CA, really");
    let quoting = SimulatedQuotingEnclave::new(&SimulatedProcessor::new(), &impostor).unwrap();
    let (_, introduction) = start(&launch());
    let quote = quoting.quote(&introduction.data_owner).unwrap();
    let collateral = impostor.collateral(CollateralOptions::issued(NOW)).unwrap();
    let evidence =
        Evidence { quote, collateral, ..evidence(&introduction, &introduction.data_owner, [2; 32]) };
    assert!(
        refusal(judge(&evidence))
            .starts_with("quote: certified by \"veilbench SIMULATED SGX Root CA, really")
    );
}

#[test]
fn a_flipped_measurement_is_refused() {
    let mut evidence = good();
    evidence.quote[MEASUREMENT_AT] ^= 1;
    assert_eq!(refusal(judge(&evidence)), "quote: not genuine (ISV enclave report signature is invalid)");
}

#[test]
fn flipped_report_data_are_refused() {
    let mut evidence = good();
    evidence.quote[REPORT_DATA_AT] ^= 1;
    assert_eq!(refusal(judge(&evidence)), "quote: not genuine (ISV enclave report signature is invalid)");
}

#[test]
fn every_flipped_bit_of_the_report_is_refused() {
    let good = good();
    for position in 0..48 + 384 {
        let mut evidence = good.clone();
        evidence.quote[position] ^= 1 << (position % 8);
        assert!(judge(&evidence).is_err(), "byte {position}");
    }
}

/// The host runs its own program, genuinely measured and quoted.
#[test]
fn another_enclave_is_refused_by_its_measurement() {
    let program = Measurement::of(b"a program that leaks");
    let measurement = Measurement::of_enclave(&program, &configuration());
    let other = SimulatedPublisher::default().sign(measurement, configuration().model);
    let token = SimulatedProcessor::new().launch(&program, &configuration(), &other).unwrap();
    let (_, introduction) = start(&Launch { token, image: program, ..launch() });
    let evidence = evidence(&introduction, &introduction.data_owner, [2; 32]);
    let expected = release().measurement;
    assert_eq!(
        refusal(judge(&evidence)),
        format!(
            "quote: measurement {measurement} where {expected} is allowed; the host runs another enclave"
        )
    );
}

#[test]
fn a_launcher_refuses_what_does_not_measure_as_its_release_says() {
    let processor = SimulatedProcessor::new();
    let error = refusal(processor.launch(&Measurement::of(b"other"), &configuration(), &release()));
    assert!(
        error.starts_with("launch: the image measures ") && error.contains("its release says"),
        "{error}"
    );
    let other = Configuration { batch: 2, ..configuration() };
    assert!(
        refusal(processor.launch(&image(), &other, &release())).starts_with("launch: the image measures ")
    );
}

#[test]
fn a_launcher_refuses_a_release_that_was_changed_after_it_was_signed() {
    let mut bytes = release().to_bytes();
    // The model follows the measurement.
    bytes[40] ^= 1;
    let changed = Release::from_bytes(&bytes).unwrap();
    let refused = refusal(SimulatedProcessor::new().launch(&image(), &configuration(), &changed));
    assert_eq!(refused, "release: its signature is not valid; it was changed after it was signed");
}

#[test]
fn another_product_or_an_earlier_version_is_refused() {
    for (product, least_version) in [(PRODUCT + 1, SECURITY_VERSION), (PRODUCT, SECURITY_VERSION + 1)] {
        let policy = Policy { product, least_version, ..policy() };
        let refused = refusal(policy.judge(Client::DataOwner, &release(), &[2; 32], &good(), NOW));
        let expected = format!(
            "quote: product {PRODUCT} version {SECURITY_VERSION} where product {product} from version {least_version} is \
             allowed"
        );
        assert_eq!(refused, expected);
    }
    let older = Policy { least_version: 0, ..policy() };
    older.judge(Client::DataOwner, &release(), &[2; 32], &good(), NOW).unwrap();
}

#[test]
fn a_stale_nonce_is_refused() {
    let (_, introduction) = start(&launch_of(&release(), [1; 32], [9; 32]));
    let old = evidence(&introduction, &introduction.data_owner, [9; 32]);
    let expected = "quote: made for another nonce than this session's; an old quote was replayed";
    assert_eq!(refusal(judge(&old)), expected);
    let relabelled = Evidence { nonce: [2; 32], ..old };
    let expected = "quote: its report data are not those of this key, nonce, model and protections";
    assert_eq!(refusal(judge(&relabelled)), expected);
}

#[test]
fn expired_collateral_is_refused() {
    let error = refusal(judge_at(&good(), NOW + 60 * 86_400));
    assert!(error.starts_with("collateral: not in date (") && error.contains("xpired"), "{error}");
    assert!(error.ends_with("; the host must fetch it anew"), "{error}");
    let error = refusal(judge_at(&good(), NOW - 60 * 86_400));
    assert!(error.starts_with("collateral: not in date (") && error.contains("in the future"), "{error}");
}

/// Certificates are valid to the end of 2049.
#[test]
fn expired_certificates_are_refused_with_collateral_of_the_day() {
    let march_2050 = 2_530_000_000;
    let collateral = SimulatedManufacturer::new().collateral(CollateralOptions::issued(march_2050 - 86_400));
    let error = refusal(judge_at(&Evidence { collateral: collateral.unwrap(), ..good() }, march_2050));
    assert!(error.starts_with("collateral: not in date (") && error.contains("xpired"), "{error}");
}

#[test]
fn a_debug_quote_is_refused() {
    let token =
        SimulatedProcessor::new().launch_for_debugging(&image(), &configuration(), &release()).unwrap();
    let (_, introduction) = start(&Launch { token, ..launch() });
    let evidence = evidence(&introduction, &introduction.data_owner, [2; 32]);
    let expected = "quote: the enclave runs in debug mode, its memory is open to the host";
    assert_eq!(refusal(judge(&evidence)), expected);
}

#[test]
fn a_revoked_certificate_is_refused() {
    let options = CollateralOptions { revoked: true, ..CollateralOptions::issued(NOW) };
    let collateral = SimulatedManufacturer::new().collateral(options).unwrap();
    let error = refusal(judge(&Evidence { collateral, ..good() }));
    assert!(error.starts_with("quote: a certificate of its platform is revoked ("), "{error}");
}

#[test]
fn a_platform_that_needs_an_update_is_refused() {
    let options = CollateralOptions { out_of_date: true, ..CollateralOptions::issued(NOW) };
    let collateral = SimulatedManufacturer::new().collateral(options).unwrap();
    let error = refusal(judge(&Evidence { collateral, ..good() }));
    assert_eq!(error, "quote: the platform's TCB is OutOfDate, not UpToDate");
}

#[test]
fn another_model_is_refused() {
    let other = Measurement::of(b"a worse model");
    let error = refusal(judge(&Evidence { model: other, ..good() }));
    assert_eq!(error, format!("quote: the enclave is to run model {other}, not {}", configuration().model));
    let swapped = Configuration { model: other, ..configuration() };
    let release = release();
    let error = refusal(policy().check_release(&release, &image(), &swapped));
    assert_eq!(error, format!("quote: the enclave is to run model {}, not {other}", release.model));
}

#[test]
fn another_policy_signer_is_refused() {
    let policy = policy();
    let stranger = SimulatedPublisher::named("stranger");
    let release = stranger.sign(Measurement::of_enclave(&image(), &configuration()), configuration().model);
    let (found, expected) = (stranger.identity(), policy.publisher);
    assert_eq!(
        refusal(policy.check_release(&release, &image(), &configuration())),
        format!("release: signed by {found}, the trusted publisher is {expected}")
    );
    // The same enclave, launched under the stranger's signature.
    let (_, introduction) = start(&launch_of(&release, [1; 32], [2; 32]));
    let evidence = evidence(&introduction, &introduction.data_owner, [2; 32]);
    let expected = format!("quote: the enclave is signed by {found}, the policy names {expected}");
    assert_eq!(refusal(judge(&evidence)), expected);
}

#[test]
fn a_changed_release_is_refused() {
    let policy = policy();
    let bytes = release().to_bytes();
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        let changed = Release::from_bytes(&changed).unwrap();
        let error = refusal(policy.check_release(&changed, &image(), &configuration()));
        assert!(error.starts_with("release: "), "byte {position}: {error}");
    }
    let other_copy = Measurement::of(b"the client's copy");
    let error = refusal(policy.check_release(&release(), &other_copy, &configuration()));
    assert!(error.contains("this client's own copy of the program measures"), "{error}");
}

#[test]
fn evidence_for_one_client_is_of_no_use_to_the_other() {
    let (_, introduction) = start(&launch_of(&release(), [2; 32], [2; 32]));
    let for_the_model_owner = evidence(&introduction, &introduction.model_owner, [2; 32]);
    assert!(matches!(judge(&for_the_model_owner), Err(Error::ReportData)));
}

#[test]
fn protections_that_are_not_in_force_cannot_be_claimed() {
    let boast = "seccomp=yes landlock=v6 no-dump=yes keys=memfd-secret";
    let evidence = Evidence { protections: boast.into(), ..good() };
    assert!(matches!(judge(&evidence), Err(Error::ReportData)));
    let other_key = Evidence { public_key: [9; 32], ..good() };
    assert!(matches!(judge(&other_key), Err(Error::ReportData)));
}

/// A client's verdict on an enclave that reports these protections.
fn judged(policy: &Policy, words: &str) -> Result<Attested> {
    let (_, introduction) = start_saying(&launch(), &|_| words.to_owned());
    let evidence = evidence(&introduction, &introduction.data_owner, [2; 32]);
    policy.judge(Client::DataOwner, &release(), &[2; 32], &evidence, NOW)
}

#[test]
fn less_protection_than_the_policy_demands_is_refused_by_name() {
    let policy = Policy::simulated().unwrap();
    let confined = "seccomp=yes landlock=v3 no-dump=yes keys=memfd-secret";
    assert_eq!(judged(&policy, confined).unwrap().protections, confined);
    for (words, missing) in [
        ("seccomp=no landlock=v6 no-dump=yes keys=memfd-secret", "seccomp"),
        ("seccomp=yes landlock=no no-dump=yes keys=memfd-secret", "landlock from v3"),
        ("seccomp=yes landlock=v6 no-dump=no keys=memfd-secret", "no-dump"),
        ("seccomp=yes landlock=v6 no-dump=yes keys=mlock", "keys in memfd-secret"),
        ("seccomp=yes landlock=v6 no-dump=yes keys=none", "keys in memfd-secret"),
        (
            "seccomp=no landlock=no no-dump=no keys=mlock",
            "seccomp, landlock from v3, no-dump, keys in memfd-secret",
        ),
    ] {
        let expected = format!(
            "protections: {missing} not in force where the policy demands it; the enclave reports {words:?}"
        );
        assert_eq!(refusal(judged(&policy, words)), expected);
    }
}

#[test]
fn a_policy_may_demand_landlock_and_less_memory_for_keys() {
    let protections =
        LeastProtections { landlock: Some(4), keys: KeyMemory::Locked, ..LeastProtections::confined() };
    let policy = Policy { protections, ..Policy::simulated().unwrap() };
    for (words, missing) in [
        ("seccomp=yes landlock=v4 no-dump=yes keys=memfd-secret", None),
        ("seccomp=yes landlock=v6 no-dump=yes keys=mlock", None),
        ("seccomp=yes landlock=v3 no-dump=yes keys=mlock", Some("landlock from v4 not in force")),
        ("seccomp=yes landlock=no no-dump=yes keys=mlock", Some("landlock from v4 not in force")),
        ("seccomp=yes landlock=v6 no-dump=yes keys=none", Some("keys in mlock not in force")),
    ] {
        match missing {
            None => drop(judged(&policy, words).unwrap()),
            Some(missing) => assert!(refusal(judged(&policy, words)).contains(missing), "{words}"),
        }
    }
}

#[test]
fn words_that_are_no_report_of_protections_are_refused() {
    for words in [
        "",
        "all is well",
        "seccomp=yes landlock=v6 no-dump=yes",
        "seccomp=yes landlock=v6 no-dump=yes keys=memfd-secret and more",
        "seccomp=yes  landlock=v6 no-dump=yes keys=memfd-secret",
        "no-dump=yes seccomp=yes landlock=v6 keys=memfd-secret",
        "seccomp=perhaps landlock=v6 no-dump=yes keys=memfd-secret",
        "seccomp=yes landlock=6 no-dump=yes keys=memfd-secret",
        "seccomp=yes landlock=v6 no-dump=yes keys=paper",
    ] {
        let refused = refusal(judged(&policy(), words));
        assert_eq!(refused, "evidence: its protections are not those of an enclave's report", "{words:?}");
    }
}

#[test]
fn a_report_that_the_processor_did_not_make_gets_no_quote() {
    let quoting =
        SimulatedQuotingEnclave::new(&SimulatedProcessor::new(), &SimulatedManufacturer::new()).unwrap();
    let (_, introduction) = start(&launch());
    let bytes = introduction.data_owner.to_bytes();
    for position in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        let changed = Report::from_bytes(&changed).unwrap();
        let expected = "report: not made by this processor, or changed since";
        assert_eq!(refusal(quoting.quote(&changed)), expected);
    }
}

#[test]
fn an_enclave_does_not_start_from_a_token_that_was_changed() {
    let good = launch();
    let mut token = good.token.to_bytes();
    token[0] ^= 1;
    let token = LaunchToken::from_bytes(&token).unwrap();
    let start = |launch: &Launch| {
        let described = |_| String::new();
        Enclave::start(&SimulatedProcessor::new(), launch, &described).map(drop)
    };
    let expected = "launch token: not made by this processor, or changed since";
    assert_eq!(refusal(start(&Launch { token, ..good.clone() })), expected);
    let configuration = Configuration { threads: 9, ..configuration() };
    assert!(refusal(start(&Launch { configuration, ..good })).starts_with("launch: the image measures "));
}
