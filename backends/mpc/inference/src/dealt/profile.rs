//! Who is trusted with what where a dealer makes the randomness: a third party, or an enclave.

use veilbench_api::{Adversary, Leakage, Learned, Profile, Protection, Role, Technology};

use crate::{AFTER_QUERIES, DATA_OWNER, DEALER, MODEL_OWNER};

/// The profile of a protocol whose dealer is a third party.
pub(crate) fn of_process(name: &'static str, summary: &'static str) -> Profile {
    Profile {
        name: name.into(),
        summary: summary.into(),
        technology: Technology::Mpc,
        roles: vec![Role::data_owner(), Role::model_owner(), Role::third(DEALER)],
        protection: Protection {
            label: "semi-honest, with a dealer".into(),
            adversary: Adversary::SemiHonest,
            colluding: 1,
            trusted: vec![
                "all three follow the protocol, and no two collude".into(),
                "the dealer hands out correlated randomness and sees no input and no message of the online phase".into(),
                "links are confidential and authenticated".into(),
                "all three know the format: of every layer the power of two above its calibrated magnitude, and of the \
                 input three significant bits"
                    .into(),
                "the data owner learns of groups of activations whether they stayed in range: the quotient of their sum \
                 and a public bound, rounded by a coin"
                    .into(),
            ],
            learns: vec![
                Leakage {
                    logits: Learned::Yes,
                    weights: Learned::derivable(AFTER_QUERIES),
                    ..Leakage::none(DATA_OWNER)
                },
                Leakage::none(MODEL_OWNER),
                Leakage::none(DEALER),
            ],
            simulated: false,
        },
    }
}

/// The same with the dealer in a simulated enclave: what a third party was trusted with, the processor's maker is.
pub(crate) fn of_enclave(name: &'static str, summary: &'static str) -> Profile {
    let mut profile = of_process(name, summary);
    let protection = &mut profile.protection;
    protection.label = "semi-honest, dealer in a simulated enclave".into();
    protection.simulated = true;
    let [follow, dealer, ..] = protection.trusted.as_mut_slice() else { return profile };
    *follow = "both owners follow the protocol and do not collude".into();
    *dealer = "dealer: an enclave (simulated): no trust in a third party's honesty, trust in the hardware's maker instead; the simulation \
               protects nothing, so here whoever runs the dealer's process is trusted all the same; it sees no input and no message of \
               the online phase"
        .into();
    protection.trusted.push(
        "the dealer's program, loader and libraries, which both owners measure in their own process; side channels and physical attacks \
         are out of scope"
            .into(),
    );
    profile
}
