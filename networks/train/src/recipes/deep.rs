//! The recipes of ResNet-20 on CIFAR-10: hours each, and chosen on pilots (`--pilot`).

use veilbench_networks::zoo::{self, Order};

use super::{Augmentation, Geometry, NO_AUGMENTATION, Norms, Recipe};
use crate::recipes::twin::{QuadraticBounds, Twin};

/// The ReLU network in the order of the paper.
const CIFAR: Recipe = Recipe {
    network: "cifar-resnet20",
    geometry: Geometry::CifarResnet20 { order: Order::PostActivation, width: zoo::WIDTH },
    dataset: "cifar10-jpeg",
    mean: &[0.4914, 0.4822, 0.4465],
    deviation: &[0.247, 0.2435, 0.2616],
    epochs: 40,
    batch: 128,
    peak_rate: 5e-3,
    weight_decay: 0.05,
    gradient_norm: 1.0,
    label_smoothing: 0.0,
    dropout: 0.0,
    averaging: 0.998,
    balanced: false,
    augmentation: Augmentation { flip: true, crop: 4, ..NO_AUGMENTATION },
    norms: Norms::AfterConvolutions,
    twin: None,
    channels_last: true,
    watched: 50,
};

/// The ReLU network that the polynomial twin is made of.
const CIFAR_TEACHER: Recipe = Recipe {
    network: "cifar-resnet20-pre",
    geometry: Geometry::CifarResnet20 { order: Order::PreActivation, width: zoo::WIDTH },
    epochs: 30,
    norms: Norms::BeforeActivations,
    ..CIFAR
};

const CIFAR_POLY: Recipe = Recipe {
    network: "cifar-resnet20-poly",
    epochs: 24,
    peak_rate: 2e-3,
    twin: Some(Twin {
        teacher: CIFAR_TEACHER.network,
        blend: 1.0 / 3.0,
        frozen: 1.0 / 3.0,
        temperature: 4.0,
        distillation: 0.7,
        first_square: 0.1,
        bounds: QuadraticBounds { square: [0.02, 0.15], vertex: 8.0 },
        limit: 6.0,
        penalty: 0.01,
        contrast: 2.0,
        noise: 0.2,
        largest: 12.0,
    }),
    ..CIFAR_TEACHER
};

/// The recipes of the deep networks, each of which takes hours; that of the teacher is never written.
pub const DEEP: [Recipe; 3] = [CIFAR, CIFAR_TEACHER, CIFAR_POLY];
