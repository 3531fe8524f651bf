"""HElayers on SEAL: compiled for one image, and again for a batch."""

import tempfile
import time

import numpy as np
import onnx
import pyhelayers
from onnx import TensorProto, helper, numpy_helper
from peer import load, peak_rss, report

# Precision as ours: its default of 50 bits would take primes twice as long.
FRACTIONAL_BITS, INTEGER_BITS, BATCH = 28, 6, 128


def exported(layers, path):
    inputs, nodes, tensors, value = layers[0][0].shape[1], [], [], "image"
    for index, (weight, bias) in enumerate(layers):
        tensors.append(numpy_helper.from_array(weight.astype(np.float32), f"w{index}"))
        tensors.append(numpy_helper.from_array(bias.astype(np.float32), f"b{index}"))
        nodes.append(helper.make_node("Gemm", [value, f"w{index}", f"b{index}"], [f"y{index}"], transB=1))
        value = f"y{index}"
        if index + 1 < len(layers):
            nodes.append(helper.make_node("Mul", [value, value], [f"s{index}"]))
            value = f"s{index}"
    shape = lambda name, size: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size])
    outputs = layers[-1][0].shape[0]
    graph = helper.make_graph(nodes, "squares", [shape("image", inputs)], [shape(value, outputs)], tensors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=7), path)


def prepared(plain, batch):
    wanted = pyhelayers.HeRunRequirements()
    wanted.set_he_context_options([pyhelayers.SealCkksContext()])
    wanted.set_model_encrypted(False)
    wanted.set_fractional_part_precision(FRACTIONAL_BITS)
    wanted.set_integer_part_precision(INTEGER_BITS)
    wanted.optimize_for_batch_size(batch)
    profile = pyhelayers.HeModel.compile(plain, wanted)
    context = pyhelayers.HeModel.create_context(profile)
    network = pyhelayers.NeuralNet(context)
    network.encode(plain, profile)
    return context, network, network.create_model_io_encoder()


def classify(context, network, encoder, images):
    start = time.perf_counter()
    sent = pyhelayers.EncryptedData(context)
    encoder.encode_encrypt(sent, [images])
    answer = pyhelayers.EncryptedData(context)
    network.predict(answer, sent)
    logits = np.array(encoder.decrypt_decode_output(answer)).reshape(len(images), -1)
    seconds = time.perf_counter() - start
    return seconds, logits, len(sent.save_to_buffer()) + len(answer.save_to_buffer())


layers, images = load()
plain = pyhelayers.NeuralNetPlain()
with tempfile.TemporaryDirectory() as folder:
    exported(layers, f"{folder}/squares.onnx")
    plain.init_from_files(pyhelayers.PlainModelHyperParams(), [f"{folder}/squares.onnx"])
context, network, encoder = prepared(plain, 1)
keys = len(context.save_to_buffer())
chain = [int(prime) for prime in context.get_modulus_chain()]
degree = 2 * context.slot_count()
runs = [classify(context, network, encoder, image[None]) for image in images]
seconds, logits, sent = zip(*runs)
rss = peak_rss()
context, network, encoder = prepared(plain, BATCH)
batch = np.resize(images, (BATCH, images.shape[1]))
batch_seconds, batch_logits, _ = classify(context, network, encoder, batch)
batch_error = np.abs(batch_logits[: len(images)] - np.concatenate(logits)).max()
report(
    degree=degree,
    # The chain it shows is that of ciphertexts; SEAL has one more prime, as long as the longest.
    modulus_bits=sum(prime.bit_length() for prime in chain) + max(prime.bit_length() for prime in chain),
    seconds=seconds,
    logits=np.concatenate(logits),
    sent_bytes=sent[0],
    key_bytes=keys,
    images_per_second=BATCH / batch_seconds,
    rss=rss,
    note=f"throughput in batches of {BATCH}, whose logits differ by {batch_error:.0e} from those of single images",
)
