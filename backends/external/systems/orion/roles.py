"""Orion: its compiler packs the network for CKKS in Lattigo. It writes no keys and no ciphertexts for others, so both roles are played
in one process, the data owner's, which is handed the network for that.

Each quadratic activation is completed to Orion's bare square: a x^2 + b x + c is the square of x + b / 2a, whose shift belongs to the
layer before it and whose factor and rest belong to the one behind it.
"""

import os
import sys
import types

import numpy

sys.dont_write_bytecode = True

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import veilbench_numpy  # noqa: E402
import veilbench_party  # noqa: E402

# Ring of degree 2^14. The modulus, special prime included, has at most this many bits for 128 bits of security with a ternary secret
# (eprint 2024/463); two thirds of the secret's coefficients are not zero. Orion itself accepts insecure parameters.
LOG_DEGREE, MODULUS_BITS, WEIGHT = 14, 430, 10923
# Bits of the first and of the special prime, and at most of each level's.
OUTER_BITS, LEVEL_BITS = 50, 40


class ModelOwner(veilbench_party.Role):
    def setup(self):
        for parameters in veilbench_numpy.load(self.session):
            for values in parameters.values():
                self.session.send("data-owner", values.astype("<f4").tobytes())


class Both(veilbench_party.Role):
    def setup(self):
        os.environ["GOMAXPROCS"] = str(self.session.threads)
        with self.session.span("import"):
            torch = imported()
            import orion
            import network

        self.torch, self.orion = torch, orion
        torch.set_num_threads(self.session.threads)
        parameters = [
            {what: numpy.frombuffer(self.session.receive("model-owner"), "<f4").reshape(shape) for what, shape in shapes.items()}
            for shapes in veilbench_numpy.shapes(self.session.architecture)
        ]
        self.network = network.built(self.session.architecture, parameters)
        with self.session.span("keys"):
            orion.init_scheme(configuration(network.levels(self.session.architecture)))
        with self.session.span("compile"):
            # It reads the shape of the image alone: there are no activations to be fitted.
            orion.fit(self.network, torch.zeros(1, *self.session.architecture["input"]))
            self.level = orion.compile(self.network)
            self.network.he()

    def online(self, count, images):
        logits = []
        for image in veilbench_numpy.images(self.session, images):
            with self.session.span("encrypt"):
                request = self.orion.encrypt(self.orion.encode(self.torch.tensor(image[None]), self.level))
            with self.session.span("evaluate"):
                answer = self.network(request)
            with self.session.span("decrypt"):
                logits.append(numpy.asarray(answer.decrypt().decode(), "<f4").ravel()[:self.session.architecture["classes"]])
        return numpy.concatenate(logits).tobytes()


def configuration(levels):
    bits = min(LEVEL_BITS, (MODULUS_BITS - 2 * OUTER_BITS) // levels)
    return {
        "ckks_params": {
            "LogN": LOG_DEGREE, "LogQ": [OUTER_BITS, *[bits] * levels], "LogP": [OUTER_BITS], "LogScale": bits, "H": WEIGHT,
            "RingType": "standard",
        },
        "orion": {"margin": 2, "embedding_method": "hybrid", "backend": "lattigo", "fuse_modules": True, "debug": False},
    }


def imported():
    """PyTorch, with what Orion takes from versions of it that come with gigabytes for GPUs: two decorators that it switches
    off, and a method that layers have which need no compiling."""
    import torch

    unchanged = types.SimpleNamespace(disable=lambda function: function)
    for name in ("compiler", "_dynamo"):
        if not hasattr(torch, name):
            setattr(torch, name, unchanged)
    if not hasattr(torch.nn.Module, "compile"):
        torch.nn.Module.compile = lambda layer: None
    return torch


if __name__ == "__main__":
    veilbench_party.serve({"data-owner": Both, "model-owner": ModelOwner})
