//! The data owner: images in, logits out.

use std::ops::Range;

use veilbench_networks::{Shape, Tensor};

use crate::planning::batches::{BatchSplit, Progress};
use veilbench_api::{Error, Party, RoleContext};

/// The data owner's side of a protocol. Where its randomness comes from, a dealer or the other owner, and which messages it exchanges
/// with whom, is the protocol's.
pub(crate) trait DataOwnerSide: Send {
    /// Largest magnitude of a pixel that the format is for.
    fn input_magnitude(&self) -> f64;

    /// Prepares the window that runs next. What was prepared before has run, or its batch was given up; the peer then refuses what follows.
    ///
    /// # Errors
    /// If a peer misbehaves.
    fn prepare(&mut self, window: Range<usize>) -> Result<(), Error>;

    /// Looks at a whole batch before anything of it is sent.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the protocol refuses images at this point.
    fn check(&self, images: &Tensor) -> Result<(), Error> {
        let _ = images;
        Ok(())
    }

    /// Runs the window that was prepared, on the pixels of its images. Returns the logits of those that are not added to `refused`.
    ///
    /// # Errors
    /// If a peer misbehaves.
    fn run(&mut self, pixels: &[f32], window: Range<usize>, refused: &mut Refused)
    -> Result<Vec<f32>, Error>;
}

/// Images of a batch that have no logits, by their numbers in it.
#[derive(Default)]
pub(crate) struct Refused {
    /// Those with pixels beyond the magnitude that the format is for.
    pub(crate) pixels: Vec<usize>,
    /// Those that guards do not accept.
    pub(crate) activations: Vec<usize>,
}

impl Refused {
    /// # Errors
    /// [`Error::OutOfRange`] if there are any.
    pub(crate) fn into_result(self, input_magnitude: f64) -> Result<(), Error> {
        let Self { pixels, activations } = self;
        let (images, reason) = if !pixels.is_empty() {
            let reason =
                format!("they have values beyond the {input_magnitude} that the input's range allows");
            (pixels, reason)
        } else if !activations.is_empty() {
            let reason = "they drive activations beyond what the calibrated ranges leave room for".to_owned();
            (activations, reason)
        } else {
            return Ok(());
        };
        let reason = format!(
            "images {images:?} of the batch: {reason}; leave them out, or calibrate the network on images like them"
        );
        Err(Error::OutOfRange { images, reason })
    }
}

/// The party of that role.
pub(crate) struct DataOwner<S> {
    side: S,
    cut: BatchSplit,
    batch: usize,
    input: Shape,
    classes: usize,
    progress: Progress,
}

impl<S: DataOwnerSide> DataOwner<S> {
    pub(crate) fn new(role: &RoleContext, cut: BatchSplit, side: S) -> Self {
        Self {
            side,
            cut,
            batch: role.job.batch,
            input: role.architecture.input,
            classes: role.architecture.classes(),
            progress: Progress::default(),
        }
    }
}

impl<S: DataOwnerSide> Party for DataOwner<S> {
    fn offline(&mut self, images: usize) -> Result<(), Error> {
        self.progress.announce(images, self.batch)?;
        let first = self.cut.windows(images).next().unwrap_or(0..0);
        self.side.prepare(first)
    }

    fn online(&mut self, images: Option<&Tensor>) -> Result<Option<Tensor>, Error> {
        let images = images.ok_or_else(|| Error::protocol("the data owner was given no images"))?;
        let prepared = self.progress.take()?;
        if images.images() != prepared {
            let given = images.images();
            return Err(Error::Input(format!(
                "a batch of {given} images was given where {prepared} were prepared"
            )));
        }
        self.side.check(images)?;
        let (pixels, mut refused) = (self.input.len(), Refused::default());
        let mut logits = Vec::with_capacity(prepared * self.classes);
        for (index, window) in self.cut.windows(prepared).enumerate() {
            if index > 0 {
                self.side.prepare(window.clone())?;
            }
            let of_window = &images.data()[window.start * pixels..window.end * pixels];
            logits.extend(self.side.run(of_window, window, &mut refused)?);
        }
        refused.into_result(self.side.input_magnitude())?;
        Tensor::new(prepared, Shape::Flat(self.classes), logits)
            .map(Some)
            .ok_or_else(|| Error::protocol("logits of another number than images and classes"))
    }
}
