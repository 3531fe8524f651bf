"""A network's layers in NumPy, for roles in Python: what the clear network computes, and what it is made of.

`load` reads the weights, `shapes` tells what they look like, `OPERATORS` evaluates a layer and `evaluate` a network, with these or a
system's own operators, `segments` multiplies out what is between two activations, `squares` makes each quadratic activation a bare square.
"""

import contextlib
import functools
import operator

import numpy


def load(session):
    """The parameters of every layer, by what they are, at the role that holds the weights."""
    return [{what: numpy.load(path) for what, path in files.items()} for files in session.weights["layers"]]


def shapes(architecture):
    """The shapes of every layer's parameters, by what they are: what roles know that do not hold the weights."""
    return [OF_PARAMETERS.get(layer["op"], lambda layer: {})(layer) for layer in architecture["layers"]]


OF_PARAMETERS = {
    "dense": lambda layer: {"weights": (layer["outputs"], layer["inputs"]), "bias": (layer["outputs"],)},
    "conv2d": lambda layer: {
        "weights": (layer["outputs"], layer["inputs"] // layer["groups"], *layer["kernel"]), "bias": (layer["outputs"],),
    },
    "polynomial": lambda layer: {"coefficients": (layer["channels"], layer["degree"] + 1)},
}


def images(session, payload):
    """A batch as count x channels x rows x columns, or count x features."""
    shape = session.architecture["input"]
    return numpy.frombuffer(payload, "<f4").reshape(-1, *shape)


def padded(values, layer, fill):
    top, left, bottom, right = layer["padding"]
    return numpy.pad(values, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)


def windows(values, layer, fill=0.0):
    """Every value each output pixel sees: images x channels x rows x columns x (kernel rows x kernel columns)."""
    values = padded(values, layer, fill)
    _, rows, columns = layer["output"]
    (row_step, column_step), (row_gap, column_gap) = layer["stride"], layer.get("dilation", [1, 1])
    taps = [(row * row_gap, column * column_gap) for row in range(layer["kernel"][0]) for column in range(layer["kernel"][1])]
    seen = [values[:, :, row:row + (rows - 1) * row_step + 1:row_step, column:column + (columns - 1) * column_step + 1:column_step]
            for row, column in taps]
    return numpy.stack(seen, axis=-1)


def conv2d(values, layer, parameters):
    groups = layer["groups"]
    seen = numpy.split(windows(values, layer), groups, axis=1)
    kernels = numpy.split(parameters["weights"].reshape(*parameters["weights"].shape[:2], -1), groups)
    parts = [numpy.einsum("ncyxt,oct->noyx", part, kernel, optimize=True) for part, kernel in zip(seen, kernels)]
    return numpy.concatenate(parts, axis=1) + parameters["bias"][:, None, None]


def polynomial(values, layer, parameters):
    coefficients = parameters["coefficients"].reshape(layer["channels"], -1, *[1] * (values.ndim - 2))
    result = numpy.zeros_like(values)
    for power in range(layer["degree"], -1, -1):
        result = result * values + coefficients[:, power]
    return result


OPERATORS = {
    "dense": lambda values, layer, parameters: values @ parameters["weights"].T + parameters["bias"],
    "conv2d": conv2d,
    "average-pool": lambda values, layer, _: windows(values, layer).mean(axis=-1),
    "max-pool": lambda values, layer, _: windows(values, layer, -numpy.inf).max(axis=-1),
    "relu": lambda values, layer, _: numpy.maximum(values, 0),
    "polynomial": polynomial,
    "flatten": lambda values, layer, _: values.reshape(len(values), -1),
}

def joins(concatenate):
    """Layers that read several others, as functions of the list of what they read."""
    return {"add": functools.partial(functools.reduce, operator.add), "concat": concatenate}


JOINS = joins(functools.partial(numpy.concatenate, axis=1))


def evaluate(architecture, parameters, values, operators=OPERATORS, joins=JOINS, around=lambda layer: contextlib.nullcontext()):
    """The logits of a batch, layer by layer; the values of a layer are dropped once no later one reads them. A system has operators
    and joins of its own for its own values; `around` makes what each layer is computed within."""
    layers = architecture["layers"]
    reads = [layer.get("reads", [at - 1 if at else "image"]) for at, layer in enumerate(layers)]
    last = {source: at for at, sources in enumerate(reads) for source in sources}
    known = {"image": values}
    for at, (layer, own) in enumerate(zip(layers, parameters)):
        seen = [known[source] for source in reads[at]]
        join = joins.get(layer["op"])
        with around(layer):
            known[at] = join(seen) if join else operators[layer["op"]](*seen, layer, own)
        for source in set(reads[at]):
            if last[source] == at:
                del known[source]
    return known[len(layers) - 1]


AFFINE = ("dense", "conv2d", "average-pool", "flatten")


def segments(architecture, parameters):
    """The network, a chain, as affine maps and activations in turn: (matrix of inputs x outputs, bias, activation), where
    the activation is a layer and its parameters, or None behind the last map."""
    shape, pending, result = architecture["input"], [], []
    for layer, own in zip(architecture["layers"], parameters):
        if layer["op"] in AFFINE:
            pending.append((layer, own))
        else:
            result.append((*multiplied_out(shape, pending), (layer, own)))
            shape, pending = layer["output"], []
    if pending:
        result.append((*multiplied_out(shape, pending), None))
    return result


# A quadratic flatter than this is no square with a shift that fits.
FLATTEST = 1e-4


def squares(architecture, parameters):
    """The network, a chain with quadratics, as matrices with squares between them: (matrix of inputs x outputs, bias, whether
    a square follows). a x^2 + b x + c is the square of x + b / 2a: its shift is in the bias before it, its factor and rest in
    the map behind it."""
    result, factor, rest = [], 1.0, 0.0
    for matrix, bias, activation in segments(architecture, parameters):
        bias = bias + numpy.broadcast_to(rest, len(matrix)) @ matrix
        matrix = numpy.broadcast_to(factor, len(matrix))[:, None] * matrix
        if activation is not None:
            layer, own = activation
            each = len(bias) // layer["channels"]
            constant, linear, quadratic = numpy.repeat(own["coefficients"].astype("f8"), each, axis=0).T
            if numpy.abs(quadratic).min() < FLATTEST:
                raise ValueError(f"a polynomial of {layer['name']} has hardly a quadratic term")
            bias = bias + linear / (2 * quadratic)
            factor, rest = quadratic, constant - linear ** 2 / (4 * quadratic)
        result.append((matrix, bias, activation is not None))
    if activation is not None:
        raise ValueError("the last layer is a polynomial, whose factor no matrix takes up")
    return result


def multiplied_out(shape, layers):
    """What affine layers make of zeros is the bias, and of every unit vector, less that, a row of the matrix."""
    count = int(numpy.prod(shape))
    values = numpy.concatenate([numpy.zeros((1, count)), numpy.eye(count)]).reshape(-1, *shape)
    for layer, own in layers:
        values = OPERATORS[layer["op"]](values, layer, {what: array.astype("f8") for what, array in own.items()})
    values = values.reshape(count + 1, -1)
    return values[1:] - values[0], values[0]
