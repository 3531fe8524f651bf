"""The three reference networks for both peers: weights out of the zoo's ONNX files, layers as data."""

import numpy as np

LAYERS = {
    "mnist-mlp": [("dense", "fc1"), ("relu",), ("dense", "fc2"), ("relu",), ("dense", "fc3")],
    "mnist-cnn": [
        ("conv", "conv1", 2), ("relu",), ("pool",), ("flatten",), ("dense", "fc1"), ("relu",), ("dense", "fc2"),
    ],
    "malaria-cnn": [
        ("conv", "conv1", 1), ("relu",), ("pool",), ("conv", "conv2", 1), ("relu",), ("pool",), ("flatten",),
        ("dense", "fc1"), ("relu",), ("dense", "fc2"),
    ],
}
SHAPES = {"mnist-mlp": (784,), "mnist-cnn": (1, 28, 28), "malaria-cnn": (3, 32, 32)}


def images(network, batch):
    """Random images of the network's shape: time does not depend on what they show."""
    return np.random.default_rng(1).uniform(-1, 1, (batch, *SHAPES[network])).astype(np.float32)


def export(zoo, network, path):
    """Writes the weights of an ONNX file of the zoo as .npz."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(f"{zoo}/{network}.onnx").graph
    np.savez(path, **{tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer})


def clear(network, weights, x):
    """The logits, in floating point: what a peer's are checked against."""
    for kind, *rest in LAYERS[network]:
        if kind == "dense":
            x = x @ weights[f"{rest[0]}.weight"].T + weights[f"{rest[0]}.bias"]
        elif kind == "conv":
            kernel, stride = weights[f"{rest[0]}.weight"], rest[1]
            windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[2:], axis=(2, 3))
            windows = windows[:, :, ::stride, ::stride]
            x = np.einsum("ncyxij,ocij->noyx", windows, kernel) + weights[f"{rest[0]}.bias"][:, None, None]
        elif kind == "relu":
            x = np.maximum(x, 0)
        elif kind == "pool":
            n, c, h, w = x.shape
            x = x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))
        else:
            x = x.reshape(len(x), -1)
    return x
