"""A network of PyTorch's layers, and pictures to quantise it by."""

import numpy
import torch

# How many pictures there are.
COUNT = 300


def built(architecture, parameters):
    layers = [OPERATORS[layer["op"]](layer) for layer in architecture["layers"]]
    for made, own in zip(layers, parameters):
        if own:
            made.weight.data, made.bias.data = torch.tensor(own["weights"]), torch.tensor(own["bias"])
    return torch.nn.Sequential(*layers).eval()


def padded(layer):
    """Symmetric padding, which is what PyTorch's layers have."""
    top, left, bottom, right = layer["padding"]
    if (top, left) != (bottom, right):
        raise ValueError(f"{layer['name']}: padding that differs from side to side")
    return top, left


OPERATORS = {
    "dense": lambda layer: torch.nn.Linear(layer["inputs"], layer["outputs"]),
    "conv2d": lambda layer: torch.nn.Conv2d(
        layer["inputs"], layer["outputs"], tuple(layer["kernel"]), stride=tuple(layer["stride"]), padding=padded(layer),
        dilation=tuple(layer["dilation"]), groups=layer["groups"],
    ),
    "average-pool": lambda layer: torch.nn.AvgPool2d(tuple(layer["kernel"]), stride=tuple(layer["stride"]), padding=padded(layer)),
    "relu": lambda layer: torch.nn.ReLU(),
    "flatten": lambda layer: torch.nn.Flatten(),
}


def pictures(architecture):
    """Pictures of the shape of the network's images and in their range: handwritten digits where they are grey, details of two
    photographs where they are not."""
    channels, rows, columns = architecture["input"] if len(architecture["input"]) == 3 else (1, 1, architecture["input"][0])
    made = digits(rows, columns) if channels == 1 else details(channels, rows, columns)
    low, high = architecture["input_range"]
    return (low + (high - low) * made).astype("f4").reshape(COUNT, *architecture["input"])


def digits(rows, columns):
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    drawn = load_digits().images[:COUNT] / 16
    # They fill their squares, those of MNIST five sevenths of theirs.
    height, width = (max(1, round(side * 5 / 7)) for side in (rows, columns))
    drawn = numpy.stack([zoom(digit, (height / digit.shape[0], width / digit.shape[1]), order=1) for digit in drawn])
    top, left = (rows - height) // 2, (columns - width) // 2
    made = numpy.zeros((COUNT, 1, rows, columns))
    made[:, 0, top:top + height, left:left + width] = numpy.clip(1.2 * drawn, 0, 1)
    return made


def details(channels, rows, columns):
    from sklearn.datasets import load_sample_images

    photographs = [photograph.transpose(2, 0, 1) / 255 for photograph in load_sample_images().images]
    chosen, made = numpy.random.default_rng(0), []
    for at in range(COUNT):
        photograph = photographs[at % len(photographs)]
        zoomed = int(chosen.integers(1, 5))
        top = int(chosen.integers(photograph.shape[1] - zoomed * rows))
        left = int(chosen.integers(photograph.shape[2] - zoomed * columns))
        made.append(photograph[:channels, top:top + zoomed * rows:zoomed, left:left + zoomed * columns:zoomed])
    return numpy.stack(made)
