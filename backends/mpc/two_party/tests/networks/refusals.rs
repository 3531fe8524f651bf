//! What is refused: networks and weights before a message, peers with another circuit, and whatever comes after a failure.

use super::*;

#[test]
fn weights_that_may_overflow_the_ring_are_refused_before_a_message() {
    let (circuit, _) = compile("mnist-mlp", 5, 16);
    let mut parameters = parameters(&program("mnist-mlp"), 1);
    for parameters in &mut parameters {
        if let LayerParameters::Affine { weights, .. } = parameters {
            weights.iter_mut().for_each(|weight| *weight *= 8.0);
        }
    }
    let model = Model::encode(&circuit, &parameters).unwrap();
    let [_client, mut server] = Queue::pair();
    let plan = Arc::new(Plan::new(circuit).unwrap());
    drop(_client);
    let refused = ModelOwner::set_up(plan, &model, Depth::FOUR, &mut server).map(|_| ());
    assert!(matches!(refused, Err(Error::Circuit(veilbench_mpc::Error::Overflow { .. }))), "{refused:?}");
}

#[test]
fn weights_of_a_last_layer_beyond_what_ciphertexts_bear_are_refused_before_a_message() {
    let program = Program {
        input: Shape::Flat(4),
        operations: vec![Operation::Dense { outputs: 2 }],
        magnitudes: vec![],
    };
    let format = Format {
        activation_bits: 4,
        weight_bits: 20,
        ring: Ring::FULL,
        width: Width::Bits,
        signs: SignProtocol::Tree,
        input_magnitude: 1.0,
    };
    let circuit = Arc::new(Circuit::compile(&program, format).unwrap());
    let weights = LayerParameters::Affine { weights: vec![30_000.0; 8], bias: vec![0.0; 2] };
    let model = Model::encode(&circuit, &[weights]).unwrap();
    let [client, mut server] = Queue::pair();
    drop(client);
    let plan = Arc::new(Plan::new(circuit).unwrap());
    let refused = ModelOwner::set_up(plan, &model, Depth::FOUR, &mut server).map(|_| ());
    assert!(matches!(refused, Err(Error::Weights { .. })), "{refused:?}");
    assert!(server.sent.is_empty());
}

/// What it would send next has the length that is due, whatever revision it is of.
#[test]
fn a_data_owner_with_another_circuit_is_refused_before_it_is_answered() {
    let (circuit, model) = compile("no-activation", 6, 14);
    let plan = Arc::new(Plan::new(circuit).unwrap());
    let [mut client, mut server] = Queue::pair();
    let bytes = veilbench_ot::setup::message_bytes(Depth::FOUR)[0];
    let other = plan.circuit().digest() ^ 1;
    client.send(&[&vec![0; bytes][..], &other.to_le_bytes()].concat()).unwrap();
    let refused = ModelOwner::set_up(plan, &model, Depth::FOUR, &mut server).map(|_| ());
    assert!(matches!(refused, Err(Error::OtherCircuit { found, .. }) if found == other), "{refused:?}");
    assert!(server.sent.is_empty());
}

#[test]
fn wires_are_proved_to_leave_a_bit_of_their_shares() {
    let (circuit, mut model) = compile("mnist-cnn-poly", 8, 12);
    let plan = Plan::new(Arc::clone(&circuit)).unwrap();
    assert_eq!((plan.ring_bits(0), plan.square_bits()), (64, 64));
    let mut parameters = parameters(&program("mnist-cnn-poly"), 1);
    while plan.analyse(&model).is_ok() {
        if let Some(LayerParameters::Affine { weights, .. }) = parameters.last_mut() {
            weights.iter_mut().for_each(|weight| *weight *= 2.0);
        }
        model = Model::encode(&circuit, &parameters).unwrap();
    }
    // The last doubling: a ring of a bit more holds it.
    assert!(analyse(&circuit, &model).is_ok());
    let refused = plan.analyse(&model).map(|_| ());
    assert!(
        matches!(refused, Err(Error::Circuit(veilbench_mpc::Error::Overflow { limit_bits: 61, .. }))),
        "{refused:?}"
    );
}

/// A polynomial that is a constant with all its bits, whatever it reads: what is left of the ring's limit when a truncation has added what it drops.
#[test]
fn values_of_polynomials_that_a_truncation_would_take_over_the_limit_are_refused() {
    let (circuit, _) = compile("mnist-mlp-poly", 5, 12);
    let plan = Plan::new(Arc::clone(&circuit)).unwrap();
    let (limit, unit) = (38_f32.exp2(), 24_f32.exp2());
    let model = |value: f32| {
        let mut parameters = parameters(&program("mnist-mlp-poly"), 1);
        for parameters in &mut parameters {
            match parameters {
                // Nothing follows the constants that could overflow instead.
                LayerParameters::Affine { weights, .. } => weights.fill(0.0),
                LayerParameters::Quadratic { a, b, c } => {
                    [&mut *a, b].into_iter().for_each(|of_channels| of_channels.fill(0.0));
                    c.fill(value * (-36_f32).exp2());
                }
                _ => {}
            }
        }
        Model::encode(&circuit, &parameters).unwrap()
    };
    let last = limit - unit - 15_f32.exp2();
    assert!(plan.analyse(&model(last)).is_ok());
    for value in [limit - unit, limit - 15_f32.exp2()] {
        let refused = plan.analyse(&model(value)).map(|_| ());
        assert!(matches!(refused, Err(Error::Circuit(veilbench_mpc::Error::Overflow { .. }))), "{refused:?}");
    }
}

/// A channel to nobody.
struct Broken;

impl Channel for Broken {
    type Error = Error;

    fn send(&mut self, _: &[u8]) -> Result<(), Error> {
        Ok(())
    }

    fn receive(&mut self, expected: usize) -> Result<Vec<u8>, Error> {
        Err(Error::Length { what: "nothing", expected, actual: 0 })
    }
}

#[test]
fn a_session_is_over_after_a_preparation_that_failed() {
    let (circuit, model) = compile("no-activation", 6, 14);
    let plan = Arc::new(Plan::new(Arc::clone(&circuit)).unwrap());
    let [mut client, mut server] = Queue::pair();
    std::thread::scope(|scope| {
        let (of_server, model) = (Arc::clone(&plan), &model);
        scope.spawn(move || {
            let mut owner = ModelOwner::set_up(of_server, model, Depth::FOUR, &mut server).unwrap();
            assert!(matches!(owner.prepare(1, &mut Broken), Err(Error::Length { .. })));
            assert!(matches!(owner.prepare(1, &mut server), Err(Error::Over)));
        });
        let mut owner = DataOwner::set_up(plan, Depth::FOUR, &mut client).unwrap();
        assert!(matches!(owner.prepare(1, &mut Broken), Err(Error::Length { .. })));
        assert!(matches!(owner.prepare(1, &mut client), Err(Error::Over)));
    });
}

#[test]
fn a_session_is_over_after_a_run_that_failed() {
    let (circuit, model) = compile("no-activation", 6, 14);
    let plan = Arc::new(Plan::new(Arc::clone(&circuit)).unwrap());
    let [mut client, mut server] = Queue::pair();
    std::thread::scope(|scope| {
        let (of_server, model) = (Arc::clone(&plan), &model);
        scope.spawn(move || {
            let mut owner = ModelOwner::set_up(of_server, model, Depth::FOUR, &mut server).unwrap();
            let [first, second] = [(); 2].map(|()| owner.prepare(1, &mut server).unwrap());
            assert!(matches!(owner.run(first, &mut Broken), Err(Error::Length { .. })));
            assert!(matches!(owner.run(second, &mut server), Err(Error::Over)));
            assert!(matches!(owner.prepare(1, &mut server), Err(Error::Over)));
        });
        let mut owner = DataOwner::set_up(plan, Depth::FOUR, &mut client).unwrap();
        let [first, second] = [(); 2].map(|()| owner.prepare(1, &mut client).unwrap());
        let image = vec![0; circuit.inputs()];
        assert!(matches!(owner.run(first, &image, &mut Broken), Err(Error::Length { .. })));
        assert!(matches!(owner.run(second, &image, &mut client), Err(Error::Over)));
        assert!(matches!(owner.prepare(1, &mut client), Err(Error::Over)));
    });
}

/// Material is for one batch of one session, whose turn it must be: anything else ends the session of the party that is given it.
#[test]
fn material_of_another_session_or_batch_is_refused_by_both_owners() {
    let (circuit, model) = compile("no-activation", 6, 14);
    let plan = Arc::new(Plan::new(Arc::clone(&circuit)).unwrap());
    let sessions = [Queue::pair(), Queue::pair()];
    let image = vec![0; circuit.inputs()];
    std::thread::scope(|scope| {
        let [[client, server], [other_client, other_server]] = sessions;
        let (of_server, model) = (Arc::clone(&plan), &model);
        scope.spawn(move || {
            let [mut first, mut second] = [server, other_server].map(|mut server| {
                let owner = ModelOwner::set_up(Arc::clone(&of_server), model, Depth::FOUR, &mut server);
                (owner.unwrap(), server)
            });
            let of_first = first.0.prepare(1, &mut first.1).unwrap();
            let later = first.0.prepare(1, &mut first.1).unwrap();
            assert!(matches!(second.0.run(of_first, &mut Broken), Err(Error::OtherSession)));
            let refused = first.0.run(later, &mut Broken);
            assert!(matches!(refused, Err(Error::OtherBatch { due: 0, found: 1 })), "{refused:?}");
            assert!(matches!(first.0.prepare(1, &mut first.1), Err(Error::Over)));
        });
        let [mut first, mut second] = [client, other_client].map(|mut client| {
            let owner = DataOwner::set_up(Arc::clone(&plan), Depth::FOUR, &mut client);
            (owner.unwrap(), client)
        });
        let of_first = first.0.prepare(1, &mut first.1).unwrap();
        let later = first.0.prepare(1, &mut first.1).unwrap();
        assert!(matches!(second.0.run(of_first, &image, &mut Broken), Err(Error::OtherSession)));
        let refused = first.0.run(later, &image, &mut Broken);
        assert!(matches!(refused, Err(Error::OtherBatch { due: 0, found: 1 })), "{refused:?}");
        assert!(matches!(first.0.prepare(1, &mut first.1), Err(Error::Over)));
    });
}

/// Gives its session a name that others have too.
struct OneName {
    queue: Queue,
    is_named: bool,
}

impl Channel for OneName {
    type Error = Error;

    fn send(&mut self, message: &[u8]) -> Result<(), Error> {
        let mut message = message.to_vec();
        if !std::mem::replace(&mut self.is_named, true) {
            // The name comes first.
            message[..16].fill(7);
        }
        self.queue.send(&message)
    }

    fn receive(&mut self, bytes: usize) -> Result<Vec<u8>, Error> {
        self.queue.receive(bytes)
    }
}

#[test]
fn sessions_that_a_data_owner_gives_one_name_are_two_to_the_model_owner() {
    let (circuit, model) = compile("no-activation", 6, 14);
    let plan = Arc::new(Plan::new(circuit).unwrap());
    let [[client, server], [other_client, other_server]] = [Queue::pair(), Queue::pair()];
    std::thread::scope(|scope| {
        let (of_server, model) = (Arc::clone(&plan), &model);
        scope.spawn(move || {
            let [mut first, mut second] = [server, other_server].map(|mut server| {
                let owner = ModelOwner::set_up(Arc::clone(&of_server), model, Depth::FOUR, &mut server);
                (owner.unwrap(), server)
            });
            let of_first = first.0.prepare(1, &mut first.1).unwrap();
            let refused = second.0.run(of_first, &mut Broken);
            assert!(matches!(refused, Err(Error::OtherSession)), "{refused:?}");
        });
        let [mut first, _second] = [client, other_client].map(|queue| {
            let mut client = OneName { queue, is_named: false };
            let owner = DataOwner::set_up(Arc::clone(&plan), Depth::FOUR, &mut client);
            (owner.unwrap(), client)
        });
        first.0.prepare(1, &mut first.1).unwrap();
    });
}

#[test]
fn networks_whose_truncations_drop_fewer_bits_than_noise_has_are_refused_by_name() {
    let (circuit, _) = compile("mnist-cnn", 6, 2);
    let refused = Plan::new(circuit).map(|_| ());
    assert!(matches!(refused, Err(Error::Noise { gate: 1, shift: 2, .. })), "{refused:?}");
}
