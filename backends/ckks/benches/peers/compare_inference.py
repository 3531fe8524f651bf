#!/usr/bin/env python3
"""Encrypted inference of mnist-mlp-poly here and in TenSEAL 0.3.18: same weights, same images, one after the other.

    python3.11 -m venv /tmp/veilbench-peers/inference
    /tmp/veilbench-peers/inference/bin/pip install tenseal==0.3.18 onnx numpy
    cargo build --release -p veilbench
    VEILBENCH_DATA=FOLDER /tmp/veilbench-peers/inference/bin/python backends/ckks/benches/peers/compare_inference.py 5

The peer gets the network with its squares completed, so that it needs no more levels than ours. Both are held against
the network in double precision. Ours is the time of `online`, which has two processes and a socket in it; the peer's is
encryption, evaluation and decryption in one process.
"""

import csv
import gzip
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import tenseal
from onnx import numpy_helper

ROOT = Path(__file__).resolve().parents[4]
# 128 bits at this degree allow 218 bits in SEAL's table.
DEGREE, PRIME_BITS, SCALE = 8192, [32, 28, 28, 28, 28, 28, 32], 2.0**28


def weights():
    model = onnx.load(ROOT / "networks/zoo/mnist-mlp-poly.onnx")
    return {tensor.name: numpy_helper.to_array(tensor).astype(float) for tensor in model.graph.initializer}


def clear(w, x):
    for layer in ("1", "2"):
        y = w[f"fc{layer}.weight"] @ x + w[f"fc{layer}.bias"]
        x = w[f"act{layer}.c2"] * y * y + w[f"act{layer}.c1"] * y + w[f"act{layer}.c0"]
    return w["fc3.weight"] @ x + w["fc3.bias"]


def folded(w):
    """Matrices and biases between squares: `a y^2 + b y + c = a (y + b/2a)^2 + c - b^2/4a`."""
    layers, factor, offset = [], 1.0, 0.0
    for layer in ("1", "2", "3"):
        matrix, bias = w[f"fc{layer}.weight"], w[f"fc{layer}.bias"]
        bias = bias + matrix @ (offset * np.ones(matrix.shape[1]))
        matrix = matrix * factor
        if layer != "3":
            a, b, c = (w[f"act{layer}.c{power}"] for power in "210")
            bias = bias + b / (2 * a)
            factor, offset = a, c - b * b / (4 * a)
        layers.append((matrix.T.tolist(), bias.tolist()))
    return layers


def peer(w, images):
    context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, DEGREE, coeff_mod_bit_sizes=PRIME_BITS, n_threads=1)
    context.global_scale = SCALE
    context.generate_galois_keys()
    keys = len(context.serialize(save_secret_key=False))
    layers, times, logits, sent = folded(w), [], [], 0
    for image in images:
        start = time.perf_counter()
        x = tenseal.ckks_vector(context, image.tolist())
        sent = len(x.serialize())
        for index, (matrix, bias) in enumerate(layers):
            x = x.mm(matrix) + bias
            if index + 1 < len(layers):
                x.square_()
        sent += len(x.serialize())
        logits.append(np.array(x.decrypt()))
        times.append(time.perf_counter() - start)
    return times, logits, sent, keys


def ours(count):
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["run", "-b", "ckks", "-n", "mnist-mlp-poly", "--batch", "1", "--repetitions", "1"]
        arguments += ["--images", str(count), "--batches", str(count), "--out", f"{folder}/run"]
        subprocess.run([ROOT / "target/release/veilbench", *arguments], check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        with open(f"{folder}/run/summary.csv") as file:
            summary = next(csv.DictReader(file))
        with open(f"{folder}/run/answers.csv") as file:
            indices = [int(row["image"]) for row in csv.DictReader(file)]
    return summary, indices


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    w = weights()
    summary, indices = ours(count)
    with gzip.open(Path(os.environ["VEILBENCH_DATA"]) / "mnist/t10k-images-idx3-ubyte.gz") as file:
        pixels = np.frombuffer(file.read(), dtype=np.uint8, offset=16).reshape(-1, 784)
    images = [(pixels[index] / 255.0 - 0.1307) / 0.3081 for index in indices]
    times, logits, sent, keys = peer(w, images)
    expected = [clear(w, image) for image in images]
    error = max(np.abs(mine - right).max() for mine, right in zip(logits, expected))
    agree = np.mean([mine.argmax() == right.argmax() for mine, right in zip(logits, expected)])
    print(f"{'':10} {'ms/image':>9} {'bytes':>9} {'keys MB':>8} {'logit error':>11} {'agreement':>9}")
    row = "{:10} {:9.1f} {:9.0f} {:8.1f} {:11.1e} {:9.2%}"
    print(row.format("veilbench", float(summary["online_wall_ns"]) / 1e6, float(summary["online_bytes"]), float(summary["setup_bytes"]) / 1e6, float(summary["max_logit_error"]), float(summary["agreement"])))
    print(row.format("TenSEAL", 1e3 * float(np.median(times)), sent, keys / 1e6, error, agree))


if __name__ == "__main__":
    main()
