#!/usr/bin/env python3
"""Encrypted inference of mnist-mlp-poly here and elsewhere: same network, same weights, same images, same minute.

    F=/tmp/veilbench-peers
    python3.11 -m venv $F/inference && $F/inference/bin/pip install tenseal==0.3.18 onnx numpy
    python3.11 -m venv $F/helayers && $F/helayers/bin/pip install pyhelayers==1.5.5.4 onnx numpy
    python3.10 -m venv $F/orion && $F/orion/bin/pip install orion-fhe==1.0.2 torch==2.3.1 torchvision==0.18.1 'numpy<2'
    cargo build --release -p veilbench
    VEILBENCH_DATA=FOLDER $F/inference/bin/python backends/ckks/core/benches/peers/compare_inference.py 5

Each library has an interpreter of its own, since their requirements exclude each other; `VEILBENCH_PEERS` names another
folder than /tmp/veilbench-peers. One that is missing or fails is reported, and the others go on.

Peers get the network with its squares completed, so that they need no more levels than ours, and one thread. All are
held against the network in double precision and the security table. Ours is the time of `online`, two processes and a
socket included; a peer's is encryption, evaluation and decryption in one process.
"""

import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]
PEERS = {"TenSEAL": "inference", "HElayers": "helayers", "Orion": "orion"}
# Largest modulus, special primes included, for 128 bits with a ternary secret (eprint 2024/463).
MODULUS_BITS = {4096: 106, 8192: 214, 16384: 430, 32768: 868, 65536: 1747}
TOLERANCE, TIMEOUT = 1 / 256, 600


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
    layers, factor, offset = {}, 1.0, 0.0
    for index, layer in enumerate(("1", "2", "3")):
        matrix, bias = w[f"fc{layer}.weight"], w[f"fc{layer}.bias"]
        bias = bias + matrix @ (offset * np.ones(matrix.shape[1]))
        matrix = matrix * factor
        if layer != "3":
            a, b, c = (w[f"act{layer}.c{power}"] for power in "210")
            bias = bias + b / (2 * a)
            factor, offset = a, c - b * b / (4 * a)
        layers |= {f"weight{index}": matrix, f"bias{index}": bias}
    return layers


def measured(folder, name, *arguments, layout):
    command = ["run", "-b", "ckks", "-n", "mnist-mlp-poly", "--set", f"ckks.layout={layout}", "--repetitions", "1", *arguments]
    subprocess.run(
        [ROOT / "target/release/veilbench", *command, "--out", f"{folder}/{name}"],
        check=True,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    with open(f"{folder}/{name}/summary.csv") as file:
        summary = next(csv.DictReader(file))
    with open(f"{folder}/{name}/answers.csv") as file:
        return summary, [int(row["image"]) for row in csv.DictReader(file)]


def ours(folder, count):
    amounts = ["--images", str(count), "--batches", str(count)]
    one, indices = measured(folder, "one", "--batch", "1", *amounts, layout="latency")
    full, _ = measured(folder, "full", "--batch", "4096", "--images", "8192", "--batches", "2", layout="throughput")
    row = {
        "name": "veilbench",
        "ms": float(one["online_wall_ns"]) / 1e6,
        "images_per_hour": 3600 * float(full["images_per_second"]),
        "sent_bytes": float(one["online_bytes"]),
        "key_bytes": float(one["setup_bytes"]),
        "peak_rss_bytes": float(one["peak_rss_bytes"]),
        "error": float(one["max_logit_error"]),
        "agreement": float(one["agreement"]),
        "wrong": [],
        "note": "throughput in batches of 4096",
    }
    return row, indices


def peer(name, network, expected):
    folder = Path(os.environ.get("VEILBENCH_PEERS", "/tmp/veilbench-peers")) / PEERS[name]
    interpreter, script = folder / "bin/python", HERE / f"inference/{name.lower()}_inference.py"
    if not interpreter.exists():
        return None, f"{name}: not installed in {folder}"
    single = os.environ | {name: "1" for name in ("OMP_NUM_THREADS", "GOMAXPROCS")}
    try:
        done = subprocess.run([interpreter, script, network], capture_output=True, text=True, env=single, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return None, f"{name}: no result within {TIMEOUT} s"
    results = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if not results:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return None, f"{name}: failed with exit code {done.returncode}: {last}"
    result = json.loads(results[-1].removeprefix("RESULT "))
    logits = np.array(result["logits"])
    if logits.shape != expected.shape:
        return None, f"{name}: logits of shape {logits.shape} where {expected.shape} were expected"
    error = np.abs(logits - expected).max()
    agreement = (logits.argmax(axis=1) == expected.argmax(axis=1)).mean()
    wrong = []
    allowed = MODULUS_BITS.get(result["degree"], 0)
    if result["modulus_bits"] > allowed:
        wrong.append(f"a modulus of {result['modulus_bits']} bits, where N = {result['degree']} allows {allowed}")
    if not error <= TOLERANCE:
        wrong.append(f"logits off by {error:.1e}, more than {TOLERANCE:.1e}")
    if agreement < 1:
        wrong.append(f"{1 - agreement:.0%} of the predictions differ from the clear network's")
    row = result | {
        "name": name,
        "ms": 1e3 * float(np.median(result["seconds"])),
        "images_per_hour": 3600 * result["images_per_second"],
        "error": error,
        "agreement": agreement,
        "wrong": wrong,
    }
    return row, None


def shown(value, scale, digits):
    return "-" if value is None else f"{value / scale:.{digits}f}"


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    w = weights()
    with tempfile.TemporaryDirectory() as folder:
        row, indices = ours(folder, count)
        with gzip.open(Path(os.environ["VEILBENCH_DATA"]) / "mnist/t10k-images-idx3-ubyte.gz") as file:
            pixels = np.frombuffer(file.read(), dtype=np.uint8, offset=16).reshape(-1, 784)
        images = (pixels[indices] / 255.0 - 0.1307) / 0.3081
        expected = np.array([clear(w, image) for image in images])
        np.savez(f"{folder}/network.npz", images=images, **folded(w))
        rows, missing = [row], []
        for name in PEERS:
            row, reason = peer(name, f"{folder}/network.npz", expected)
            rows, missing = rows + [row] * (row is not None), missing + [reason] * (reason is not None)
    line = "{:10} {:>9} {:>12} {:>9} {:>8} {:>9} {:>11} {:>9}"
    print(line.format("", "ms/image", "images/hour", "kB", "keys MB", "RSS MB", "logit error", "agreement"))
    for row in rows:
        cells = [shown(row["ms"], 1, 1), shown(row["images_per_hour"], 1, 0), shown(row["sent_bytes"], 1e3, 0)]
        cells += [shown(row["key_bytes"], 1e6, 1), shown(row["peak_rss_bytes"], 1e6, 0)]
        print(line.format(row["name"], *cells, f"{row['error']:.1e}", f"{row['agreement']:.0%}"))
    for row in rows:
        for text in row["wrong"] + [row["note"]] * bool(row["note"]):
            print(f"{row['name']}: {text}")
    for reason in missing:
        print(reason)


if __name__ == "__main__":
    main()
