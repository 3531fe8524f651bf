"""A network of Orion's layers, its quadratic activations completed to squares."""

import numpy
import orion.nn
import torch


class Chain(orion.nn.Module):
    """Layers one after the other."""

    def __init__(self, layers):
        super().__init__()
        self.names = [name for name, _ in layers]
        for name, layer in layers:
            setattr(self, name, layer)

    def forward(self, values):
        for name in self.names:
            values = getattr(self, name)(values)
        return values


def levels(architecture):
    """How many levels the network takes: one per layer that computes."""
    return sum(layer["op"] != "flatten" for layer in architecture["layers"])


def built(architecture, parameters):
    """The network. `factor` and `rest`, per channel, are what the last square left for the next layer with weights: its input is
    `factor` times what it gets, and `rest`."""
    layers, factor, rest = [], None, None
    chain = list(zip(architecture["layers"], parameters))
    for at, (layer, own) in enumerate(chain):
        name = f"layer{at}"
        if any(layer.get("padding", [])):
            raise ValueError(f"{layer['name']}: padding, whose zeros the shift of a square would not reach")
        if layer["op"] in ("dense", "conv2d"):
            weights, bias = folded(layer, own, factor, rest)
            factor = rest = None
            shift = shift_of(chain[at + 1:at + 2])
            layers.append((name, linear(layer, weights, bias + shift)))
        elif layer["op"] == "average-pool":
            layers.append((name, orion.nn.AvgPool2d(layer["kernel"][0], layer["stride"][0])))
        elif layer["op"] == "flatten":
            layers.append((name, orion.nn.Flatten()))
        elif layer["op"] == "polynomial":
            constant, slope, factor = own["coefficients"].astype("f8").T
            rest = constant - slope ** 2 / (4 * factor)
            layers.append((name, orion.nn.Quad()))
    if factor is not None:
        raise ValueError("the last layer is a polynomial, whose factor no layer takes up")
    made = Chain(layers)
    made.eval()
    return made


def shift_of(following):
    """What a layer adds to its bias for the square behind it."""
    for layer, own in following:
        if layer["op"] == "polynomial":
            _, slope, factor = own["coefficients"].astype("f8").T
            return slope / (2 * factor)
    return 0.0


def folded(layer, own, factor, rest):
    """Weights and bias that take up what the last square left. A channel's values stay together when a picture is flattened."""
    weights, bias = own["weights"].astype("f8"), own["bias"].astype("f8")
    if factor is None:
        return weights, bias
    # Per channel and what belongs to it: outputs x channels x others.
    parts = weights.reshape(len(weights), len(factor), -1)
    bias = bias + numpy.einsum("ock,c->o", parts, rest)
    return (parts * factor[:, None]).reshape(weights.shape), bias


def linear(layer, weights, bias):
    if layer["op"] == "dense":
        made = orion.nn.Linear(layer["inputs"], layer["outputs"])
    else:
        if layer["groups"] != 1:
            raise ValueError(f"{layer['name']}: groups")
        made = orion.nn.Conv2d(
            layer["inputs"], layer["outputs"], tuple(layer["kernel"]), stride=tuple(layer["stride"]), dilation=tuple(layer["dilation"]),
        )
    made.weight.data = torch.tensor(weights, dtype=torch.float32)
    made.bias.data = torch.tensor(bias, dtype=torch.float32)
    return made
