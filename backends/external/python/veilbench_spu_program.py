"""A network as a program of SPU: written in JAX, compiled to SPU's instructions."""

import functools

import jax.numpy
import numpy
from jax import lax
from spu import libspu
from spu.utils import frontend

import veilbench_numpy

# The variable that holds the images.
IMAGES = "images"


def compiled(architecture, shapes, count):
    """The program for batches of `count` images. Its variables are `IMAGES` and, of every layer, what it is made of with its
    index; all are secret."""
    names = [f"{what}{at}" for at, own in enumerate(shapes) for what in own]
    inputs = [jax.numpy.zeros(shape, "f4") for own in shapes for shape in own.values()]

    def evaluate(*values):
        named = dict(zip(names, values[1:]))
        parameters = [{what: named[f"{what}{at}"] for what in own} for at, own in enumerate(shapes)]
        return veilbench_numpy.evaluate(architecture, parameters, values[0], OPERATORS, JOINS)

    images = jax.numpy.zeros((count, *architecture["input"]), "f4")
    secret = [libspu.Visibility.VIS_SECRET] * (1 + len(inputs))
    program, _ = frontend.compile(
        frontend.Kind.JAX, evaluate, (images, *inputs), {}, [IMAGES, *names], secret,
        lambda outputs: [f"logits{at}" for at in range(len(outputs))],
    )
    return program


def sides(layer):
    top, left, bottom, right = layer["padding"]
    return (top, bottom), (left, right)


def conv2d(values, layer, own):
    """SPU convolves with the channels last."""
    result = lax.conv_general_dilated(
        values.transpose(0, 2, 3, 1), own["weights"].transpose(2, 3, 1, 0), layer["stride"], sides(layer),
        rhs_dilation=layer["dilation"], feature_group_count=layer["groups"], dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    return (result + own["bias"]).transpose(0, 3, 1, 2)


def pooled(values, layer, start, combine):
    return lax.reduce_window(
        values, start, combine, (1, 1, *layer["kernel"]), (1, 1, *layer["stride"]), ((0, 0), (0, 0), *sides(layer)),
    )


def polynomial(values, layer, own):
    coefficients = own["coefficients"].reshape(layer["channels"], -1, *[1] * (values.ndim - 2))
    result = coefficients[:, layer["degree"]]
    for power in range(layer["degree"] - 1, -1, -1):
        result = result * values + coefficients[:, power]
    return result


OPERATORS = {
    "dense": lambda values, layer, own: values @ own["weights"].T + own["bias"],
    "conv2d": conv2d,
    "average-pool": lambda values, layer, _: pooled(values, layer, 0.0, lax.add) / numpy.prod(layer["kernel"]),
    "max-pool": lambda values, layer, _: pooled(values, layer, -numpy.inf, lax.max),
    "relu": lambda values, layer, _: jax.numpy.maximum(values, 0),
    "polynomial": polynomial,
    "flatten": lambda values, layer, _: values.reshape(len(values), -1),
}

JOINS = veilbench_numpy.joins(functools.partial(jax.numpy.concatenate, axis=1))
