//! From pixels to the values a network takes.

use veilbench_datasets::ImageSet;
use veilbench_networks::annotate::{CHANNELS, ChannelOrder};
use veilbench_networks::{Network, Normalisation, Shape, Tensor};

use crate::workload::WorkloadError;

/// Pixels as the network wants them.
///
/// # Errors
/// As [`normalised`], or if it takes blue before red and nothing tells them apart.
pub(crate) fn normalise(dataset: &ImageSet, network: &Network) -> Result<Tensor, WorkloadError> {
    let input = network.architecture.input;
    let (channels, height, width) = (dataset.channels, dataset.height, dataset.width);
    let image = Shape::Image { channels, height, width };
    if input != image && input != Shape::Flat(image.len()) {
        let (network, id) = (network.architecture.name.clone(), &dataset.id);
        let reason = format!("it takes images of {input}, {id} has images of {image}");
        return Err(WorkloadError::Fit { network, reason });
    }
    if ChannelOrder::of(&network.metadata)? == ChannelOrder::Bgr && channels != 3 {
        let (network, id) = (network.architecture.name.clone(), &dataset.id);
        let reason = format!(
            "it is said to take blue before red (--channels bgr, or `{CHANNELS}` in its file), and images of {id} have {channels} channel(s), of \
             which nothing tells red from blue: give images of three channels, arrays as (images, 3, rows, columns) or (images, rows, columns, 3), \
             or say --channels rgb to take their values in the order they are in"
        );
        return Err(WorkloadError::Fit { network, reason });
    }
    normalised(&dataset.pixels.scaled(), [channels, height * width], network)
}

/// Pixels from 0 to 1, of images of this many channels and pixels a channel, red before blue, as the network wants them.
///
/// # Errors
/// If its normalisation is for other channels, or it takes images of another size.
pub(crate) fn normalised(
    scaled: &[f32],
    [channels, pixels]: [usize; 2],
    network: &Network,
) -> Result<Tensor, WorkloadError> {
    let misfit = |reason: String| WorkloadError::Fit { network: network.architecture.name.clone(), reason };
    let size = channels * pixels;
    let plain = Normalisation { mean: vec![0.0; channels], deviation: vec![1.0; channels] };
    let Normalisation { mean, deviation } = network.metadata.normalisation.as_ref().unwrap_or(&plain);
    // A flat input may state a mean for each of its values.
    let each = match (mean.len(), deviation.len()) {
        lengths if lengths == (channels, channels) => pixels,
        lengths if lengths == (size, size) => 1,
        _ => return Err(misfit(format!("its normalisation is not for {channels} channel(s)"))),
    };
    let order = ChannelOrder::of(&network.metadata)?;
    let mut values = Vec::with_capacity(scaled.len());
    for image in scaled.chunks_exact(size) {
        for plane in 0..channels {
            let from = if order == ChannelOrder::Bgr { channels - 1 - plane } else { plane };
            values.extend(image[from * pixels..(from + 1) * pixels].iter().enumerate().map(
                |(at, &pixel)| {
                    let place = (plane * pixels + at) / each;
                    (pixel - mean[place]) / deviation[place]
                },
            ));
        }
    }
    let images = scaled.len() / size;
    Tensor::new(images, network.architecture.input, values).ok_or_else(|| misfit("pixels are missing".into()))
}
