//! Test images for those who look at a plan before a run: one to trace, and the first that a run would take, to draw noise for.

use std::cell::RefCell;

use veilbench_api::{Backend, LogitNoise, Plan, Unsupported};
use veilbench_datasets::{ImageSet, Split, Store, load_or_sample};
use veilbench_networks::{Network, Tensor};

use crate::error::Error;
use crate::workload::WorkloadError;
use crate::workload::model::dataset_of;
use crate::workload::own::{OwnOptions, fit};
use crate::workload::pixels::normalise;

/// Test images of the user's own or of a network's data set.
fn test_set(network: &Network, own: &OwnOptions) -> Result<ImageSet, Error> {
    let store = Store::from_env()?;
    Ok(match own.open(&store)? {
        Some(data) => fit(&data, Split::Test, network)?.images,
        None => {
            let id = dataset_of(network, &network.architecture.name)?;
            load_or_sample(&store, id, Split::Test)?.dataset.into()
        }
    })
}

/// One of them, as the network takes it, and the id of the set, `-sample` included.
///
/// # Errors
/// If there is no such image, or it does not fit the network.
pub(crate) fn test_image(
    network: &Network,
    own: &OwnOptions,
    index: usize,
) -> Result<(Tensor, String), Error> {
    let dataset = test_set(network, own)?;
    if index >= dataset.len() {
        let reason = format!("there is no image {index}: {} has {} test images", dataset.id, dataset.len());
        return Err(WorkloadError::Fit { network: network.architecture.name.clone(), reason }.into());
    }
    Ok((normalise(&dataset.select(&[index]), network)?, dataset.id))
}

/// The first of them that a run of this seed draws, as far as there are so many, and the id of the set.
fn first_images(
    network: &Network,
    own: &OwnOptions,
    seed: u64,
    most: usize,
) -> Result<(Tensor, String), Error> {
    let dataset = test_set(network, own)?;
    let drawn = dataset.subset(most.min(dataset.len()), seed)?;
    Ok((normalise(&drawn, network)?, dataset.id))
}

/// A line on the noise that a backend draws for a plan, as a run of this seed does before it runs it, or on why that has to wait for the
/// run; `None` if the plan says all there is to say.
///
/// # Errors
/// [`Unsupported`] if a run would refuse the plan for it.
pub(crate) fn drawn_noise(
    backend: &dyn Backend,
    network: &Network,
    plan: &Plan,
    own: &OwnOptions,
    seed: u64,
) -> Result<Option<String>, Unsupported> {
    let from = RefCell::new(Ok(String::new()));
    let images = |most| match first_images(network, own, seed, most) {
        Ok((images, id)) => {
            *from.borrow_mut() = Ok(id);
            Some(images)
        }
        Err(error) => {
            *from.borrow_mut() = Err(error);
            None
        }
    };
    let drawn = backend.draw_noise(network, plan, &images)?;
    Ok(match (drawn, from.into_inner()) {
        (Some(LogitNoise { images, largest_error, median_lead }), Ok(id)) => Some(format!(
            "noise, drawn for {images} test images of {id}, takes a logit up to {largest_error:.1e} from the clear network's, where the first two \
             of an image are {median_lead:.1e} apart in the median"
        )),
        (None, Err(error)) => Some(format!(
            "whether it is precise enough is decided when it is run, by noise drawn for the images it is run on; none are at hand: {error}"
        )),
        _ => None,
    })
}
