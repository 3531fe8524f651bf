//! What every protocol of this crate offers to whoever moves its messages.
//!
//! The order is that of [the example](crate#a-session): seeds and masked parameters once, then for every batch the dealer's
//! corrections, the data owner's message if the protocol has one, and the turns of the online phase, which the data owner begins.

use std::sync::Arc;

use crate::circuit::Circuit;
use crate::cost::Cost;
use crate::masked::{Corrections, SetupSeed, SetupSeeds, Step, Watch};
use crate::model::Model;
use crate::{Error, beaver, masked};

/// A protocol between a data owner and a model owner, with a dealer. Batches of all three come in one order and are of
/// the same sizes; work on different batches may run on different threads.
pub trait Protocol: Send + Sync + 'static {
    /// The dealer of a session.
    type Dealer: Send;
    /// Its messages for one batch, made as they are asked for.
    type DealerBatch: Iterator<Item = Corrections> + Send;
    /// The data owner of a session.
    type DataOwner: Send;
    /// The place of a batch in the data owner's order.
    type Reservation: Send;
    /// The data owner's randomness for one batch.
    type DataOwnerBatch: Send;
    /// The model owner of a session.
    type ModelOwner: Send;
    /// The model owner's randomness for one batch.
    type ModelOwnerBatch: Send;
    /// Either party in the online phase.
    type Online: Send;

    /// Bytes of randomness that one image takes in the memory of the party that stores more.
    fn randomness_bytes(circuit: &Circuit) -> usize;

    /// What the circuit costs.
    fn cost(circuit: &Circuit) -> Cost<'_>;

    /// The dealer, with fresh seeds for data owner and model owner.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    fn dealer(circuit: Arc<Circuit>) -> Result<(Self::Dealer, SetupSeeds), Error>;
    /// The dealer's messages for the next batch.
    fn deal(dealer: &mut Self::Dealer, images: usize) -> Self::DealerBatch;

    /// The data owner, from its setup seed and the model owner's masked parameters.
    ///
    /// # Errors
    /// [`Error::Length`].
    fn data_owner(
        circuit: Arc<Circuit>,
        setup_seed: SetupSeed,
        parameters: &[u8],
    ) -> Result<Self::DataOwner, Error>;
    /// The next batch's place.
    fn reserve(data_owner: &mut Self::DataOwner, images: usize) -> Self::Reservation;
    /// Expands its randomness; the message goes to the model owner unless it is empty.
    fn expand(reservation: Self::Reservation) -> (Self::DataOwnerBatch, Vec<u8>);
    /// Whether the dealer has more for the data owner.
    fn data_owner_awaits_dealer(batch: &Self::DataOwnerBatch) -> bool;
    /// Takes the dealer's next message to the data owner.
    ///
    /// # Errors
    /// If it is not what is due.
    fn data_owner_receives(batch: &mut Self::DataOwnerBatch, message: &[u8]) -> Result<(), Error>;
    /// Begins the online phase with the images.
    ///
    /// # Errors
    /// If they do not fit.
    fn start_data_owner(
        batch: Self::DataOwnerBatch,
        images: &[f32],
    ) -> Result<(Self::Online, Vec<u8>), Error>;

    /// The model owner, and its masked parameters for the data owner.
    ///
    /// # Errors
    /// [`Error::Overflow`], [`Error::Shape`].
    fn model_owner(
        circuit: Arc<Circuit>,
        setup_seed: SetupSeed,
        model: Model,
    ) -> Result<(Self::ModelOwner, Vec<u8>), Error>;
    /// The next batch.
    fn prepare(model_owner: &mut Self::ModelOwner, images: usize) -> Self::ModelOwnerBatch;
    /// Whether the dealer has more for the model owner.
    fn model_owner_awaits_dealer(batch: &Self::ModelOwnerBatch) -> bool;
    /// Whether the data owner's message is still to come.
    fn awaits_data_owner(batch: &Self::ModelOwnerBatch) -> bool;
    /// Takes the dealer's next message to the model owner.
    ///
    /// # Errors
    /// If it is not what is due.
    fn model_owner_receives(batch: &mut Self::ModelOwnerBatch, message: &[u8]) -> Result<(), Error>;
    /// Takes the data owner's message.
    ///
    /// # Errors
    /// If it is not what is due.
    fn receive_from_data_owner(batch: &mut Self::ModelOwnerBatch, message: &[u8]) -> Result<(), Error>;
    /// Begins the online phase.
    ///
    /// # Errors
    /// If a message of the offline phase is missing.
    fn start_model_owner(batch: Self::ModelOwnerBatch) -> Result<Self::Online, Error>;

    /// Takes the other party's message.
    ///
    /// # Errors
    /// If it is not what is due.
    fn receive(online: &mut Self::Online, message: &[u8]) -> Result<Step, Error>;
    /// Does what can be done before the next message comes, once the last one is sent.
    fn proceed(online: &mut Self::Online);
    /// From now on `watch` is told the layer of every step that begins.
    fn watch(online: &mut Self::Online, watch: Watch);
}

macro_rules! protocol {
    ($(#[$doc:meta])* $name:ident, $module:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Protocol for $name {
            type Dealer = $module::Dealer;
            type DealerBatch = $module::DealerBatch;
            type DataOwner = $module::DataOwner;
            type Reservation = $module::Reservation;
            type DataOwnerBatch = $module::DataOwnerBatch;
            type ModelOwner = $module::ModelOwner;
            type ModelOwnerBatch = $module::ModelOwnerBatch;
            type Online = $module::Online;

            fn randomness_bytes(circuit: &Circuit) -> usize {
                $module::randomness_bytes(circuit)
            }

            fn cost(circuit: &Circuit) -> Cost<'_> {
                $module::cost(circuit)
            }

            fn dealer(circuit: Arc<Circuit>) -> Result<(Self::Dealer, SetupSeeds), Error> {
                $module::Dealer::new(circuit)
            }

            fn deal(dealer: &mut Self::Dealer, images: usize) -> Self::DealerBatch {
                dealer.batch(images)
            }

            fn data_owner(circuit: Arc<Circuit>, setup_seed: SetupSeed, parameters: &[u8]) -> Result<Self::DataOwner, Error> {
                $module::DataOwner::new(circuit, setup_seed, parameters)
            }

            fn reserve(data_owner: &mut Self::DataOwner, images: usize) -> Self::Reservation {
                data_owner.reserve(images)
            }

            fn expand(reservation: Self::Reservation) -> (Self::DataOwnerBatch, Vec<u8>) {
                reservation.expand()
            }

            fn data_owner_awaits_dealer(batch: &Self::DataOwnerBatch) -> bool {
                batch.awaits_dealer()
            }

            fn data_owner_receives(batch: &mut Self::DataOwnerBatch, message: &[u8]) -> Result<(), Error> {
                batch.receive_from_dealer(message)
            }

            fn start_data_owner(
                batch: Self::DataOwnerBatch,
                images: &[f32],
            ) -> Result<(Self::Online, Vec<u8>), Error> {
                batch.start(images)
            }

            fn model_owner(
                circuit: Arc<Circuit>,
                setup_seed: SetupSeed,
                model: Model,
            ) -> Result<(Self::ModelOwner, Vec<u8>), Error> {
                $module::ModelOwner::new(circuit, setup_seed, model)
            }

            fn prepare(model_owner: &mut Self::ModelOwner, images: usize) -> Self::ModelOwnerBatch {
                model_owner.prepare(images)
            }

            fn model_owner_awaits_dealer(batch: &Self::ModelOwnerBatch) -> bool {
                batch.awaits_dealer()
            }

            fn awaits_data_owner(batch: &Self::ModelOwnerBatch) -> bool {
                batch.awaits_data_owner()
            }

            fn model_owner_receives(batch: &mut Self::ModelOwnerBatch, message: &[u8]) -> Result<(), Error> {
                batch.receive_from_dealer(message)
            }

            fn receive_from_data_owner(batch: &mut Self::ModelOwnerBatch, message: &[u8]) -> Result<(), Error> {
                batch.receive_from_data_owner(message)
            }

            fn start_model_owner(batch: Self::ModelOwnerBatch) -> Result<Self::Online, Error> {
                batch.start()
            }

            fn receive(online: &mut Self::Online, message: &[u8]) -> Result<Step, Error> {
                online.receive(message)
            }

            fn proceed(online: &mut Self::Online) {
                online.proceed();
            }

            fn watch(online: &mut Self::Online, watch: Watch) {
                online.watch(watch);
            }
        }
    };
}

protocol! {
    /// [Masked wires](crate::masked).
    Masked, masked
}

protocol! {
    /// [Beaver triples](crate::beaver).
    Beaver, beaver
}
