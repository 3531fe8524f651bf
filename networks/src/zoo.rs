//! The reference networks: their geometry, and the trained weights that ship with veilbench.
//!
//! `mnist-mlp`, `mnist-cnn` and `malaria-cnn` are those of Haralampieva, Rueckert and
//! Passerat-Palmbach (arXiv 2011.05296), as in their published code. `melanoma-lenet` is a reconstruction: the abstract of
//! Jain et al. (CryptInfer, 2021) gives neither layer list nor image size. Each comes with ReLU under
//! its plain name and with a trained polynomial under `<name>-poly`.

mod geometry;

pub use geometry::{Activation, malaria_cnn, melanoma_lenet, mnist_cnn, mnist_mlp, untrained};
