"""Concrete ML: the network is quantised and compiled to TFHE, every activation a table looked up by a programmable bootstrap.

The model owner quantises and compiles, for which it needs pictures of the kind that will come: it takes those that scikit-learn
ships and scales them to the range that images have. The data owner gets what its client needs: how to quantise the images and the
logits, and the parameters; it makes the keys.
"""

import os
import sys
import tempfile

import numpy

sys.dont_write_bytecode = True

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import veilbench_numpy  # noqa: E402
import veilbench_party  # noqa: E402

# Bits of weights and activations, and to how many a sum is rounded before the table of its activation.
BITS, ROUNDED_BITS = 5, 5


class DataOwner(veilbench_party.Role):
    def setup(self):
        with self.session.span("import"):
            from concrete.ml.deployment import FHEModelClient

        client = self.session.receive("model-owner")
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "client.zip"), "wb") as file:
                file.write(client)
            self.client = FHEModelClient(folder, os.path.join(folder, "keys"))
            with self.session.span("keys"):
                self.client.generate_private_and_evaluation_keys()
                keys = self.client.get_serialized_evaluation_keys()
        self.session.send("model-owner", keys)

    def online(self, count, images):
        logits = []
        for image in veilbench_numpy.images(self.session, images):
            with self.session.span("encrypt"):
                request = self.client.quantize_encrypt_serialize(image[None])
            self.session.send("model-owner", request)
            with self.session.span("wait"):
                answer = self.session.receive("model-owner")
            with self.session.span("decrypt"):
                logits.append(self.client.deserialize_decrypt_dequantize(answer))
        return numpy.concatenate(logits).astype("<f4").tobytes()


class ModelOwner(veilbench_party.Role):
    def setup(self):
        with self.session.span("import"):
            import network
            from concrete import fhe
            from concrete.ml.deployment import FHEModelDev, FHEModelServer
            from concrete.ml.torch.compile import compile_torch_model

        architecture = self.session.architecture
        with self.session.span("compile"):
            compiled = compile_torch_model(
                network.built(architecture, veilbench_numpy.load(self.session)), network.pictures(architecture), n_bits=BITS,
                rounding_threshold_bits={"n_bits": ROUNDED_BITS, "method": "approximate"},
            )
            with tempfile.TemporaryDirectory() as folder:
                FHEModelDev(folder, compiled).save(via_mlir=False)
                self.server = FHEModelServer(folder)
                with open(os.path.join(folder, "client.zip"), "rb") as file:
                    client = file.read()
        self.session.send("data-owner", client)
        self.keys = fhe.EvaluationKeys.deserialize(self.session.receive("data-owner"))

    def online(self, count, images):
        for _ in range(count):
            request = self.session.receive("data-owner")
            with self.session.span("evaluate"):
                answer = self.server.run(request, self.keys)
            self.session.send("data-owner", answer)


if __name__ == "__main__":
    veilbench_party.serve({"data-owner": DataOwner, "model-owner": ModelOwner})
