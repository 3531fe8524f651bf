"""`clear` in NumPy: the data owner sends its images as they are, the model owner evaluates the network."""

import os
import sys

import numpy

sys.dont_write_bytecode = True

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
import veilbench_party  # noqa: E402


class DataOwner(veilbench_party.Role):
    def online(self, count, images):
        self.session.send("model-owner", images)
        with self.session.span("wait"):
            logits = self.session.receive("model-owner")
        return logits


class ModelOwner(veilbench_party.Role):
    def setup(self):
        load = lambda files: {what: numpy.load(path) for what, path in files.items()}  # noqa: E731
        self.parameters = [load(files) for files in self.session.weights["layers"]]

    def online(self, count, images):
        architecture = self.session.architecture
        request = self.session.receive("data-owner")
        values = numpy.frombuffer(request, "<f4").reshape(count, *architecture["input"])
        with self.session.span("evaluate"):
            for layer, parameters in zip(architecture["layers"], self.parameters):
                values = OPERATORS[layer["op"]](values, layer, parameters)
        self.session.send("data-owner", numpy.ascontiguousarray(values, "<f4").tobytes())


def padded(images, layer, fill):
    top, left, bottom, right = layer["padding"]
    return numpy.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)


def windows(images, layer, fill=0.0):
    """Every value each output pixel sees: images x channels x rows x columns x (kernel rows x kernel columns)."""
    images = padded(images, layer, fill)
    _, rows, columns = layer["output"]
    (row_step, column_step), (row_gap, column_gap) = layer["stride"], layer.get("dilation", [1, 1])
    taps = [(row * row_gap, column * column_gap) for row in range(layer["kernel"][0]) for column in range(layer["kernel"][1])]
    seen = [images[:, :, row:row + (rows - 1) * row_step + 1:row_step, column:column + (columns - 1) * column_step + 1:column_step]
            for row, column in taps]
    return numpy.stack(seen, axis=-1)


def conv2d(images, layer, parameters):
    groups = layer["groups"]
    seen = numpy.split(windows(images, layer), groups, axis=1)
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

if __name__ == "__main__":
    veilbench_party.serve({"data-owner": DataOwner, "model-owner": ModelOwner})
