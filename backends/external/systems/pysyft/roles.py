"""PySyft 0.2: additive shares between virtual workers, with the comparisons of SecureNN. All workers are in one process, the data
owner's, which is handed the network for that: what they would tell each other is not seen from outside.
"""

import io
import os
import sys

import numpy

sys.dont_write_bytecode = True

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import veilbench_numpy  # noqa: E402
import veilbench_party  # noqa: E402

WORKERS = ["data-owner", "model-owner", "dealer"]


class ModelOwner(veilbench_party.Role):
    def setup(self):
        for parameters in veilbench_numpy.load(self.session):
            for values in parameters.values():
                file = io.BytesIO()
                numpy.save(file, values)
                self.session.send("data-owner", file.getvalue())


class Workers(veilbench_party.Role):
    def setup(self):
        with self.session.span("import"):
            import syft
            import torch

            self.torch = torch
            torch.set_num_threads(self.session.threads)
            hook = syft.TorchHook(torch)
            *self.owners, self.dealer = [syft.VirtualWorker(hook, id=name) for name in WORKERS]
        with self.session.span("share weights"):
            self.parameters = [
                {what: self.shared(self.received()) for what in shapes} for shapes in veilbench_numpy.shapes(self.session.architecture)
            ]

    def received(self):
        return numpy.load(io.BytesIO(self.session.receive("model-owner")))

    def shared(self, values):
        tensor = self.torch.tensor(numpy.array(values, "f4"))
        return tensor.fix_precision(precision_fractional=int(self.session.options["digits"])).share(*self.owners, crypto_provider=self.dealer)

    def online(self, count, images):
        with self.session.span("share images"):
            values = self.shared(veilbench_numpy.images(self.session, images))
        for layer, own in zip(self.session.architecture["layers"], self.parameters):
            with self.session.span(layer["name"]):
                values = OPERATORS[layer["op"]](values, layer, own)
        with self.session.span("reveal"):
            logits = values.get().float_precision()
        return logits.numpy().astype("<f4").tobytes()


def unpadded(layer):
    if any(layer["padding"]) or any(step != 1 for step in layer.get("dilation", [])) or layer.get("groups", 1) != 1:
        raise ValueError(f"{layer['name']}: padding, dilation and groups are not supported")
    return layer


def conv2d(values, layer, own):
    import torch.nn.functional

    return torch.nn.functional.conv2d(values, own["weights"], own["bias"], stride=tuple(unpadded(layer)["stride"]))


def average_pool(values, layer, _):
    import torch.nn.functional

    if layer["kernel"] != layer["stride"] or layer["kernel"][0] != layer["kernel"][1]:
        raise ValueError(f"{layer['name']}: only square windows side by side are supported")
    return torch.nn.functional.avg_pool2d(values, unpadded(layer)["kernel"][0], layer["stride"][0])


OPERATORS = {
    "dense": lambda values, layer, own: values.mm(own["weights"].t()) + own["bias"],
    "conv2d": conv2d,
    "average-pool": average_pool,
    # `F.relu` works, `nn.ReLU` fails.
    "relu": lambda values, layer, _: values.relu(),
    "flatten": lambda values, layer, _: values.reshape(values.shape[0], -1),
}

if __name__ == "__main__":
    veilbench_party.serve({"data-owner": Workers, "model-owner": ModelOwner})
