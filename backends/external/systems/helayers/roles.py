"""HElayers: its compiler packs the network into tiles and chooses parameters of CKKS in SEAL; the data owner makes the keys.

The network is given to it as matrices with squares between them: between two activations everything is affine, and an activation
a x^2 + b x + c is the square of x + b / 2a, whose shift belongs to the matrix before it and whose factor and rest belong to the one
behind it. Convolutions without padding that a matrix follows are computed wrongly by this version, in silence.
"""

import os
import sys
import tempfile

import numpy

sys.dont_write_bytecode = True

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "python"))
import veilbench_numpy  # noqa: E402
import veilbench_party  # noqa: E402

# Bits behind and before the point: its compiler then takes N = 16384 and log2 QP = 420 for three matrices. With 6 bits before the
# point it takes 436, beyond the 430 that are 128 bits of security (eprint 2024/463). Its default of 50 behind takes longer primes.
FRACTIONAL_BITS, INTEGER_BITS = 28, 10


class DataOwner(veilbench_party.Role):
    def setup(self):
        import pyhelayers

        self.pyhelayers = pyhelayers
        profile = pyhelayers.HeProfile()
        profile.from_string(self.session.receive("model-owner").decode())
        with self.session.span("keys"):
            self.context = pyhelayers.HeModel.create_context(profile)
        self.session.send("model-owner", self.context.save_to_buffer())
        self.encoder = pyhelayers.load_io_encoder(self.context, self.session.receive("model-owner"))

    def online(self, count, images):
        request = self.pyhelayers.EncryptedData(self.context)
        with self.session.span("encrypt"):
            values = veilbench_numpy.images(self.session, images).reshape(count, -1)
            # Parameters are those of a whole batch.
            self.encoder.encode_encrypt(request, [numpy.resize(values, (self.session.batch, values.shape[1]))])
        self.session.send("model-owner", request.save_to_buffer())
        with self.session.span("wait"):
            answer = self.session.receive("model-owner")
        with self.session.span("decrypt"):
            logits = self.encoder.decrypt_decode_output(self.pyhelayers.load_encrypted_data(self.context, answer))
        return numpy.asarray(logits, "<f4").reshape(self.session.batch, -1)[:count].tobytes()


class ModelOwner(veilbench_party.Role):
    def setup(self):
        import pyhelayers

        self.pyhelayers = pyhelayers
        steps = veilbench_numpy.squares(self.session.architecture, veilbench_numpy.load(self.session))
        plain = pyhelayers.NeuralNetPlain()
        with self.session.span("compile"):
            with tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "squares.onnx")
                exported(steps, path)
                plain.init_from_files(pyhelayers.PlainModelHyperParams(), [path])
            profile = pyhelayers.HeModel.compile(plain, self.requirements())
        self.session.send("data-owner", profile.to_string().encode())
        self.context = pyhelayers.load_he_context(self.session.receive("data-owner"))
        if self.context.has_secret_key():
            raise ValueError("what the data owner sent has its secret key in it")
        with self.session.span("encode"):
            self.network = pyhelayers.NeuralNet(self.context)
            self.network.encode(plain, profile)
        self.session.send("data-owner", self.network.create_model_io_encoder().save_to_buffer())

    def requirements(self):
        wanted = self.pyhelayers.HeRunRequirements()
        wanted.set_he_context_options([self.pyhelayers.SealCkksContext()])
        wanted.set_model_encrypted(False)
        wanted.set_fractional_part_precision(FRACTIONAL_BITS)
        wanted.set_integer_part_precision(INTEGER_BITS)
        wanted.optimize_for_batch_size(self.session.batch)
        return wanted

    def online(self, count, images):
        request = self.pyhelayers.load_encrypted_data(self.context, self.session.receive("data-owner"))
        answer = self.pyhelayers.EncryptedData(self.context)
        with self.session.span("predict"):
            self.network.predict(answer, request)
        self.session.send("data-owner", answer.save_to_buffer())


def exported(steps, path):
    """Writes the network as ONNX: a matrix, and a product with itself where a square follows."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, tensors, value = [], [], "image"
    for at, (matrix, bias, squared) in enumerate(steps):
        tensors += [numpy_helper.from_array(array.astype("f4"), f"{name}{at}") for name, array in (("matrix", matrix), ("bias", bias))]
        nodes.append(helper.make_node("Gemm", [value, f"matrix{at}", f"bias{at}"], [f"sum{at}"]))
        value = f"sum{at}"
        if squared:
            nodes.append(helper.make_node("Mul", [value, value], [f"square{at}"]))
            value = f"square{at}"
    inputs, outputs = len(steps[0][0]), len(steps[-1][1])
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name, size in (("image", inputs), (value, outputs))]
    graph = helper.make_graph(nodes, "squares", shapes[:1], shapes[1:], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7), path)


if __name__ == "__main__":
    veilbench_party.serve({"data-owner": DataOwner, "model-owner": ModelOwner})
