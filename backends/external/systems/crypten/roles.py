"""CrypTen: both parties evaluate the network on shares of images and weights; the dealer answers their requests for triples."""

import os
import secrets
import sys

import numpy

sys.dont_write_bytecode = True

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import veilbench_numpy  # noqa: E402
import veilbench_party  # noqa: E402

# One machine word: a seed of PyTorch's generators.
SEED_BITS = 63


class Computing(veilbench_party.Role):
    """What the parties that compute have in common."""

    def setup(self):
        import crypten
        import links
        import torch

        self.torch, self.crypten = torch, crypten
        torch.set_num_threads(self.session.threads)
        links.join(self.session)
        own = veilbench_numpy.load(self.session) if self.session.weights else None
        self.parameters = [
            {what: self.share(own[at][what] if own else numpy.zeros(shape), 1) for what, shape in shapes.items()}
            for at, shapes in enumerate(veilbench_numpy.shapes(self.session.architecture))
        ]

    def share(self, values, owner):
        return self.crypten.cryptensor(self.torch.from_numpy(numpy.array(values, "f4")), src=owner)

    def evaluate(self, values):
        return veilbench_numpy.evaluate(
            self.session.architecture, self.parameters, values, OPERATORS, veilbench_numpy.joins(lambda seen: self.crypten.cat(seen, dim=1)),
            lambda layer: self.session.span(layer["name"]),
        )

    def online(self, count, images):
        shape = (count, *self.session.architecture["input"])
        own = numpy.zeros(shape) if images is None else veilbench_numpy.images(self.session, images)
        with self.crypten.no_grad():
            logits = self.evaluate(self.share(own, 0))
            with self.session.span("reveal"):
                logits = logits.get_plain_text(dst=0)
        if images is None:
            return None
        # The dealer waits for requests until the batch is over.
        self.session.send("dealer", b"")
        return logits.numpy().astype("<f4").tobytes()


class Dealer(veilbench_party.Role):
    def setup(self):
        import links
        import torch

        torch.set_num_threads(self.session.threads)
        seeds = [secrets.randbits(SEED_BITS) for _ in links.PARTIES]
        for party, seed in zip(links.PARTIES, seeds):
            self.session.send(party, seed.to_bytes(8, "little"))
        self.server = links.Server(seeds)

    def online(self, count, images):
        while True:
            request = self.session.receive("data-owner")
            if not request:
                return
            with self.session.span("deal"):
                answer = self.server.answer(request)
            self.session.send("data-owner", answer)


def padded(values, layer):
    top, left, bottom, right = layer["padding"]
    return values.pad((left, right, top, bottom)) if any(layer["padding"]) else values


def conv2d(values, layer, own):
    values = padded(values, layer).conv2d(own["weights"], stride=tuple(layer["stride"]), groups=layer["groups"], dilation=tuple(layer["dilation"]))
    return values + own["bias"].reshape(1, -1, 1, 1)


def max_pool(values, layer, _):
    if any(layer["padding"]):
        raise ValueError(f"{layer['name']}: a padded max pool, whose zeros would count")
    return values.max_pool2d(tuple(layer["kernel"]), stride=tuple(layer["stride"]))


def polynomial(values, layer, own):
    one = [own["coefficients"][:, power].reshape(1, -1, *[1] * (values.dim() - 2)) for power in range(layer["degree"] + 1)]
    result = values * one[1] + one[0]
    return result + values.square() * one[2] if layer["degree"] == 2 else result


OPERATORS = {
    "dense": lambda values, layer, own: values.matmul(own["weights"].transpose(0, 1)) + own["bias"],
    "conv2d": conv2d,
    "average-pool": lambda values, layer, _: padded(values, layer).avg_pool2d(tuple(layer["kernel"]), stride=tuple(layer["stride"])),
    "max-pool": max_pool,
    "relu": lambda values, layer, _: values.relu(),
    "polynomial": polynomial,
    "flatten": lambda values, layer, _: values.flatten(start_dim=1),
}

if __name__ == "__main__":
    veilbench_party.serve({"data-owner": Computing, "model-owner": Computing, "dealer": Dealer})
