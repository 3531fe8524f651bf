"""CKKS in TenSEAL: the data owner holds the keys and encrypts each image as one vector; the model owner computes on it.

Between two activations everything is affine and multiplied out to one matrix. An activation a x^2 + b x + c is the square of
x + b / 2a, whose shift belongs to the matrix before it and whose factor and rest belong to the one behind it: a matrix and a
square cost a level each.

The last value of every vector is 1, and biases are the last row of each matrix. Added as a list, as TenSEAL's tutorial does, a bias
is missing in the copies of the vector that its next matrix product reads, and logits are wrong in silence.
"""

import os
import sys

import numpy
import tenseal

sys.dont_write_bytecode = True

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import veilbench_numpy  # noqa: E402
import veilbench_party  # noqa: E402

# One prime for keys, one for the last message, and one per level: three matrices and two squares.
DEGREE = 16384
PRIMES = [60, 40, 40, 40, 40, 40, 60]
SCALE = 2.0 ** 40


class DataOwner(veilbench_party.Role):
    def setup(self):
        with self.session.span("keys"):
            self.context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, DEGREE, coeff_mod_bit_sizes=PRIMES, n_threads=self.session.threads)
            self.context.global_scale = SCALE
            self.context.generate_galois_keys()
        with self.session.span("serialize"):
            public = self.context.serialize(save_secret_key=False)
        self.session.send("model-owner", public)

    def online(self, count, images):
        logits = []
        for image in veilbench_numpy.images(self.session, images):
            with self.session.span("encrypt"):
                request = tenseal.ckks_vector(self.context, [*image.ravel().tolist(), 1.0]).serialize()
            self.session.send("model-owner", request)
        for _ in range(count):
            with self.session.span("wait"):
                answer = self.session.receive("model-owner")
            with self.session.span("decrypt"):
                logits.append(tenseal.ckks_vector_from(self.context, answer).decrypt())
        return numpy.asarray(logits, "<f4").tobytes()


class ModelOwner(veilbench_party.Role):
    def setup(self):
        self.steps = steps(veilbench_numpy.squares(self.session.architecture, veilbench_numpy.load(self.session)))
        self.context = tenseal.context_from(self.session.receive("data-owner"), n_threads=self.session.threads)

    def online(self, count, images):
        for request in [self.session.receive("data-owner") for _ in range(count)]:
            values = tenseal.ckks_vector_from(self.context, request)
            for at, (matrix, squared) in enumerate(self.steps):
                with self.session.span(f"matrix{at}"):
                    values = values.mm(matrix)
                if squared:
                    with self.session.span(f"square{at}"):
                        values.square_()
            self.session.send("data-owner", values.serialize())


def steps(squares):
    """Matrices with their biases as the last row, and whether a square follows, which the last value survives as 1."""
    result = []
    for matrix, bias, squared in squares:
        matrix = numpy.vstack([matrix, bias])
        if squared:
            matrix = numpy.column_stack([matrix, [0.0] * (len(matrix) - 1) + [1.0]])
        result.append((matrix.tolist(), squared))
    return result


if __name__ == "__main__":
    veilbench_party.serve({"data-owner": DataOwner, "model-owner": ModelOwner})
