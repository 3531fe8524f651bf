#!/usr/bin/env python3
"""CrypTen 0.4.1, SPU 0.9.5 (SEMI2K) and this crate on the same networks, one after the other: ours, CrypTen, ours, SPU, and of
ours the slower counts.

    python3.10 -m venv /tmp/peers/crypten && /tmp/peers/crypten/bin/pip install torch==2.2.2 'numpy<2' onnx==1.15.0 \
        omegaconf pyyaml scipy scikit-learn pandas tensorboard future torchvision==0.17.2
    /tmp/peers/crypten/bin/pip install --no-deps crypten==0.4.1
    python3.10 -m venv /tmp/peers/spu && /tmp/peers/spu/bin/pip install spu==0.9.5 'numpy<2'
    cargo build --release
    python3 backends/mpc/core/benches/peers/compare.py --crypten /tmp/peers/crypten/bin/python --spu /tmp/peers/spu/bin/python

All three run two computing parties over loopback with weights and images secret, one thread a party (SPU: as many as it
takes). Times are medians of warm batches: of our online phase, of the peers' whole inference. The peers make their triples in
that time, by generators expanded where they are used, and have no dealer; what our dealer takes is in the column `offline`.
All of it takes about ten minutes, most of them `malaria-cnn` in batches of 100.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

# Warm batches of each size; of the largest, which take the peers minutes, one.
RUNS = {("malaria-cnn", 100): 1}
TIMEOUT_SECONDS = 3600

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[3]


def ours(executable, backend, network, batch, runs):
    """Seconds of the online and of the offline phase."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            executable, "run", "-b", backend, "-n", network, "-d", network.split("-")[0] + ".*", "--batch", str(batch),
            "--images", str(batch * (runs + 1)), "--batches", str(runs + 1), "--repetitions", "1", "--out", folder,
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_SECONDS)
        with open(f"{folder}/summary.csv", newline="") as file:
            row = next(row for row in csv.DictReader(file) if int(row["batch"]) == batch)
        return int(row["online_wall_ns"]) / 1e9, int(row["offline_wall_ns"]) / 1e9


def peer(python, script, network, batch, runs, weights):
    """Median seconds, and the largest error of a logit."""
    command = [python, str(HERE / script), network, str(batch), str(runs), weights]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_SECONDS, env=environment)
    answer = json.loads(done.stdout.decode().splitlines()[-1])
    return statistics.median(answer["seconds"]), answer["error"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", default=str(ROOT / "target/release/veilbench"))
    parser.add_argument("--crypten", required=True, help="python with CrypTen 0.4.1")
    parser.add_argument("--spu", required=True, help="python with SPU 0.9.5")
    parser.add_argument("--backend", default="^mpc$")
    parser.add_argument("--networks", nargs="*", default=["mnist-mlp", "mnist-cnn", "malaria-cnn"])
    parser.add_argument("--batches", nargs="*", type=int, default=[1, 100])
    arguments = parser.parse_args()
    print(f"{'network':12} {'batch':>5} {'ours ms':>9} {'offline':>9} {'CrypTen':>9} {'SPU':>9} {'ratio to the faster':>20}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for network in arguments.networks:
            weights = f"{folder}/{network}.npz"
            export = f"import networks; networks.export({str(ROOT / 'networks/zoo')!r}, {network!r}, {weights!r})"
            subprocess.run([arguments.crypten, "-c", export], check=True, cwd=HERE)
            for batch in arguments.batches:
                runs = RUNS.get((network, batch), 10 if batch == 1 else 2)
                first = ours(arguments.ours, arguments.backend, network, batch, runs)
                crypten = peer(arguments.crypten, "crypten_inference.py", network, batch, runs, weights)
                second = ours(arguments.ours, arguments.backend, network, batch, runs)
                spu = peer(arguments.spu, "spu_inference.py", network, batch, runs, weights)
                online, offline = max(first[0], second[0]), max(first[1], second[1])
                ratio = min(crypten[0], spu[0]) / online
                times = " ".join(f"{1e3 * value:9.2f}" for value in (online, offline, crypten[0], spu[0]))
                errors = f"(errors {crypten[1]:.0e} {spu[1]:.0e})"
                print(f"{network:12} {batch:5} {times} {ratio:19.1f}x  {errors}", flush=True)


if __name__ == "__main__":
    main()
