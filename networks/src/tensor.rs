//! A batch of activations.

use crate::Shape;

/// `images x shape` values in storage order.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<T = f32> {
    shape: Shape,
    images: usize,
    data: Vec<T>,
}

impl<T: Copy> Tensor<T> {
    /// A batch of `images` activations of `shape`, or `None` if `data` is not exactly that long.
    pub fn new(images: usize, shape: Shape, data: Vec<T>) -> Option<Self> {
        (images.checked_mul(shape.len())? == data.len()).then_some(Self { shape, images, data })
    }

    /// A batch whose length is known to be right.
    pub(crate) fn from_images(images: usize, shape: Shape, data: Vec<T>) -> Self {
        debug_assert_eq!(images * shape.len(), data.len());
        Self { shape, images, data }
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Shape of one image.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// All values, image after image.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The values, without the shape.
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// The values of image `index`.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn image(&self, index: usize) -> &[T] {
        let len = self.shape.len();
        &self.data[index * len..(index + 1) * len]
    }

    /// Images `start..start + count` as a batch of their own.
    ///
    /// # Panics
    /// If there are not this many images.
    pub fn slice(&self, start: usize, count: usize) -> Self {
        let len = self.shape.len();
        Self {
            shape: self.shape,
            images: count,
            data: self.data[start * len..(start + count) * len].to_vec(),
        }
    }
}
