//! Tensors as bytes: little-endian `f32`, image after image.

use veilbench_networks::{Shape, Tensor};

use crate::Error;

/// The values of a batch.
pub fn encode(tensor: &Tensor) -> Vec<u8> {
    let mut message = Vec::new();
    append(&mut message, tensor.data());
    message
}

/// Appends values to a message.
pub fn append(message: &mut Vec<u8>, values: &[f32]) {
    let start = message.len();
    message.resize(start + size_of_val(values), 0);
    let places = message[start..].as_chunks_mut::<4>().0;
    places.iter_mut().zip(values).for_each(|(place, value)| *place = value.to_le_bytes());
}

/// A batch of 1 to `most` images of `shape` from a peer's bytes.
///
/// # Errors
/// [`Error::Protocol`] if the length fits no such batch.
pub fn decode(bytes: &[u8], shape: Shape, most: usize) -> Result<Tensor, Error> {
    let image_bytes = shape.len() * size_of::<f32>();
    let images = bytes.len() / image_bytes.max(1);
    if images == 0 || images > most || images * image_bytes != bytes.len() {
        let reason = format!("{} bytes are no batch of 1 to {most} images of {shape} values", bytes.len());
        return Err(Error::Protocol(reason));
    }
    let values = bytes.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
    Tensor::new(images, shape, values).ok_or_else(|| Error::protocol("batch and shape disagree"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_survives_the_wire_and_other_lengths_do_not() {
        let shape = Shape::Flat(3);
        let batch = Tensor::new(2, shape, vec![1.0, -2.5, 0.0, f32::MAX, f32::MIN_POSITIVE, -0.0]).unwrap();
        let bytes = encode(&batch);
        assert_eq!(decode(&bytes, shape, 2).unwrap(), batch);
        assert!(decode(&bytes, shape, 1).is_err());
        assert!(decode(&bytes[..23], shape, 2).is_err());
        assert!(decode(&[], shape, 2).is_err());
    }
}
