"""`clear` in NumPy: the data owner sends its images as they are, the model owner evaluates the network."""

import os
import sys

import numpy

sys.dont_write_bytecode = True

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "python"))
import veilbench_numpy  # noqa: E402
import veilbench_party  # noqa: E402


class DataOwner(veilbench_party.Role):
    def online(self, count, images):
        self.session.send("model-owner", images)
        with self.session.span("wait"):
            logits = self.session.receive("model-owner")
        return logits


class ModelOwner(veilbench_party.Role):
    def setup(self):
        self.parameters = veilbench_numpy.load(self.session)

    def online(self, count, images):
        values = veilbench_numpy.images(self.session, self.session.receive("data-owner"))
        with self.session.span("evaluate"):
            logits = veilbench_numpy.evaluate(self.session.architecture, self.parameters, values)
        self.session.send("data-owner", numpy.ascontiguousarray(logits, "<f4").tobytes())


if __name__ == "__main__":
    veilbench_party.serve({"data-owner": DataOwner, "model-owner": ModelOwner})
